#!/usr/bin/python3
"""demo.py - the demonstration of deploy/run: a network, a gateway, real rules, sample mail, a table."""
import argparse
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

from lab import Lab, LabError

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
EXAMPLES = "/usr/share/doc/spamassassin/examples"


def say(text):
    print(f"== {text}", flush=True)


def samples():
    """(name, file, expected verdict): ours by file name VERDICT-name.eml, and SpamAssassin's two examples."""
    for path in sorted(glob.glob(f"{SAMPLES}/*.eml")):
        verdict, name = os.path.basename(path)[:-4].split("-", 1)
        yield name, path, verdict
    for name, verdict in (("sample-nonspam.txt", "accept"), ("sample-spam.txt", "reject")):
        if os.path.exists(f"{EXAMPLES}/{name}"):
            yield f"spamassassin {name}", f"{EXAMPLES}/{name}", verdict


def send(lab, path):
    """Sends one message with swaks; returns (reply to the message, ms)."""
    start = time.monotonic()
    done = subprocess.run(lab.inside("client", "swaks", "--server", "10.25.0.2", "--helo", "client.example",
                                     "--from", "alice@client.example", "--to", "bob@backend.example",
                                     "--data", f"@{path}", "--timeout", "30"),
                          capture_output=True, text=True)
    took = (time.monotonic() - start) * 1000
    replies = re.findall(r"^<(?:-|\*\*|~)\s+(\d{3} .*)$", done.stdout, re.M)
    after_dot = done.stdout.rsplit("\n -> .\n", 1)
    reply = re.search(r"^<\S+\s+(\d{3}[ -].*)$", after_dot[1], re.M) if len(after_dot) == 2 else None
    return (reply[1] if reply else (replies[-1] if replies else done.stdout.strip().splitlines()[-1:] or ["no reply"])), took


def event_of(lab, count, seconds=5):
    """The newest verdict event once there are `count` of them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with open(f"{lab.folder}/events.jsonl") as file:
                events = [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            events = []
        events = [event for event in events if event.get("stage") == "end"]
        if len(events) >= count:
            return events[count - 1]
        time.sleep(0.05)
    return None


def show(rows):
    head = ("message", "verdict", "score", "top rules", "ms", "reply", "")
    rows = [head] + rows
    widths = [min(max(len(str(row[i])) for row in rows), (34, 9, 8, 46, 6, 60, 20)[i]) for i in range(len(head))]
    for row in rows:
        print("  ".join(str(cell)[:width].ljust(width) for cell, width in zip(row, widths)).rstrip())


def demonstrate(lab):
    rows, right = [], True
    stored = 0
    for count, (name, path, expected) in enumerate(samples(), 1):
        reply, took = send(lab, path)
        event = event_of(lab, count) or {}
        verdict = event.get("verdict", "?")
        code = str(reply)[:3]
        good = verdict == expected and code == {"accept": "250", "tag": "250", "reject": "554", "defer": "451"}[expected]
        stored += expected in ("accept", "tag")
        right = right and good
        rules = [f"{rule['name']} {rule['score']:g}" for rule in event.get("rules", [])]
        rows.append((name, verdict, f"{event['score']:.1f}" if "score" in event else "-", ", ".join(rules[:3]),
                     f"{took:.0f}", reply, "" if good else f"WRONG: {expected}"))
    show(rows)
    arrived = len(os.listdir(f"{lab.folder}/sink"))
    say(f"{arrived} of {len(rows)} messages are in the backend's store, {stored} expected")
    return right and arrived == stored


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--once", action="store_true")
    its = parser.parse_args()
    lab = Lab(its.build)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        say("network: namespaces postern-client, postern-gateway, postern-backend")
        lab.open()
        lab.write_config()
        say("backend: postern-sink on 10.26.0.1:25")
        lab.start_sink()
        say("gateway: postern on AF_XDP (10.25.0.2, 10.26.0.2)")
        lab.start_dataplane()
        say("management: postern-mgmtd, compiling SpamAssassin's rules (once; then they are cached)")
        lab.start_management()
        lab.wait_rules()
        right = demonstrate(lab)
        if its.once:
            return 0 if right else 1
        say(f"up until Ctrl-C. Ask it: {lab.program('posternctl')} --socket {lab.folder}/mgmtd.sock status")
        say("Send mail: nsenter --net=/run/netns/postern-client swaks --server 10.25.0.2 --to you@example.org")
        while all(process.poll() is None for process in lab.processes.values()):
            time.sleep(0.5)
        for name, process in lab.processes.items():
            if process.poll() is not None:
                raise LabError(f"{name} has ended with status {process.returncode}:\n{lab.log(name)[-2000:]}")
        return 1
    except KeyboardInterrupt:
        return 0
    except LabError as error:
        print(f"error: {error}\n       logs are in {lab.folder}", file=sys.stderr)
        return 1
    finally:
        say("cleaning up")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lab.close()


sys.exit(main())
