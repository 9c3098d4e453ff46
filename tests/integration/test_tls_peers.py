#!/usr/bin/python3
"""test_tls_peers.py - TLS with other people's programs: scanners that look for weaknesses, mail programs on both legs, each
in both versions, with both kinds of certificate, and again with a session resumed.

    test_tls_peers.py BUILD [CASE ...]

testssl.sh looks at all it knows when it is asked for by name (`testssl_in_full`); else at what takes seconds.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "deploy")]

import postfix_instance  # noqa: E402
from certificates import NAME  # noqa: E402
from exim_instance import Exim, program as exim_program  # noqa: E402
from lab import LabError  # noqa: E402
from ledger import split_trace  # noqa: E402
from tap import Skip, Tap, equal, need_root  # noqa: E402
from test_tls import GATEWAY, Tls  # noqa: E402

# One listener a kind of certificate and way into TLS, so that no client has to be talked into either.
LISTENERS = {("ec", False): 2511, ("rsa", False): 2512, ("ec", True): 4651, ("rsa", True): 4652}
VERSIONS = ("TLSv1.2", "TLSv1.3")
BACKEND_PORTS = {(version, kind): 2600 + n for n, (version, kind) in
                 enumerate((version, kind) for version in VERSIONS for kind in ("ec", "rsa"))}
GNUTLS = {"TLSv1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}
SCANS = {25: ("--server-defaults",), 465: ("--vulnerable",)}


def rows():
    """Each version with each kind; STARTTLS and implicit TLS by turns."""
    for n, version in enumerate(VERSIONS):
        for m, kind in enumerate(("ec", "rsa")):
            implicit = (n + m) % 2 == 1
            yield version, kind, implicit, LISTENERS[kind, implicit]


def tag(version, kind):
    return kind + version[-1]


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")


class Peers(Tls):
    def configure(self, backend_port=25, backend_more="", **_):
        rows = " ".join(f'{name} {{ chain = "{chain}"; key = "{key}"; }}'
                        for name, (chain, key) in (("ec", self.ec), ("rsa", self.rsa)))
        single = " ".join(f's{port} {{ port = {port}; tls = {"implicit" if implicit else "starttls"}; '
                          f'certificates = ["{kind}"]; }}' for (kind, implicit), port in LISTENERS.items())
        self.lab.write_config(
            rules=(), limits="backend_messages_max = 1; drain_timeout_ms = 1s;", backend_more=backend_more,
            backends=[("10.26.0.1", backend_port)],
            listeners=f'smtp {{ port = 25; }} smtps {{ port = 465; tls = implicit; }} {single}',
            sections=f"certificates {{ {rows} }}")

    def client(self, *command, seconds=30, **more):
        try:
            done = subprocess.run(self.lab.inside("client", *command), capture_output=True, text=True, errors="replace",
                                  timeout=seconds, **more)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{command[0]} took more than {seconds} s: {late.stdout} {late.stderr}") from None
        return done.returncode, done.stdout + done.stderr

    def resumed_count(self):
        return self.lab.counters()["tls"]["resumed"]

    def arrived(self, sender, version, kind, text, count=1):
        """The newest mail of a sender came in that version, by that kind of certificate, as it was sent."""
        end = time.monotonic() + 10
        while len(found := [e for e in self.lab.entries(f"{self.lab.folder}/sink.jsonl") if e["from"] == sender]) < count:
            assert time.monotonic() < end, f"{sender}: {len(found)} of {count} messages"
            time.sleep(0.05)
        with open(f"{self.lab.folder}/sink/{found[-1]['n']:06}.eml", "rb") as message:
            trace, content = split_trace(message.read())
        suite = re.search(rb"with ESMTPS \((\S+) (\S+)\)", trace)
        assert suite and suite[1].decode() == version, trace
        if version == "TLSv1.2":
            wanted = b"TLS_ECDHE_ECDSA_" if kind == "ec" else b"TLS_ECDHE_RSA_"
            assert suite[2].startswith(wanted), trace
        assert text.encode() in content, content

    # -- scanners ----------------------------------------------------------------------------------
    def sslscan(self):
        need("sslscan")
        for port in (25, 465) + tuple(LISTENERS.values()):
            report = f"{self.lab.folder}/sslscan-{port}.xml"
            how = ("--starttls-smtp",) if port not in (465, 4651, 4652) else ()
            code, out = self.client("sslscan", f"--xml={report}", f"--sni-name={NAME}", *how, f"{GATEWAY}:{port}")
            equal(code, 0, out)
            test = xml.etree.ElementTree.parse(report).find("ssltest")
            equal({f"{p.get('type')}{p.get('version')}" for p in test.iter("protocol") if p.get("enabled") != "0"},
                  {"tls1.2", "tls1.3"}, "versions")
            suites = [(cipher.get("cipher"), cipher.get("strength")) for cipher in test.iter("cipher")]
            assert len(suites) >= 6, suites
            equal([suite for suite in suites if suite[1] not in ("strong", "acceptable")], [], "weak suites")
            equal([its.get("sslversion") for its in test.iter("heartbleed") if its.get("vulnerable") != "0"], [], "heartbleed")
            assert all(int(group.get("bits")) >= 128 for group in test.iter("group")), "weak groups"
            keys = [key.get("type") for key in test.iter("pk") if key.get("error") == "false"]
            assert keys and set(keys) <= {"EC", "RSA"}, keys

    def scan_begin(self, name, port, *what):
        """testssl.sh spends most of its time waiting, so that other cases go on beside it."""
        report = f"{self.lab.folder}/{name}-{port}.json"
        self.lab.start(f"{name}-{port}", "client", "testssl", "--color", "0", "--warnings", "off", "--quiet", "--nodns", "none",
                       "--add-ca", self.authority.root, "--ip", GATEWAY, "--jsonfile", report,
                       *(("-t", "smtp") if port == 25 else ()), *what, f"{NAME}:{port}")

    def scan_end(self, name, port, seconds):
        process = self.lab.processes.pop(f"{name}-{port}")
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"testssl took more than {seconds} s: " + self.lab.log(f"{name}-{port}")) from None
        with open(f"{self.lab.folder}/{name}-{port}.json") as file:
            findings = json.load(file)
        seen = {finding["id"].split(" ")[0]: finding for finding in findings}
        # WARN is what it could not find out: with this machine's openssl, or by a client of TLS 1.3 that leaves before
        # its ticket comes. The other cases show that sessions are resumed.
        bad = [finding for finding in findings if finding["severity"] not in ("OK", "INFO", "LOW", "DEBUG") and
               not (finding["severity"] == "WARN" and finding["id"] in ("engine_problem", "sessionresumption_ticket"))]
        equal(bad, [], "findings")
        return seen

    def testssl(self):
        need("testssl")
        seen = self.scan_end("testssl", 25, 400)
        equal(seen["cert_chain_of_trust"]["finding"], "passed.")
        seen = self.scan_end("testssl", 465, 400)
        assert {"heartbleed", "CCS", "ROBOT", "secure_client_renego", "CRIME_TLS", "SWEET32", "FREAK", "DROWN", "BEAST", "LUCKY13",
                "RC4"} <= set(seen), sorted(seen)

    def testssl_in_full(self):
        need("testssl")
        for port in (25, 465):
            self.scan_begin("full", port)
        for port in (25, 465):
            seen = self.scan_end("full", port, 900)
            for must in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
                assert "not offered" in seen[must]["finding"], seen[must]
            for must in ("TLS1_2", "TLS1_3"):
                assert seen[must]["finding"].startswith("offered"), seen[must]
            equal(seen["cipher_order"]["severity"], "OK")

    # -- clients -----------------------------------------------------------------------------------
    def talk(self, command, sender, text, skip_until=None):
        """Mail through a program that joins its standard input to TLS; what it wrote."""
        process = subprocess.Popen(self.lab.inside("client", "timeout", "20", *command), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        heard = []

        def reply():
            while line := process.stdout.readline():
                heard.append(line)
                if re.match(r"\d{3} ", line):
                    return line[:3]
            raise AssertionError("".join(heard))

        while skip_until:
            line = process.stdout.readline()
            assert line, "".join(heard)
            heard.append(line)
            if skip_until in line:
                break
        if "starttls" not in " ".join(command):
            equal(reply(), "220")
        elif not skip_until:
            reply()  # s_client shows the end of the EHLO's
        for step, code in (("EHLO client.example\r\n", "250"), (f"MAIL FROM:<{sender}>\r\n", "250"),
                           ("RCPT TO:<bob@backend.example>\r\n", "250"), ("DATA\r\n", "354"),
                           (f"Subject: a note\r\n\r\n{text}\r\n.\r\n", "250"), ("QUIT\r\n", "221")):
            process.stdin.write(step)
            process.stdin.flush()
            equal(reply(), code, step)
        process.stdin.close()
        heard.append(process.stdout.read())
        process.wait(20)
        return "".join(heard)

    def openssl(self):
        for version, kind, implicit, port in rows():
            sender, saved = f"openssl-{tag(version, kind)}@client.example", f"{self.lab.folder}/{tag(version, kind)}.session"
            command = ("openssl", "s_client", "-quiet", "-connect", f"{GATEWAY}:{port}", "-" + version.lower().replace("v1.", "1_"),
                       "-servername", NAME, "-CAfile", self.authority.root, "-verify_return_error", "-verify_hostname", NAME,
                       *(() if implicit else ("-starttls", "smtp")))
            before = self.resumed_count()
            self.talk(command + ("-sess_out", saved), sender, "by openssl")
            equal(self.resumed_count() - before, 0, f"{version} {kind}: resumed at once")
            self.arrived(sender, version, kind, "by openssl")
            self.talk(command + ("-sess_in", saved), sender, "by openssl again")
            equal(self.resumed_count() - before, 1, f"{version} {kind}: resumed")
            self.arrived(sender, version, kind, "by openssl again", 2)

    def gnutls(self):
        need("gnutls-cli")
        for version, kind, implicit, port in rows():
            sender = f"gnutls-{tag(version, kind)}@client.example"
            command = ("stdbuf", "-oL", "gnutls-cli", "--port", str(port), "--priority", GNUTLS[version], "--x509cafile",
                       self.authority.root, "--sni-hostname", NAME, "--verify-hostname", NAME, "--resume", "--waitresumption",
                       *(() if implicit else ("--starttls-proto", "smtp")), GATEWAY)
            before = self.resumed_count()
            out = self.talk(command, sender, "by gnutls", "This is a resumed session")
            equal(self.resumed_count() - before, 1, f"{version} {kind}: resumed\n{out}")
            self.arrived(sender, version, kind, "by gnutls")

    def swaks(self):
        need("swaks")
        for version, kind, implicit, port in rows():
            sender = f"swaks-{tag(version, kind)}@client.example"
            code, out = self.client("swaks", "--server", f"{GATEWAY}:{port}", "--from", sender, "--to", "bob@backend.example",
                                    "--tlsc" if implicit else "--tls", "--tls-protocol", version.lower().replace(".", "_"),
                                    "--tls-sni", NAME, "--tls-verify", "--tls-ca-path", self.authority.root, "--body", "by swaks")
            equal(code, 0, out)
            self.arrived(sender, version, kind, "by swaks")

    def nodemailer(self):
        node = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}
        if not shutil.which("node") or self.client("node", "-e", 'require("nodemailer")', env=node)[0] != 0:
            raise Skip("nodemailer is not installed")
        for version, kind, implicit, port in rows():
            sender = f"node-{tag(version, kind)}@client.example"
            before = self.resumed_count()
            code, out = self.client("node", f"{HERE}/nodemailer_send.js", json.dumps(
                {"host": GATEWAY, "port": port, "implicit": implicit, "version": version, "sender": sender, "name": NAME,
                 "root": self.authority.root}), env=node)
            equal(code, 0, out)
            seen = [json.loads(line) for line in out.splitlines()]
            equal([(its["version"], its["reused"]) for its in seen], [(version, False), (version, True)], out)
            equal(self.resumed_count() - before, 1, f"{version} {kind}: resumed")
            self.arrived(sender, version, kind, "by nodemailer, 2", 2)

    def two_by(self, name, submit):
        """Two mails of each row by a mail server that we hand them; the second resumes."""
        for version, kind, _, _ in rows():
            sender, domain = f"{name}-{tag(version, kind)}@client.example", f"{tag(version, kind)}.example"
            before = self.resumed_count()
            for n in (1, 2):
                submit(sender, f"bob@{domain}", f"by {name}, {n}")
                self.arrived(sender, version, kind, f"by {name}, {n}", n)
            equal(self.resumed_count() - before, 1, f"{version} {kind}: resumed")

    def postfix_client(self):
        if not postfix_instance.available():
            raise Skip("postfix is not installed")
        folder = f"{self.lab.folder}/postfix-client"
        services, transports = "", ""
        for version, kind, implicit, port in rows():
            name = tag(version, kind)
            services += (f"{name} unix - - n - - smtp -o smtp_tls_mandatory_protocols=>={version},<={version}\n"
                         f"  -o smtp_tls_wrappermode={'yes' if implicit else 'no'}\n")
            transports += f"{{ {name}.example = {name}:[{GATEWAY}]:{port} }} "
        postfix_instance.make(
            folder, services=services, myhostname="client.example", mynetworks="10.25.0.0/24", relay_domains="",
            transport_maps=f"inline:{{ {transports} }}", smtp_tls_security_level="secure", smtp_tls_CAfile=self.authority.root,
            smtp_tls_verify_cert_match=NAME, smtp_tls_secure_cert_match=NAME, smtp_tls_loglevel="1", smtp_sasl_auth_enable="no",
            smtp_tls_session_cache_database=f"btree:{folder}/data/sessions", smtp_connection_cache_on_demand="no",
            smtp_dns_support_level="disabled")
        self.lab.start("postfix-client", "client", *postfix_instance.command(folder))
        try:
            self.lab.wait_port("client", "10.25.0.1", 25)

            def submit(sender, recipient, text):
                code, out = self.client("swaks", "--server", "10.25.0.1", "--from", sender, "--to", recipient, "--body", text)
                equal(code, 0, out)
            need("swaks")
            self.two_by("postfix", submit)
            with open(f"{folder}/log") as file:
                log = file.read()
            equal(len(re.findall(r"Verified TLS connection established to ", log)), 8, log[-3000:])
        finally:
            self.lab.stop("postfix-client")

    def exim(self, folder, settings):
        path = exim_program(self.lab.build)
        if not path:
            raise Skip("exim4 is neither unpacked nor installed")
        its = Exim(path, f"{self.lab.folder}/{folder}", f"{GATEWAY} {NAME}\n10.26.0.1 backend.example\n", settings)
        code, out = self.client(*its.command("-bV"))
        if code != 0:
            raise Skip(f"exim4 does not run here: {out.strip().splitlines()[-1]}")
        return its

    def exim_client(self):
        routers = transports = ""
        # It resumes behind STARTTLS alone, as it keeps sessions by the name in the EHLO's answer.
        for version, kind, _, _ in rows():
            routers += (f"to_{tag(version, kind)}:\n  driver = manualroute\n  domains = {tag(version, kind)}.example\n"
                        f"  route_data = {NAME} byname\n  transport = {tag(version, kind)}\n")
            transports += (f"{tag(version, kind)}:\n  driver = smtp\n  port = {LISTENERS[kind, False]}\n"
                           f"  hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_sni = {NAME}\n  tls_resumption_hosts = *\n"
                           f"  tls_verify_certificates = {self.authority.root}\n  tls_require_ciphers = {GNUTLS[version]}\n")
        its = self.exim("exim-client", "begin routers\n" + routers + "begin transports\n" + transports)

        def submit(sender, recipient, text):
            code, out = self.client(*its.command("-odi", "-f", sender, recipient), input=f"Subject: a note\n\n{text}\n")
            equal(code, 0, out + its.log())
        self.two_by("exim", submit)
        equal(len(re.findall(r" => .* X=\S+ CV=yes", its.log())), 8, its.log())

    # -- backends ----------------------------------------------------------------------------------
    def backend_counts(self):
        counters = self.lab.counters()["gateway"]
        return counters["backend_tls"], counters["backend_tls_resumed"]

    def two_to(self, name, mailbox):
        """Two mails of each row to a mail server behind the gateway, over a connection each; the second resumes."""
        for (version, kind), port in BACKEND_PORTS.items():
            self.restart(backend_port=port, backend_more='tls = verify; tls_name = "backend.example"; '
                         f'tls_ca_file = "{self.authority.root}";')
            for n in (1, 2):
                sender = f"to-{name}-{tag(version, kind)}@client.example"
                code, out = self.client("swaks", "--server", GATEWAY, "--from", sender, "--to", "bob@backend.example", "--body",
                                        f"to {name}, {tag(version, kind)} {n}")
                equal(code, 0, out)
            self.lab.wait_for(lambda: self.backend_counts() == (2, 1), 10, "postern",
                              f"counted two connections to {name} by {version} {kind} and one resumed")
            for n in (1, 2):
                self.lab.wait_for(lambda text=f"to {name}, {tag(version, kind)} {n}": contains(mailbox, text), 10,
                                  f"{name}-backend", f"stored {version} {kind}, message {n}")
            event = self.lab.event(sender)["backend"]["tls"].split(" ")
            equal(event[0], version)
            if version == "TLSv1.2":
                assert ("_ECDSA_" in event[1]) == (kind == "ec"), event

    def postfix_backend(self):
        need("swaks")
        if not postfix_instance.available():
            raise Skip("postfix is not installed")
        self.lab.stop("sink")
        folder = f"{self.lab.folder}/postfix-backend"
        services = "virtual unix - n n - - virtual\n"
        for (version, kind), port in BACKEND_PORTS.items():
            chain, key = self.backend_pairs[kind]
            services += (f"{port} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt\n"
                         f"  -o smtpd_tls_mandatory_protocols=>={version},<={version}\n"
                         f"  -o smtpd_tls_cert_file={chain} -o smtpd_tls_key_file={key}\n")
        os.makedirs(f"{self.lab.folder}/postfix-mail")
        os.chown(f"{self.lab.folder}/postfix-mail", 65534, 65534)
        postfix_instance.make(
            folder, services=services, myhostname="backend.example", mynetworks="10.26.0.0/24", relay_domains="",
            virtual_mailbox_domains="backend.example", virtual_mailbox_base=f"{self.lab.folder}/postfix-mail",
            virtual_mailbox_maps="static:all", virtual_uid_maps="static:65534", virtual_gid_maps="static:65534",
            virtual_transport="virtual", virtual_mailbox_limit="0", smtpd_tls_loglevel="1")
        self.lab.start("postfix-backend", "backend", *postfix_instance.command(folder))
        try:
            for port in BACKEND_PORTS.values():
                self.lab.wait_port("backend", "10.26.0.1", port)
            self.two_to("postfix", f"{self.lab.folder}/postfix-mail/all")
        finally:
            self.lab.stop("postfix-backend")

    def exim_backend(self):
        need("swaks")
        by_port = "".join("${if eq{$received_port}{%d}{%s}}" % (port, GNUTLS[version])
                          for (version, _), port in BACKEND_PORTS.items())
        chain, key = (("".join("${if eq{$received_port}{%d}{%s}}" % (port, self.backend_pairs[kind][n])
                               for (_, kind), port in BACKEND_PORTS.items())) for n in (0, 1))
        ports = ":".join(map(str, BACKEND_PORTS.values()))
        its = self.exim("exim-backend", f"""daemon_smtp_ports = {ports}
