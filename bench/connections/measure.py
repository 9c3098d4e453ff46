"""measure.py - the suite `connections`: runs postern-bench-connections several times and puts its results together.

A shared machine only ever adds to a cost: of several runs the best one counts, and the spread tells the rest.
"""
import json
import os
import subprocess


def one_run(program, *arguments):
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{os.path.basename(program)} {' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def has_tls(program):
    """Of a build without TLS the rest is measured."""
    done = subprocess.run([program, "-n", "1", "tls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return "no TLS" not in done.stderr


def best_of(taken, better):
    return min(taken) if better == "lower" else max(taken)


def measure(build, quick, say):
    """The results of all cases, in the form of bench/run."""
    program = f"{build}/bench/postern-bench-connections"
    rounds = 3 if quick else 5
    sizes = (1000, 10000, 100000) if quick else (1000, 10000, 100000, 1000000)
    short = 20000 if quick else 200000
    runs = [("sessions", "-n", str(size), "-s", str(short)) for size in sizes]
    runs += [("paths", "-n", str(size)) for size in ((1024,) if quick else (1024, 131072))]
    taken, row_of = {}, {}
    # Memory is the same each time.
    tls = ("tls", "-n", "1000" if quick else "10000")
    # Round by round, so that a bad moment of the machine does not fall on one size alone.
    for n in range(rounds):
        for arguments in runs + ([tls] if n == 0 and has_tls(program) else []):
            for row in one_run(program, *arguments):
                key = (row["case"], row["metric"])
                taken.setdefault(key, []).append(row["value"])
                row_of[key] = row
    results = []
    for key, values in taken.items():
        row = row_of[key]
        value = best_of(values, row["better"])
        result = {"suite": "connections", "case": row["case"], "metric": row["metric"], "unit": row["unit"], "value": value,
                  "spread": [min(values), max(values)], "better": row["better"]}
        first = taken.get((f"idle-{sizes[0]}", row["metric"]))
        if row["metric"].endswith("_ns") and row["case"] != f"idle-{sizes[0]}" and first:
            base = best_of(first, row["better"])
            result["baseline"] = {"name": f"idle-{sizes[0]}", "value": base}
            result["ratio"] = round(value / base, 3)
        results.append(result)
        ratio = f"  {result['ratio']:.2f}x {result['baseline']['name']}" if "ratio" in result else ""
        say(f"{result['case']:16} {result['metric']:20} {value:14.2f} {result['unit']}{ratio}")
    return results
