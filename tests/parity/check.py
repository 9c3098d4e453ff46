#!/usr/bin/python3
"""check.py - a short comparison of our texts with SpamAssassin's as a test.

Needs mail to compare on (POSTERN_CORPUS, a folder with mail/ in it) and SpamAssassin; skips without.
Usage: check.py TEXTS_DUMP
"""
import os
import re
import subprocess
import sys
import tempfile

MESSAGES = 60
# Per cent of messages on which a kind of text must agree; what is reached is higher (see compare_texts.py).
WANTED = {'body': 97, 'rawbody': 99, 'uri': 95, 'full': 99, 'header': 94}
SKIPPED = 77


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    corpus = os.environ.get('POSTERN_CORPUS')
    if not corpus or not os.path.isdir(os.path.join(corpus, 'mail')):
        print('skipped: POSTERN_CORPUS names no folder with mail/ in it')
        return SKIPPED
    if subprocess.run(['perl', '-MMail::SpamAssassin', '-e', '1'], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        print('skipped: SpamAssassin is not installed')
        return SKIPPED
    files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(corpus, 'mail'))
                   for name in names)
    files = files[::max(1, len(files) // MESSAGES)]
    with tempfile.NamedTemporaryFile('w') as selectors:
        subprocess.run(['perl', os.path.join(here, 'dump_texts.pl'), '-'], stdout=selectors, check=True)
        done = subprocess.run([sys.executable, os.path.join(here, 'compare_texts.py'), sys.argv[1],
                               selectors.name] + files, stdout=subprocess.PIPE, check=True)
    output = done.stdout.decode(errors='replace')
    print(output)
    failed = 0
    for kind, wanted in WANTED.items():
        reached = float(re.search(r'^%s .*\(([\d.]+) %%\)' % kind, output, re.M).group(1))
        if reached < wanted:
            print('%s: %.1f %% agree, %d %% wanted' % (kind, reached, wanted))
            failed = 1
    return failed


sys.exit(main())
