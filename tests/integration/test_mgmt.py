"""test_mgmt.py - postern-mgmtd and posternctl against a dataplane that only pretends.

Usage: test_mgmt.py POSTERN_MGMTD POSTERNCTL FAKE_DATAPLANE. Needs neither root nor a network: everything lies in one
temporary folder.
"""
import json
import os
import queue
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from tap import Tap, equal

MGMTD, CTL, FAKE = [os.path.abspath(p) for p in sys.argv[1:4]]
SECONDS = 30.0

RULES = """body     FIRST_RULE /first/
describe FIRST_RULE Says first
score    FIRST_RULE 2.5
body     SECOND_RULE /second/
describe SECOND_RULE Says second
score    SECOND_RULE 1.5
"""
# A scored list is a rule, too; their rules have the first numbers.
LIST_RULES = ["SEEN_BOT", "BAD_LINK"]
FIRST, SECOND = len(LIST_RULES), len(LIST_RULES) + 1
RULE_COUNT = len(LIST_RULES) + 2


def wait_for(what, function, seconds=SECONDS):
    end = time.monotonic() + seconds
    while True:
        result = function()
        if result:
            return result
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)


class Lines:
    """Lines of a stream, read by a thread so that waiting for one can end."""

    def __init__(self, stream):
        self.queue = queue.Queue()
        self.seen = []
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.seen.append(line.rstrip("\n"))
            self.queue.put(line.rstrip("\n"))

    def next(self, seconds=SECONDS):
        return self.queue.get(timeout=seconds)


