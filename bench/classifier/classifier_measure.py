"""classifier_measure.py - the suite `classifier`: what judging a message costs, by stage, and beside SpamAssassin's spamd and rspamd.

The messages are those of the corpus: the variable POSTERN_CORPUS names it. Of rounds the fastest counts for the stages; peers and gateway take turns
on the same files, and the median counts.
"""
import glob
import json
import os
import shutil
import statistics
import subprocess
import tempfile

import classifier_campaign as campaign
import classifier_mix as mix
import classifier_peers as peers

RULES = "/usr/share/spamassassin"
MIX_BYTES_MAX = 16 << 20
MIX_METRICS = ("prepare", "judge", "total", "wire")
PASSES = 20
MEMO_BYTES = 8 << 20  # as the gateway's option has it
MEMO_METRICS = ("judge", "total", "memo_hits", "memo_misses", "memo_evictions")
SCAN_BYTES_MAX = 512 << 10  # as the gateway's option has it: what lies behind it is not judged


def messages():
    corpus = os.environ.get("POSTERN_CORPUS", "")
    folder = os.path.join(corpus, "mail")
    if not corpus or not os.path.isdir(folder):
        raise RuntimeError("classifier needs mail: POSTERN_CORPUS must name a folder with mail/ in it")
    paths = sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return [path for path in paths if 0 < os.path.getsize(path) <= 1 << 20]


