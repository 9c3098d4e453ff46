#!/usr/bin/env python3
"""test_tls_interop.py - our TLS against OpenSSL's and GnuTLS's programs, both roles, over loopback sockets.

    test_tls_interop.py TLS_END CERTIFICATES_H
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

END, HEADER = sys.argv[1:3]
results = []


def case(name, passed, notes=""):
    results.append(passed)
    print(f"{'ok' if passed else 'not ok'} {len(results)} - {name}", flush=True)
    if not passed:
        for line in str(notes).splitlines()[-30:]:
            print(f"# {line}")


def write_certificates(folder):
    """The tests' certificates as files; NAME_PEM becomes NAME.pem."""
    text = open(HEADER, encoding="utf-8").read()
    for name, body in re.findall(r"#define (\w+)_PEM \\\n((?:\t\".*\n?)+)", text):
        lines = re.findall(r'"(.*?)\\n"', body)
        with open(f"{folder}/{name}.pem", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


class Server:
    """A program that serves until the end of the block; `port` is where."""

    def __init__(self, command, pattern, folder):
        self.log = f"{folder}/server.log"
        self.pattern = pattern
        self.command = command

    def __enter__(self):
        self.out = open(self.log, "w+", encoding="utf-8")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT)
        for _ in range(200):
            found = re.search(self.pattern, open(self.log, encoding="utf-8").read())
            if found:
                self.port = found[1]
                return self
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        raise SystemExit("Bail out! " + open(self.log, encoding="utf-8").read())

    def text(self):
        return open(self.log, encoding="utf-8", errors="replace").read()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.out.close()


def run(command, said=""):
    """A client that says `said`; stays a moment for the answer."""
    shell = f"{{ printf '{said}'; sleep 0.4; }} | timeout 20 {command}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, errors="replace")
    return done.stdout + done.stderr