class House:
    """One temporary folder with its configuration and processes."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postern-mgmt-")
        self.rules = self.path("rules")
        os.mkdir(self.rules)
        self.write("rules/10.cf", RULES)
        self.write("deny.txt", "192.0.2.66\n198.51.100.0/24\n")
        self.write("bots.txt", "203.0.113.0/24\n203.0.113.5 until 2001-01-01\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.socket = self.path("run/postern/mgmtd.sock")
        self.write("postern.conf", f'''
mgmt {{
  dataplane_socket = "{self.path('dataplane.sock')}";
  control_socket = "{self.socket}";
  history_file = "{self.path('lib/history.db')}";
  events_file = "{self.path('lib/events.jsonl')}";
  cache_folder = "{self.path('cache')}";
  metrics_port = {self.port};
}}
rules {{ rules_paths = ["{self.rules}"]; }}
lists {{ deny_files = ["{self.path('deny.txt')}"]; }}
scored_lists {{
  SEEN_BOT {{ kind = address; file = "{self.path('bots.txt')}"; }}
  BAD_LINK {{ kind = uri; score = 3; }}
}}
''')
        self.fake = self.mgmtd = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def start_fake(self):
        self.fake = subprocess.Popen([FAKE, self.path("dataplane.sock")], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, bufsize=1)
        self.fake_lines = Lines(self.fake.stdout)
        equal(self.fake_lines.next(), "ready", "fake dataplane")

    def tell(self, line):
        self.fake.stdin.write(line + "\n")
        self.fake.stdin.flush()
        return self.fake_lines.next()

    def running(self):
        words = self.tell("status").split()
        return {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}

    def start_mgmtd(self):
        self.mgmtd = subprocess.Popen([MGMTD, "--config", self.path("postern.conf")], stderr=subprocess.PIPE,
                                      text=True, bufsize=1)
        self.log = Lines(self.mgmtd.stderr)
        wait_for("the daemon's socket", lambda: self.ctl("status", check=None).returncode == 0)

    def kill(self, process, how=signal.SIGKILL):
        if process is not None and process.poll() is None:
            process.send_signal(how)
            process.wait(SECONDS)
        return process.returncode if process is not None else None

    def ctl(self, *words, check=0):
        result = subprocess.run([CTL, "--socket", self.socket, *words], capture_output=True, text=True,
                                timeout=SECONDS, check=False)
        if check is not None:
            equal(result.returncode, check, f"exit status of {words}: {result.stdout} {result.stderr}")
        return result

    def json(self, *words):
        return json.loads(self.ctl("--json", *words).stdout)

    def events(self, *words):
        return [json.loads(line) for line in self.ctl("--json", "events", *words).stdout.splitlines()]

    def wait_in_force(self, kinds=("rules", "lists")):
        def look():
            found = {g["kind"]: g for g in self.json("status")["generations"]}
            return all(k in found and found[k]["in_force"] for k in kinds) and found
        return wait_for(f"{kinds} in force", look)

    def end(self):
        self.kill(self.mgmtd)
        if self.fake is not None:
            self.kill(self.fake)
        shutil.rmtree(self.folder)


house = House()


def check_option():
    result = subprocess.run([MGMTD, "--config", house.path("postern.conf"), "--check"], capture_output=True,
                            text=True, check=False)
    equal(result.returncode, 0, result.stderr)
    house.write("bad.conf", "mgmt {\n  no_such_key = 1;\n}\n")
    result = subprocess.run([MGMTD, "--config", house.path("bad.conf"), "--check"], capture_output=True, text=True,
                            check=False)
    equal(result.returncode, 1, "a bad configuration")
    assert "bad.conf:2" in result.stderr, result.stderr
    result = house.ctl("config", "check", house.path("bad.conf"), check=1)
    assert "bad.conf:2" in result.stderr, result.stderr


def not_reachable():
    result = house.ctl("status", check=3)
    assert "start it" in result.stderr, result.stderr


def usage():
    house.ctl("no-such-command", check=2)
    house.ctl("why", check=2)
    house.ctl("status", "--follow", check=2)
    house.ctl("lists", "add", "deny", "192.0.2.1/24", check=2)
    for words in ([], ["status"], ["rules", "push"]):
        assert "Usage" in house.ctl(*words, "--help").stdout


def without_dataplane():
    house.start_mgmtd()
    status = wait_for("rules compiled", lambda: (lambda s: s["rules"]["supported"] == RULE_COUNT and s)(house.json("status")))
    equal(status["dataplane"]["attached"], False, "attached")
    equal([g["in_force"] for g in status["generations"]], [False, False], "in force")
    equal(stat.S_IMODE(os.stat(house.socket).st_mode) & 0o007, 0, "others' rights on the socket")
    house.ctl("counters", check=1)
    house.ctl("drain", check=1)


def attach():
    house.start_fake()
    found = house.wait_in_force()
    running = house.running()
    equal(running["rules"], found["rules"]["number"], "rules")
    equal(running["lists"], found["lists"]["number"], "lists")
    status = house.json("status")
    equal(status["dataplane"]["pid"], house.fake.pid, "pid")
    equal(status["dataplane"]["workers"], 2, "workers")
    equal(status["dataplane"]["sessions"], 7, "sessions")
    assert "dataplane    pid" in house.ctl("status").stdout


def one_daemon_only():
    result = subprocess.run([MGMTD, "--config", house.path("postern.conf")], capture_output=True, text=True,
                            timeout=SECONDS, check=False)
    equal(result.returncode, 1, "a second daemon")
    assert "another postern-mgmtd" in result.stderr, result.stderr
    house.ctl("status")


def events_and_why():
    house.tell(f"emit 3 1 {FIRST} {SECOND}")
    events = wait_for("three events", lambda: (lambda e: len(e) == 3 and e)(house.events("--last", "10")))
    event = events[-1]
    equal(event["verdict"], "reject", "verdict")
    equal(event["rcpt"], ["b@here.example", "c@here.example"], "recipients")
    equal(event["from"], "a\ufffd@client.example", "a sender that is not UTF-8")
    equal(event["client"], {"ip": "192.0.2.7", "port": 40000}, "client")
    equal([r["name"] for r in event["rules"]], ["FIRST_RULE", "SECOND_RULE"], "rules")
    equal(event["score"], (2000 + FIRST + SECOND) / 1000, "score")
    equal(len(house.events("--last", "2")), 2, "last two")
    why = house.json("why", event["id"])
    equal([r["description"] for r in why["rules"]], ["Says first", "Says second"], "descriptions")
    text = house.ctl("why", event["id"]).stdout
    for part in ("FIRST_RULE", "Says second", "554 5.7.1 no", "192.0.2.7", "reject at end", "required 10.000"):
        assert part in text, f"{part} is not in {text}"
    house.ctl("why", "0000000000000", check=1)
    house.ctl("why", "no id", check=1)
    with open(house.path("lib/events.jsonl"), encoding="utf-8") as file:
        equal([json.loads(line)["id"] for line in file], [e["id"] for e in house.events("--last", "10")], "file")


def follow():
    process = subprocess.Popen([CTL, "--socket", house.socket, "--json", "events", "--follow", "--last", "1"],
                               stdout=subprocess.PIPE, text=True)
    lines = Lines(process.stdout)
    try:
        lines.next()
        begun = time.monotonic()
        house.tell(f"emit 2 0 {SECOND}")
        for _ in range(2):
            equal(json.loads(lines.next())["verdict"], "accept", "followed")
        assert time.monotonic() - begun < 1.0, "events took more than a second"
    finally:
        house.kill(process)
    house.ctl("status")


def counters_and_metrics():
    counters = {c["name"]: c["value"] for c in house.json("counters")["counters"]}
    equal(counters["messages"], 5, "messages")
    assert "fake.never" not in house.ctl("counters").stdout
    assert "fake.never" in house.ctl("counters", "--all").stdout
    text = urllib.request.urlopen(f"http://127.0.0.1:{house.port}/metrics", timeout=SECONDS).read().decode()
    for line in ('postern_fake_messages_total{worker="0"} 3', "# HELP postern_fake_messages_total Messages judged",
                 "# TYPE postern_fake_messages_total counter", "postern_dataplane_up 1"):
        assert line in text, f"{line} is not in {text}"
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{house.port}/v1/status", timeout=SECONDS)
        raise AssertionError("the API answers on TCP")
    except urllib.error.HTTPError as error:
        equal(error.code, 404, "the API on TCP")


def lists():
    before = house.running()
    begun = time.monotonic()
    answer = house.json("lists", "add", "deny", "203.0.113.9")
    assert time.monotonic() - begun < 1.0, "an addition took more than a second"
    equal(answer["in_force"], True, "in force")
    equal(house.running()["additions"], answer["generation"], "additions")
    equal(house.running()["lists"], before["lists"], "lists")
    house.ctl("lists", "add", "allow", "2001:db8::/32", "--for", "2h")
    shown = house.json("lists", "show")
    equal([(a["address"], a["action"], "expires" in a) for a in shown["additions"]],
          [("203.0.113.9", "deny", False), ("2001:db8::/32", "allow", True)], "additions")
    equal([f["entries"] for f in shown["files"]], [2, 1], "files")
    house.ctl("lists", "del", "203.0.113.9")
    equal(len(house.json("lists", "show")["additions"]), 1, "after del")
    result = house.ctl("lists", "del", "192.0.2.66", check=1)
    assert "lists add allow 192.0.2.66" in result.stderr, result.stderr


def additions_expire():
    house.ctl("lists", "add", "deny", "203.0.113.77", "--for", "1s")
    before = house.running()["additions"]
    wait_for("the addition to expire", lambda: house.running()["additions"] > before)
    assert "203.0.113.77" not in house.ctl("lists", "show").stdout


def scored_lists():
    before = house.running()
    answer = house.json("lists", "add", "BAD_LINK", "Example.ORG", "--for", "2h")
    equal(answer["in_force"], True, "in force")
    equal(house.running()["lists"], before["lists"], "lists")
    entry = [a for a in house.json("lists", "show")["additions"] if a["action"] == "score"]
    equal([(a["list"], a["key"], "expires" in a) for a in entry], [("BAD_LINK", "Example.ORG", True)], "additions")
    assert "BAD_LINK Example.ORG" in house.ctl("lists", "show").stdout
    files = [f for f in house.json("lists", "show")["files"] if f["action"] == "score"]
    equal([(f["list"], f["kind"], f["entries"]) for f in files], [("SEEN_BOT", "address", 1)], "files")
    for words, wrong in [(("SEEN_BOT", "example.org"), "not a key of a list of kind address"),
                         (("BAD_LINK", "http://example.org/x"), "not a key of a list of kind uri"),
                         (("NO_LIST", "example.org"), "no such list")]:
        result = house.ctl("lists", "add", *words, check=1)
        assert wrong in result.stderr, result.stderr
    house.ctl("lists", "del", "BAD_LINK", "Example.ORG")
    house.ctl("lists", "del", "BAD_LINK", "Example.ORG", check=1)
    equal([a for a in house.json("lists", "show")["additions"] if a["action"] == "score"], [], "additions")


def entries_of_files_end():
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    house.write("bots.txt", f"203.0.113.0/24\n203.0.113.128 - 203.0.113.130 until {soon}\n")
    house.ctl("config", "reload")

    def entries():
        return sum(f["entries"] for f in house.json("lists", "show")["files"] if f["action"] == "score")
    wait_for("the new entries", lambda: entries() == 3)
    wait_for("their end", lambda: entries() == 1)


def list_files():
    house.write("more.txt", "203.0.113.0/25\n")
    house.ctl("lists", "load", "deny", house.path("more.txt"))
    equal(len(house.json("lists", "show")["files"]), 3, "files")
    house.write("wrong.txt", "203.0.113.1\nnot an address\n")
    before = house.running()
    result = house.ctl("lists", "load", "deny", house.path("wrong.txt"), check=1)
    assert "wrong.txt:2" in result.stderr, result.stderr
    equal(house.running(), before, "what runs")
    equal(len(house.json("lists", "show")["files"]), 3, "files after a bad one")
    house.ctl("lists", "del", house.path("more.txt"))
    equal(len(house.json("lists", "show")["files"]), 2, "files after del")


def rules():
    before = house.running()["rules"]
    answer = house.json("rules", "push")
    equal(answer.get("unchanged"), True, "files as before")
    os.mkdir(house.path("other"))
    house.write("other/a.cf", RULES.replace("2.5", "3.5"))
    answer = house.json("rules", "push", house.path("other"))
    equal(answer["in_force"], True, "in force")
    assert answer["generation"] > before
    equal(house.running()["rules"], answer["generation"], "rules")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 3.5, "score")
    equal({rule["name"] for rule in house.json("rules", "list")["rules"]}, {"FIRST_RULE", "SECOND_RULE", *LIST_RULES}, "rules")
    house.ctl("rules", "show", "NO_SUCH_RULE", check=1)


def rollback():
    last = house.running()["rules"]
    back = house.json("rules", "rollback")
    equal(house.running()["rules"], back["generation"], "rules")
    assert back["generation"] < last
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 2.5, "score")
    equal(house.json("rules", "rollback")["generation"], last, "back and forth")
    equal(house.running()["rules"], last, "rules")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 3.5, "score")
    equal(house.json("rules", "push").get("unchanged"), True, "the paths went with it")


def included_rules():
    os.mkdir(house.path("including"))
    house.write("including/a.cf", RULES + "include ../included.txt\n")
    house.write("included.txt", "score FIRST_RULE 4\n")
    equal(house.json("rules", "push", house.path("including"))["in_force"], True, "with what it includes")
    equal(house.json("rules", "push", house.path("including")).get("unchanged"), True, "the same again")
    house.write("included.txt", "score FIRST_RULE 5\n")
    answer = house.json("rules", "push", house.path("including"))
    equal((answer.get("unchanged"), answer["in_force"]), (None, True), "what an included file says has changed")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 5, "score")
    equal(house.json("rules", "push", house.path("other"))["in_force"], True, "without it")


def shadow_rules():
    before = house.running()
    equal(house.json("status")["shadow"]["on"], False, "on")
    assert "no message was judged" in house.ctl("rules", "diff").stdout
    for words in ([], ["--off", house.rules]):
        house.ctl("rules", "shadow", *words, check=2)
    house.ctl("rules", "shadow", "--off", check=1)
    house.ctl("rules", "promote", check=1)
    os.mkdir(house.path("tried"))
    house.write("tried/a.cf", RULES.replace("2.5", "7"))
    answer = house.json("rules", "shadow", house.path("tried"))
    equal(answer["in_force"], True, "in force")
    running = house.running()
    equal(running["shadow"], answer["generation"], "shadow")
    equal(running["rules"], before["rules"], "rules")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 3.5, "the score in force")
    status = house.json("status")
    equal((status["shadow"]["on"], status["shadow"]["supported"]), (True, RULE_COUNT), "status")
    equal([g["number"] for g in status["generations"] if g["kind"] == "shadow"], [answer["generation"]], "generations")
    assert f"shadow rules {RULE_COUNT} supported" in house.ctl("status").stdout
    equal(house.json("rules", "shadow", house.path("tried")).get("unchanged"), True, "the same files")
    os.mkdir(house.path("untried"))
    house.write("untried/a.cf", "body BROKEN_RULE /(/\n")
    house.ctl("rules", "shadow", house.path("untried"), check=1)
    equal(house.running(), running, "after one that has faults")


def emit(line, count):
    taken = house.json("status")["events"]["taken"]
    house.tell(line)
    wait_for("the events", lambda: house.json("status")["events"]["taken"] == taken + count)


def shadow_diff():
    number = house.running()["shadow"]
    emit(f"emit 2 0 {FIRST}", 2)
    emit(f"emit 1 1 {SECOND}", 1)
    event = house.events("--last", "2")[0]
    equal(event["shadow"]["generation"], number, "generation")
    equal(event["shadow"]["rules_rescored"], [{"name": "FIRST_RULE", "score_live": (1000 + FIRST) / 1000,
                                                "score": (1000 + FIRST) / 500}], "rules")
    assert "shadow      reject: score 2.00" in house.ctl("why", event["id"]).stdout
    diff = house.json("rules", "diff")
    equal([diff[k] for k in ("generation", "judged", "incomplete")], [number, 3, 0], "diff")
    equal(diff["changed"], [{"kind": "accept to reject", "count": 2}], "kinds")
    equal(diff["rules"], [{"rule": "~FIRST_RULE", "count": 2}], "rules that made the difference")
    equal([(m["verdict"], m["score"], m["shadow"]["verdict"]) for m in diff["messages"]],
          [("accept", (1000 + FIRST) / 1000, "reject")] * 2, "messages")
    text = house.ctl("rules", "diff").stdout
    assert f"{event['id']} <" in text and "accept 1.0 to reject 2.0  ~FIRST_RULE(2.0)" in text, text
    equal(house.json("rules", "diff", "--last", "2")["judged"], 2, "the last two")
    house.ctl("rules", "diff", "--last", "x", check=2)


def shadow_is_remembered():
    before = house.running()
    house.kill(house.mgmtd)
    house.start_mgmtd()
    house.wait_in_force(("rules", "shadow"))
    wait_for("the shadow's files to be compared",
             lambda: any("shadow rules unchanged" in line for line in house.log.seen))
    equal(house.running(), before, "what runs")
    house.kill(house.fake)
    house.start_fake()
    house.wait_in_force(("rules", "shadow"))
    equal(house.running()["shadow"], before["shadow"], "a dataplane that started anew")
    house.kill(house.mgmtd)
    house.kill(house.fake)
    house.start_fake()
    house.start_mgmtd()
    house.wait_in_force(("rules", "shadow"))
    assert house.running()["shadow"] > before["shadow"], "both are new: compiled again"


def shadow_off():
    house.tell("refuse 1")
    house.ctl("rules", "shadow", "--off", check=1)
    equal(house.json("status")["shadow"]["on"], True, "on")
    house.tell("refuse 0")
    house.ctl("rules", "shadow", "--off")
    equal(house.running()["shadow"], 0, "shadow")
    equal(house.json("status")["shadow"]["on"], False, "on")
    emit(f"emit 1 0 {SECOND}", 1)
    assert "shadow" not in house.events("--last", "1")[0]
    house.kill(house.mgmtd)
    house.start_mgmtd()
    house.wait_in_force()
    time.sleep(0.2)
    equal(house.json("status")["shadow"]["on"], False, "on after a restart")
    equal(house.running()["shadow"], 0, "shadow after a restart")


def shadow_promoted():
    live = house.running()["rules"]
    house.ctl("rules", "shadow", house.path("tried"))
    answer = house.json("rules", "promote")
    equal(answer["in_force"], True, "in force")
    assert answer["generation"] > live
    wait_for("the shadow to end", lambda: house.running()["shadow"] == 0)
    equal(house.running()["rules"], answer["generation"], "rules")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 7.0, "score")
    equal(house.json("rules", "push").get("unchanged"), True, "the paths and what they held went with it")
    equal(house.json("status")["rules"]["paths"], [house.path("tried")], "paths")
    house.ctl("rules", "rollback")
    equal(house.running()["rules"], live, "rolled back")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 3.5, "score")


def bad_rules():
    os.mkdir(house.path("wrong"))
    house.write("wrong/a.cf", RULES + "body BROKEN_RULE /(/\n")
    result = house.ctl("rules", "push", house.path("wrong"))
    assert re.search(r"wrong/a\.cf:7: bad regex BROKEN_RULE: .", result.stdout), result.stdout
    assert "wrong/a.cf:7:" in house.ctl("rules", "list", "--unsupported").stdout
    house.ctl("rules", "rollback")
    house.write("wrong/a.cf", "body BROKEN_RULE /(/\n")
    before = house.running()
    result = house.ctl("rules", "push", house.path("wrong"), check=1)
    assert re.search(r"wrong/a\.cf:1: .", result.stderr), result.stderr
    equal(house.running(), before, "what runs")
    result = house.ctl("rules", "push", house.path("missing"), check=1)
    equal(house.running(), before, "what runs")


def refused():
    house.tell("refuse 1")
    before = house.running()
    house.write("other/b.cf", "score FIRST_RULE 4.5\n")
    result = house.ctl("rules", "push", check=1)
    assert "told to refuse" in result.stderr, result.stderr
    result = house.ctl("lists", "add", "deny", "203.0.113.10", check=1)
    assert "203.0.113.10" not in house.ctl("lists", "show").stdout
    house.tell("refuse 0")
    equal(house.running(), before, "what runs")
    house.ctl("rules", "push")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 4.5, "score")


def drain():
    house.ctl("drain")
    equal(house.running()["draining"], 1, "draining")
    assert "draining" in house.ctl("status").stdout
    house.ctl("resume")
    equal(house.running()["draining"], 0, "draining")


def daemon_killed():
    before = house.running()
    old = house.events("--last", "1")[0]
    house.kill(house.mgmtd)
    house.tell(f"emit 4 1 {FIRST}")
    house.start_mgmtd()
    house.wait_in_force()
    events = wait_for("events of the meantime", lambda: (lambda e: len(e) == 4 and e)(
        [e for e in house.events("--last", "100") if e["time"] > old["time"]]))
    equal(events[0]["rules"][0]["name"], "FIRST_RULE", "rule")
    wait_for("the files to be compared", lambda: any("unchanged" in l for l in house.log.seen))
    running = house.running()
    equal({k: running[k] for k in ("rules", "lists", "additions")},
          {k: before[k] for k in ("rules", "lists", "additions")}, "what runs")
    equal(house.json("why", old["id"])["rules"][0]["description"], "Says second", "an old event")
    house.json("rules", "push")
    equal(house.json("rules", "show", "FIRST_RULE")["score"], 4.5, "pushed rules are remembered")


def dataplane_killed():
    before = house.running()
    house.kill(house.fake)
    wait_for("the loss to be seen", lambda: not house.json("status")["dataplane"]["attached"])
    answer = house.json("lists", "add", "deny", "203.0.113.11")
    equal(answer["in_force"], False, "in force without a dataplane")
    house.start_fake()
    house.wait_in_force(("rules", "lists", "additions"))
    running = house.running()
    equal(running["rules"], before["rules"], "rules")
    equal(running["lists"], before["lists"], "lists")
    equal(running["additions"], answer["generation"], "additions")


def history_lost():
    """A daemon that knows nothing of what runs learns the rules' names from the dataplane."""
    house.kill(house.mgmtd)
    for name in os.listdir(house.path("lib")):
        os.unlink(house.path("lib/" + name))
    shutil.rmtree(house.rules)
    house.start_mgmtd()
    wait_for("the names of the rules", lambda: house.json("status")["rules"]["supported"] == RULE_COUNT)
    house.tell(f"emit 1 1 {SECOND}")
    event = wait_for("the event", lambda: house.events("--last", "1"))[0]
    equal(event["rules"][0]["name"], "SECOND_RULE", "rule")
    assert any("rules not loaded" in line for line in house.log.seen), house.log.seen
    os.mkdir(house.rules)
    house.write("rules/10.cf", RULES)