def run_bench(build, *arguments):
    done = subprocess.run([f"{build}/bench/postern-bench-classifier", "--rules", RULES, *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"postern-bench-classifier: {done.stderr.strip() or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def result(case, metric, unit, values, better="lower"):
    return {"suite": "classifier", "case": case, "metric": metric, "unit": unit, "value": round(statistics.median(values), 3),
            "spread": [round(min(values), 3), round(max(values), 3)], "better": better}


def stages(build, quick, say):
    sample = messages()[::32 if quick else 8]
    results = []
    for row in run_bench(build, "--rounds", "3" if quick else "7", "--top", "10", *sample):
        better = "higher" if row["unit"] == "MB/s" else "lower"
        results.append(result(row["case"], row["metric"], row["unit"], [row["value"]], better))
        say(f"{row['case']:40} {row['metric']:20} {row['value']:12.2f} {row['unit']}")
    return results


def judge_all(peer, contents):
    before = peer.cpu_seconds()
    for content in contents:
        if not peer.judge(content):
            raise RuntimeError(f"{peer.name} judged nothing: see {peer.folder}")
    return (peer.cpu_seconds() - before) * 1000 / len(contents)


class Turns:
    """postern-bench-classifier as a program that stays alive, like its peers. Its turns are of PASSES over the sample: one takes some 40 ms, in
    which it would mostly find again what ten seconds of a peer's turn have driven from the caches. The first pass is told apart."""

    def __init__(self, build, sample):
        self.process = subprocess.Popen([f"{build}/bench/postern-bench-classifier", "--rules", RULES, "--turns", *sample],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge_once(self):
        """CPU milliseconds a message."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("postern-bench-classifier ended")
        return json.loads(line)["value"] / 1000

    def judge(self):
        """CPU milliseconds a message: of all passes of a turn, and of the first of them."""
        passes = [self.judge_once() for _ in range(PASSES)]
        return statistics.mean(passes), passes[0]

    def stop(self):
        self.process.communicate()


def take_turns(build, sample, folder, rounds):
    """CPU milliseconds a message by name, of every round; all of them are up and have judged some messages before."""
    contents = [open(path, "rb").read() for path in sample]
    started, taken = [], {"postern": [], "postern-first-pass": []}
    ours = Turns(build, sample)
    try:
        ours.judge_once()
        for kind in peers.available():
            peer = kind(folder)
            started.append(peer)
            peer.run()
            judge_all(peer, contents)
            taken[peer.name] = []
        for _ in range(rounds):
            mean, first = ours.judge()
            taken["postern"].append(mean)
            taken["postern-first-pass"].append(first)
            for peer in started:
                taken[peer.name].append(judge_all(peer, contents))
    finally:
        for peer in [ours, *started]:
            peer.stop()
    return taken


def beside_peers(build, quick, say):
    sample = messages()[:: 160 if quick else 40]
    folder = tempfile.mkdtemp(prefix="postern-bench-")
    os.chmod(folder, 0o755)
    try:
        taken = take_turns(build, sample, folder, 2 if quick else 5)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    base, results = statistics.median(taken["postern"]), []
    for name, values in taken.items():
        its = result(f"{name}/corpus", "cpu_ms_per_message", "ms", values)
        if not name.startswith("postern"):
            its["baseline"] = {"name": "postern", "value": round(base, 4)}
            its["ratio"] = round(its["value"] / base, 1)
        say(f"{its['case']:40} {its['metric']:20} {its['value']:12.3f} ms" + (f"  {its['ratio']}x postern" if "ratio" in its else ""))
        results.append(its)
    return results


def write_mix(folder, quick):
    made, what = mix.make([open(path, "rb").read() for path in messages()[:: 32 if quick else 8]])
    for index, content in enumerate(made):
        with open(f"{folder}/{index:05}.eml", "wb") as file:
            file.write(content)
    return what


def with_attachments(build, quick, say):
    """The mix: its make-up, what judging costs, and what it takes of memory."""
    results = []
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        for name, value in write_mix(folder, quick).items():
            results.append(result("mix", name, "", [value]))
        rows = run_bench(build, "--rounds", "3" if quick else "7", "--bytes-max", str(MIX_BYTES_MAX), folder)
        rows = [dict(row, case="mix") for row in rows if row["case"] == "all" and row["metric"] in MIX_METRICS]
        rows += run_bench(build, "--memory", "--bytes-max", str(SCAN_BYTES_MAX), folder)
    for row in rows:
        results.append(result(row["case"], row["metric"], row["unit"], [row["value"]], "higher" if row["unit"] == "MB/s" else "lower"))
    for its in results:
        say(f"{its['case']:40} {its['metric']:20} {its['value']:12.2f} {its['unit']}")
    return results


def with_campaigns(build, quick, say):
    """Mailings between mail that comes once: what judging costs without and with a memo, and without repeats what the memo costs."""
    paths, results = messages(), []
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        made, what = campaign.make([open(path, "rb").read() for path in paths], 500 if quick else 2000)
        for index, content in enumerate(made):
            with open(f"{folder}/{index:05}.eml", "wb") as file:
                file.write(content)
        results += [result("campaigns", name, "", [value]) for name, value in what.items()]
        for name, sample in (("campaigns", [folder]), ("no-campaign", paths[:: 32 if quick else 8])):
            for memo in (0, MEMO_BYTES):
                rows = run_bench(build, "--rounds", "2" if quick else "5", "--memo", str(memo), *sample)
                results += [result(f"{name}/memo-{'on' if memo else 'off'}", row["metric"], row["unit"], [row["value"]])
                            for row in rows if row["case"] == "all" and row["metric"] in MEMO_METRICS]
    for its in results:
        say(f"{its['case']:40} {its['metric']:20} {its['value']:12.2f} {its['unit']}")
    return results


def rules_to_workers(build, quick, say):
    """From rule files to every worker: Debian's, and with KAM's where the corpus has them."""
    more = sorted(glob.glob(os.path.join(os.environ.get("POSTERN_CORPUS", ""), "rules/kam-*")))[:1]
    results = []
    for name, paths in (("debian", [RULES]), ("debian+kam", [RULES] + more))[: 1 + len(more)]:
        done = subprocess.run([f"{build}/bench/postern-bench-rules", "-n", "1" if quick else "5", *paths],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"postern-bench-rules: {done.stderr.strip() or done.returncode}")
        for row in map(json.loads, done.stdout.splitlines()):
            its = result(f"{name}/{row['case']}", row["metric"], row["unit"], [*row["spread"], row["value"]])
            results.append(its)
            say(f"{its['case']:40} {its['metric']:20} {its['value']:12.2f} {its['unit']}")
    return results


def measure(build, quick, say):
    """The results of all cases, in the form of bench/run."""
    return (stages(build, quick, say) + with_attachments(build, quick, say) + with_campaigns(build, quick, say)
            + rules_to_workers(build, quick, say) + beside_peers(build, quick, say))
