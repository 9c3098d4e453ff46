#!/usr/bin/python3
"""test_auth.py - logins relayed to backends: real clients, a backend that may fail, and Postfix with Cyrus SASL."""
import base64
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "deploy")]

import dovecot_instance  # noqa: E402
import postfix_instance  # noqa: E402
from certificates import NAME, Authority  # noqa: E402
from lab import LAB, Lab  # noqa: E402
from namespace import in_namespace  # noqa: E402
from tap import Skip, Tap, equal, need_root  # noqa: E402

GATEWAY = "10.25.0.2"
LABNAME = f"{LAB}-auth"
CLIENT = in_namespace(f"{LABNAME}-client")
MAIL = "Message-ID: <%s@client.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: a@client.example\r\nSubject: A note\r\n\r\nText\r\n"
PLAIN_RIGHT = base64.b64encode(b"\0alice\0secret").decode()


def context(root):
    return ssl.create_default_context(cafile=root)


def opened(root, port=587):
    smtp = smtplib.SMTP(GATEWAY, port, "client.example", timeout=20)
    smtp._host = NAME
    smtp.starttls(context=context(root))
    smtp.ehlo()
    return smtp


@CLIENT
def login(root, mechanism, user, password, senders=(), port=587, options=()):
    """What AUTH was answered, and each mail after it."""
    answers = []
    with opened(root, port) as smtp:
        smtp.user, smtp.password = user, password
        method = getattr(smtp, "auth_" + mechanism.lower().replace("-", "_"))
        try:
            answers.append(smtp.auth(mechanism, method, initial_response_ok=mechanism == "PLAIN")[0])
        except smtplib.SMTPAuthenticationError as error:
            answers.append(error.smtp_code)
        for sender in senders:
            try:
                smtp.sendmail(sender, ["bob@backend.example"], (MAIL % sender).encode(), mail_options=options)
                answers.append(250)
            except smtplib.SMTPResponseException as error:
                answers.append(error.smtp_code)
    return answers


@CLIENT
def bearer(root, user, token, sender):
    """XOAUTH2; the answer to it, or to the mail after it. Who is refused answers the challenge that says why."""
    with opened(root) as smtp:
        try:
            smtp.auth("XOAUTH2", lambda challenge=None: "" if challenge else f"user={user}\1auth=Bearer {token}\1\1")
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code
        smtp.sendmail(sender, ["bob@backend.example"], (MAIL % sender).encode())
        return 250


class Raw:
    """Lines inside TLS, sent as they are."""

    def __init__(self, root, port=587, tls=True):
        self.conn = socket.create_connection((GATEWAY, port), 20)
        self.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.conn.makefile("rb")
        self.reply()
        if tls:
            self.say("EHLO c")
            self.say("STARTTLS")
            self.conn = context(root).wrap_socket(self.conn, server_hostname=NAME)
            self.file = self.conn.makefile("rb")

    def reply(self):
        lines = []
        while line := self.file.readline():
            lines.append(line.decode("latin-1"))
            if line[3:4] != b"-":
                break
        return "".join(lines).strip() or "closed"

    def say(self, text):
        self.conn.sendall(text.encode("latin-1") + b"\r\n")
        return self.reply()


@CLIENT
def talk(root, steps, port=587, tls=True, wait=0):
    raw = Raw(root, port, tls)
    answers = []
    for step in steps:
        try:
            answers.append(raw.say(step))
        except OSError:
            answers.append("closed")
    if wait:
        raw.conn.settimeout(wait)
        answers.append(raw.reply())
    return answers


@CLIENT
def two_at_once(root):
    """Two sessions that are logged in as two people, their mails in turns."""
    sessions = []
    for user in ("alice", "bob"):
        smtp = opened(root)
        smtp.login(user, "secret")
        sessions.append((user, smtp))
    for n in range(3):
        for user, smtp in sessions:
            smtp.sendmail(f"{user}{n}@client.example", ["x@backend.example"], (MAIL % f"{user}{n}").encode())
    for _, smtp in sessions:
        smtp.quit()
    return True


