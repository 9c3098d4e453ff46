#!/usr/bin/python3
"""The test suites for SPF that others wrote, run through our own check: one TAP case for each of their tests.

suite.py SPF_FOLLOW. The suites are YAML and lie in the corpus (pyspf's rfc7208-tests.yml); nothing of them is kept here.
Their zones are served as DNS packets, so that what reads replies is tested with what judges them.
"""
import glob
import os
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))

from tap import Tap, skip_all  # noqa: E402

TYPES = {'A': 1, 'CNAME': 5, 'PTR': 12, 'MX': 15, 'TXT': 16, 'AAAA': 28}
ALIASES_MAX = 16
SERVER_FAILS, NO_NAME = 2, 3


def octets(text):
    """As the suites write them: octets beyond ASCII are characters of the same number, or UTF-8."""
    return text.encode('latin-1') if max(map(ord, text), default=0) < 256 else text.encode('utf-8')


def encode_name(name):
    labels = [octets(label) for label in name.rstrip('.').split('.') if label]
    return b''.join(bytes([min(len(label), 63)]) + label[:63] for label in labels) + b'\0'


def encode_texts(value):
    strings = value if isinstance(value, list) else [value]
    cut = [part for string in strings for part in
           ([octets(string)[i:i + 255] for i in range(0, len(octets(string)), 255)] or [b''])]
    return b''.join(bytes([len(part)]) + part for part in cut)


def encode(kind, value):
    if kind == 'A':
        return socket.inet_aton(value)
    if kind == 'AAAA':
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == 'MX':
        return struct.pack('!H', value[0]) + encode_name(value[1])
    if kind == 'TXT':
        return encode_texts(value)
    return encode_name(value)


class Zone:
    """What one scenario serves. A record of type SPF stands for a TXT too, unless TXT records are there."""

    def __init__(self, data):
        self.records, self.silent, self.names = {}, set(), set()
        for name, rows in data.items():
            name = name.lower().rstrip('.')
            self.names.add(name)
            given = [next(iter(row.items())) for row in rows if isinstance(row, dict)]
            has_text = any(kind == 'TXT' for kind, _ in given)
            if any(not isinstance(row, dict) for row in rows):
                self.silent.add(name)
            for kind, value in given:
                if kind == 'SPF' and not has_text:
                    kind = 'TXT'
                if kind != 'SPF' and value != 'NONE':
                    self.records.setdefault((name, kind), []).append(value)

    def reply(self, kind, name):
        found = []
        for _ in range(ALIASES_MAX):
            found = self.records.get((name, kind), [])
            alias = self.records.get((name, 'CNAME'))
            if found or not alias:
                break
            name = alias[0].lower().rstrip('.')
        else:
            return self.packet(SERVER_FAILS, kind, [])
        if not found and name in self.silent:
            return self.packet(SERVER_FAILS, kind, [])
        return self.packet(0 if name in self.names else NO_NAME, kind, found)

    @staticmethod
    def packet(code, kind, values):
        records = [encode(kind, value) for value in values]
        header = struct.pack('!HHHHHH', 1, 0x8180 | code, 1, len(records), 0, 0)
        question = b'\1q\0' + struct.pack('!HH', TYPES[kind], 1)
        return header + question + b''.join(
            b'\xc0\x0c' + struct.pack('!HHIH', TYPES[kind], 1, 60, len(data)) + data for data in records)


class Follow:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def check(self, zone, address, helo, sender):
        self.say(f'check {address} {octets(helo).hex() or "-"} {octets(sender).hex() or "-"}')
        while True:
            word, *rest = self.process.stdout.readline().rstrip('\n').split(' ', 2)
            if word == 'result':
                return rest[0]
            assert word == 'ask', word
            self.say(zone.reply(rest[0], rest[1]).hex())


def judge(follow, zone, test):
    wanted = test['result'] if isinstance(test['result'], list) else [test['result']]
    result = follow.check(zone, test['host'], test['helo'], test['mailfrom'])
    assert result in wanted, f'{result}, the suite says {" or ".join(wanted)}'


def main():
    try:
        import yaml
    except ImportError:
        skip_all('python3-yaml is not there')
    corpus = os.environ.get('POSTERN_CORPUS', '')
    suites = glob.glob(f'{corpus}/auth-vectors/*/test/rfc7208-tests.yml') if corpus else []
    if not suites:
        skip_all('POSTERN_CORPUS holds no suite for SPF')
    tap, follow = Tap(), Follow(sys.argv[1])
    for suite in suites:
        with open(suite, encoding='utf-8') as file:
            for scenario in yaml.safe_load_all(file):
                zone = Zone(scenario['zonedata'])
                for name, test in scenario['tests'].items():
                    tap.case(f"{scenario['description']}: {name}", judge, follow, zone, test)
    tap.done()


if __name__ == '__main__':
    main()
