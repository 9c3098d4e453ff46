#!/usr/bin/python3
"""tls_backend.py - a mail server behind the gateway that speaks TLS as it is told, and may cheat.

    tls_backend.py PORT LOG MODE [CHAIN KEY]

MODE: honest; inject (octets in the clear behind the 220, in its segment); inject-late (behind it, in another);
refuse (454); silent (220, and then no handshake). One JSON line a message: how it came.
"""
import ssl
import sys
import time

from backend_server import serve


class Session:
    def __init__(self, conn, log, mode, context):
        self.conn, self.log, self.mode, self.context = conn, log, mode, context
        self.tls = None
        self.file = conn.makefile("rb")

    def say(self, text):
        self.conn.sendall(text.encode() + b"\r\n")

    def starttls(self):
        if self.mode == "refuse":
            self.say("454 4.7.0 not now")
            return
        more = "\r\n250-injected.example\r\n250 STARTTLS" if self.mode == "inject" else ""
        self.say("220 go" + more)
        if self.mode == "inject-late":
            time.sleep(0.05)
            self.say("250 injected.example")
        if self.mode == "silent":
            time.sleep(60)
        self.conn = self.context.wrap_socket(self.conn, server_side=True)
        self.file = self.conn.makefile("rb")
        self.tls = {"version": self.conn.version(), "cipher": self.conn.cipher()[0], "resumed": self.conn.session_reused}

    def data(self):
        self.say("354 go")
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                return
            lines.append(line[1:] if line.startswith(b".") else line)
        self.log({"tls": self.tls, "body": b"".join(lines).decode("latin-1")})
        self.say("250 2.0.0 taken")

    def run(self):
        self.say("220 backend.example ESMTP")
        while line := self.file.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"EHLO":
                offer = "250-STARTTLS\r\n" if self.context and not self.tls else ""
                self.say(f"250-backend.example\r\n{offer}250-8BITMIME\r\n250 PIPELINING")
            elif verb == b"STARTTLS":
                self.starttls()
            elif verb == b"DATA":
                self.data()
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")


def main():
    port, path, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    context = None
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[4], sys.argv[5])
    serve(port, path, lambda conn, log: Session(conn, log, mode, context).run())


if __name__ == "__main__":
    main()
