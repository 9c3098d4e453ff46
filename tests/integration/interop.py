"""interop.py - cells of network trouble, and in each our TCP against the kernel's beside the kernel's against itself.

    A ns: a0 ---- w0 [ bad_link, in a namespace of its own ] w1 ---- b0 :B ns

In A sits our stack (stack_peer on an AF_PACKET socket) or, as the baseline, the kernel (kernel_peer on sockets); in B always
the kernel. Either sits at the same interface and speaks through a bad_link of the same words and the same seed. What is
measured is the goodput that the receiver sees, from established to the last octet.
"""
import dataclasses
import hashlib
import itertools
import json
import math
import os
import queue
import statistics
import subprocess
import threading
import time

STACK4, KERNEL_A4, KERNEL_B4 = "192.0.2.3", "192.0.2.1", "192.0.2.2"
STACK6, KERNEL_A6, KERNEL_B6 = "2001:db8::3", "2001:db8::1", "2001:db8::2"
OFFLOADS = "rx off tx off tso off gso off gro off".split()
RATE = 100_000_000
PROGRAMS = ("bad_link", "kernel_peer", "stack_peer")
WAYS = ("send", "receive")
LABS = 6
DELIVERY_LABS = 16  # most of a slow transfer is waiting
SLACK_BYTES = 262144  # the least that a queue holds


