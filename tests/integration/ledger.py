"""ledger.py - holds what postern-load was told against what postern-sink got, message for message."""
import glob
import hashlib
import json
import os
import re


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def split_trace(content):
    """Our header fields stand above the message; X-Postern-Id is the last of them. Returns (trace, message)."""
    at = content.find(b"X-Postern-Id:")
    ours = re.match(rb"Authentication-Results: [^;]+;(.*\r\n)(\t.*\r\n)*Received: from ", content)
    assert ours and 0 < at < 8192, f"no trace above the message: {content[:200]!r}"
    end = content.index(b"\r\n", at) + 2
    return content[:end], content[end:]


class Ledger:
    """Facts of one run, by the number that the envelope sender carries: what was `sent`, what is `stored`."""

    def __init__(self, load_log, sink_log, store):
        self.sent = {entry["n"]: entry for entry in lines(load_log)}
        self.stored = {}
        self.twice = []
        for entry in lines(sink_log):
            sender = re.fullmatch(r"m(\d+)@load\.example", entry["from"])
            if not sender:
                continue
            number = int(sender[1])
            if number in self.stored:
                self.twice.append(number)
            self.stored[number] = entry
        self.store = store

    def problems(self):
        """Everything that breaks the promise, as texts."""
        found = [f"{sender}: stored twice" for sender in self.twice]
        for sender, entry in self.sent.items():
            there = self.stored.get(sender)
            if entry["code"] // 100 == 2 and there is None:
                found.append(f"{sender} ({entry['file']}): client has {entry['reply']!r}, the sink has nothing")
            elif entry["code"] // 100 != 2 and there is not None:
                found.append(f"{sender} ({entry['file']}): client was told {entry['reply']!r}, the sink has it")
            elif there is not None:
                found += self.differences(sender, entry, there)
        found += [f"{sender}: stored and never sent" for sender in self.stored if sender not in self.sent]
        return found

    def differences(self, sender, entry, there):
        with open(os.path.join(self.store, f"{there['n']:06}.eml"), "rb") as file:
            _, message = split_trace(file.read())
        if hashlib.sha256(message).hexdigest() == entry["sha256"]:
            return []
        return [f"{sender} ({entry['file']}): {len(message)} octets arrived, {entry['bytes']} were sent, and they differ"]

    def codes(self):
        counts = {}
        for entry in self.sent.values():
            counts[entry["code"]] = counts.get(entry["code"], 0) + 1
        return counts


def corpus_mail(corpus):
    return sorted(path for path in glob.glob(f"{corpus}/mail/**/*", recursive=True) if os.path.isfile(path))