def our_server(folder):
    ca = f"-CAfile {folder}/TEST_ROOT.pem"
    rows = [
        (["1.3"], "", "TLSv1.3 TLS_AES_256_GCM_SHA384 x25519"),
        (["1.3", "rsa"], "-groups P-256", "TLSv1.3 TLS_AES_256_GCM_SHA384 secp256r1"),
        (["1.3", "groups=secp384r1"], "", "TLSv1.3 TLS_AES_256_GCM_SHA384 secp384r1"),
        ([], "-ciphersuites TLS_AES_128_GCM_SHA256", "TLSv1.3 TLS_AES_128_GCM_SHA256 x25519"),
        ([], "-ciphersuites TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256 x25519"),
        ([], "-tls1_2", "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 x25519"),
        (["rsa", "groups=secp521r1"], "-tls1_2 -groups P-521", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 secp521r1"),
        ([], "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 x25519"),
        (["ask"], f"-cert {folder}/CLIENT_ECDSA.pem -key {folder}/CLIENT_ECDSA_KEY.pem", "certificate=1 verified=1"),
        (["require"], f"-tls1_2 -cert {folder}/CLIENT_ECDSA.pem -key {folder}/CLIENT_ECDSA_KEY.pem",
         "certificate=1 verified=1"),
    ]
    for options, arguments, expected in rows:
        with Server([END, "server", *options], r"port (\d+)", folder) as server:
            out = run(f"openssl s_client -connect 127.0.0.1:{server.port} -servername mx.postern.test {ca} "
                      f"-verify_return_error -brief {arguments}", r"hello\n")
            log = server.text()
            case(f"s_client {arguments.replace(folder + '/', '')} {options}",
                 expected in log and "name=mx.postern.test" in log and "got hello" in log and "hello" in out, out + log)
    for name, arguments, expected in (
            ("no common version", "-tls1_1 -cipher ALL:@SECLEVEL=0", "no common protocol version"),
            ("no certificate shown", "", "showed no certificate")):
        with Server([END, "server", "require"], r"port (\d+)", folder) as server:
            out = run(f"openssl s_client -connect 127.0.0.1:{server.port} {arguments}", r"hello\n")
            case(f"s_client: {name}", expected in server.text(), out + server.text())
    for version in ("-tls1_2", "-tls1_3"):
        with Server([END, "server"], r"port (\d+)", folder) as server:
            command = f"openssl s_client -connect 127.0.0.1:{server.port} {version}"
            run(f"{command} -sess_out {folder}/session.pem", r"one\n")
            out = run(f"{command} -sess_in {folder}/session.pem", r"two\n")
            log = server.text()
            case(f"s_client {version}: resumed", "resumed=0" in log and "resumed=1" in log and "got two" in log, out + log)
    if not shutil.which("gnutls-cli"):
        print("# no gnutls-cli here")
        return
    for priority, more, expected in (("NORMAL:-VERS-ALL:+VERS-TLS1.3", [], "TLSv1.3"), ("NORMAL:-VERS-ALL:+VERS-TLS1.2", [], "TLSv1.2"),
                                     ("NORMAL:-GROUP-ALL:+GROUP-SECP384R1", ["groups=x25519:secp384r1"], "secp384r1")):
        with Server([END, "server", *more], r"port (\d+)", folder) as server:
            out = run(f"gnutls-cli --port {server.port} --sni-hostname mx.postern.test --verify-hostname "
                      f"mx.postern.test --x509cafile {folder}/TEST_ROOT.pem --priority {priority} 127.0.0.1", r"hello\n")
            case(f"gnutls-cli {priority}", expected in server.text() and "got hello" in server.text(), out + server.text())


def our_client(folder):
    serve = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev"]
    ecdsa = ["-cert", f"{folder}/MX_ECDSA.pem", "-key", f"{folder}/MX_ECDSA_KEY.pem"]
    rsa = ["-cert", f"{folder}/MX_RSA.pem", "-key", f"{folder}/MX_RSA_KEY.pem"]
    other = ["-cert", f"{folder}/OTHER_ECDSA.pem", "-key", f"{folder}/OTHER_ECDSA_KEY.pem"]
    rows = [
        ("1.3 ECDSA", ecdsa, ["1.3"], "agreed TLSv1.3"),
        ("1.3 RSA", rsa, ["1.3"], "agreed TLSv1.3"),
        ("1.3, another group asked for", ecdsa + ["-groups", "P-384"], [], "secp384r1"),
        ("1.2 ECDSA", ecdsa + ["-tls1_2"], [], "agreed TLSv1.2 TLS_ECDHE_ECDSA"),
        ("1.2 RSA", rsa, ["1.2"], "agreed TLSv1.2 TLS_ECDHE_RSA"),
        ("client certificate 1.3", ecdsa + ["-Verify", "2", "-CAfile", f"{folder}/TEST_ROOT.pem"], ["client-key"],
         "agreed TLSv1.3"),
        ("client certificate 1.2", ecdsa + ["-tls1_2", "-Verify", "2", "-CAfile", f"{folder}/TEST_ROOT.pem"],
         ["client-key"], "agreed TLSv1.2"),
    ]
    for name, arguments, options, expected in rows:
        with Server(serve + arguments, r"ACCEPT [\w.]+:(\d+)", folder) as server:
            out = run(f"{END} client {server.port} {' '.join(options)}")
            case(f"s_server: {name}", expected in out and "verified=1" in out and "got POON" in out, out + server.text())
    with Server(serve + other, r"ACCEPT [\w.]+:(\d+)", folder) as server:
        out = run(f"{END} client {server.port}")
        case("s_server: another's certificate", "certificate was refused" in out and "got" not in out, out + server.text())
    for version in ("1.2", "1.3"):
        with Server(serve + ecdsa, r"ACCEPT [\w.]+:(\d+)", folder) as server:
            out = run(f"{END} client {server.port} {version} resume")
            case(f"s_server {version}: resumed", "resumed=0" in out and "resumed=1" in out, out + server.text())


def main():
    if not shutil.which("openssl"):
        print("1..0 # SKIP no openssl here")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_certificates(folder)
        our_server(folder)
        our_client(folder)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main())
