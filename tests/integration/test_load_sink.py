#!/usr/bin/env python3
"""test_load_sink.py - postern-load against postern-sink over the loopback: every message arrives as it was, and every
fault of the sink ends as what it is.

Usage: test_load_sink.py POSTERN_LOAD POSTERN_SINK
"""
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tap

LOAD, SINK = sys.argv[1], sys.argv[2]
TIMEOUT = 40


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Sink:
    def __init__(self, folder, *options):
        self.port = free_port()
        self.log = os.path.join(folder, "sink.log")
        self.process = subprocess.Popen([SINK, "--listen", f"127.0.0.1:{self.port}", "--log", self.log, *options],
                                        stdout=subprocess.PIPE, text=True)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise RuntimeError("sink does not listen")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=TIMEOUT)
        tap.equal(self.process.returncode, 0, "exit status of the sink")
        with open(self.log) as file:
            return json.loads(out), [json.loads(line) for line in file]


def load(folder, sink, *options):
    log = os.path.join(folder, "load.log")
    done = subprocess.run([LOAD, "--connect", f"127.0.0.1:{sink.port}", "--log", log, "--json", *options],
                          stdout=subprocess.PIPE, text=True, timeout=TIMEOUT)
    with open(log) as file:
        return done.returncode, json.loads(done.stdout), [json.loads(line) for line in file]


MESSAGES = {
    "lf": b"Subject: lf\n\n.\n..\n.x\nlast line has no end",
    "crlf": b"Subject: crlf\r\n\r\nbody\r\n",
    "mbox": b"From someone@example.org Sat Nov 21 00:00:00 2026\nSubject: mbox\n\nFrom here it is text\n",
    "cr": b"Subject: cr\n\na\rb\r\r\n\r.\r\n",
    "eight": b"Subject: \xff\n\n" + bytes(range(1, 256)).replace(b"\n", b"") * 20 + b"\n",
    "empty": b"",
    "big": b"Subject: big\n\n" + b".0123456789\n" * 40000,
}


def canonical(content):
    if content.startswith(b"From "):
        content = content[content.index(b"\n") + 1:]
    content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


def messages_arrive_as_they_were(*options):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/in")
        os.mkdir(f"{folder}/out")
        for name, content in MESSAGES.items():
            with open(f"{folder}/in/{name}", "wb") as file:
                file.write(content)
        sink = Sink(folder, "--store", f"{folder}/out")
        status, summary, sent = load(folder, sink, "--messages", "70", "--rcpts", "40", *options, f"{folder}/in")
        totals, stored = sink.end()
        tap.equal(status, 0, "exit status")
        tap.equal((summary["accepted"], summary["protocol_errors"]), (70, 0), "summary")
        tap.equal((totals["messages"], totals["recipients"]), (70, 2800), "totals")
        by_sender = {entry["from"]: entry for entry in stored}
        tap.equal(len(by_sender), 70, "senders")
        for message in sent:
            wanted = canonical(MESSAGES[os.path.basename(message["file"])])
            entry = by_sender["m%06d@load.example" % message["n"]]
            with open("%s/out/%06d.eml" % (folder, entry["n"]), "rb") as file:
                tap.equal(file.read() == wanted, True, message["file"])
            for text in (message, entry):
                tap.equal(text["sha256"], hashlib.sha256(wanted).hexdigest(), message["file"])
                tap.equal(text["bytes"], len(wanted), message["file"])
            tap.equal(entry["rcpt"], ["u%d@load.example" % i for i in range(1, 41)], "recipients")
            tap.equal(message["reply"], "2.0.0 Ok: queued as %d" % entry["n"], "reply")


def fault_ends_as(fault, stage, kind, *options):
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(folder, "--fault", fault)
        status, summary, sent = load(folder, sink, "--sessions", "3", "--messages", "20", *options)
        _, stored = sink.end()
        tap.equal(status, 0, "exit status")
        tap.equal(summary[kind], 20, kind)
        tap.equal({(m["stage"], m["code"]) for m in sent}, {(stage, int(fault.split("=")[1]))}, "log")
        tap.equal(len(stored), 0, "stored")


def disconnect_is_an_error():
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(folder, "--disconnect", "dot")
        status, summary, _ = load(folder, sink, "--sessions", "2", "--messages", "5")
        totals, _ = sink.end()
        tap.equal((status, summary["failed"], summary["protocol_errors"]), (1, 5, 5), "summary")
        tap.equal(totals["disconnects"], 5, "disconnects")


def delays_and_rate():
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(folder, "--delay", "dot=50", "--delay", "rcpt=20")
        status, summary, _ = load(folder, sink, "--sessions", "10", "--messages", "20", "--rate", "50", "-p")
        sink.end()
        tap.equal((status, summary["accepted"]), (0, 20), "summary")
        assert summary["latency_usec"]["dot"]["p50"] >= 50000
        assert summary["latency_usec"]["rcpt"]["p50"] >= 20000
        assert summary["seconds"] >= 0.38


def exit_after_ends_the_sink():
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(folder, "--exit-after", "3")
        status, summary, _ = load(folder, sink, "--messages", "3")
        out, _ = sink.process.communicate(timeout=TIMEOUT)
        tap.equal((status, summary["accepted"]), (0, 3), "summary")
        tap.equal((sink.process.returncode, json.loads(out)["messages"]), (0, 3), "sink")


def usage_errors_are_told():
    for options in (["--fault", "rcpt=200"], ["--fault", "x=550"], ["--delay", "dot"], ["--extensions", "X"],
                    ["--fault", "rcpt=550:2"], ["--listen", "x"], ["stray"], ["--disconnect", "dot:"]):
        tap.equal(subprocess.run([SINK, *options], stderr=subprocess.DEVNULL).returncode, 2, str(options))
    for options in (["--connect", "x"], ["--sessions", "0"], ["--rate", "-1"], ["--from", "a b"],
                    ["/nonexistent/path"], ["--source", "1.2.3"]):
        tap.equal(subprocess.run([LOAD, *options], stderr=subprocess.DEVNULL).returncode, 2, str(options))
    for program in (LOAD, SINK):
        for option in ("--help", "--version"):
            tap.equal(subprocess.run([program, option], stdout=subprocess.DEVNULL).returncode, 0, option)


def main():
    t = tap.Tap()
    t.case("messages arrive as they were", messages_arrive_as_they_were)
    t.case("pipelined, over many sessions", messages_arrive_as_they_were, "--pipelining", "--sessions", "9")
    t.case("one message a connection", messages_arrive_as_they_were, "--messages-per-session", "1", "-s", "4")
    for fault, stage, kind in (("connect=554", "banner", "rejected"), ("connect=421", "banner", "deferred"),
                               ("helo=550", "helo", "rejected"), ("mail=452", "mail", "deferred"),
                               ("rcpt=550", "rcpt", "rejected"), ("data=451", "data", "deferred"),
                               ("dot=554", "dot", "rejected"), ("dot=421", "dot", "deferred")):
        t.case(f"fault {fault}", fault_ends_as, fault, stage, kind)
        t.case(f"fault {fault}, pipelined", fault_ends_as, fault, stage, kind, "--pipelining")
    t.case("a dropped connection is a protocol error", disconnect_is_an_error)
    t.case("delays and rate", delays_and_rate)
    t.case("--exit-after", exit_after_ends_the_sink)
    t.case("usage errors", usage_errors_are_told)
    t.done()


main()