class InteropError(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Cell:
    """Trouble of one kind. Percentages are of frames, in each direction; `delay_ms` is there and back."""
    loss: float = 0
    reorder: float = 0
    delay_ms: int = 0
    jitter_ms: int = 0
    duplicate: float = 0
    corrupt: float = 0
    six: bool = False
    mtu: int = 1500       # of both ends; our own end at most 1500
    mss: int = 0          # what the kernel in B announces; 0: by its MTU
    rate: int = RATE

    @property
    def name(self):
        words = [f"loss {self.loss:g} %", f"delay {self.delay_ms} ms"]
        if self.jitter_ms:
            words[-1] += f" + {self.jitter_ms} ms"
        words += [f"{name} {value:g} %" for name, value in
                  (("reorder", self.reorder), ("duplicate", self.duplicate), ("corrupt", self.corrupt)) if value]
        words += [f"mtu {self.mtu}"] if self.mtu != 1500 else []
        words += [f"mss {self.mss}"] if self.mss else []
        return ", ".join(words + ["IPv6" if self.six else "IPv4"])

    @property
    def bdp_bytes(self):
        return self.rate * (self.delay_ms + self.jitter_ms) // 8000

    @property
    def queue_bytes(self):
        return max(self.bdp_bytes, SLACK_BYTES * self.rate // RATE, 32768)

    @property
    def window_bytes(self):
        """For our buffers: what is on the way and in the queue, twice, so that recovery does not stall the sender.
        The kernel's grow by themselves."""
        return max(2 * (self.bdp_bytes + self.queue_bytes), 262144)

    @property
    def is_slow(self):
        """Loss and a long way together, or a low rate."""
        return self.loss * self.delay_ms >= 60 or self.mss == 88

    def octets(self, size):
        """Of a transfer when few are wanted: a slow cell says as much with half, and on a long path without loss the first
        second would be the whole of it."""
        if size >= 10_000_000:
            return size
        if self.is_slow:
            return size // 2
        return size * 5 if self.delay_ms and not self.loss and not self.corrupt else size

    def bad_link(self, seed):
        ppm = lambda percent: str(int(percent * 10000))  # noqa: E731
        # Without a delay there is nothing to overtake by going at once: then the frame is held back.
        hold = [f"hold_us={2000}"] if self.delay_ms < 4 else []
        return [ppm(self.loss), str(self.delay_ms * 500), str(self.jitter_ms * 500), ppm(self.reorder), str(seed),
                f"duplicate_ppm={ppm(self.duplicate)}", f"corrupt_ppm={ppm(self.corrupt)}", f"rate={self.rate}",
                f"queue_bytes={self.queue_bytes}", *hold]


def full_cells():
    cells = [Cell(loss, reorder, delay, six=six) for loss, reorder, delay, six in
             itertools.product((0, 1, 3, 5), (0, 5), (0, 20, 100), (False, True))]
    cells += [Cell(loss, delay_ms=delay, jitter_ms=delay // 10) for loss in (0, 1, 3) for delay in (20, 100)]
    cells += [Cell(loss, delay_ms=delay, duplicate=5, six=six) for loss, delay, six in ((0, 0, False), (1, 20, True))]
    cells += [Cell(loss, delay_ms=delay, corrupt=1, six=six) for loss, delay, six in ((0, 0, False), (0, 20, True), (1, 20, False))]
    cells += [Cell(3, 5, 20, 2, 5, 1, six) for six in (False, True)]
    cells += [Cell(loss, delay_ms=20, mtu=mtu, six=six) for loss in (0, 1) for mtu, six in
              ((576, False), (1280, False), (1280, True), (9000, False), (9000, True))]
    cells += [Cell(loss, delay_ms=20, mss=mss, six=six, rate=rate) for loss in (0, 1) for six in (False, True)
              for mss, rate in ((88, RATE // 10), (536, RATE // 2), (1460, RATE)) if mss != 1460 or not six]
    return cells


def default_cells():
    """Each value of each axis at least once, and the pairs that have shown trouble."""
    return [Cell(), Cell(six=True), Cell(delay_ms=20), Cell(delay_ms=100, six=True),
            Cell(1), Cell(1, delay_ms=20, six=True), Cell(3, six=True), Cell(3, delay_ms=20), Cell(5),
            Cell(5, delay_ms=20, six=True), Cell(reorder=5), Cell(reorder=5, delay_ms=20, six=True), Cell(1, 5, 20),
            Cell(delay_ms=20, jitter_ms=2), Cell(duplicate=5, six=True), Cell(corrupt=1, delay_ms=20),
            Cell(3, 5, 20, 2, 5, 1, True),
            Cell(mtu=576), Cell(1, delay_ms=20, mtu=1280, six=True), Cell(delay_ms=20, mtu=9000),
            Cell(mss=88, rate=RATE // 10), Cell(1, delay_ms=20, mss=536, rate=RATE // 2)]


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise InteropError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Lab:
    """Three namespaces; one transfer at a time."""

    def __init__(self, programs, name):
        self.programs = programs
        self.namespaces = {side: f"{name}-{side}" for side in "awb"}
        self.mtu = 1500
        self.port = 10000

    def open(self):
        self.close()
        for namespace in self.namespaces.values():
            run("ip", "netns", "add", namespace)
        run("ip", "netns", "exec", self.namespaces["w"], "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
            "net.ipv6.conf.default.disable_ipv6=1")
        for side, device, wire in (("a", "a0", "w0"), ("b", "b0", "w1")):
            run("ip", "link", "add", device, "netns", self.namespaces[side], "type", "veth", "peer", "name", wire, "netns",
                self.namespaces["w"])
            # What one connection has learnt must not slow the next.
            run("ip", "netns", "exec", self.namespaces[side], "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1",
                f"net.ipv6.conf.{device}.accept_dad=0")
            for where, which in ((side, device), ("w", wire)):
                self.inside(where, "ethtool", "-K", which, *OFFLOADS)
                self.inside(where, "ip", "link", "set", which, "mtu", "9000", "up")
        self.set_mtu(1500)
        return self

    def inside(self, side, *command):
        return run("ip", "netns", "exec", self.namespaces[side], *command)

    def set_mtu(self, mtu):
        for side, device, four, six in (("a", "a0", KERNEL_A4, KERNEL_A6), ("b", "b0", KERNEL_B4, KERNEL_B6)):
            self.inside(side, "ip", "link", "set", device, "mtu", str(mtu))
            self.inside(side, "ip", "addr", "replace", f"{four}/24", "dev", device)
            if mtu >= 1280:  # below, the kernel has no IPv6
                self.inside(side, "ip", "addr", "replace", f"{six}/64", "dev", device, "nodad")
        self.mtu = mtu

    def start(self, side, *command):
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{self.namespaces[side]}", *map(str, command)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def transfer(self, cell, stack, a_sends, a_connects, size, seed, timeout):
        """One transfer; the receiver's seconds, the sender's retransmissions and what the link and our stack counted."""
        if self.mtu != cell.mtu:
            self.set_mtu(cell.mtu)
        self.port = self.port + 1 if self.port < 60000 else 10001
        addresses = {"a": (STACK6 if stack else KERNEL_A6) if cell.six else STACK4 if stack else KERNEL_A4,
                     "b": KERNEL_B6 if cell.six else KERNEL_B4}
        # A baseline between machines that agree on the same segments.
        mss = cell.mss or (1500 - (60 if cell.six else 40) if cell.mtu > 1500 else 0)
        commands = {}
        for side, other, sends, connects in (("a", "b", a_sends, a_connects), ("b", "a", not a_sends, not a_connects)):
            ours = stack and side == "a"
            commands[side] = [self.programs["stack_peer" if ours else "kernel_peer"],
                              "--address", f"{addresses[side]}/{64 if cell.six else 24}", "--port", self.port, "--bytes", size,
                              "--seed", seed, "--timeout", timeout, *(["--send"] if sends else []),
                              *(["--connect", addresses[other]] if connects else [])]
            if ours:
                commands[side] += ["--device", "a0", "--mtu", min(cell.mtu, 1500), "--window", cell.window_bytes]
            else:  # CUBIC (RFC 9438) is the yardstick, whatever this machine's default is
                commands[side] += ["--congestion", "cubic", *(["--mss", mss] if mss and (side == "b" or cell.mss) else [])]
        processes = {"w": self.start("w", self.programs["bad_link"], "w0", "w1", *cell.bad_link(seed))}
        try:
            processes["w"].stdout.readline()
            first, second = ("b", "a") if a_connects else ("a", "b")
            processes[first] = self.start(first, *commands[first])
            if processes[first].stdout.readline() != "ready\n":
                raise InteropError(f"{first}: {processes[first].stderr.read().strip()}")
            processes[second] = self.start(second, *commands[second])
            return self.outcome(processes, "a" if a_sends else "b", size, timeout)
        finally:
            for process in processes.values():
                if process.poll() is None:
                    process.kill()
                process.wait()
                process.stdout.close()
                process.stderr.close()

    def outcome(self, processes, sender, size, timeout):
        reports, counters = {}, {}
        for side in "ab":
            try:
                out, errors = processes[side].communicate(timeout=timeout + 5)
            except subprocess.TimeoutExpired as error:
                raise InteropError(f"{side}: did not end") from error
            if processes[side].returncode != 0:
                raise InteropError(f"{side}: exit status {processes[side].returncode}: {out.strip()} {errors.strip()}")
            reports[side] = json.loads(out.strip().splitlines()[-1])
            counters.update(line.rsplit(" ", 1) for line in errors.strip().splitlines() if " " in line)
        processes["w"].terminate()
        link = processes["w"].communicate()[0].strip()
        receiver = "b" if sender == "a" else "a"
        for side in "ab":
            if reports[side]["bytes"] != size:
                raise InteropError(f"{side}: {reports[side]['bytes']} of {size} octets")
        if reports["a"]["sha256"] != reports["b"]["sha256"]:
            raise InteropError("what arrived is not what was sent")
        return {"seconds": reports[receiver]["seconds"], "retransmits": reports[sender]["retransmits"], "counters": counters,
                "link": link, "sha256": reports[receiver]["sha256"]}

    def close(self):
        for namespace in self.namespaces.values():
            run("ip", "netns", "del", namespace, check=False)


@dataclasses.dataclass
class Direction:
    """The samples of one cell in one direction, ours and the baseline's, round by round."""
    size: int
    ours: list = dataclasses.field(default_factory=list)
    baseline: list = dataclasses.field(default_factory=list)

    def mbit(self, which):
        return statistics.median(self.size * 8 / sample["seconds"] / 1e6 for sample in getattr(self, which))

    def spread(self, which):
        values = [self.size * 8 / sample["seconds"] / 1e6 for sample in getattr(self, which)]
        return min(values), max(values)

    def retransmits(self, which):
        return statistics.mean(sample["retransmits"] for sample in getattr(self, which))

    @property
    def ratio(self):
        """Of the medians."""
        return self.mbit("ours") / self.mbit("baseline")

    @property
    def paired(self):
        """Our goodput over the baseline's, round by round: the geometric mean and the bounds within which it lies nineteen
        times in twenty. A round's two transfers begin with the same losses; times spread by factors, so logarithms are taken."""
        logs = [math.log(theirs["seconds"] / mine["seconds"]) for mine, theirs in zip(self.ours, self.baseline)]
        mean, rounds = statistics.mean(logs), len(logs)
        if rounds < 3:
            return math.exp(mean), 0.0, math.inf
        # Student's t, two-sided: within 4 % of the tables from two degrees of freedom on, 1 % from four.
        free = rounds - 1
        half = (1.96 + 2.3 / free + 4.3 / free ** 2) * statistics.stdev(logs) / math.sqrt(rounds)
        return math.exp(mean), math.exp(mean - half), math.exp(mean + half)

    def is_behind(self, wanted):
        """Below `wanted`, and that is more than chance."""
        return self.paired[2] < wanted

    def is_decided(self, wanted):
        _, low, high = self.paired
        return low >= wanted or high < wanted


def measure(lab, cell, size, rounds, rounds_max, wanted, until, timeout, ways=WAYS):
    """Ours and the baseline take turns; the roles of client and server, too. More rounds than `rounds` only while chance alone
    may have put a direction above or below `wanted`, and up to the time `until`: where many frames are lost it weighs much.
    Returns a Direction by way."""
    directions = {name: Direction(cell.octets(size)) for name in ways}
    for number in range(rounds_max):
        for name, direction in directions.items():
            if number >= rounds and (direction.is_decided(wanted) or time.monotonic() > until):
                continue
            seed = int.from_bytes(hashlib.sha256(f"{cell.name} {number}".encode()).digest()[:3], "big")
            for which in ("baseline", "ours") if number % 2 else ("ours", "baseline"):
                try:
                    sample = lab.transfer(cell, which == "ours", name == "send", number % 2 == 0, direction.size, seed, timeout)
                except InteropError as error:
                    who = "our stack" if which == "ours" else "the kernel (baseline)"
                    raise InteropError(f"{who}, {name}s as {'server' if number % 2 else 'client'}, round {number}: {error}") from error
                getattr(direction, which).append(sample)
    return directions


def in_labs(programs, units, labs, work, finish, lost):
    """Hands `units` to `labs` labs side by side: finish(unit, work(lab, unit) or its error). A lab that cannot be laid out
    calls lost(error)."""
    left = queue.SimpleQueue()
    for unit in units:
        left.put(unit)

    def run_lab(number):
        lab = Lab(programs, f"pn-io-{os.getpid()}-{number}")
        try:
            lab.open()
            while True:
                try:
                    unit = left.get_nowait()
                except queue.Empty:
                    return
                try:
                    result = work(lab, unit)
                except (InteropError, OSError, ValueError) as error:
                    result = error
                finish(unit, result)
        except Exception as error:
            lost(error)
        finally:
            lab.close()

    threads = [threading.Thread(target=run_lab, args=(number,), daemon=True) for number in range(labs)]
    for thread in threads:
        thread.start()
    return threads


def measure_all(programs, cells, labs, done, **how):
    """Cells side by side in `labs` labs; `done(cell, directions or error)` is called in the order of `cells`."""
    results, ready = {}, threading.Condition()

    def finish(cell, result):
        with ready:
            results[cell] = result
            ready.notify_all()

    def lost(error):  # it must not leave anyone waiting
        with ready:
            for cell in cells:
                results.setdefault(cell, error)
            ready.notify_all()

    units = sorted(cells, key=lambda cell: not cell.is_slow)  # the slow ones must not come last
    threads = in_labs(programs, units, labs, lambda lab, cell: measure(lab, cell, **how), finish, lost)
    for cell in cells:
        with ready:
            ready.wait_for(lambda cell=cell: cell in results)
        done(cell, results[cell])
    for thread in threads:
        thread.join()


def deliver_all(programs, cells, labs, done, size, timeout):
    """`size` octets through every cell to and from our stack, as client and as server, without a baseline: each of the four
    transfers goes to whichever lab is free, so that the slowest cell bounds the time and not the sum of its transfers.
    `done(cell, seconds or error)` is called in the order of `cells`; seconds by (way, role)."""
    ways = [(way, role) for way in WAYS for role in ("client", "server")]
    results, ready = {cell: {} for cell in cells}, threading.Condition()

    def work(lab, unit):
        cell, way, role = unit
        seed = int.from_bytes(hashlib.sha256(f"{cell.name} {way} {role}".encode()).digest()[:3], "big")
        return lab.transfer(cell, True, way == "send", role == "client", size, seed, timeout)["seconds"]

    def finish(unit, result):
        with ready:
            results[unit[0]][unit[1:]] = result
            ready.notify_all()

    def lost(error):
        with ready:
            for cell, way in itertools.product(cells, ways):
                results[cell].setdefault(way, error)
            ready.notify_all()

    units = sorted(((cell, *way) for cell, way in itertools.product(cells, ways)),
                   key=lambda unit: (-unit[0].loss * max(unit[0].delay_ms, 1) * (10 if unit[0].mss == 88 else 1)))
    threads = in_labs(programs, units, labs, work, finish, lost)
    for cell in cells:
        with ready:
            ready.wait_for(lambda cell=cell: len(results[cell]) == len(ways))
        errors = [f"{way} as {role}: {result}" for (way, role), result in results[cell].items() if isinstance(result, Exception)]
        done(cell, InteropError("; ".join(errors)) if errors else results[cell])
    for thread in threads:
        thread.join()


def row(cell, directions):
    text = f"{cell.name:54}"
    for name, it in directions.items():
        mean, low, high = it.paired
        text += (f" | {name} {mean:5.2f}x ({low:4.2f}..{high:4.2f}) medians {it.mbit('ours'):5.1f} / {it.mbit('baseline'):5.1f} Mbit/s"
                 f", again {it.retransmits('ours'):5.0f} / {it.retransmits('baseline'):5.0f}, n {len(it.ours)}")
    return text


def measure_suite(build, quick, say):
    """The suite `interop` of bench/run."""
    programs = {name: os.path.join(build, "tests/integration", name) for name in PROGRAMS}
    results = []

    def done(cell, directions):
        if isinstance(directions, Exception):
            raise RuntimeError(f"{cell.name}: {directions}")
        for way, direction in directions.items():
            low, high = direction.spread("ours")
            results.append({"suite": "interop", "case": f"{way}/{cell.name}", "metric": "goodput", "unit": "Mbit/s",
                            "value": round(direction.mbit("ours"), 3), "spread": [round(low, 3), round(high, 3)], "better": "higher",
                            "baseline": {"name": "linux-linux", "value": round(direction.mbit("baseline"), 3)},
                            "ratio": round(direction.ratio, 3),
                            "paired": {name: round(value, 3) for name, value in zip(("mean", "low", "high"), direction.paired)}})
        say(row(cell, directions))

    cells, size, rounds = (default_cells(), 2_000_000, 3) if quick else (full_cells(), 2_000_000, 5)
    measure_all(programs, cells, LABS, done, size=size, rounds=rounds, rounds_max=rounds, wanted=0, until=0, timeout=900)
    return results
