#!/usr/bin/python3
"""auth_backend.py - a mail server behind the gateway that wants logins, and may fail in the middle of one.

    auth_backend.py PORT LOG [key=value ...]

tls=CHAIN,KEY offers STARTTLS (AUTH inside only); implicit=CHAIN,KEY is inside from the first octet; ca=FILE asks clients for a
certificate of that authority; mechanisms=PLAIN,LOGIN,... (empty: no AUTH). The user's name says what happens: `lost` loses the
connection on the last response, `late` gets 454, `closing` 421; others get in with the password "secret".
One JSON line a message, and one a login: on which connection, as whom.
"""
import base64
import hashlib
import hmac
import os
import ssl
import sys

from backend_server import serve


class Lost(Exception):
    """The connection is to end at once."""


def b64(octets):
    return base64.b64encode(octets).decode()


class Session:
    count = 0

    def __init__(self, conn, log, options):
        Session.count += 1
        self.number, self.conn, self.log, self.options = Session.count, conn, log, options
        self.user = self.certificate = None
        self.inside = False
        self.mail = ""

    def say(self, text):
        self.conn.sendall(text.encode() + b"\r\n")

    def shake(self, pair):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair.split(","))
        if "ca" in self.options:
            context.load_verify_locations(self.options["ca"])
            context.verify_mode = ssl.CERT_OPTIONAL
        self.conn = context.wrap_socket(self.conn, server_side=True)
        self.inside = True
        shown = self.conn.getpeercert()
        self.certificate = dict(row[0] for row in shown["subject"])["commonName"] if shown else None

    def challenge(self, octets):
        self.say(f"334 {b64(octets)}")
        line = self.file.readline().strip()
        if line == b"*":
            raise ValueError("cancelled")
        return base64.b64decode(line, validate=True)

    def password_of(self, words):
        """Who, and is it him?"""
        mechanism = words[1].upper()
        first = base64.b64decode(words[2], validate=True) if len(words) > 2 else None
        if mechanism == b"PLAIN":
            _, user, password = (self.challenge(b"") if first is None else first).split(b"\0")
            return user, password == b"secret"
        if mechanism == b"LOGIN":
            user = self.challenge(b"Username:") if first is None else first
            return user, self.challenge(b"Password:") == b"secret"
        if mechanism == b"CRAM-MD5":
            asked = b"<" + os.urandom(8).hex().encode() + b"@backend.example>"
            user, digest = self.challenge(asked).rsplit(b" ", 1)
            return user, digest == hmac.new(b"secret", asked, hashlib.md5).hexdigest().encode()
        user = self.challenge(b"x" * 9000)  # XOAUTH2 stands for what has long lines
        return user[:5], user == b"alice" + b"y" * 9000

    def auth(self, words):
        try:
            user, right = self.password_of(words)
        except ValueError as error:
            self.say(f"501 5.7.0 {error}")
            return
        user = user.decode()
        self.log({"login": user, "connection": self.number, "right": right, "tls": self.inside})
        if user == "lost":
            raise Lost
        if user in ("late", "closing"):
            self.say("454 4.7.0 not now" if user == "late" else "421 4.3.0 closing")
        elif right:
            self.user = user
            self.say("235 2.7.0 welcome")
        else:
            self.say("535 5.7.8 wrong")

    def data(self):
        self.say("354 go")
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise Lost
            lines.append(line[1:] if line.startswith(b".") else line)
        self.log({"mail": self.mail, "user": self.user, "connection": self.number, "tls": self.inside,
                  "certificate": self.certificate, "body": b"".join(lines).decode("latin-1")})
        self.say("250 2.0.0 taken")

    def ehlo(self):
        mechanisms = self.options.get("mechanisms", "PLAIN,LOGIN,CRAM-MD5,XOAUTH2,GSSAPI,EXTERNAL").replace(",", " ")
        lines = ["backend.example", "8BITMIME", "PIPELINING"]
        if "tls" in self.options and not self.inside:
            lines.append("STARTTLS")
        elif mechanisms:
            lines.append(f"AUTH {mechanisms}")
        self.say("\r\n".join(f"250{'-' if n + 1 < len(lines) else ' '}{line}" for n, line in enumerate(lines)))

    def command(self, line):
        words = line.split()
        verb = words[0].upper() if words else b""
        if verb == b"EHLO":
            self.ehlo()
        elif verb == b"STARTTLS":
            self.say("220 go")
            self.shake(self.options["tls"])
            self.file = self.conn.makefile("rb")
        elif verb == b"AUTH":
            self.auth(words)
        elif verb == b"MAIL":
            self.mail = line.decode("latin-1").strip()
            self.say("530 5.7.0 log in" if self.options.get("only") and not self.user else "250 2.1.0 ok")
        elif verb == b"DATA":
            self.data()
        elif verb == b"RCPT" and b"lost@" in line:
            raise Lost
        elif verb == b"QUIT":
            self.say("221 bye")
            raise Lost
        else:
            self.say("250 2.0.0 ok")

    def run(self):
        if "implicit" in self.options:
            self.shake(self.options["implicit"])
        self.file = self.conn.makefile("rb")
        self.say("220 backend.example ESMTP")
        while line := self.file.readline():
            self.command(line)


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    options = dict(word.split("=", 1) for word in sys.argv[3:])

    def session(conn, log):
        its = Session(conn, log, options)
        try:
            its.run()
        except Lost:
            pass
        finally:
            its.conn.close()

    serve(port, path, session)


if __name__ == "__main__":
    main()
