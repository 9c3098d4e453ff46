#!/usr/bin/python3
"""test_tls.py - TLS on both legs of the running gateway: real clients, honest and cheating peers, certificates renewed."""
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "deploy")]

import postfix_instance  # noqa: E402
from certificates import NAME, Authority, fingerprint  # noqa: E402
from lab import LAB, Lab, run  # noqa: E402
from ledger import split_trace  # noqa: E402
from namespace import in_namespace  # noqa: E402
from tap import Skip, Tap, equal, need_root  # noqa: E402

GATEWAY = "10.25.0.2"
LABNAME = f"{LAB}-tls"
CLIENT = in_namespace(f"{LABNAME}-client")
MUTUAL = (' mutual { port = 466; tls = implicit; client_certificates = required; }'
          ' asked { port = 467; tls = implicit; client_certificates = optional; }'
          ' mailing { port = 2527; tls = starttls; client_certificates = for_mail; }')
MAIL = ("Message-ID: <%s@client.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Alice <a@client.example>\r\n"
        "To: Bob <bob@backend.example>\r\nSubject: A note\r\n\r\n%s\r\n")


def context(root, version=None, ciphers=None):
    its = ssl.create_default_context(cafile=root)
    its.check_hostname = True
    if version:
        its.minimum_version = its.maximum_version = version
    if ciphers:
        its.set_ciphers(ciphers)
    return its


@CLIENT
def send(root, sender, text, port=25, version=None, ciphers=None, starttls=True, rcpt="bob@backend.example"):
    """One mail by smtplib; what was agreed and what was answered."""
    its = context(root, version, ciphers) if starttls or port == 465 else None
    if port == 465:
        smtp = smtplib.SMTP_SSL(GATEWAY, port, "client.example", timeout=20, context=SniContext(its))
    else:
        smtp = smtplib.SMTP(GATEWAY, port, "client.example", timeout=20)
    with smtp:
        agreed = None
        if starttls and port != 465:
            smtp.ehlo()
            assert smtp.has_extn("starttls"), smtp.esmtp_features
            smtp._host = NAME
            smtp.starttls(context=its)
            smtp.ehlo()
            assert not smtp.has_extn("starttls"), smtp.esmtp_features
        if isinstance(smtp.sock, ssl.SSLSocket):
            agreed = [smtp.sock.version(), smtp.sock.cipher()[0]]
        try:
            smtp.sendmail(sender, [rcpt], text.encode("latin-1"))
            return agreed, 250
        except smtplib.SMTPDataError as error:
            return agreed, error.smtp_code
        except smtplib.SMTPSenderRefused as error:
            return agreed, error.smtp_code
        except smtplib.SMTPRecipientsRefused as error:
            return agreed, list(error.recipients.values())[0][0]


class SniContext:
    """smtplib asks for the name it connects to; the gateway's is another than its address."""

    def __init__(self, its):
        self.its = its

    def wrap_socket(self, sock, server_hostname=None):
        return self.its.wrap_socket(sock, server_hostname=NAME)


def read_reply(file):
    lines = []
    while True:
        line = file.readline()
        if not line:
            return "".join(lines) + "closed"
        lines.append(line.decode("latin-1"))
        if line[3:4] != b"-":
            return "".join(lines).strip()


@CLIENT
def plain(steps, port=25, pause=0.0):
    """Raw SMTP in the clear; a step that is a list goes in several segments without waiting between them."""
    replies = []
    with socket.create_connection((GATEWAY, port), 10) as conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = conn.makefile("rb")
        replies.append(read_reply(file))
        for step in steps:
            try:
                for piece in step if isinstance(step, list) else [step]:
                    conn.sendall(piece.encode("latin-1"))
                    time.sleep(pause)
            except ConnectionError:
                pass  # the answer to the pieces before ended the connection; it is there to be read
            try:
                replies.append(read_reply(file))
            except ConnectionError:
                replies.append("reset")
        conn.settimeout(3)
        try:
            replies.append("more: " + read_reply(file))
        except OSError as error:
            replies.append(type(error).__name__)
    return replies


