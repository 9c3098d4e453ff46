#!/usr/bin/python3
"""test_hostile.py - the attack tools everybody has, against the running gateway on AF_XDP: hping3, nmap, scapy.

usage: test_hostile.py BUILD [NAME ...]

Nothing here is timed: each tool runs for a second or two at a bounded rate while mail goes on over sessions that were
open before. Then: every message was accepted and none of those sessions was lost, the gateway counted what it was sent,
new mail comes through, memory is what it was. How much it stands at full rate is test_attacks.py's to say.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "deploy")]

from lab import LAB, Lab, run  # noqa: E402
from tap import Skip, Tap, equal, need_root  # noqa: E402

GATEWAY = "10.25.0.2"
HOSTILE = "10.64.0.9"  # beyond the client's router; nobody's here
COUNT = 2000           # frames of a tool
SESSIONS = 2
RSS_KIB = 32 * 1024    # tables carved at start are touched for the first time
SOME = 0.8             # of the frames sent: an eighth of all addresses is no host's

# hping3: its arguments, and the counter that must see the frames: (group, name).
FLOODS = {
    "SYN from everywhere": (("-S", "--rand-source"), ("tcp", "syns_in")),
    "SYN from one address": (("-S", "-a", HOSTILE), ("tcp", "syns_in")),
    "ACK": (("-A", "--rand-source"), ("tcp", "segments_in")),
    "SYN and ACK": (("-S", "-A", "--rand-source"), ("tcp", "segments_in")),
    "RST": (("-R", "--rand-source"), ("tcp", "segments_in")),
    "FIN": (("-F", "--rand-source"), ("tcp", "segments_in")),
    "christmas tree": (("-F", "-S", "-R", "-P", "-A", "-U", "--rand-source"), ("tcp", "segments_in")),
    "no flag at all": (("--rand-source",), ("tcp", "segments_in")),
    "bad checksums": (("-S", "-b", "--rand-source"), ("tcp", "segments_malformed")),
    "land": (("-S", "-a", GATEWAY, "-s", "25", "-k"), ("net", "ip4_source_bad")),
    "small fragments": (("-S", "-m", "40", "-d", "200", "--rand-source"), ("net", "ip4_fragments")),
    "fragments that cut the header": (("-S", "-f", "-d", "200", "--rand-source"), ("net", "ip4_fragments")),
}

# nmap: its arguments, and what it must find at port 25.
SCANS = {
    "SYN scan": (("-sS",), "open"),
    "FIN scan": (("-sF",), "open|filtered"),
    "christmas scan": (("-sX",), "open|filtered"),
    "null scan": (("-sN",), "open|filtered"),
    "ACK scan": (("-sA",), "unfiltered"),
    "window scan": (("-sW",), "closed"),
    "Maimon scan": (("-sM",), None),
    "fragmented SYN scan": (("-sS", "-f"), None),
    "connect scan with versions": (("-sT", "-sV", "--version-light"), "open"),
    "operating system": (("-sS", "-O", "--max-os-tries", "1"), "open"),
}

# hostile_peer.py: at most so many answers; None: one each half second. And what else must be so.
ACKS_MAX = {"reset_in_the_window": 1, "resets_anywhere": None, "syn_in_the_window": 1, "data_anywhere": 100,
            "data_with_a_foreign_ack": 1, "optimistic_acks": None, "ack_storm": None, "options_at_random": 0, "forged_icmp": 0,
            "fragments": 0}
REPLIES = {"nonsense_in_sack": 4, "hole_and_overlap": 1, "urgent_data": 1}


class Hostile:
    def __init__(self, build):
        self.lab = Lab(build, f"{LAB}-hostile")

    def up(self):
        self.lab.open()
        self.lab.write_config(
            rules=(), limits="connections_max = 2000; sessions_max = 400; transactions_max = 100; packets = 16000;",
            tcp="tcp_retries_max = 4; tcp_time_wait_ms = 1s; tcp_syn_cache_count = 512; tcp_orphans_max = 100;",
            client_router="10.25.0.1")
        self.lab.start_sink()
        self.lab.start_dataplane()
        self.lab.start_management()
        self.lab.wait_for(lambda: self.lab.ctl_json("counters", "--all"), 30, "postern-mgmtd", "answered")
        link = json.loads(run("ip", "-j", "-n", self.lab.namespaces["gateway"], "link", "show", "g0").stdout)
        self.mac = link[0]["address"]
        self.mail(1)
        self.rss_before = self.rss_kib()

    # -- observing ------------------------------------------------------------------------------------
    def counters(self):
        groups = {}
        for counter in self.lab.ctl_json("counters", "--all")["counters"]:
            groups.setdefault(counter["group"], {})[counter["name"]] = counter["value"]
        return groups

    def rss_kib(self):
        with open(f"/proc/{self.lab.processes['postern'].pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def mail_start(self, seconds):
        """Mail on sessions that stay open; its process."""
        self.log = f"{self.lab.folder}/mail.jsonl"
        if os.path.exists(self.log):
            os.unlink(self.log)
        return self.lab.start("mail", "client", self.lab.program("postern-load"), "--connect", f"{GATEWAY}:25", "--log", self.log,
                              "--sessions", str(SESSIONS), "--rate", "20", "--duration", str(seconds), "--messages", "100000",
                              "--messages-per-session", "100000", "--timeout", "30")

    def mail_judge(self, process):
        equal(process.wait(90), 0, "postern-load")
        with open(self.log) as file:
            entries = [json.loads(line) for line in file if line.endswith("\n")]
        refused = [entry for entry in entries if entry["code"] != 250]
        assert entries and not refused, f"{len(refused)} of {len(entries)} messages not accepted: {refused[:2]}"

    def mail(self, seconds):
        self.mail_judge(self.mail_start(seconds))

    def while_mail_goes_on(self, seconds, what, *arguments):
        """What `what` returns; every message was accepted, and none of the sessions was lost."""
        before = self.lab.counters()
        mail = self.mail_start(seconds)
        time.sleep(0.3)
        found = what(*arguments)
        self.mail_judge(mail)
        self.recovered(before)
        lost = self.lab.counters()["gateway"]["sessions_shed_hard"] - before["gateway"]["sessions_shed_hard"]
        equal(lost, 0, "sessions shed")
        return found, before, self.lab.counters()

    def recovered(self, before):
        """Nothing is held any more but half-open handshakes, which are bounded by their cache."""
        def is_free():
            worker = self.lab.counters()["worker"]
            return worker["pkts_free"] >= before["worker"]["pkts_free"] - 16 and \
                worker["sessions_now"] <= before["worker"]["sessions_now"] + SESSIONS
        self.lab.wait_for(is_free, 60, "postern", "given back what the attack held")
        assert self.rss_kib() <= self.rss_before + RSS_KIB, f"memory grew from {self.rss_before} to {self.rss_kib()} KiB"

    # -- cases ----------------------------------------------------------------------------------------
    def hping(self, name):
        arguments, seen = FLOODS[name]

        def go():
            return run(*self.lab.inside("client", "hping3", "-q", "-n", "-I", "c0", "-p", "25", "-c", str(COUNT), "-i", "u300",
                                        *arguments, GATEWAY), check=False, timeout=60)
        _, before, after = self.while_mail_goes_on(2, go)
        got = after[seen[0]][seen[1]] - before[seen[0]][seen[1]]
        assert got >= COUNT * SOME, f"{seen}: {got} of {COUNT}"

    def nmap(self, name):
        arguments, wanted = SCANS[name]

        def go():
            return run(*self.lab.inside("client", "nmap", "-n", "-Pn", "-oG", "-", "--max-retries", "2", "--host-timeout", "40s",
                                        "-p", "20-30,587", *arguments, GATEWAY), timeout=90).stdout
        found, before, after = self.while_mail_goes_on(2, go)
        assert after["tcp"]["segments_in"] > before["tcp"]["segments_in"]
        states = dict(port.strip().split("/")[:2] for line in found.splitlines() if "Ports: " in line
                      for port in line.split("Ports: ")[1].split("\t")[0].split(", "))
        if wanted is not None:
            equal(states.get("25"), wanted, f"port 25 in {found}")

    def peer(self):
        def go():
            done = run(*self.lab.inside("client", "/usr/bin/python3", os.path.join(HERE, "hostile_peer.py"), "c0", self.mac, GATEWAY,
                                        HOSTILE), timeout=120)
            return json.loads(done.stdout)
        found, before, after = self.while_mail_goes_on(15, go)
        problems = []
        for name, its in found.items():
            print(f"# {name}: {its}")
            if its["greeting"] != "220 ":
                problems.append(f"{name}: no greeting")
            if "lived" in its and (its["hello"][:3] != "250" or its["lived"] != "250 "):
                problems.append(f"{name}: the session was lost")
            answer = its.get("answer", {})
            most = ACKS_MAX.get(name, 0)
            if answer.get("resets", 0) > 0 or answer.get("acks", 0) > (its["seconds"] / 0.5 + 1 if most is None else most):
                problems.append(f"{name}: {answer}")
            if name in REPLIES and answer["replies"] != REPLIES[name]:
                problems.append(f"{name}: {answer}, wanted {REPLIES[name]}")
        for group, name, least in (("tcp", "segments_unacceptable", 400), ("tcp", "challenge_acks", 3), ("tcp", "acks_unacceptable", 100),
                                   ("tcp", "icmp_ignored", 30), ("net", "ip4_source_bad", 60), ("net", "ip4_fragments", 100)):
            got = after[group][name] - before[group][name]
            if got < least:
                problems.append(f"counter {group}.{name}: {got}, wanted {least}")
        assert not problems, "; ".join(problems)


def need_tool(name):
    if shutil.which(name) is None:
        raise Skip(f"{name} is not installed")


def case(tool, function, *arguments):
    need_tool(tool)
    function(*arguments)


def has_scapy():
    return subprocess.run(["/usr/bin/python3", "-c", "import scapy"], capture_output=True).returncode == 0


def main():
    need_root()
    build, wanted = sys.argv[1], sys.argv[2:]
    tap = Tap()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    hostile = Hostile(build)

    def scapy():
        if not has_scapy():
            raise Skip("python3-scapy is not installed")
        hostile.peer()
    # Scans come first: for a minute after a SYN flood an ACK that belongs to nothing may be the late answer to a SYN cookie,
    # and is dropped instead of reset.
    cases = [(f"nmap: {name}", case, "nmap", hostile.nmap, name) for name in SCANS]
    cases += [(f"hping3: {name}", case, "hping3", hostile.hping, name) for name in FLOODS]
    cases += [("scapy: a peer that breaks the rules", scapy)]
    try:
        tap.case("everything starts", hostile.up)
        for name, *what in cases if not tap.failed else ():
            if not wanted or any(word in name for word in wanted):
                tap.case(name, *what)
        if not tap.failed:
            tap.case("the gateway is as it was", hostile.mail, 1)
    finally:
        hostile.lab.close()
    tap.done()


if __name__ == "__main__":
    main()
