#!/usr/bin/python3
"""Signed messages and keys of the test suites others wrote, judged by our own readers: one TAP case each.

suite.py DKIM_FOLLOW. They lie in the corpus (dkimpy, Mail::DKIM's FAKE_DNS.dat, hMailServer, ValiMail's suite for ARC); nothing of them is kept here.
"""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))

from tap import Tap, equal, skip_all  # noqa: E402

# When the messages of these suites were sent, so that x= is not over.
THEN = 1200000000
# RFC 8463, appendix A: the keys of its example, which is dkimpy's, too.
RFC_8463_KEY = 'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='
# What becomes of records of Mail::DKIM's verifier tests; keys below 1024 bits are none (RFC 8301).
FAKE_KEYS = {
    'selector1._domainkey.messiah.edu': 'rsa 1024', 'test6._domainkey.messiah.edu': 'rsa 1024',
    'test1._domainkey.messiah.edu': 'none 512', 'test3._domainkey.messiah.edu': 'none 512',
    'testbad1._domainkey.messiah.edu': 'none 0', 'testbad2._domainkey.messiah.edu': 'none 0',
    'testbad3._domainkey.messiah.edu': 'none 0', 'testbad4._domainkey.messiah.edu': 'none 0',
    'testbad7._domainkey.messiah.edu': 'none 0', 'testrevoked._domainkey.messiah.edu': 'none 0',
    's1024._domainkey.yahoo.com': 'rsa 1024', 'foo._domainkey.vmt2.cis.att.net': 'none 768',
    '2023-05-ed25519._domainkey.wander.science': 'ed25519 0',
    '2023-05-ed25519-empty._domainkey.wander.science': 'none 0', 'invalid._domainkey.wander.science': 'none 0'}
DKIMPY_KEYS = {
    'test.txt': 'pass', 'test2.txt': 'pass', 'test_bad.txt': 'permerror', 'badk.txt': 'permerror', 'badversion.txt': 'permerror',
    'test_tlsrpt.txt': 'permerror', '1024_testkey_wo_markers.pub.txt': 'fail', '1024_testkey_wo_markers.pub.rsa.txt': 'fail',
    '2048_testkey_wo_markers.pub.txt': 'fail', '2048_testkey_wo_markers.pub.rsa.txt': 'fail',
    '2048_testkey_PKCS8.key.pub.txt': 'fail'}


