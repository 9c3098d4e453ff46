#!/usr/bin/python3
"""count_tests.py - counts test cases over meson's JSON logs: every TAP line of a program is a case, a program
without any is one. Prints `N passed, N failed, N skipped` as its last line; fails when one failed or none ran."""
import json
import re
import sys

CASE = re.compile(r"^(not )?ok\b([^#]*)(#\s*(skip|todo)\b.*)?", re.IGNORECASE)


def count(test):
    passed = failed = skipped = 0
    for line in test.get("stdout", "").splitlines():
        case = CASE.match(line.strip())
        if not case:
            continue
        if case[4] and case[4].lower() == "skip":
            skipped += 1
        elif case[1]:
            failed += 1
        else:
            passed += 1
    result = test["result"]
    if passed + failed + skipped == 0:
        return (result == "OK", result not in ("OK", "SKIP"), result == "SKIP")
    # A program that crashed or ended short of its plan failed, whatever its cases said.
    if result not in ("OK", "SKIP") and failed == 0:
        failed = 1
    return passed, failed, skipped


def main(paths):
    totals = [0, 0, 0]
    for path in paths:
        with open(path, encoding="utf-8") as log:
            for line in log:
                test = json.loads(line)
                counts = count(test)
                totals = [a + int(b) for a, b in zip(totals, counts)]
                if counts[1]:
                    print(f"failed: {test['name']} ({test['result']})")
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] or not totals[0] else 0


sys.exit(main(sys.argv[1:]))
