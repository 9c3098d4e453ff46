#!/usr/bin/python3
"""compare_texts.py - our prepared texts against SpamAssassin's, message by message.

Usage: compare_texts.py TEXTS_DUMP SELECTORS [--show KIND] FILE...
Prints for each kind of text on how many messages both agree, and the first difference.
"""
import os
import struct
import subprocess
import sys

KINDS = ['body', 'rawbody', 'uri', 'full', 'header', 'facts']


def records(data):
    at = 0
    while at < len(data):
        number, kind, key_len, data_len = struct.unpack_from('<IBBI', data, at)
        at += 10
        key = data[at:at + key_len].decode()
        at += key_len
        yield number, kind, key, data[at:at + data_len]
        at += data_len


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit('%s: exit status %d' % (command[0], done.returncode))
    texts = {}
    for number, kind, key, data in records(done.stdout):
        texts.setdefault(number, [[], [], [], [], {}, []])
        if kind == 4:
            texts[number][4][key] = data
        else:
            texts[number][kind].extend(data.split(b'\n') if kind == 5 else [data])
    return texts


def first_difference(ours, theirs):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            at = next((k for k in range(min(len(a), len(b))) if a[k] != b[k]), min(len(a), len(b)))
            start = max(0, at - 40)
            return 'segment %d offset %d (of %d, %d)\n    ours   %r\n    theirs %r' % (
                i, at, len(a), len(b), a[start:at + 60], b[start:at + 60])
    longer, whose = (ours, 'ours') if len(ours) > len(theirs) else (theirs, 'theirs')
    return '%d segments against %d; next of %s: %r' % (
        len(ours), len(theirs), whose, longer[min(len(ours), len(theirs))][:100])


def compare(files, program, selectors, show):
    here = os.path.dirname(os.path.abspath(__file__))
    theirs = run(['perl', os.path.join(here, 'dump_texts.pl'), selectors] + files)
    ours = run([program, selectors] + files)
    agree = dict.fromkeys(KINDS, 0)
    shown = dict.fromkeys(KINDS, 0)
    by_selector = {}
    for number, path in enumerate(files):
        mine = ours.get(number, [[], [], [], [], {}, []])
        want = theirs.get(number, [[], [], [], [], {}, []])
        for kind, name in enumerate(KINDS):
            if kind == 2:
                a, b = set(mine[2]), set(want[2])
                same = a == b
                what = 'extra %r missing %r' % (sorted(a - b)[:4], sorted(b - a)[:4])
            elif kind == 4:
                bad = [k for k in set(mine[4]) | set(want[4]) if mine[4].get(k) != want[4].get(k)]
                for k in bad:
                    by_selector.setdefault(k, []).append(path)
                same = not bad
                what = '; '.join('%s: ours %r theirs %r' % (k, (mine[4].get(k) or b'')[:400],
                                                          (want[4].get(k) or b'')[:400])
                                 for k in sorted(bad, key=lambda k: (k.startswith(('ALL', 'X-Spam-')), k))[:2]
                                 ) if bad else ''
            else:
                same = mine[kind] == want[kind]
                what = '' if same else first_difference(mine[kind], want[kind])
            agree[name] += same
            if not same and shown[name] < (show.get(name, 1)):
                shown[name] += 1
                print('%s: %s: %s' % (name, path, what))
    return agree, by_selector


def main():
    arguments = sys.argv[1:]
    program, selectors = arguments[:2]
    arguments = arguments[2:]
    show = {}
    while arguments and arguments[0] == '--show':
        show = dict.fromkeys(KINDS, 0)
        show[arguments[1]] = 100
        arguments = arguments[2:]
    agree, by_selector = compare(arguments, program, selectors, show)
    for name in KINDS:
        print('%-8s %d of %d messages agree (%.1f %%)' % (
            name, agree[name], len(arguments), 100.0 * agree[name] / max(1, len(arguments))))
    for name, paths in sorted(by_selector.items(), key=lambda item: -len(item[1]))[:12]:
        print('  header %-32s differs in %d messages, first %s' % (name, len(paths), paths[0]))


main()
