#!/usr/bin/python3
"""test_interop_matrix.py - our TCP against the kernel's over links that misbehave: every octet, and the goodput.

    test_interop_matrix.py BUILD [--goodput] [--full] [--bytes N] [--rounds N] [--labs N] [--only TEXT]

A case a cell of interop.py: in both directions, as client and as server, all octets arrive unchanged. With --goodput ours
is also at least 90 % of what the kernel achieves against itself over the same link in the same run; a shortfall must be more
than chance. Without, no time is judged: that is bench/run's work. --full delivers 10 MB through each of all cells, both ways
and in both roles; with --goodput it judges all cells too, with smaller transfers.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import interop  # noqa: E402
from tap import Tap, need_root, skip_all  # noqa: E402

WANTED = 0.9
SHARE_BEHIND = 0.75  # of pairs: with nine samples a side chance alone gets there one time in thirty
SECONDS = 60  # after that no round more than need be, without --full


def judge(result, goodput):
    if isinstance(result, Exception):
        raise AssertionError(str(result))
    for name, direction in result.items() if goodput else ():
        # One timeout more or less doubles the time of a transfer that loses much: chance is no failure.
        assert direction.ratio >= WANTED or direction.share_behind(WANTED) < SHARE_BEHIND, (
            f"{name}: {direction.mbit('ours'):.1f} Mbit/s against {direction.mbit('baseline'):.1f}, {direction.ratio:.2f} times")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--full", action="store_true", help="all cells, 10 MB each")
    parser.add_argument("--goodput", action="store_true", help="judge the goodput, too")
    parser.add_argument("--bytes", type=int, help="a transfer")
    parser.add_argument("--rounds", type=int, help="at least; each the other way round as client and server")
    parser.add_argument("--rounds-max", type=int, default=9, help="while the goodput is too low")
    parser.add_argument("--labs", type=int, help="cells at a time")
    parser.add_argument("--only", default="", help="cells whose name holds this")
    its = parser.parse_args()
    need_root()
    programs = {name: os.path.abspath(f"{its.build}/tests/integration/{name}") for name in interop.PROGRAMS}
    for path in programs.values():
        if not os.path.exists(path):
            skip_all(f"{os.path.basename(path)} is not built")
    cells = [cell for cell in (interop.full_cells() if its.full else interop.default_cells()) if its.only in cell.name]
    tap, start, rounds = Tap(), time.monotonic(), its.rounds or (4 if its.full else 2)
    until = float("inf") if its.full else start + SECONDS

    def done(cell, result):
        tap.case(cell.name, judge, result, its.goodput)
        print(f"# {interop.row(cell, result) if isinstance(result, dict) else result}", flush=True)

    def delivered(cell, result):
        tap.case(f"{cell.name}, both ways as client and server", judge, result, False)
        times = result.items() if isinstance(result, dict) else ()
        print("# " + ", ".join(f"{way} as {role} {seconds:.1f} s" for (way, role), seconds in times), flush=True)

    size = its.bytes or 2_000_000
    if its.full:
        interop.deliver_all(programs, cells, its.labs or interop.DELIVERY_LABS, delivered, its.bytes or 10_000_000, 900)
    if its.goodput or not its.full:
        interop.measure_all(programs, cells, its.labs or interop.LABS, done, size=size, rounds=rounds,
                            rounds_max=max(rounds, its.rounds_max if its.goodput else 0), wanted=WANTED, until=until,
                            timeout=300 if its.full else 60)
    print(f"# {time.monotonic() - start:.0f} s")
    tap.done()


if __name__ == "__main__":
    main()
