"""lab.py - a small mail network in network namespaces: client, gateway, backend.

    client ns            gateway ns                 backend ns
    c0 10.25.0.1/24 ---- g0 (postern)  g1 ---- b0 10.26.0.1/24
       fd25::1/64                                 fd26::1/64

The gateway's ends carry no kernel address: they are postern's (10.25.0.2, fd25::2; 10.26.0.2, fd26::2).
Everything made here is removed by close(), also what an earlier run that was killed has left behind.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

# What the names of namespaces and folders begin with: two labs run side by side when each has its own.
LAB = os.environ.get("POSTERN_LAB", "postern")

SIDES = (("client", "c0", "g0", "10.25.0", "fd25::"), ("backend", "b0", "g1", "10.26.0", "fd26::"))


class LabError(Exception):
    pass


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


class Lab:
    def __init__(self, build, name=LAB, folder=None, bad_link=None):
        """`bad_link`: what lies between client and gateway as a command line without its two interfaces."""
        self.build = os.path.abspath(build)
        self.bad_link = bad_link
        self.name = name
        self.folder = folder or f"/run/{name}-lab"
        self.processes = {}
        sides = ("client", "gateway", "backend") + (("wire",) if bad_link else ())
        self.namespaces = {side: f"{name}-{side}" for side in sides}

    # -- network -----------------------------------------------------------------------------------
    def open(self):
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        for ns in self.namespaces.values():
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        gateway = self.namespaces["gateway"]
        for side, ours, theirs, net4, net6 in SIDES:
            ns = self.namespaces[side]
            if side == "client" and self.bad_link:
                wire = self.namespaces["wire"]
                self.join(ns, ours, wire, "w0")
                self.join(wire, "w1", gateway, theirs)
            else:
                self.join(ns, ours, gateway, theirs)
            run("ip", "-n", ns, "addr", "add", f"{net4}.1/24", "dev", ours)
            run("ip", "-n", ns, "addr", "add", f"{net6}1/64", "dev", ours, "nodad")
        if self.bad_link:
            self.start("bad-link", "wire", self.bad_link[0], "w0", "w1", *self.bad_link[1:])
        return self

    def join(self, ns, ours, their_ns, theirs):
        """A veth pair. The sender must finish checksums and segments: what arrives by AF_XDP is taken at its word."""
        run("ip", "link", "add", ours, "netns", ns, "type", "veth", "peer", "name", theirs, "netns", their_ns)
        for where, device in ((ns, ours), (their_ns, theirs)):
            run("ip", "-n", where, "link", "set", device, "up")
            run("nsenter", f"--net=/run/netns/{where}", "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off")

    # -- processes ---------------------------------------------------------------------------------
    def inside(self, side, *command):
        return ("nsenter", f"--net=/run/netns/{self.namespaces[side]}") + command

    def start(self, name, side, *command):
        log = open(f"{self.folder}/{name}.log", "ab")
        process = subprocess.Popen(self.inside(side, *command), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        log.close()
        with open(f"{self.folder}/{name}.pid", "w") as file:
            file.write(f"{process.pid}\n")
        self.processes[name] = process
        return process

    def log(self, name):
        try:
            with open(f"{self.folder}/{name}.log", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def stop(self, name, how=signal.SIGTERM, timeout=15):
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def program(self, name):
        for folder in ("dataplane", "mgmt", "bench"):
            path = f"{self.build}/{folder}/{name}"
            if os.path.exists(path):
                return path
        raise LabError(f"{name} is not in {self.build}: build first (ninja -C {self.build})")

    # -- the gateway -------------------------------------------------------------------------------
    def write_config(self, rules=("/usr/share/spamassassin",), deny=(), limits="", policy="", backends=None, tcp="",
                     client_router=None, backend_connections=200, sections="", listeners="smtp { port = 25; }",
                     backend_more=""):
        """`client_router`: by whom clients are reached that are on no network of ours. `backend_more`: said of each."""
        backends = backends or [("10.26.0.1", 25)]
        router = f'gateway4 = "{client_router}";' if client_router else ""
        self.config = f"{self.folder}/postern.conf"
        with open(self.config, "w") as file:
            file.write(f"""
