"""classifier_peers.py - SpamAssassin's spamd and rspamd as they judge a message, each started with a configuration of its own.

Network tests are off everywhere, as they are here. What a peer costs is the CPU time of all its processes, from /proc, before and after
a run over the messages: children that ended meanwhile are counted by their parent.
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
RSPAMD_OFF = ("arc", "asn", "bimi", "dkim", "dkim_signing", "dmarc", "fuzzy_check", "greylist", "hfilter", "history_redis", "mx_check", "neural",
              "p0f", "ratelimit", "rbl", "replies", "reputation", "rspamd_update", "spf", "surbl", "url_redirector", "whitelist")


def processes_below(pid):
    """The process and its descendants: pid -> CPU seconds, those of children that ended included."""
    parent, used = {}, {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        fields = text.rsplit(")", 1)[1].split()
        number = int(path.split("/")[2])
        parent[number] = int(fields[1])
        used[number] = sum(int(x) for x in fields[11:15]) / TICKS
    tree = {pid}
    for _ in range(4):
        tree |= {number for number, above in parent.items() if above in tree}
    return {number: used[number] for number in tree if number in used}


class Peer:
    name, command = "", ""

    def __init__(self, folder):
        self.folder = f"{folder}/{self.name}"
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        self.process = None

    def start(self, arguments, ready):
        with open(f"{self.folder}/start.log", "w") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)
        for _ in range(720):
            if ready():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.25)
        raise RuntimeError(f"{self.name} does not come up: see {self.folder}")

    def cpu_seconds(self):
        return sum(processes_below(self.process.pid).values())

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        tree = sorted(processes_below(self.process.pid))
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in tree[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


class Spamd(Peer):
    """spamd -L: one child, Debian's rules, no user preferences, no Bayes without a database."""
    name, command = "spamd", "spamd"

    def run(self):
        self.socket = f"{self.folder}/socket"
        arguments = ["spamd", "-L", "-x", "-m", "1", "--min-children=1", "--max-spare=1", "--max-conn-per-child=1000000",
                     f"--socketpath={self.socket}", "-s", f"{self.folder}/log", "-H", self.folder]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
            arguments += ["-u", "nobody"]
        self.start(arguments, lambda: os.path.exists(self.socket))
        time.sleep(1)

    def judge(self, message):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(120)
            connection.connect(self.socket)
            connection.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return b"Spam:" in answer


class Rspamd(Peer):
    """rspamd: one normal worker, its own rules; modules that ask the network or Redis are off."""
    name, command = "rspamd", "rspamd"

    def run(self):
        local = f"{self.folder}/conf/local.d"
        os.makedirs(local)
        os.makedirs(f"{self.folder}/db")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for module in RSPAMD_OFF:
            self.write(local, f"{module}.conf", "enabled = false;")
        for worker in ("proxy", "controller", "fuzzy"):
            self.write(local, f"worker-{worker}.inc", "enabled = false;")
        self.write(local, "worker-normal.inc", f'enabled = true; bind_socket = "127.0.0.1:{self.port}"; count = 1;')
        self.write(local, "logging.inc", f'type = "file"; filename = "{self.folder}/log"; level = "notice";')
        self.write(local, "options.inc", 'dns { nameserver = ["127.0.0.1"]; timeout = 0.05s; retransmits = 1; sockets = 1; }\nlocal_addrs = [];')
        arguments = ["rspamd", "-f", "-c", "/etc/rspamd/rspamd.conf", f"--var=LOCAL_CONFDIR={self.folder}/conf",
                     f"--var=DBDIR={self.folder}/db", f"--var=RUNDIR={self.folder}", f"--var=LOGDIR={self.folder}"]
        if os.geteuid() == 0:
            for folder, _, names in os.walk(self.folder):
                for entry in [folder] + [f"{folder}/{name}" for name in names]:
                    shutil.chown(entry, "_rspamd", "_rspamd")
            arguments += ["-u", "_rspamd", "-g", "_rspamd"]
        self.start(arguments, self.answers)
        time.sleep(8)  # it compiles its Hyperscan databases beside

    @staticmethod
    def write(folder, name, text):
        with open(f"{folder}/{name}", "w") as file:
            file.write(text + "\n")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def judge(self, message):
        with socket.create_connection(("127.0.0.1", self.port), 120) as connection:
            connection.sendall(b"POST /checkv2 HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(message) + message)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return b'"score"' in answer


PEERS = (Spamd, Rspamd)


def available():
    return [peer for peer in PEERS if shutil.which(peer.command)]
