#!/usr/bin/env python3
"""run.py - runs fuzz targets for a time of processor each, in pieces, and keeps count.

    tests/fuzz/run.py BUILD [--seconds N] [--piece N] [--until HH:MM] [--nice N] [--through 'COMMAND …'] [TARGET…]
    tests/fuzz/run.py BUILD --report [TARGET…]
    tests/fuzz/run.py BUILD --minimise BYTES [TARGET…]

BUILD is a build folder made with -Dfuzzer=true. Inputs grow in BUILD/fuzz-work/TARGET, from the committed corpus; what
fails is left in BUILD/fuzz-work as TARGET-crash-…, and stops that target until its program is built anew. One line a
piece goes to BUILD/fuzz-work/log; --report adds them up. --minimise writes back to tests/fuzz/corpus what adds
coverage, what adds most first, up to so many bytes a target.
"""
import argparse
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# What a message needs to hold something worth while; libFuzzer's own default is 4096.
INPUT_BYTES_MAX = {"gateway": 1024, "mime": 16384, "normalise": 16384, "net_input": 8192, "fragment": 8192}

INPUTS_MAX = 200  # of one target's committed corpus


def targets():
    return sorted(name[5:-2] for name in os.listdir(HERE) if re.fullmatch(r"fuzz_\w+\.c", name))


def inputs(folder):
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


class Fuzzer:
    def __init__(self, build, name):
        self.name = name
        self.program = os.path.join(build, "tests/fuzz/fuzz_" + name)
        self.home = os.path.join(build, "fuzz-work")
        self.work = os.path.join(self.home, name)
        self.corpus = os.path.join(HERE, "corpus", name)
        os.makedirs(self.work, exist_ok=True)
        self.dictionary = self.write_dictionary()

    def write_dictionary(self):
        """The committed one, and the words that the project's tables hold."""
        path = os.path.join(HERE, "dict", self.name + ".dict")
        if not os.path.exists(path):
            return None
        with open(path) as file:
            text = file.read()
        if self.name == "config":
            with open(os.path.join(HERE, "../../base/options.def")) as file:
                words = re.findall(r"^OPTION\w*\((\w+),\s*(\w+)", file.read(), re.M)
            text += "".join(f'"{word}"\n' for word in sorted({word for pair in words for word in pair}))
        with open(os.path.join(self.home, self.name + ".dict"), "w") as file:
            file.write(text)
        return file.name

    def log(self):
        """Pieces so far: (processor seconds, executions, edges, result, time it ended)."""
        try:
            with open(os.path.join(self.home, "log")) as file:
                rows = [line.split() for line in file]
        except FileNotFoundError:
            return []
        return [(float(r[1]), int(r[2]), int(r[3]), r[4], float(r[5])) for r in rows if r[0] == self.name]

    def spent(self):
        return sum(row[0] for row in self.log())

    def failed(self):
        """The last piece failed, and the program is the same as then."""
        log = self.log()
        return bool(log) and log[-1][3] != "ok" and os.path.getmtime(self.program) < log[-1][4]

    def run(self, seconds, nice, through):
        command = through + [self.program, f"-max_total_time={seconds}", "-timeout=600", "-rss_limit_mb=2048",
                             "-print_funcs=0", f"-artifact_prefix={self.home}/{self.name}-"]
        if self.name in INPUT_BYTES_MAX:
            command.append(f"-max_len={INPUT_BYTES_MAX[self.name]}")
        if self.dictionary:
            command.append("-dict=" + self.dictionary)
        command += [self.work] + ([self.corpus] if os.path.isdir(self.corpus) else [])
        environment = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")
        with open(os.path.join(self.home, self.name + ".out"), "wb") as out:
            child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment,
                                     preexec_fn=lambda: os.nice(nice))
            _, status, usage = os.wait4(child.pid, 0)
        with open(os.path.join(self.home, self.name + ".out"), errors="replace") as out:
            text = out.read()
        edges = re.findall(r" cov: (\d+) ", text)
        executions = re.findall(r"^#(\d+)\s", text, re.M)
        with open(os.path.join(self.home, "log"), "a") as log:
            log.write(f"{self.name} {usage.ru_utime + usage.ru_stime:.1f} {executions[-1] if executions else 0} "
                      f"{edges[-1] if edges else 0} {'ok' if status == 0 else 'failed'} {time.time():.0f}\n")

    def minimise(self, bytes_max):
        """Keeps what adds coverage; of that as much as fits, what adds most first."""
        fresh = os.path.join(self.home, self.name + ".min")
        shutil.rmtree(fresh, ignore_errors=True)
        os.makedirs(fresh)
        subprocess.run([self.program, "-set_cover_merge=1", "-timeout=600", fresh, self.corpus, self.work], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Inputs with a name of their own were written or found by somebody: they stay.
        kept = sum(os.path.getsize(path) for path in inputs(self.corpus) if not is_found(path))
        for path in inputs(self.corpus):
            if is_found(path):
                os.unlink(path)
        os.makedirs(self.corpus, exist_ok=True)
        # They were written in the order of what they add.
        count = len(inputs(self.corpus))
        for path in sorted(inputs(fresh), key=lambda path: os.stat(path).st_mtime_ns):
            kept += os.path.getsize(path)
            count += 1
            if kept > bytes_max or count > INPUTS_MAX:
                break
            shutil.copy(path, os.path.join(self.corpus, os.path.basename(path)[:16]))


def is_found(path):
    return re.fullmatch(r"[0-9a-f]{16,40}", os.path.basename(path)) is not None


def take(fuzzers, seconds):
    """The first target that still has time to spend and nobody runs; its lock is held until released."""
    for fuzzer in fuzzers:
        if not os.path.exists(fuzzer.program) or fuzzer.failed() or fuzzer.spent() >= seconds:
            continue
        lock = open(os.path.join(fuzzer.home, fuzzer.name + ".lock"), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return fuzzer, lock
    return None, None


def work(fuzzers, options):
    begun = time.time()
    end = begun + 24 * 3600
    if options.until:
        now = time.localtime(begun)
        hour, minute = map(int, options.until.split(":"))
        end = begun + ((hour * 60 + minute) - (now.tm_hour * 60 + now.tm_min)) % 1440 * 60
    while time.time() + 5 < end:
        fuzzer, lock = take(fuzzers, options.seconds)
        if fuzzer is None:
            break
        seconds = int(min(options.piece, end - time.time()))
        fuzzer.run(seconds, options.nice, shlex.split(options.through))
        lock.close()


def report(fuzzers):
    print("| target | processor s | executions | edges | inputs | failures |\n|---|---|---|---|---|---|")
    for fuzzer in fuzzers:
        log = fuzzer.log()
        print(f"| {fuzzer.name} | {fuzzer.spent():.0f} | {sum(r[1] for r in log)} | {max([r[2] for r in log] or [0])} | "
              f"{len(inputs(fuzzer.corpus))} | {sum(r[3] != 'ok' for r in log)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--piece", type=int, default=100)
    parser.add_argument("--until")
    parser.add_argument("--nice", type=int, default=19)
    parser.add_argument("--through", default="")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--minimise", type=int, metavar="BYTES")
    parser.add_argument("target", nargs="*")
    options = parser.parse_intermixed_args()
    fuzzers = [Fuzzer(options.build, name) for name in options.target or targets()]
    if options.report:
        report(fuzzers)
    elif options.minimise:
        for fuzzer in fuzzers:
            fuzzer.minimise(options.minimise)
    else:
        work(fuzzers, options)


if __name__ == "__main__":
    sys.exit(main())
