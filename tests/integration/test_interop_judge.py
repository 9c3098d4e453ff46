#!/usr/bin/python3
"""test_interop_judge.py - when a goodput counts as too low: the judgement of interop.py on made-up times, without a network."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from interop import Direction  # noqa: E402
from tap import Tap  # noqa: E402


def direction(ours, baseline):
    return Direction(1, [{"seconds": seconds} for seconds in ours], [{"seconds": seconds} for seconds in baseline])


def spread(seed, rounds, ratio, factor=2.0):
    """Rounds whose times vary by `factor` either way, ours of `ratio` times the goodput."""
    random_ = random.Random(seed)
    times = [factor ** random_.uniform(-1, 1) for _ in range(2 * rounds)]
    return direction([seconds / ratio for seconds in times[:rounds]], times[rounds:])


def even():
    mean, low, high = direction([2.0, 1.0, 4.0], [2.0, 1.0, 4.0]).paired
    assert mean == low == high == 1.0, (mean, low, high)


def pairs():
    """What both have in common, as where the seed loses much, is no spread."""
    assert direction([1.0, 10.0, 100.0, 5.0], [0.8, 8.0, 80.0, 4.0]).is_behind(0.9)


def interval():
    mean, low, high = direction([1.0, 1.0, 1.0, 1.0, 1.0], [0.5, 0.7, 1.0, 1.4, 2.0]).paired
    # By the tables: t = 2.776, logarithms of deviation 0.5491.
    assert abs(mean - 0.9960) < 0.001 and abs(low - 0.504) < 0.01 and abs(high - 1.969) < 0.03, (mean, low, high)


def few():
    assert not direction([9.0, 9.0], [1.0, 1.0]).is_behind(0.9)
    assert not direction([9.0, 9.0], [1.0, 1.0]).is_decided(0.9)


def chance():
    behind = sum(spread(seed, 9, 1.0).is_behind(0.9) for seed in range(1000))
    assert behind <= 20, f"{behind} of 1000 that were as good are called too low"


def found():
    behind = sum(spread(seed, 40, 0.5).is_behind(0.9) for seed in range(1000))
    assert behind >= 980, f"only {behind} of 1000 that were half as good are called too low"
    assert not spread(1, 40, 2.0).is_behind(0.9) and spread(1, 40, 2.0).is_decided(0.9)


def main():
    tap = Tap()
    tap.case("equal times are a ratio of one, exactly", even)
    tap.case("rounds are compared with their like", pairs)
    tap.case("the interval is Student's", interval)
    tap.case("two rounds decide nothing", few)
    tap.case("chance alone is called too low in less than one of fifty", chance)
    tap.case("half the goodput is called too low", found)
    tap.done()


if __name__ == "__main__":
    main()
