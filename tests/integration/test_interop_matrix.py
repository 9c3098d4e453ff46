#!/usr/bin/python3
"""test_interop_matrix.py - our TCP against the kernel's over links that misbehave: every octet, and the goodput.

    test_interop_matrix.py BUILD [--goodput] [--all | --full] [--way WAY] [--bytes N] [--rounds N] [--rounds-max N] [--seconds N]
                           [--labs N] [--only TEXT]

A case a cell of interop.py: in both directions, as client and as server, all octets arrive unchanged. With --goodput ours
is also at least 90 % of what the kernel achieves against itself over the same link in the same run; a shortfall must be more
than chance, and as long as neither is shown there are more rounds, up to --rounds-max. Without, no time is judged: that is
bench/run's work. --all takes all cells; --full does so, too, and delivers 10 MB through each, both ways and in both roles.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import interop  # noqa: E402
from tap import Tap, need_root, skip_all  # noqa: E402

WANTED = 0.9
SECONDS = 60  # after that no round more than need be, without --full and --all


def judge(result, goodput):
    if isinstance(result, Exception):
        raise AssertionError(str(result))
    for name, direction in result.items() if goodput else ():
        # One timeout more or less doubles the time of a transfer that loses much: chance is no failure.
        mean, low, high = direction.paired
        assert not direction.is_behind(WANTED), f"{name}: {mean:.2f} ({low:.2f} to {high:.2f}) of the kernel's goodput"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--all", action="store_true", help="all cells")
    parser.add_argument("--full", action="store_true", help="all cells, and 10 MB through each")
    parser.add_argument("--way", choices=interop.WAYS, help="with --goodput: only what our stack sends, or receives")
    parser.add_argument("--goodput", action="store_true", help="judge the goodput, too")
    parser.add_argument("--bytes", type=int, help="a transfer")
    parser.add_argument("--rounds", type=int, help="at least; each the other way round as client and server")
    parser.add_argument("--rounds-max", type=int, default=9, help="while it is not shown to be high enough, or too low")
    parser.add_argument("--seconds", type=int, help="after that no round more than need be")
    parser.add_argument("--labs", type=int, help="cells at a time")
    parser.add_argument("--only", action="append", help="cells whose name holds this; may be given again")
    its = parser.parse_args()
    need_root()
    programs = {name: os.path.abspath(f"{its.build}/tests/integration/{name}") for name in interop.PROGRAMS}
    for path in programs.values():
        if not os.path.exists(path):
            skip_all(f"{os.path.basename(path)} is not built")
    cells = [cell for cell in (interop.full_cells() if its.full or its.all else interop.default_cells())
             if any(text in cell.name for text in its.only or [""])]
    tap, start, rounds = Tap(), time.monotonic(), its.rounds or (4 if its.full or its.all else 2)
    until = start + (its.seconds or (SECONDS if not its.full and not its.all else float("inf")))

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
                            timeout=300 if its.full or its.all else 60, ways=[its.way] if its.way else interop.WAYS)
    print(f"# {time.monotonic() - start:.0f} s")
    tap.done()


if __name__ == "__main__":
    main()
