"""tls_measure.py - the suite `tls`: what handshakes, octets and idle connections cost beside OpenSSL, and how long sessions in the
clear wait beside handshakes.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))

from certificates import Authority  # noqa: E402
from lab import Lab  # noqa: E402

MAIL_BYTES = 75000
OTHER_CORE = 0
# What the clients of a row speak, and what the gateway is told: the key, the group, helpers.
TURNAROUNDS = (("1.3-ecdsa-p256", "ec", ("--group", "P-256"), 1),
               ("1.3-ecdsa-x25519", "ec", ("--group", "X25519"), 1),
               ("1.3-rsa2048-helper", "rsa", ("--group", "X25519"), 1),
               ("1.3-rsa2048-in-the-turn", "rsa", ("--group", "X25519"), 0))


def lines_of(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Results:
    def __init__(self, say):
        self.rows, self.say = [], say

    def add(self, case, metric, unit, value, better, baseline=None):
        row = {"suite": "tls", "case": case, "metric": metric, "unit": unit, "value": round(value, 2), "better": better}
        if baseline:
            row["baseline"] = {"name": baseline[0], "value": round(baseline[1], 2)}
            row["ratio"] = round(value / baseline[1], 3) if baseline[1] else None
        self.rows.append(row)
        ratio = f"  {row['ratio']:.2f}x {baseline[0]}" if baseline and baseline[1] else ""
        self.say(f"{case:28} {metric:22} {value:12.2f} {unit}{ratio}")


def library(build, rounds, results):
    """Handshakes and octets in one process, once with helpers and once without."""
    for helpers in (1, 0):
        rows = lines_of(f"{build}/bench/postern-bench-tls", "--json", "--rounds", str(rounds), "--helpers", str(helpers))
        suffix = "-helper" if helpers else ""
        octets = next(row for row in rows if row["case"] == "octets-16384")
        for row in rows:
            case = row["case"]
            if "handshake_us" in row:
                if helpers and "rsa" not in case and "key" not in case:
                    continue  # nothing of it is a helper's
                theirs = row["openssl"]
                results.add(case + suffix, "handshake_us", "us", row["handshake_us"], "lower", ("openssl", theirs["handshake_us"]))
                results.add(case + suffix, "per_second", "1/s", 1e6 / row["handshake_us"], "higher",
                            ("openssl", 1e6 / theirs["handshake_us"]))
                results.add(case + suffix, "step_us", "us", row["step_us"], "lower", ("openssl", theirs["step_us"]))
                results.add(case + suffix, "session_us", "us", row["handshake_us"] + MAIL_BYTES / octets["in_mb"], "lower",
                            ("openssl", theirs["handshake_us"] + MAIL_BYTES / octets["openssl"]["in_mb"]))
            elif "in_mb" in row and not helpers:
                for way in ("in", "out"):
                    results.add(case, f"{way}_mb_per_second", "MB/s", row[f"{way}_mb"], "higher", ("openssl", row["openssl"][f"{way}_mb"]))
            elif "idle_bytes" in row and not helpers:
                results.add(case, "idle_bytes", "bytes", row["idle_bytes"], "lower")


def turn_us_max(lab):
    """The longest that handshakes held a turn up, CPU time."""
    for counter in lab.ctl_json("counters", "--all")["counters"]:
        if counter["name"] == "tls_turn_us_max":
            return counter["value"]
    raise RuntimeError("no counter tls_turn_us_max")


def turnarounds(build, quick, results):
    """One lab; for each kind of handshake the gateway anew, and all rates in turns."""
    lab = Lab(build, os.environ.get("POSTERN_LAB", "postern") + "-bench-tls")
    try:
        lab.open()
        authority = Authority(lab.folder)
        pairs = {"ec": authority.issue("ec"), "rsa": authority.issue("rsa", kind="rsa")}
        lab.start_sink()
        for case, key, more, helpers in TURNAROUNDS[:3:2] if quick else TURNAROUNDS:
            chain, secret = pairs[key]
            lab.write_config(rules=(), limits="junk_commands_max = 10000;", sections=f'certificates {{ its {{ chain = "{chain}"; key = "{secret}"; }} }}\n'
                                                f"tls {{ tls_helpers = {helpers}; }}")
            try:
                os.remove(f"{lab.folder}/dataplane.sock")
            except FileNotFoundError:
                pass
            lab.start_dataplane()
            lab.start_management()
            rows = lines_of(*lab.inside("client", "taskset", "-c", str(OTHER_CORE), lab.program("postern-bench-turnaround"), "--json",
                                        "--seconds", "1" if quick else "2", "--rounds", "2" if quick else "5", *more, "10.25.0.2:25"))
            longest = turn_us_max(lab)
            lab.stop("postern-mgmtd")
            lab.stop("postern")
            results.add(case, "turn_us_max", "us", longest, "lower")
            for row in rows:
                name = f"{case}-{row['wanted']}"
                results.add(name, "handshakes_per_second", "1/s", row["per_second"], "higher")
                for metric in ("p50", "p99", "p999_all"):
                    base = None if row is rows[0] else ("quiet", rows[0][metric])
                    results.add(name, f"noop_{metric}_us", "us", row[metric], "lower", base)
    finally:
        lab.close()


def measure(build, quick, say):
    """The results of all cases, in the form of bench/run."""
    results = Results(say)
    library(build, 5 if quick else 41, results)
    if os.geteuid() == 0:
        turnarounds(build, quick, results)
    else:
        say("turn-around beside handshakes: left out, it needs root")
    return results.rows
