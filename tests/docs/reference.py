#!/usr/bin/env python3
"""reference.py - holds docs/reference against the tables it is made from.

    reference.py MANUAL FOLDER            compares, prints TAP
    reference.py --write MANUAL FOLDER    makes the pages anew
"""
import difflib
import os
import subprocess
import sys

PAGES = ("options", "counters", "replies", "events", "evals")
NOTICE = "<!-- Made from the tables in the source by `ninja -C build reference`; do not edit. -->\n"


def page(manual, name):
    return NOTICE + subprocess.run([manual, name], check=True, capture_output=True, text=True).stdout


def write(manual, folder):
    os.makedirs(folder, exist_ok=True)
    for name in PAGES:
        with open(os.path.join(folder, name + ".md"), "w") as out:
            out.write(page(manual, name))
        print("written: %s.md" % name)
    return 0


def compare(manual, folder):
    bad = 0
    print("1..%d" % len(PAGES))
    for number, name in enumerate(PAGES, 1):
        path = os.path.join(folder, name + ".md")
        there = open(path).read() if os.path.exists(path) else ""
        wanted = page(manual, name)
        print("%s %d - %s.md says what the tables say" % ("ok" if there == wanted else "not ok", number, name))
        if there != wanted:
            bad += 1
            print("# make it anew: ninja -C build reference")
            for line in list(difflib.unified_diff(there.split("\n"), wanted.split("\n"), "page", "tables",
                                                  lineterm=""))[:20]:
                print("# " + line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(write(*sys.argv[2:]) if sys.argv[1] == "--write" else compare(*sys.argv[1:]))
