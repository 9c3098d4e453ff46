"""tap.py - the few lines a test program needs to speak TAP: one line a case, so that cases are counted."""
import os
import sys
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; the text says why."""


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def case(self, name, function, *arguments):
        self.count += 1
        try:
            function(*arguments)
            print(f"ok {self.count} - {name}", flush=True)
        except Skip as why:
            print(f"ok {self.count} - {name} # SKIP {why}", flush=True)
        except Exception as error:
            self.failed += 1
            print(f"not ok {self.count} - {name}", flush=True)
            for line in (traceback.format_exc(limit=-3) if not isinstance(error, AssertionError) else
                         traceback.format_exc(limit=-1)).splitlines():
                print(f"# {line}", flush=True)

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def need_root():
    if os.geteuid() != 0:
        skip_all("needs root: network namespaces and AF_XDP")


def equal(got, wanted, what=""):
    assert got == wanted, f"{what}: got {got!r}, wanted {wanted!r}"