class Auth:
    def __init__(self, build):
        self.lab = Lab(build, LABNAME)

    def up(self):
        lab = self.lab.open()
        folder = f"{lab.folder}/tls"
        os.makedirs(folder)
        self.authority = Authority(folder)
        self.mx = self.authority.issue("mx")
        self.server = self.authority.issue("server", ("backend.example",))
        self.root = self.authority.root
        self.log = None
        self.backend()
        self.configure()
        lab.start_dataplane()
        lab.start_management()
        lab.wait_for(lambda: lab.ctl_json("status") is not None, 30, "postern-mgmtd", "answered")

    def configure(self, backend="", limits="", sections="", backend_auth="also", backends=None, auth=""):
        self.lab.write_config(
            rules=(), limits=f"backend_connect_timeout_ms = 2s; backend_idle_timeout_ms = 20s; drain_timeout_ms = 1s; {limits}",
            backend_more=backend or f'auth = {backend_auth}; tls = verify; tls_name = "backend.example"; tls_ca_file = "{self.root}";',
            backends=backends,
            listeners="smtp { port = 25; tls = starttls; } submission { port = 587; auth = required; } "
                      "open { port = 588; auth = optional; auth_tls = optional; }",
            sections=f'certificates {{ mx {{ chain = "{self.mx[0]}"; key = "{self.mx[1]}"; }} }}\n'
                     f"auth {{ auth_user_in_events = true; {auth} }}\n{sections}")

    def backend(self, *options, tls=True):
        self.lab.stop("backend")
        self.log = f"{self.lab.folder}/backend-{time.monotonic_ns()}.jsonl"
        pair = (f"tls={','.join(self.server)}",) if tls else ()
        self.lab.start("backend", "backend", sys.executable, f"{HERE}/auth_backend.py", "25", self.log, *pair, *options)
        self.lab.wait_port("backend", "10.26.0.1", 25)

    def restart(self, offers=True, **more):
        self.configure(**more)
        self.lab.restart_dataplane()
        if offers:
            self.offered()

    def offered(self):
        """The gateway knows what the backend offers."""
        end = time.monotonic() + 10
        while "AUTH" not in talk(self.root, ["EHLO c"])[0]:
            assert time.monotonic() < end, "AUTH is not offered"
            time.sleep(0.1)

    def mails(self):
        return [entry for entry in self.lab.entries(self.log) if "mail" in entry]

    def mail_of(self, sender):
        found = [entry for entry in self.mails() if f"<{sender}>" in entry["mail"]]
        equal(len(found), 1, f"mails of {sender}")
        return found[0]

    # -- logins ------------------------------------------------------------------------------------
    def what_is_offered(self):
        self.offered()
        raw = talk(self.root, ["EHLO c", "AUTH GSSAPI", "AUTH EXTERNAL =", "MAIL FROM:<a@b.example>", "QUIT"])
        assert "250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2" in raw[0], raw
        equal([reply[:9] for reply in raw[1:]], ["504 5.5.4", "504 5.5.4", "530 5.7.0", "221 2.0.0"])
        raw = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", "QUIT"], tls=False)
        assert "AUTH" not in raw[0] and raw[1].startswith("538 5.7.11"), raw
        raw = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", "QUIT"], port=25)
        assert "AUTH" not in raw[0] and raw[1].startswith("502"), raw

    def mechanisms_of_smtplib(self):
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            sender = f"{mechanism.lower()}@client.example"
            equal(login(self.root, mechanism, "alice", "secret", [sender]), [235, 250], mechanism)
            mail = self.mail_of(sender)
            equal((mail["user"], mail["tls"]), ("alice", True))
            assert "with ESMTPSA (TLSv1.3 " in mail["body"], mail
            assert f"Authentication-Results: gateway.example;\r\n\tauth=pass ({mechanism});\r\n\tx-tls=pass " in mail["body"], mail
            event = self.lab.event(sender)
            equal((event["auth_mechanism"], event["auth_user"]), (mechanism, "alice"))

    def swaks(self):
        if not shutil.which("swaks"):
            raise Skip("swaks is not installed")
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            sender = f"swaks-{mechanism.lower()}@client.example"
            for password, status in (("secret", 0), ("wrong", 28)):
                done = subprocess.run(self.lab.inside(
                    "client", "swaks", "--server", GATEWAY, "--port", "587", "--tls", "--to", "bob@backend.example", "--from", sender,
                    "--auth", mechanism, "--auth-user", "alice", "--auth-password", password), capture_output=True, text=True, timeout=60)
                equal(done.returncode, status, done.stdout + done.stderr)
            equal(self.mail_of(sender)["user"], "alice")

    def wrong_passwords_end_the_session(self):
        equal(login(self.root, "PLAIN", "alice", "wrong", ["w@client.example"])[0], 535)
        wrong = "AUTH PLAIN " + base64.b64encode(b"\0alice\0wrong").decode()
        raw = talk(self.root, ["EHLO c", wrong, wrong, wrong, "NOOP"])
        equal([reply[:3] for reply in raw[1:4]], ["535", "535", "535"])
        assert raw[4].startswith(("421 4.7.0", "closed")), raw
        equal([mail for mail in self.mails() if "<w@" in mail["mail"]], [])

    def orders(self):
        raw = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", f"AUTH PLAIN {PLAIN_RIGHT}", "MAIL FROM:<a@b.example>",
                               f"AUTH PLAIN {PLAIN_RIGHT}", "RSET", "EHLO again", f"AUTH PLAIN {PLAIN_RIGHT}", "STARTTLS", "QUIT"])
        equal([reply[:3] for reply in raw], ["250", "235", "503", "250", "503", "250", "250", "503", "503", "221"])
        raw = talk(self.root, ["EHLO c", "MAIL FROM:<a@b.example>", f"AUTH PLAIN {PLAIN_RIGHT}", "QUIT"], port=588)
        equal([reply[:3] for reply in raw], ["250", "250", "503", "221"])

    def cancelled_and_malformed(self):
        raw = talk(self.root, ["EHLO c", "AUTH LOGIN", "*", "AUTH LOGIN", "no base64", "NOOP", "AUTH LOGIN", "YWxpY2U=", "c2VjcmV0", "QUIT"])
        equal([reply[:3] for reply in raw], ["250", "334", "501", "334", "501", "250", "334", "334", "235", "221"])

    def long_lines(self):
        answer = base64.b64encode(b"alice" + b"y" * 9000).decode()
        raw = talk(self.root, ["EHLO c", "AUTH XOAUTH2", answer, "QUIT"])
        equal([reply[:3] for reply in raw], ["250", "334", "235", "221"])
        equal(base64.b64decode(raw[1][4:]), b"x" * 9000, "the challenge")
        raw = talk(self.root, ["EHLO c", "AUTH XOAUTH2", "A" * 12400, "QUIT"])
        equal([reply[:9] for reply in raw[2:]], ["500 5.5.6", "221 2.0.0"])

    def auth_is_the_last_of_its_group(self):
        before = self.lab.counters()["smtp"]
        for steps in (["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}\r\nMAIL FROM:<pipelined@client.example>", "NOOP"],
                      ["EHLO c", "AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0", "NOOP"]):
            raw = talk(self.root, steps)
            assert raw[1].startswith("554 5.5.1") and raw[2] == "closed", raw
        after = self.lab.counters()["smtp"]
        equal(after["auth_pipelined"] - before["auth_pipelined"], 2)
        equal(after["verb_mail"], before["verb_mail"])

    def connections_are_not_mixed(self):
        equal(two_at_once(self.root), True)
        used = {}
        for user in ("alice", "bob"):
            mails = [self.mail_of(f"{user}{n}@client.example") for n in range(3)]
            equal({mail["user"] for mail in mails}, {user})
            used[user] = {mail["connection"] for mail in mails}
            equal(len(used[user]), 1, "one connection for all mails of a login")
        assert used["alice"] != used["bob"], used
        # Mail of nobody after that: not on any connection that a login was tried on.
        sent = talk(self.root, ["EHLO c", "MAIL FROM:<anon@client.example>", "RCPT TO:<bob@backend.example>", "DATA", "x\r\n.", "QUIT"], port=25)
        equal(sent[4][:3], "250", sent)
        tried = {entry["connection"] for entry in self.lab.entries(self.log) if "login" in entry}
        mail = self.mail_of("anon@client.example")
        equal(mail["user"], None)
        assert mail["connection"] not in tried, mail
        assert "with ESMTPS (" in mail["body"], mail

    def optional_and_in_the_clear(self):
        sent = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", "MAIL FROM:<esmtpa@client.example> AUTH=e+3Dmc2@client.example",
                                "RCPT TO:<bob@backend.example>", "DATA", "x\r\n.", "QUIT"], port=588, tls=False)
        equal([reply[:3] for reply in sent], ["250", "235", "250", "250", "354", "250", "221"])
        mail = self.mail_of("esmtpa@client.example")
        assert "with ESMTPA id" in mail["body"] and mail["mail"].endswith("AUTH=e+3Dmc2@client.example"), mail
        sent = talk(self.root, ["EHLO c", "MAIL FROM:<nologin@client.example> AUTH=e+3Dmc2@client.example",
                                "RCPT TO:<bob@backend.example>", "DATA", "x\r\n.", "QUIT"], port=588)
        equal(sent[4][:3], "250", sent)
        assert "AUTH=" not in self.mail_of("nologin@client.example")["mail"]

    # -- backends that fail ------------------------------------------------------------------------
    def a_backend_lost_in_the_middle(self):
        before = self.lab.counters()["gateway"]["logins_backend_lost"]
        equal(login(self.root, "LOGIN", "lost", "secret"), [454])
        equal(login(self.root, "PLAIN", "late", "secret"), [454])
        equal(login(self.root, "PLAIN", "closing", "secret"), [454])
        assert self.lab.counters()["gateway"]["logins_backend_lost"] > before
        equal(login(self.root, "PLAIN", "alice", "secret"), [235])

    def a_login_does_not_survive_its_connection(self):
        raw = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", "MAIL FROM:<a@client.example>", "RCPT TO:<lost@backend.example>",
                               "RSET", "MAIL FROM:<a@client.example>", "NOOP"])
        equal([reply[:3] for reply in raw], ["250", "235", "250", "451", "250", "421", "clo"])

    def no_backend_at_all(self):
        self.lab.stop("backend")
        time.sleep(0.3)
        raw = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", "QUIT"])
        equal([reply[:9] for reply in raw[1:]], ["454 4.7.0", "221 2.0.0"])
        self.backend()

    def failures_of_one_source_are_bounded(self):
        self.restart(auth="auth_failures_per_source_max = 4; auth_failures_max = 2;")
        for _ in range(4):
            equal(login(self.root, "PLAIN", "alice", "wrong"), [535])
        asked = len(self.lab.entries(self.log))
        equal(login(self.root, "PLAIN", "alice", "secret"), [454])
        equal(len(self.lab.entries(self.log)), asked, "the backend is not asked")

    def logins_at_once_are_bounded(self):
        self.restart(auth="auth_sessions_max = 1;")
        with_one = [f"AUTH PLAIN {PLAIN_RIGHT}"]
        first = self.hold()
        equal(talk(self.root, ["EHLO c", *with_one])[1][:9], "454 4.7.0")
        first.stdin.close()
        equal(first.wait(10), 0)
        time.sleep(0.3)
        equal(talk(self.root, ["EHLO c", *with_one])[1][:3], "235")

    def hold(self):
        """A client that has logged in and stays until its input ends."""
        program = (f"import sys; sys.path[:0]=['{HERE}', '{HERE}/../../deploy']\nimport test_auth\n"
                   f"s = test_auth.opened('{self.root}')\ns.login('alice', 'secret')\nprint('in', flush=True)\nsys.stdin.read()\ns.quit()\n")
        process = subprocess.Popen(self.lab.inside("client", sys.executable, "-c", program), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        equal(process.stdout.readline(), "in\n")
        return process

    def a_backend_without_auth(self):
        self.backend("mechanisms=")
        self.restart(offers=False)
        time.sleep(1)
        raw = talk(self.root, ["EHLO c", f"AUTH PLAIN {PLAIN_RIGHT}", "MAIL FROM:<a@b.example>", "QUIT"])
        assert "AUTH" not in raw[0] and "PIPELINING" in raw[0], raw
        equal([reply[:9] for reply in raw[1:]], ["454 4.7.0", "530 5.7.0", "221 2.0.0"])

    def a_backend_that_comes_later(self):
        self.lab.stop("backend")
        self.restart(offers=False)
        time.sleep(0.5)
        assert "AUTH" not in talk(self.root, ["EHLO c"])[0]
        self.backend()
        self.offered()
        equal(login(self.root, "PLAIN", "alice", "secret"), [235])

    def a_client_that_does_not_answer(self):
        self.restart(auth="auth_timeout_ms = 1s;")
        raw = talk(self.root, ["EHLO c", "AUTH LOGIN"], wait=4)
        assert raw[1].startswith("334") and raw[2].startswith("421 4.4.2"), raw

    def secrets_are_nowhere(self):
        found = []
        for name in ("postern.log", "postern-mgmtd.log", "events.jsonl"):
            with open(f"{self.lab.folder}/{name}", errors="replace") as file:
                text = file.read()
            found += [name for secret in ("secret", "c2VjcmV0", PLAIN_RIGHT) if secret in text]
        equal(found, [])

    # -- other people's programs -------------------------------------------------------------------
    def postfix_with_sasl(self):
        if not postfix_instance.available() or not os.path.exists("/etc/sasldb2"):
            raise Skip("postfix or sasl2-bin is not installed")
        self.lab.stop("backend")
        folder = f"{self.lab.folder}/postfix"
        sasl = f"{self.lab.folder}/sasl"
        os.makedirs(sasl)
        subprocess.run(("saslpasswd2", "-p", "-c", "-f", f"{sasl}/db", "-u", "backend.example", "alice"), input="secret",
                       text=True, check=True, capture_output=True)
        shutil.chown(f"{sasl}/db", "postfix")
        postfix_instance.make(folder, myhostname="backend.example", mynetworks="127.0.0.0/8", smtpd_tls_security_level="encrypt",
                              smtpd_tls_cert_file=self.server[0], smtpd_tls_key_file=self.server[1], smtpd_tls_auth_only="yes",
                              smtpd_sasl_auth_enable="yes", smtpd_sasl_path="smtpd",
                              smtpd_sasl_local_domain="backend.example", smtpd_sasl_authenticated_header="yes",
                              smtpd_relay_restrictions="permit_sasl_authenticated, reject")
        # Where Cyrus SASL looks for its passwords, in a mount namespace of its own.
        self.lab.start("postfix", "backend", "unshare", "--mount", "sh", "-c", f'mount --bind {sasl}/db /etc/sasldb2 && exec "$@"',
                       "sh", *postfix_instance.command(folder))
        self.lab.wait_port("backend", "10.26.0.1", 25)
        self.restart()
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            equal(login(self.root, mechanism, "alice", "secret", ["p1@client.example", "p2@client.example"]), [235, 250, 250], mechanism)
            equal(login(self.root, mechanism, "alice", "wrong"), [535], mechanism)
        with open(f"{folder}/log") as file:
            log = file.read()
        self.lab.stop("postfix")
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            assert f"sasl_method={mechanism}, sasl_username=alice" in log, log[-3000:]

    def postfix_with_dovecot(self):
        """SCRAM and bearer tokens end to end: Dovecot checks them for the Postfix behind the gateway, gsasl and curl log in before it."""
        for program in ("dovecot", "gsasl", "curl"):
            if not shutil.which(program):
                raise Skip(f"{program} is not installed")
        if not postfix_instance.available():
            raise Skip("postfix is not installed")
        self.lab.stop("backend")
        folder = f"{self.lab.folder}/dovecot-postfix"
        postfix_instance.make(folder, myhostname="backend.example", mynetworks="127.0.0.0/8", smtpd_tls_security_level="encrypt",
                              smtpd_tls_cert_file=self.server[0], smtpd_tls_key_file=self.server[1], smtpd_tls_auth_only="yes",
                              smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path="private/auth",
                              smtpd_relay_restrictions="permit_sasl_authenticated, reject")
        key = os.urandom(32)
        dovecot = dovecot_instance.make(f"{self.lab.folder}/dovecot", f"{folder}/queue/private/auth", {"alice": "secret"}, key)
        self.lab.start("dovecot", "backend", *dovecot)
        self.lab.wait_for(lambda: os.path.exists(f"{folder}/queue/private/auth"), 10, "dovecot", "opened its socket")
        self.lab.start("postfix", "backend", *postfix_instance.command(folder))
        self.lab.wait_port("backend", "10.26.0.1", 25)
        self.restart()
        offered = talk(self.root, ["EHLO c", "QUIT"])[0]
        assert "SCRAM-SHA-1 SCRAM-SHA-256 OAUTHBEARER XOAUTH2" in offered, offered
        try:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN"):
                self.gsasl(mechanism, "secret", True)
                self.gsasl(mechanism, "wrong", False)
            right, wrong = (dovecot_instance.token("alice", its) for its in (key, os.urandom(32)))
            self.curl("OAUTHBEARER", right, 0)
            self.curl("OAUTHBEARER", wrong, 67)
            equal(bearer(self.root, "alice", right, "xoauth2@client.example"), 250)
            equal(bearer(self.root, "alice", wrong, "xoauth2@client.example"), 535)
        finally:
            with open(f"{folder}/log") as file:
                log = file.read()
            self.lab.stop("postfix")
            self.lab.stop("dovecot")
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            assert re.search(f"from=<{mechanism.lower()}@client.example>.*", log), log[-3000:]
            assert f"sasl_method={mechanism}, sasl_username=alice" in log, log[-3000:]
            event = self.lab.event(f"{mechanism.lower()}@client.example")
            equal(event["auth_mechanism"], mechanism)

    def gsasl(self, mechanism, password, works):
        hosts = f"{self.lab.folder}/hosts"  # it compares the certificate with the name it connects to
        with open(hosts, "w") as file:
            file.write(f"{GATEWAY} {NAME}\n")
        done = subprocess.run(self.lab.inside(
            "client", "unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh",
            "timeout", "30", "gsasl", "--smtp", "--starttls", "--connect", f"{NAME}:587", "--x509-ca-file", self.root,
            "--mechanism", mechanism, "--authentication-id", "alice", "--authorization-id", "" if mechanism == "PLAIN" else "alice",
            "--password", password, "--no-cb"), input="QUIT\n", capture_output=True, text=True, errors="replace")
        heard = done.stdout + done.stderr
        equal("235 " in heard, works, f"{mechanism}: {heard}")
        assert works or re.search(r"^535 5\.7\.8", heard, re.M), f"{mechanism}: {heard}"

    def curl(self, mechanism, token, status):
        mail = f"{self.lab.folder}/curl.eml"
        with open(mail, "w") as file:
            file.write(MAIL % mechanism)
        done = subprocess.run(self.lab.inside(
            "client", "curl", "--silent", "--show-error", "--max-time", "30", "--ssl-reqd", "--cacert", self.root,
            "--resolve", f"{NAME}:587:{GATEWAY}", "--user", "alice:", "--oauth2-bearer", token, "--login-options", f"AUTH={mechanism}",
            "--mail-from", f"{mechanism.lower()}@client.example", "--mail-rcpt", "bob@backend.example", "--upload-file", mail,
            f"smtp://{NAME}:587/client.example"), capture_output=True, text=True)
        equal(done.returncode, status, f"{mechanism}: {done.stdout} {done.stderr}")


CASES = ("what_is_offered", "mechanisms_of_smtplib", "swaks", "wrong_passwords_end_the_session", "orders", "cancelled_and_malformed",
         "long_lines", "auth_is_the_last_of_its_group", "connections_are_not_mixed", "optional_and_in_the_clear",
         "a_backend_lost_in_the_middle", "a_login_does_not_survive_its_connection", "no_backend_at_all",
         "failures_of_one_source_are_bounded", "logins_at_once_are_bounded", "a_backend_without_auth", "a_backend_that_comes_later",
         "a_client_that_does_not_answer", "secrets_are_nowhere",
         "postfix_with_sasl", "postfix_with_dovecot")


def main():
    need_root()
    auth = Auth(sys.argv[1])
    tap = Tap()
    try:
        auth.up()
        for name in sys.argv[2:] or CASES:
            tap.case(name.replace("_", " "), getattr(auth, name))
        tap.case("the gateway is still there", lambda: equal(auth.lab.processes["postern"].poll(), None))
    finally:
        auth.lab.close()
    tap.done()


if __name__ == "__main__":
    main()