class Follow:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stdout.readline().split()

    def say(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def key(self, name, record):
        self.say(f'key {name.lower()} {(record.encode() + bytes(1)).hex()}')
        return ' '.join(self.line()[1:])

    def verdicts(self, message, now=THEN, cut=False):
        self.say(f'message {now} {int(cut)} {message.hex() or "-"}')
        found = []
        while (line := self.line())[0] != 'arc':
            found.append(line[-1])
        self.chain = line[-1]
        equal(self.line(), ['end'], 'answer')
        return found


def read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


def fake_keys(corpus):
    found = {}
    for line in read(corpus, 'mail-dkim', 't', 'FAKE_DNS.dat').decode().splitlines():
        name, _, record = line.partition(' ')
        if line and not line.startswith('#'):
            found[name] = record.strip()
    return found


def keys_of_mail_dkim(follow, corpus):
    records = fake_keys(corpus)
    equal({name: follow.key(name, records[name]) for name in FAKE_KEYS}, FAKE_KEYS, 'keys')


def keys_of_dkimpy(follow, corpus, name, wanted):
    follow.key('test._domainkey.football.example.com', read(corpus, 'dkimpy-1.1.4', name).decode().strip())
    equal(follow.verdicts(read(corpus, 'dkimpy-1.1.4', 'rfc6376.signed.rsa.msg')), [wanted], name)


def example_keys(follow, corpus):
    follow.key('test._domainkey.football.example.com', read(corpus, 'dkimpy-1.1.4', 'test.txt').decode().strip())
    follow.key('brisbane._domainkey.football.example.com', RFC_8463_KEY)


def rfc_8463_example(follow, corpus):
    example_keys(follow, corpus)
    message = read(corpus, 'dkimpy-1.1.4', 'rfc6376.signed.msg')
    lines = b'\r\n'.join(message.replace(b'\r\n', b'\n').split(b'\n'))
    equal(follow.verdicts(message), ['pass', 'pass'], 'as it lies')
    equal(follow.verdicts(lines), ['pass', 'pass'], 'with CRLF')


def every_octet_counts(follow, corpus):
    """c=simple/simple, and all fields are signed, From twice."""
    example_keys(follow, corpus)
    message = read(corpus, 'dkimpy-1.1.4', 'rfc6376.signed.msg').replace(b'\r\n', b'\n')
    start = message.index(b'\nFrom:') + 1
    for at in range(start, len(message.rstrip(b'\n'))):
        for octet in (message[at] ^ 0x20, ord('x')):
            changed = message[:at] + bytes([octet]) + message[at + 1:]
            if changed != message:
                assert 'pass' not in follow.verdicts(changed), (at, octet)
    assert 'pass' not in follow.verdicts(message[:start] + b'From: somebody@else.example\n' + message[start:])


def exim(follow, corpus):
    records = [line for line in read(corpus, 'dkimpy-1.1.4', 'eximtest.dns').decode().splitlines() if line]
    equal(follow.key('sed._domainkey.test.ex', records[-1]), 'ed25519 0', 'key')
    equal(follow.verdicts(read(corpus, 'dkimpy-1.1.4', 'ed25519test2.msg')), ['pass'], 'signature')


def hmailserver(follow, path, folder):
    """By what its folder is called nothing else may be good; of the good ones only the bodies can be judged, without keys."""
    verdicts = follow.verdicts(read(path), now=1237333400)
    if folder == 'Good':
        equal(set(verdicts), {'nokey'}, 'bodies')
    assert 'pass' not in verdicts, verdicts


def chain(follow, test):
    """Where the suite leaves the result open (a seal says cv=fail), the chain has failed."""
    follow.verdicts(test['message'].replace('\n', '\r\n').encode('utf-8', 'surrogateescape'))
    equal(follow.chain, (test['cv'] or 'fail').lower(), test['description'])


def chains(tap, follow, corpus):
    try:
        import yaml
    except ImportError:
        return
    path = os.path.join(corpus, 'arc_test_suite', 'tests', 'arc-draft-validation-tests.yml')
    for scenario in yaml.safe_load_all(read(path)):
        for name in ('dummy', 'dummy2', '512', '1024', '2048', 'invalid'):
            for domain in ('example.org', 'example2.org'):
                name_of_key = f'{name}._domainkey.{domain}'
                follow.key(name_of_key, scenario['txt-records'].get(name_of_key, ''))
        for name, test in scenario['tests'].items():
            tap.case(f'arc: {name}', chain, follow, test)


def main():
    corpus = os.path.join(os.environ.get('POSTERN_CORPUS', ''), 'auth-vectors')
    if 'POSTERN_CORPUS' not in os.environ or not os.path.isdir(os.path.join(corpus, 'dkimpy-1.1.4')):
        skip_all('POSTERN_CORPUS has no suites of signatures')
    tap, follow = Tap(), Follow(sys.argv[1])
    tap.case('mail-dkim: records of keys', keys_of_mail_dkim, follow, corpus)
    for name, wanted in DKIMPY_KEYS.items():
        tap.case(f'dkimpy: {name}', keys_of_dkimpy, follow, corpus, name, wanted)
    tap.case('RFC 8463: the example', rfc_8463_example, follow, corpus)
    tap.case('RFC 8463: every octet of the example counts', every_octet_counts, follow, corpus)
    tap.case('dkimpy: a message by Exim', exim, follow, corpus)
    for name, record in fake_keys(corpus).items():
        follow.key(name, record)
    for path in sorted(glob.glob(os.path.join(corpus, 'hmailserver-dkim/hmailserver/test/TestData/DKIM/*/*'))):
        folder = os.path.basename(os.path.dirname(path))
        tap.case(f'hmailserver: {folder}/{os.path.basename(path)}', hmailserver, follow, path, folder)
    chains(tap, follow, corpus)
    follow.process.stdin.close()
    equal(follow.process.wait(), 0, 'dkim_follow')
    tap.done()


if __name__ == '__main__':
    main()
