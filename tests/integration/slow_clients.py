#!/usr/bin/python3
"""slow_clients.py - clients that each use up one budget, all at once; prints what became of each as JSON.

usage: slow_clients.py ADDRESS
"""
import json
import socket
import sys
import threading
import time

PATIENCE_S = 14
ENVELOPE = ("EHLO slow.example", "MAIL FROM:<s@slow.example>", "RCPT TO:<b@backend.example>", "DATA")


class Client:
    def __init__(self, address):
        self.conn = socket.create_connection((address, 25), 5)
        self.conn.settimeout(PATIENCE_S)
        self.file = self.conn.makefile("rb")
        self.replies = []
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline().decode("latin-1")
            if line[3:4] != "-":
                self.replies.append(line.strip())
                return line

    def say(self, *lines):
        for line in lines:
            self.conn.sendall(line.encode() + b"\r\n")
            self.reply()

    def drip(self, octets, every_s, until_s):
        """Sends them one piece at a time until a reply comes or the time is over."""
        end = time.monotonic() + until_s
        while time.monotonic() < end:
            try:
                self.conn.sendall(octets)
                self.conn.settimeout(every_s)
                self.replies.append(self.conn.recv(500).decode("latin-1").strip())
                return
            except (BlockingIOError, TimeoutError):
                self.conn.settimeout(PATIENCE_S)
            except OSError as error:
                self.replies.append(str(error))
                return


def dribbles_a_body(client):
    client.say(*ENVELOPE)
    client.drip(b"a", 0.1, PATIENCE_S)


def is_silent_in_a_body(client):
    client.say(*ENVELOPE)
    client.reply()


def sends_a_body_just_fast_enough(client):
    client.say(*ENVELOPE)
    client.drip(b"x" * 58 + b"\r\n", 0.2, 7)
    client.conn.settimeout(PATIENCE_S)
    client.say(".")


def dribbles_a_command(client):
    client.drip(b"E", 0.1, PATIENCE_S)


def never_comes_to_a_message(client):
    client.say("EHLO slow.example")
    while client.replies[-1].startswith("250"):
        client.say("NOOP")
        time.sleep(0.3)


def floods_with_noop(client):
    client.conn.sendall(b"NOOP\r\n" * 200)
    while client.replies[-1][:3] in ("220", "250"):
        client.reply()


CLIENTS = (dribbles_a_body, is_silent_in_a_body, sends_a_body_just_fast_enough, dribbles_a_command, never_comes_to_a_message,
           floods_with_noop)


def crowd(address, count):
    """Greetings of so many sessions of one source."""
    clients = [Client(address) for _ in range(count)]
    greetings = [client.replies[0] for client in clients]
    for client in clients:
        client.conn.close()
    return greetings


def main():
    address, found = sys.argv[1], {}

    def play(what):
        start = time.monotonic()
        client = Client(address)
        try:
            what(client)
        except OSError as error:
            client.replies.append(str(error))
        found[what.__name__] = {"seconds": time.monotonic() - start, "count": len(client.replies), "last": client.replies[-1]}
    greetings = crowd(address, 20)
    time.sleep(0.5)
    threads = [threading.Thread(target=play, args=(what,)) for what in CLIENTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"greetings": greetings, "clients": found}))


if __name__ == "__main__":
    main()