def hang_up():
    before = house.running()["rules"]
    house.write("deny.txt", "192.0.2.67\n")
    os.rename(house.path("lib/events.jsonl"), house.path("lib/events.old"))
    house.mgmtd.send_signal(signal.SIGHUP)
    wait_for("rules read again", lambda: house.running()["rules"] > before)
    wait_for("lists read again", lambda: house.json("lists", "show")["files"][0]["entries"] == 1)
    assert os.path.exists(house.path("lib/events.jsonl"))


def burst():
    house.tell(f"emit 2000 0 {FIRST}")
    wait_for("the ring's fill", lambda: house.json("status")["events"]["taken"] >= 2000)
    equal(house.json("status")["events"]["lost"], 0, "lost")
    house.mgmtd.send_signal(signal.SIGSTOP)
    house.tell(f"emit 3000 0 {FIRST}")
    house.mgmtd.send_signal(signal.SIGCONT)
    wait_for("losses to be counted", lambda: house.json("status")["events"]["lost"] == 3000 - 2048)


def ends():
    equal(house.kill(house.mgmtd, signal.SIGTERM), 0, "exit status")
    assert not os.path.exists(house.socket), "the socket is left"
    equal(house.running()["attached"], 0, "attached")


def completion():
    script = house.ctl("completion", "bash").stdout
    result = subprocess.run(["bash", "-c", script + """
COMP_WORDS=(posternctl rules pu); COMP_CWORD=2; _posternctl; echo "${COMPREPLY[*]}"
COMP_WORDS=(posternctl dr); COMP_CWORD=1; _posternctl; echo "${COMPREPLY[*]}"
COMP_WORDS=(posternctl events --f); COMP_CWORD=2; _posternctl; echo "${COMPREPLY[*]}"
COMP_WORDS=(posternctl rules diff --l); COMP_CWORD=3; _posternctl; echo "${COMPREPLY[*]}"
"""], capture_output=True, text=True, check=True)
    equal(result.stdout.split(), ["push", "drain", "--follow", "--last"], result.stderr)


tap = Tap()
try:
    for function in (check_option, not_reachable, usage, completion, without_dataplane, attach, one_daemon_only,
                     events_and_why, follow, counters_and_metrics, lists, additions_expire, scored_lists,
                     entries_of_files_end, list_files, rules, rollback, included_rules,
                     shadow_rules, shadow_diff, shadow_is_remembered, shadow_off, shadow_promoted,
                     bad_rules, refused, drain, daemon_killed, dataplane_killed, history_lost, hang_up, burst, ends):
        tap.case(function.__name__.replace("_", " "), function)
finally:
    house.end()
tap.done()