ports {{
    client {{ driver = "af_xdp"; interface = "g0"; addresses = ["10.25.0.2/24", "fd25::2/64"]; {router} }}
    backend {{ driver = "af_xdp"; interface = "g1"; addresses = ["10.26.0.2/24", "fd26::2/64"]; }}
}}
listeners {{ {listeners} }}
backends {{ {' '.join(f'b{i} {{ address = "{a}"; port = {p}; connections_max = {backend_connections}; {backend_more} }}' for i, (a, p) in enumerate(backends))} }}
limits {{ workers = 1; worker_core_first = 1; {limits} }}
policy {{ hostname = "gateway.example"; {policy} }}
tcp {{ {tcp} }}
rules {{ rules_paths = {json.dumps(list(rules))}; }}
lists {{ deny_files = {json.dumps(list(deny))}; }}
{sections}
mgmt {{
    dataplane_socket = "{self.folder}/dataplane.sock";
    control_socket = "{self.folder}/mgmtd.sock";
    history_file = "{self.folder}/history.db";
    events_file = "{self.folder}/events.jsonl";
    cache_folder = "{self.cache_folder()}";
}}
""")
        return self.config

    def cache_folder(self):
        folder = f"{self.build}/rules-cache"
        os.makedirs(folder, exist_ok=True)
        return folder

    def start_sink(self, *more):
        store = f"{self.folder}/sink"
        os.makedirs(store, exist_ok=True)
        self.start("sink", "backend", self.program("postern-sink"), "--listen", "10.26.0.1:25", "--listen",
                   "[fd26::1]:25", "--store", store, "--log", f"{self.folder}/sink.jsonl", *more)
        self.wait_port("backend", "10.26.0.1", 25)

    def start_dataplane(self, wrap=lambda *command: command):
        """`wrap` turns a command into one that runs it, say, in a cgroup."""
        self.start("postern", "gateway", *wrap(self.program("postern"), "--config", self.config))
        self.wait_for(lambda: os.path.exists(f"{self.folder}/dataplane.sock"), 30, "postern", "opened its socket")

    def restart_dataplane(self):
        """With the configuration as it is written now; management is running, and finds it."""
        self.stop("postern")
        if os.path.exists(f"{self.folder}/dataplane.sock"):
            os.remove(f"{self.folder}/dataplane.sock")
        self.start_dataplane()
        self.wait_attached()

    def start_management(self):
        self.start("postern-mgmtd", "gateway", self.program("postern-mgmtd"), "--config", self.config)

    def wait_attached(self):
        """To the dataplane that runs now: management looks for a new one at growing intervals."""
        def attached():
            dataplane = (self.ctl_json("status") or {}).get("dataplane", {})
            return dataplane.get("attached") and dataplane["pid"] == self.processes["postern"].pid
        self.wait_for(attached, 10, "postern-mgmtd", "found the dataplane")

    def wait_rules(self, seconds=120):
        def in_force():
            status = self.ctl_json("status")
            return bool(status) and any(generation["kind"] == "rules" and generation["in_force"]
                                        for generation in status["generations"])
        self.wait_for(in_force, seconds, "postern-mgmtd", "put the rules in force")

    def ctl(self, *arguments, check=True):
        return run(self.program("posternctl"), "--socket", f"{self.folder}/mgmtd.sock", *arguments, check=check)

    def ctl_json(self, *arguments):
        done = self.ctl(*arguments, "--json", check=False)
        if done.returncode != 0:
            return None
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    # -- what has come of it -----------------------------------------------------------------------
    def entries(self, path):
        """The whole lines of a file of JSON lines."""
        with open(path) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def stored(self, sender):
        """The message of `sender` as the sink has it; None: it has not."""
        for entry in self.entries(f"{self.folder}/sink.jsonl"):
            if entry["from"] == sender:
                with open(f"{self.folder}/sink/{entry['n']:06}.eml", "rb") as message:
                    return message.read()
        return None

    def event(self, sender):
        """What is told of the message of `sender`, as soon as it is."""
        found = []
        def told():
            found[:] = [entry for entry in self.entries(f"{self.folder}/events.jsonl") if entry["from"] == sender]
            return found
        self.wait_for(told, 5, "postern-mgmtd", f"told of {sender}")
        return found[0]

    def counters(self):
        self.wait_attached()
        groups = {}
        for counter in self.ctl_json("counters", "--all")["counters"]:
            groups.setdefault(counter["group"], {})[counter["name"]] = counter["value"]
        return groups

    # -- waiting -----------------------------------------------------------------------------------
    def wait_for(self, condition, seconds, process, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            its = self.processes.get(process)
            if its is not None and its.poll() is not None:
                raise LabError(f"{process} ended with status {its.returncode} before it {what}:\n{self.log(process)[-2000:]}")
            time.sleep(0.05)
        raise LabError(f"{process} has not {what} within {seconds} s:\n{self.log(process)[-2000:]}")

    def wait_port(self, side, address, port, seconds=15):
        program = ("import socket,sys,time\n"
                   "end=time.monotonic()+float(sys.argv[3])\n"
                   "while True:\n"
                   "  try: socket.create_connection((sys.argv[1],int(sys.argv[2])),1).close(); break\n"
                   "  except OSError:\n"
                   "    if time.monotonic()>end: sys.exit(1)\n"
                   "    time.sleep(0.05)\n")
        run(*self.inside(side, sys.executable, "-c", program, address, str(port), str(seconds)))

    # -- the end -----------------------------------------------------------------------------------
    def close(self):
        for name in list(self.processes)[::-1]:
            self.stop(name)
        self.kill_left_over()
        for ns in self.namespaces.values():
            if os.path.exists(f"/run/netns/{ns}"):
                run("ip", "netns", "del", ns, check=False)

    def kill_left_over(self):
        """What a killed run left: only processes whose pid file is ours and that still are our programs."""
        if not os.path.isdir(self.folder):
            return
        for entry in os.listdir(self.folder):
            if not entry.endswith(".pid"):
                continue
            try:
                with open(f"{self.folder}/{entry}") as file:
                    pid = int(file.read())
                exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
            except (OSError, ValueError):
                continue
            if exe.startswith(self.build + "/"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        time.sleep(0.1)
