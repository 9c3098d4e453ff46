#!/usr/bin/env python3
"""check_table.py - docs/conformance.md names scripts: each exists, and each that exists is named.

    check_table.py TABLE SCRIPT...    prints TAP
"""
import pathlib
import re
import sys

OTHER = {"pc_accept", "tcp_info", "tcp_retries_max"}  # calls and options that the table names


def main():
    table = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    scripts = {pathlib.Path(path).stem for path in sys.argv[2:]}
    rows = [line for line in table.splitlines() if line.startswith("|")]
    named = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)} - OTHER
    missing, unnamed = sorted(named - scripts), sorted(scripts - named)
    print("1..2")
    print("ok" if not missing else "not ok", "1 - every script that a clause names exists")
    for name in missing:
        print("#", name)
    print("ok" if not unnamed else "not ok", "2 - every script is named by a clause")
    for name in unnamed:
        print("#", name)
    return 1 if missing or unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