class Pieces:
    """TLS over a socket with every flight cut in pieces of N octets."""

    def __init__(self, conn, its, size):
        self.conn, self.size = conn, size
        self.read, self.write = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = its.wrap_bio(self.read, self.write, server_hostname=NAME)

    def flush(self):
        octets = self.write.read()
        for at in range(0, len(octets), self.size):
            self.conn.sendall(octets[at:at + self.size])
            time.sleep(0.0005)

    def do(self, function, *arguments):
        while True:
            try:
                answer = function(*arguments)
                self.flush()
                return answer
            except ssl.SSLWantReadError:
                self.flush()
                octets = self.conn.recv(65536)
                if not octets:
                    raise ConnectionError("closed")
                self.read.write(octets)

    def command(self, text):
        self.do(self.tls.write, text.encode())
        return self.do(self.tls.read, 4096).decode()


@CLIENT
def upgrade_in_pieces(root, size):
    with socket.create_connection((GATEWAY, 25), 20) as conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = conn.makefile("rb")
        read_reply(file)
        for command in (b"EHLO pieces.example\r\n", b"STARTTLS\r\n"):
            for at in range(0, len(command), size):
                conn.sendall(command[at:at + size])
                time.sleep(0.001)
            answer = read_reply(file)
        assert answer.startswith("220"), answer
        pieces = Pieces(conn, context(root), size)
        pieces.do(pieces.tls.do_handshake)
        return [pieces.command("EHLO inside.example\r\n")[:4], pieces.command("NOOP\r\n")[:4], pieces.command("QUIT\r\n")[:4]]


@CLIENT
def resumed(root, version):
    """Was the second of two connections resumed?"""
    its = context(root, version)
    session = None
    for _ in range(2):
        with socket.create_connection((GATEWAY, 465), 10) as conn, \
                its.wrap_socket(conn, server_hostname=NAME, session=session) as tls:
            file = tls.makefile("rb")
            banner = read_reply(file)
            assert banner.startswith("220"), banner
            tls.sendall(b"NOOP\r\n")
            read_reply(file)
            reused, session = tls.session_reused, tls.session
            tls.sendall(b"QUIT\r\n")
            read_reply(file)
    return reused


@CLIENT
def cut_off(root, whole):
    """A body, with its dot or without, and a FIN without close_notify."""
    with socket.create_connection((GATEWAY, 465), 10) as conn:
        its = context(root)
        pieces = Pieces(conn, its, 100000)
        pieces.do(pieces.tls.do_handshake)
        pieces.do(pieces.tls.read, 4096)
        sender = "whole" if whole else "torn"
        for step in ("EHLO c\r\n", f"MAIL FROM:<{sender}@client.example>\r\n", "RCPT TO:<bob@backend.example>\r\n", "DATA\r\n"):
            answer = pieces.command(step)
        assert answer.startswith("354"), answer
        pieces.do(pieces.tls.write, (MAIL % (sender, "text") + (".\r\n" if whole else "")).encode())
        conn.shutdown(socket.SHUT_WR)
        try:
            return pieces.do(pieces.tls.read, 4096).decode()[:3]
        except (OSError, ssl.SSLError):
            return "closed"


@CLIENT
def mutual(root, sender, port, version, pair):
    """A mail over implicit TLS, with a certificate of the client's or without. False: no session."""
    its = context(root, getattr(ssl.TLSVersion, version))
    if pair:
        its.load_cert_chain(*pair)
    try:
        with smtplib.SMTP_SSL(GATEWAY, port, "client.example", timeout=20, context=SniContext(its)) as smtp:
            smtp.sendmail(sender, ["bob@backend.example"], (MAIL % (sender, "x")).encode())
            return True
    except (OSError, smtplib.SMTPServerDisconnected):
        return False


@CLIENT
def with_certificate(root, sender, version, pair, port=2527):
    """MAIL behind STARTTLS, and NOOP behind it; a whole mail where that was answered 250."""
    its = context(root, getattr(ssl.TLSVersion, version))
    if pair:
        its.load_cert_chain(*pair)
    with smtplib.SMTP(GATEWAY, port, "client.example", timeout=20) as smtp:
        smtp._host = NAME
        smtp.starttls(context=its)
        smtp.ehlo()
        code, text = smtp.mail(sender)
        text = text.decode()
        equal(smtp.noop()[0], 250)
        smtp.rset()
        if code == 250:
            smtp.sendmail(sender, ["bob@backend.example"], (MAIL % (sender, "x")).encode())
        return code, text


@CLIENT
def hold_over_reload(root, flag):
    """A session that is open while certificates are replaced."""
    with smtplib.SMTP(GATEWAY, 25, "client.example", timeout=20) as smtp:
        smtp._host = NAME
        smtp.starttls(context=context(root))
        open(flag, "w").close()
        while os.path.exists(flag):
            time.sleep(0.02)
        smtp.sendmail("held@client.example", ["bob@backend.example"], (MAIL % ("held", "held")).encode())
        return True