local_interfaces = 10.26.0.1
tls_advertise_hosts = *
tls_certificate = {chain}
tls_privatekey = {key}
tls_require_ciphers = {by_port}
tls_resumption_hosts = *
acl_smtp_rcpt = take
acl_smtp_data = take
begin acl
take:
  accept encrypted = *
begin routers
all:
  driver = accept
  transport = store
begin transports
store:
  driver = appendfile
  file = {self.lab.folder}/exim-backend/mail/all
  user = Debian-exim
""")
        for chain, key in self.backend_pairs.values():
            os.chmod(key, 0o644)
        self.lab.start("exim-backend", "backend", *its.command("-bdf", "-odi"))
        try:
            for port in BACKEND_PORTS.values():
                self.lab.wait_port("backend", "10.26.0.1", port)
            self.two_to("exim", f"{its.folder}/mail/all")
        except (AssertionError, LabError) as error:
            raise AssertionError(f"{error}\n{its.log()[-3000:]}") from None
        finally:
            self.lab.stop("exim-backend")

    def every_cut_of_a_backends_upgrade(self):
        """What the backend says comes in pieces of so many octets: greeting, 220, handshake, replies, each mail another number."""
        need("swaks")
        log, sizes = f"{self.lab.folder}/cut.jsonl", (1, 2, 3, 5, 7, 13, 64, 255)
        self.lab.start("cut-backend", "backend", sys.executable, f"{HERE}/tls_backend.py", "2700", log, "honest", *self.backend)
        self.lab.wait_port("backend", "10.26.0.1", 2700)
        # The first connection is the wait for it.
        self.lab.start("splitter", "backend", sys.executable, f"{HERE}/splitter.py", "2701", "2700", "100", *map(str, sizes))
        self.lab.wait_port("backend", "10.26.0.1", 2701)
        try:
            self.restart(backend_port=2701, backend_more='tls = verify; tls_name = "backend.example"; '
                         f'tls_ca_file = "{self.authority.root}";')
            for size in sizes:
                code, out = self.client("swaks", "--server", GATEWAY, "--from", f"cut-{size}@client.example", "--to",
                                        "bob@backend.example", "--body", f"in pieces, {size}")
                equal(code, 0, f"pieces of {size}: {out}")
            got = [entry for entry in self.lab.entries(log) if "body" in entry]
            equal(len(got), len(sizes), "messages")
            for size, entry in zip(sizes, got):
                assert entry["tls"] and f"in pieces, {size}" in entry["body"], entry
            self.lab.wait_for(lambda: self.backend_counts()[0] == len(sizes), 10, "postern", "counted them all as inside TLS")
        finally:
            self.lab.stop("splitter")
            self.lab.stop("cut-backend")

    def up(self):
        super().up()
        self.backend_pairs = {"ec": self.backend, "rsa": self.authority.issue("backend-rsa", ("backend.example",), kind="rsa")}


def contains(path, text):
    if not os.path.exists(path):
        return False
    with open(path, errors="replace") as file:
        return text in file.read()


CASES = ("sslscan", "openssl", "gnutls", "swaks", "nodemailer", "postfix_client", "exim_client", "testssl", "postfix_backend",
         "exim_backend", "every_cut_of_a_backends_upgrade")


def main():
    need_root()
    peers = Peers(sys.argv[1])
    wanted = sys.argv[2:] or CASES
    tap = Tap()
    try:
        peers.up()
        if "testssl" in wanted and shutil.which("testssl"):
            for port, what in SCANS.items():
                peers.scan_begin("testssl", port, *what)
        for name in wanted:
            begun = time.monotonic()
            tap.case(name.replace("_", " "), getattr(peers, name))
            print(f"# {time.monotonic() - begun:.1f} s", flush=True)
        tap.case("the gateway is still there", lambda: equal(peers.lab.processes["postern"].poll(), None))
    finally:
        peers.lab.close()
    tap.done()


if __name__ == "__main__":
    main()