@CLIENT
def flood(root, count):
    """One session inside TLS and one in the clear; then as many others ask for TLS at once. Their answers, and how long
    they took; whoever was refused goes on in the clear, and so do the two."""
    with smtplib.SMTP(GATEWAY, 25, "client.example", timeout=20) as inside, \
            smtplib.SMTP(GATEWAY, 25, "client.example", timeout=20) as outside:
        inside._host = NAME
        inside.starttls(context=context(root))
        outside.ehlo()
        others = []
        for _ in range(count):
            conn = socket.create_connection((GATEWAY, 25), 20)
            others.append((conn, conn.makefile("rb")))
        for conn, file in others:
            assert read_reply(file).startswith("220")
            conn.sendall(b"EHLO c\r\n")
        for conn, file in others:
            assert "STARTTLS" in read_reply(file)
        time.sleep(1.2)
        begun = time.monotonic()
        for conn, _ in others:
            conn.sendall(b"STARTTLS\r\n")
        answers = [read_reply(file) for _, file in others]
        took = time.monotonic() - begun
        for (conn, file), answer in zip(others, answers):
            if answer.startswith("454"):
                conn.sendall(b"NOOP\r\n")
                assert read_reply(file).startswith("250"), "a session that was refused TLS"
        for smtp, name in ((inside, "inside"), (outside, "outside")):
            equal(smtp.noop()[0], 250, name)
            smtp.sendmail(f"{name}@client.example", ["bob@backend.example"], (MAIL % (name, name)).encode())
        for conn, file in others:
            file.close()
            conn.close()
        return answers, took


def s_client(lab, *more, port=25, word="QUIT\n"):
    starttls = () if port == 465 else ("-starttls", "smtp")
    done = subprocess.run(lab.inside("client", "openssl", "s_client", "-connect", f"{GATEWAY}:{port}", *starttls, "-crlf",
                                     "-ign_eof", *more), input=word, capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr


class Tls:
    def __init__(self, build):
        self.lab = Lab(build, LABNAME)

    def up(self):
        lab = self.lab.open()
        self.folder = f"{lab.folder}/tls"
        os.makedirs(self.folder)
        self.authority = Authority(self.folder)
        self.ec = self.authority.issue("ec")
        self.rsa = self.authority.issue("rsa", kind="rsa")
        self.other = self.authority.issue("other", ("other.example",))
        self.backend = self.authority.issue("backend", ("backend.example",))
        self.configure()
        lab.start_sink()
        lab.start_dataplane()
        lab.start_management()
        lab.wait_for(lambda: lab.ctl_json("status") is not None, 30, "postern-mgmtd", "answered")

    def configure(self, backend_more="", tls="", certificates=None, listener="", port=25):
        certificates = certificates or {"ec": self.ec, "rsa": self.rsa, "other": self.other}
        rows = " ".join(f'{name} {{ chain = "{chain}"; key = "{key}"; }}' for name, (chain, key) in certificates.items())
        self.lab.write_config(
            rules=(), limits="backend_connect_timeout_ms = 3s; backend_idle_timeout_ms = 1s; drain_timeout_ms = 1s;",
            backend_more=backend_more, backends=[("10.26.0.1", port)],
            listeners=f'smtp {{ port = 25; {listener} }} submission {{ port = 587; tls = required; }} '
                      f'smtps {{ port = 465; tls = implicit; client_certificates = off; }} broken {{ port = 2525; tls = starttls; certificates = ["other"]; }}'
                      ' clear { port = 2526; tls = off; }' + (MUTUAL if "tls_client_ca_file" in tls else ""),
            sections=f"certificates {{ {rows} }}\ntls {{ tls_handshake_timeout_ms = 3s; "
                     f'tls_required_senders = ["secret.example"]; tls_required_recipients = [".private.example"]; {tls} }}')

    def restart(self, **more):
        self.configure(**more)
        self.lab.restart_dataplane()

    # -- the client's leg --------------------------------------------------------------------------
    def starttls_by_every_version_and_key(self):
        n = 0
        for version, suite in (("TLSv1_3", None), ("TLSv1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
                               ("TLSv1_2", "ECDHE-RSA-AES128-GCM-SHA256")):
            n += 1
            sender = f"v{n}@client.example"
            text = MAIL % (f"v{n}", "x" * 70)
            agreed, code = send(self.authority.root, sender, text, version=getattr(ssl.TLSVersion, version), ciphers=suite)
            equal(code, 250)
            trace, message = split_trace(self.lab.stored(sender))
            equal(message, text.encode(), "what arrived")
            assert re.search(rb"with ESMTPS \(%s TLS_[A-Z0-9_]+\)\r\n\tid " % agreed[0].encode(), trace), trace
            assert re.match(rb"Authentication-Results: gateway\.example;\r\n\tx-tls=pass smtp\.version=%s\s+smtp\.cipher=TLS_[A-Z0-9_]+\r\n"
                            rb"Received: " % agreed[0].encode(), trace), trace
            event = self.lab.event(sender)
            equal(event["tls"], agreed[0])
            assert event["tls_suite"].startswith("TLS_"), event["tls_suite"]

    def implicit_tls(self):
        agreed, code = send(self.authority.root, "imp@client.example", MAIL % ("imp", "implicit"), port=465)
        equal((agreed[0], code), ("TLSv1.3", 250))
        assert b"with ESMTPS (TLSv1.3 " in self.lab.stored("imp@client.example")
        status = self.lab.ctl_json("status")["tls"]
        assert status["sessions"] > 0 and status["handshakes_failed"] == 0, status

    def submission_wants_tls(self):
        replies = plain(["EHLO c\r\n", "MAIL FROM:<a@client.example>\r\n", "QUIT\r\n"], port=587)
        assert "STARTTLS" in replies[1] and replies[2].startswith("530 5.7.0"), replies
        equal(send(self.authority.root, "sub@client.example", MAIL % ("sub", "x"), port=587)[1], 250)

    def certificates_by_name_and_kind(self):
        text = s_client(self.lab, "-servername", "other.example")
        assert "CN = other.example" in text, text
        for more, kind in ((("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), "rsa"),
                           (("-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"), "rsa"), (("-tls1_3",), "ec")):
            text = s_client(self.lab, "-servername", NAME, *more)
            wanted = "rsaEncryption" if kind == "rsa" else "id-ecPublicKey"
            assert re.search(rf"a:PKEY: {wanted}", text), text
        assert "no peer certificate" in s_client(self.lab, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")

    def resumption(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            equal(resumed(self.authority.root, version), True, str(version))

    def swaks(self):
        if not shutil.which("swaks"):
            raise Skip("swaks is not installed")
        for more in (("--tls", "--port", "25"), ("--tlsc", "--port", "465")):
            sender = f"swaks{more[2]}@client.example"
            done = subprocess.run(self.lab.inside("client", "swaks", "--server", GATEWAY, "--to", "bob@backend.example",
                                                  "--from", sender, *more), capture_output=True, text=True, timeout=60)
            equal(done.returncode, 0, done.stdout + done.stderr)
            assert b"with ESMTPS (TLSv1.3" in self.lab.stored(sender)

    def commands_behind_starttls_are_not_executed(self):
        groups = self.lab.counters()
        before, broken = groups["smtp"], groups["gateway"]["tls_broken"]
        for steps in (["EHLO c\r\n", "STARTTLS\r\nRSET\r\n"], ["EHLO c\r\n", "STARTTLS\r\nEHLO x\r\nMAIL FROM:<a@b>\r\n"]):
            replies = plain(steps)
            assert replies[2].startswith("554 5.5.1"), replies
            assert "closed" in replies[-1] or replies[-1].startswith("Connection"), replies
        # In segments of their own, sent before the answer can have come.
        replies = plain(["EHLO c\r\n", ["STARTTLS\r\n", "NOOP\r\n", "NOOP\r\n"]])
        assert replies[2].startswith(("554", "220")), replies
        assert not any(reply.startswith("250 2.0.0") for reply in replies[2:]), replies
        groups = self.lab.counters()
        after = groups["smtp"]
        injected = after["starttls_injected"] - before["starttls_injected"]
        # The last one is told from rubbish inside the handshake by what its segments acknowledge.
        assert injected >= 2 and injected + groups["gateway"]["tls_broken"] - broken == 3, groups
        equal(after["verb_rset"], before["verb_rset"])
        equal(after["verb_mail"], before["verb_mail"])
        equal(after["verb_noop"], before["verb_noop"])

    def every_cut_of_the_upgrade(self):
        for size in (1, 2, 3, 5, 7, 11, 13, 64, 255):
            equal(upgrade_in_pieces(self.authority.root, size), ["250-", "250 ", "221 "], f"pieces of {size}")

    def rubbish_instead_of_a_handshake(self):
        replies = plain(["EHLO c\r\n", "STARTTLS\r\n", "EHLO again\r\n"])
        assert replies[2].startswith("220"), replies
        assert not replies[3].startswith("250"), replies

    def a_message_cut_off_is_not_delivered(self):
        equal(cut_off(self.authority.root, True), "250")
        cut_off(self.authority.root, False)
        time.sleep(0.3)
        assert self.lab.stored("whole@client.example") is not None
        assert self.lab.stored("torn@client.example") is None

    def policies(self):
        root = self.authority.root
        equal(send(root, "a@secret.example", MAIL % ("s1", "x"), starttls=False)[1], 530)
        equal(send(root, "a@secret.example", MAIL % ("s2", "x"))[1], 250)
        equal(send(root, "p1@client.example", MAIL % ("p1", "x"), starttls=False, rcpt="b@sub.private.example")[1], 530)
        equal(send(root, "p2@client.example", MAIL % ("p2", "x"), rcpt="b@sub.private.example")[1], 250)
        equal(send(root, "p3@client.example", MAIL % ("p3", "x"), starttls=False)[1], 250)

    def a_listener_without_tls_offers_none(self):
        replies = plain(["EHLO c\r\n", "STARTTLS\r\n", "QUIT\r\n"], port=2526)
        assert "STARTTLS" not in replies[1] and replies[2].startswith("502"), replies

    def large_message(self):
        text = MAIL % ("large", "\r\n".join("%060d" % i for i in range(70000)))
        equal(send(self.authority.root, "large@client.example", text)[1], 250)
        equal(split_trace(self.lab.stored("large@client.example"))[1], text.encode(), "what arrived")

    def handshake_takes_too_long(self):
        before = self.lab.counters()["gateway"]["tls_timed_out"]
        begun = time.monotonic()
        plain(["EHLO c\r\n", "STARTTLS\r\n", ""])
        took = time.monotonic() - begun
        assert 2 < took < 7, took
        equal(self.lab.counters()["gateway"]["tls_timed_out"] - before, 1)

    def slow_keys_are_signed_by_helpers(self):
        for helpers in (1, 0):
            self.restart(tls=f"tls_helpers = {helpers};")
            for version in ("TLSv1_2", "TLSv1_3"):
                ciphers = "ECDHE-RSA-AES128-GCM-SHA256" if version == "TLSv1_2" else None
                # In TLS 1.3 the client's signature algorithms choose.
                more = ("-tls1_2", "-cipher", ciphers) if ciphers else ("-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256")
                text = s_client(self.lab, "-servername", NAME, *more)
                assert "250" in text or "221" in text, text
                assert re.search(r"Peer signature type: RSA", text), text
            for n in range(3):
                equal(send(self.authority.root, f"helped{helpers}{n}@client.example", MAIL % ("helped", "x"),
                           version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256")[1], 250)
            equal(self.lab.counters()["tls"]["signatures_away"], 5 * helpers, "signatures given away")
            equal(self.lab.counters()["tls"]["signatures_late"], 0)
        self.restart()

    def a_flood_of_handshakes(self):
        rate, count = 10, 100
        self.restart(tls=f"tls_handshakes_per_s_max = {rate};")
        answers, took = flood(self.authority.root, count)
        begun = sum(answer.startswith("220") for answer in answers)
        refused = sum(answer.startswith("454 4.7.0") for answer in answers)
        equal(begun + refused, count, "answered")
        assert rate <= begun <= rate * (1 + took) + 1, (begun, took)
        assert refused > 0, took
        equal(self.lab.counters()["gateway"]["tls_refused_rate"], refused, "counted")
        for name in ("inside", "outside"):
            assert self.lab.stored(f"{name}@client.example") is not None, name
        time.sleep(1.2)
        equal(send(self.authority.root, "after@client.example", MAIL % ("after", "x"))[1], 250)
        self.restart()

    def application_protocols(self):
        """What was meant for another server is refused; who offers nothing, or us, is not (RFC 7301, ALPACA)."""
        before = self.lab.counters()["tls"]["failed_application"]
        for port in (465, 25):
            for version in ("-tls1_2", "-tls1_3"):
                text = s_client(self.lab, version, "-alpn", "http/1.1,h2", port=port)
                assert "no application protocol" in text and "221 2.0.0" not in text, text
                text = s_client(self.lab, version, "-alpn", "h2,smtp", port=port)
                assert "ALPN protocol: smtp" in text and "221 2.0.0" in text, text
                text = s_client(self.lab, version, port=port)
                assert "No ALPN negotiated" in text and "221 2.0.0" in text, text
        equal(self.lab.counters()["tls"]["failed_application"] - before, 4)

    def client_certificates(self):
        folder = f"{self.lab.folder}/tls-stranger"
        os.makedirs(folder)
        stranger = Authority(folder).issue("stranger", ("stranger.example",), usage="clientAuth")
        known = self.authority.issue("known", ("known.example",), usage="clientAuth")
        said = {"verified": b"client certificate verified", "unverified": b"client certificate not verified"}
        self.restart(tls=f'tls_client_ca_file = "{self.authority.root}";')
        for name, pair, port, fact in (("known", known, 466, "verified"), ("known2", known, 467, "verified"),
                                       ("stranger", stranger, 466, None), ("stranger2", stranger, 467, "unverified"),
                                       ("nobody", None, 466, None), ("nobody2", None, 467, ""), ("unasked", known, 465, "")):
            for version in ("TLSv1_2", "TLSv1_3"):
                sender = f"{name}-{version[-1]}@client.example"
                equal(mutual(self.authority.root, sender, port, version, pair), fact is not None, sender)
                stored = self.lab.stored(sender)
                equal(stored is not None, fact is not None, sender)
                if fact is None:
                    continue
                assert (said[fact] in stored) if fact else (b"client certificate" not in stored), stored
                assert (b"policy.certificate=%s\r\n" % fact.encode() in stored) if fact else (b"policy.cert" not in stored), stored
                equal(self.lab.event(sender)["tls_client"], f"{fact} {fingerprint(pair[0])}" if fact else "", sender)

    def certificates_for_mail(self):
        """The handshake does without one; MAIL does not, and says why."""
        folder = f"{self.lab.folder}/tls-other"
        os.makedirs(folder)
        stranger = Authority(folder).issue("stranger", ("stranger.example",), usage="clientAuth")
        known = self.authority.issue("known", ("known.example",), usage="clientAuth")
        self.restart(tls=f'tls_client_ca_file = "{self.authority.root}";')
        for version in ("TLSv1_2", "TLSv1_3"):
            equal(with_certificate(self.authority.root, "nobody@client.example", version, None),
                  [530, "5.7.0 Client certificate required"])
            code, text = with_certificate(self.authority.root, "stranger@client.example", version, stranger)
            assert code == 550 and re.match(r"5\.7\.8 Client certificate not accepted \S.*not.*signed.*CA", text), (code, text)
            for n in range(2):
                equal(with_certificate(self.authority.root, f"mailing{n}-{version[-1]}@client.example", version, known)[0], 250)
                assert b"policy.certificate=verified" in self.lab.stored(f"mailing{n}-{version[-1]}@client.example")
        replies = plain(["EHLO c\r\n", "MAIL FROM:<a@client.example>\r\n", "NOOP\r\n", "QUIT\r\n"], port=2527)
        assert replies[2].startswith("530 5.7.0 Must issue"), replies
        equal(self.lab.counters()["gateway"]["tls_policy_certificates"], 5, "counted")
        equal(self.lab.counters()["tls"]["tickets_sealed"], 0, "tickets")

    # -- certificates come and go ------------------------------------------------------------------
    def certificate_renewed_under_a_session(self):
        flag = f"{self.lab.folder}/held"
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if hold_over_reload(self.authority.root, flag) else 1)
            except BaseException:
                os._exit(1)
        while not os.path.exists(flag):
            time.sleep(0.02)
        chain, key = self.authority.issue("renewed")
        for old, new in ((self.ec[0], chain), (self.ec[1], key)):
            shutil.copy(new, old)
        self.lab.ctl("config", "reload")
        text = s_client(self.lab, "-servername", NAME, "-tls1_3", word="QUIT\n")
        shown = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)[0] + "\n"
        equal(ssl.PEM_cert_to_DER_cert(shown).hex(), ssl.PEM_cert_to_DER_cert(
            open(chain).read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n").hex(), "the certificate shown")
        os.remove(flag)
        equal(os.waitpid(pid, 0)[1], 0, "the session that was open")
        assert self.lab.stored("held@client.example") is not None

    def a_bad_certificate_changes_nothing(self):
        with open(self.ec[0]) as file:
            good = file.read()
        with open(self.ec[0], "w") as file:
            file.write("no certificate\n")
        done = self.lab.ctl("config", "reload", check=False)
        assert done.returncode != 0 and "ec" in done.stdout + done.stderr, done
        equal(send(self.authority.root, "stays@client.example", MAIL % ("stays", "x"))[1], 250)
        with open(self.ec[0], "w") as file:
            file.write(good)
        self.lab.ctl("config", "reload")

    def no_certificate_at_the_start(self):
        os.rename(self.other[1], self.other[1] + ".gone")
        self.restart()
        replies = plain(["EHLO c\r\n", "STARTTLS\r\n", "QUIT\r\n"], port=2525)
        os.rename(self.other[1] + ".gone", self.other[1])
        assert "STARTTLS" in replies[1] and replies[2].startswith("454 4.7.0") and replies[3].startswith("221"), replies
        os.kill(self.lab.processes["postern"].pid, signal.SIGHUP)
        time.sleep(0.5)
        assert "CN = other.example" in s_client(self.lab, port=2525)

    # -- the backend's leg -------------------------------------------------------------------------
    def backend_as(self, mode, more, tls=True):
        """Another backend, and the gateway anew."""
        for name in ("sink", "backend"):
            self.lab.stop(name)
        log = f"{self.lab.folder}/backend-{time.monotonic_ns()}.jsonl"
        pair = self.backend if tls else ()
        self.lab.start("backend", "backend", sys.executable, f"{HERE}/tls_backend.py", "25", log, mode, *pair)
        self.lab.wait_port("backend", "10.26.0.1", 25)
        self.restart(backend_more=more)
        return log

    def deliver(self, sender):
        return send(self.authority.root, sender, MAIL % (sender.split("@")[0], "to the backend"))[1]

    def messages(self, log):
        return [entry for entry in self.lab.entries(log) if "body" in entry]

    def backend_in_every_mode(self):
        verify = f'tls = verify; tls_ca_file = "{self.authority.root}"; tls_name = "backend.example";'
        pin = f'tls = verify; tls_pin = "{fingerprint(self.backend[0])}";'
        rows = (("off", "honest", "tls = off;", True, 250, None),
                ("opp", "honest", "tls = opportunistic;", True, 250, "TLSv1.3"),
                ("none", "honest", "tls = opportunistic;", False, 250, None),
                ("refused", "refuse", "tls = opportunistic;", True, 250, None),
                ("req", "honest", "tls = required;", True, 250, "TLSv1.3"),
                ("reqnone", "honest", "tls = required;", False, 451, None),
                ("reqrefused", "refuse", "tls = required;", True, 451, None),
                ("ver", "honest", verify, True, 250, "TLSv1.3"),
                ("vername", "honest", verify.replace("backend.example", "wrong.example"), True, 451, None),
                ("pin", "honest", pin, True, 250, "TLSv1.3"),
                ("pinwrong", "honest", 'tls = verify; tls_pin = "%s";' % ("0" * 64), True, 451, None))
        for name, mode, more, tls, code, version in rows:
            log = self.backend_as(mode, more, tls)
            equal(self.deliver(f"{name}@client.example"), code, name)
            got = self.messages(log)
            equal(len(got), 1 if code == 250 else 0, name)
            if code == 250:
                equal(got[0]["tls"] and got[0]["tls"]["version"], version, name)
                equal(self.lab.event(f"{name}@client.example")["backend"]["tls"].split(" ")[0], version or "", name)

    def backend_with_implicit_tls(self):
        pair, wanted = self.backend, f'tls_ca_file = "{self.authority.root}"; tls_name = "backend.example";'
        both = self.authority.issue("both", usage="serverAuth,clientAuth")
        certificates = {"ec": self.ec, "other": self.other, "both": both}
        for name in ("sink", "backend"):
            self.lab.stop(name)
        log = f"{self.lab.folder}/backend-implicit.jsonl"
        self.lab.start("backend", "backend", sys.executable, f"{HERE}/auth_backend.py", "465", log, f"implicit={pair[0]},{pair[1]}",
                       f"ca={self.authority.root}")
        self.lab.wait_port("backend", "10.26.0.1", 465)
        for name, more, code, shown in (("imp", "", 250, None), ("impver", wanted, 250, None),
                                        ("impcert", wanted + ' tls_certificate = "both";', 250, NAME),
                                        ("impname", wanted.replace("backend.example", "wrong.example"), 451, None),
                                        ("imppin", f'tls_pin = "{fingerprint(pair[0])}";', 250, None),
                                        ("impnopin", 'tls_pin = "%s";' % ("0" * 64), 451, None)):
            self.restart(backend_more=f"tls = implicit; {more}", port=465, certificates=certificates)
            sender = f"{name}@client.example"
            equal(self.deliver(sender), code, name)
            got = [entry for entry in self.messages(log) if sender in entry["mail"]]
            equal([(entry["tls"], entry["certificate"]) for entry in got], [(True, shown)] if code == 250 else [], name)
        equal(self.deliver("more@client.example"), 451)
        # Who greets in the clear there is not believed.
        self.lab.stop("backend")
        self.lab.start("backend", "backend", sys.executable, f"{HERE}/tls_backend.py", "465", log, "honest")
        self.lab.wait_port("backend", "10.26.0.1", 465)
        self.restart(backend_more="tls = implicit;", port=465)
        equal(self.deliver("clear@client.example"), 451)
        equal([entry for entry in self.messages(log) if "clear" in str(entry)], [])

    def backend_sessions_are_resumed(self):
        log = self.backend_as("honest", "tls = required;")
        equal(self.deliver("r1@client.example"), 250)
        time.sleep(2)  # the pooled connection ends
        equal(self.deliver("r2@client.example"), 250)
        equal([entry["tls"]["resumed"] for entry in self.messages(log)][-1], True)

    def replies_injected_by_a_backend(self):
        for mode in ("inject", "inject-late"):
            log = self.backend_as(mode, "tls = required;")
            equal(self.deliver(f"{mode}@client.example"), 451, mode)
            equal(self.messages(log), [], mode)

    def a_silent_backend_is_given_up(self):
        log = self.backend_as("silent", "tls = opportunistic;")
        begun = time.monotonic()
        while self.deliver("silent@client.example") != 250:
            assert time.monotonic() - begun < 15
        equal(self.messages(log)[0]["tls"], None)

    def postfix_with_tls(self):
        if not postfix_instance.available():
            raise Skip("postfix is not installed")
        for name in ("sink", "backend"):
            self.lab.stop(name)
        folder = f"{self.lab.folder}/postfix"
        postfix_instance.make(folder, myhostname="backend.example", mynetworks="10.26.0.0/24", smtpd_tls_security_level="encrypt",
                              smtpd_tls_cert_file=self.backend[0], smtpd_tls_key_file=self.backend[1], smtpd_tls_loglevel="1",
                              smtpd_tls_received_header="yes")
        self.lab.start("postfix", "backend", *postfix_instance.command(folder))
        self.lab.wait_port("backend", "10.26.0.1", 25)
        self.restart(backend_more=f'tls = verify; tls_ca_file = "{self.authority.root}"; tls_name = "backend.example";')
        for n in range(3):
            equal(self.deliver(f"postfix{n}@client.example"), 250)
        with open(f"{folder}/log") as file:
            log = file.read()
        self.lab.stop("postfix")
        assert re.search(r"TLS connection established from .*TLSv1\.3", log), log[-2000:]


CASES = ("starttls_by_every_version_and_key", "implicit_tls", "submission_wants_tls", "certificates_by_name_and_kind",
         "resumption", "swaks", "commands_behind_starttls_are_not_executed", "every_cut_of_the_upgrade",
         "rubbish_instead_of_a_handshake", "a_message_cut_off_is_not_delivered", "policies",
         "a_listener_without_tls_offers_none", "large_message", "handshake_takes_too_long", "application_protocols",
         "slow_keys_are_signed_by_helpers", "a_flood_of_handshakes",
         "certificate_renewed_under_a_session", "a_bad_certificate_changes_nothing", "no_certificate_at_the_start", "client_certificates", "certificates_for_mail",
         "backend_in_every_mode", "backend_with_implicit_tls", "backend_sessions_are_resumed", "replies_injected_by_a_backend",
         "a_silent_backend_is_given_up", "postfix_with_tls")


def main():
    need_root()
    tls = Tls(sys.argv[1])
    wanted = sys.argv[2:] or CASES
    tap = Tap()
    try:
        tls.up()
        for name in wanted:
            tap.case(name.replace("_", " "), getattr(tls, name))
        tap.case("the gateway is still there", lambda: equal(tls.lab.processes["postern"].poll(), None))
    finally:
        tls.lab.close()
    tap.done()


if __name__ == "__main__":
    main()
