#!/usr/bin/python3
"""test_af_xdp.py POSTERN - the program on AF_XDP over a veth pair: who is answered, by whom, and after what accidents.

Needs root, network namespaces, iproute2, ethtool and nsenter. TAP on stdout. Everything made is taken away again.
"""
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

TAG = "ptx%d" % (os.getpid() % 100000)
GATE, PEER = TAG + "g", TAG + "p"  # namespaces
OURS4, OURS6, KERNEL4, PEER4 = "10.99.7.1", "fd99:7::1", "10.99.7.3", "10.99.7.2"
VLAN_OURS4 = "10.99.8.1"
START_SECONDS, ANSWER_SECONDS, END_SECONDS = 30, 5, 20


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def namespace(name):
    """The calling thread works inside namespace `name`."""
    with open("/proc/thread-self/ns/net") as home, open("/run/netns/" + name) as there:
        set_ns(there.fileno())
        try:
            yield
        finally:
            set_ns(home.fileno())


def set_ns(fd):
    import ctypes
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def make_network():
    for name in (GATE, PEER):
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "link", "add", "g0", "netns", GATE, "numrxqueues", "2", "numtxqueues", "2", "type", "veth",
        "peer", "name", "p0", "netns", PEER, "numrxqueues", "2", "numtxqueues", "2")
    run("ip", "-n", GATE, "link", "set", "g0", "up")
    run("ip", "-n", PEER, "link", "set", "p0", "up")
    run("ip", "-n", GATE, "addr", "add", KERNEL4 + "/24", "dev", "g0")
    run("ip", "-n", PEER, "addr", "add", PEER4 + "/24", "dev", "p0")
    run("ip", "-n", PEER, "addr", "add", "fd99:7::2/64", "dev", "p0", "nodad")
    # Without this the kernel leaves checksums to a device that does not exist.
    run("nsenter", "--net=/run/netns/" + PEER, "ethtool", "-K", "p0", "tx", "off", "tso", "off", "gso", "off")


def remove_network():
    for name in (GATE, PEER):
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


class Postern:
    """One run of the program; a context manager that leaves nothing behind."""

    def __init__(self, program, folder, port="", limits=""):
        self.program, self.folder = program, folder
        addresses = "" if "addresses" in port else 'addresses = ["%s/24", "%s/64"];' % (OURS4, OURS6)
        self.config = os.path.join(folder, "postern.conf")
        with open(self.config, "w") as f:
            f.write("""ports { p { driver = af_xdp; interface = g0; %s %s } }
listeners { smtp { port = 25; } }
backends { b { address = "%s"; port = 2525; } }
limits { packets = 4096; connections_max = 1024; sessions_max = 512; transactions_max = 16;
         drain_timeout_ms = 1s; hold_bytes_worker_max = 1M; %s }
policy { hostname = "gate.example"; }
mgmt { dataplane_socket = "%s/dataplane.sock"; }
""" % (addresses, port, PEER4, limits, folder))

    def start(self):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            ["nsenter", "--net=/run/netns/" + GATE, self.program, "--config", self.config],
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if "postern: ready" in self.text():
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        text = self.text()
        self.kill()
        raise AssertionError("did not start: " + text.strip())

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def end(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_SECONDS)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(address, text=b"postern!"):
    """True when one of five echo requests from the peer is answered."""
    six = ":" in address
    with namespace(PEER):
        s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                          socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    with s:
        s.settimeout(0.5)
        with namespace(PEER):
            where = socket.getaddrinfo(address, None, type=socket.SOCK_DGRAM)[0][4]
        for sequence in range(1, 6):
            body = struct.pack(">HH", os.getpid() & 0xffff, sequence) + text
            head = (128 if six else 8, 0)
            sum_ = 0 if six else checksum(struct.pack(">BBH", *head, 0) + body)
            s.sendto(struct.pack(">BBH", *head, sum_) + body, where)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                try:
                    data = s.recv(2048)
                except socket.timeout:
                    break
                icmp = data if six else data[20:]
                if icmp[0] == (129 if six else 0) and icmp[4:] == body:
                    return True
    return False


def arp_is_answered(address, vlan):
    """Asks for `address` in a raw frame, tagged unless `vlan` is 0; the kernel here may know no VLANs."""
    with namespace(PEER):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with s:
        s.bind(("p0", 0))
        s.settimeout(0.5)
        mac = s.getsockname()[4]
        tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
        target = socket.inet_aton(address)
        arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton("10.99.8.2") + bytes(6) + target
        for _ in range(3):
            s.send(b"\xff" * 6 + mac + tag + struct.pack(">H", 0x0806) + arp)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                try:
                    frame = s.recv(2048)
                except socket.timeout:
                    break
                at = 18 if frame[12:14] == b"\x81\x00" else 14
                if frame[at - 2:at] == b"\x08\x06" and frame[at + 7] == 2 and frame[at + 14:at + 18] == target:
                    return True
    return False


def connect(address, port=25):
    with namespace(PEER):
        return socket.create_connection((address, port), ANSWER_SECONDS)


def greeting(address):
    """The greeting, and that QUIT is answered and ends the connection."""
    with connect(address) as s:
        s.settimeout(ANSWER_SECONDS)
        f = s.makefile("rwb")
        line = f.readline()
        f.write(b"QUIT\r\n")
        f.flush()
        assert f.readline().startswith(b"221 "), "QUIT is not answered"
        assert f.read() == b"", "the connection does not end after QUIT"
    return line


def expect_greeting(address):
    line = greeting(address)
    assert line.startswith(b"220 gate.example "), "greeting is %r" % line


class Sink:
    """A backend in the peer's namespace that accepts every message and keeps it."""

    def __init__(self):
        self.messages = []
        with namespace(PEER):
            self.server = socket.create_server((PEER4, 2525), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.server.accept()[0]
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client, client.makefile("rwb", buffering=0) as f:
            f.write(b"220 sink.example ESMTP\r\n")
            for line in f:
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"EHLO":
                    f.write(b"250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"DATA":
                    f.write(b"354 go ahead\r\n")
                    body = b""
                    while not body.endswith(b"\r\n.\r\n"):
                        octets = client.recv(65536)
                        if not octets:
                            return
                        body += octets
                    self.messages.append(body)
                    f.write(b"250 2.0.0 kept\r\n")
                else:
                    f.write(b"221 2.0.0 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)  # ends accept() in the other thread
        self.server.close()


def send_message(address, mark):
    """One message in a session of its own; the reply to its final dot."""
    with connect(address) as s:
        s.settimeout(ANSWER_SECONDS)
        f = s.makefile("rwb", buffering=0)

        def expect(code, command=None):
            if command is not None:
                f.write(command + b"\r\n")
            line = f.readline()
            while line[3:4] == b"-":
                line = f.readline()
            assert line.startswith(code), "%r after %r" % (line, command)
            return line

        expect(b"220")
        expect(b"250", b"EHLO client.example")
        expect(b"250", b"MAIL FROM:<a@client.example>")
        expect(b"250", b"RCPT TO:<b@sink.example>")
        expect(b"354", b"DATA")
        return expect(b"250", b"From: <a@client.example>\r\nSubject: test\r\n\r\n" + mark + b"\r\n.")


def program_on_g0():
    out = subprocess.run(["ip", "-n", GATE, "link", "show", "g0"], stdout=subprocess.PIPE, check=True).stdout
    return b"prog/xdp" in out


def answers_echo_requests(new):
    with new():
        assert ping(OURS4), "no answer to ICMP"
        assert ping(OURS6), "no answer to ICMPv6"


def greets_over_ipv4_and_ipv6(new):
    with new():
        expect_greeting(OURS4)
        expect_greeting(OURS6)


def leaves_the_kernel_its_own(new):
    with namespace(GATE):
        server = socket.create_server((KERNEL4, 8025))
    with server, new():
        assert ping(KERNEL4), "the kernel's own address no longer answers"
        with connect(KERNEL4, 8025):
            server.settimeout(ANSWER_SECONDS)
            server.accept()[0].close()
        run("ip", "-n", PEER, "neigh", "flush", "dev", "p0")
        assert ping(KERNEL4), "the kernel's own address is not resolved"
        expect_greeting(OURS4)


def ends_on_sigterm(new):
    with new() as postern:
        expect_greeting(OURS4)
        assert program_on_g0(), "no XDP program while it runs"
        status = postern.end()
        assert status == 0, "exit status %d" % status
        assert not program_on_g0(), "the XDP program is left behind"


def starts_again_after_kill(new):
    with new() as first:
        expect_greeting(OURS4)
        first.kill()
    assert program_on_g0(), "nothing was left behind: this test tests nothing"
    with new():
        expect_greeting(OURS4)


def refuses_an_interface_that_is_taken(new):
    with new():
        try:
            with new():
                raise AssertionError("a second postern started on the same interface")
        except AssertionError as error:
            assert "another postern runs on interface g0" in str(error), str(error)
        expect_greeting(OURS4)


def runs_without_huge_pages(new):
    with new(limits="hugepages = false;"):
        assert ping(OURS4), "no answer to ICMP"
        expect_greeting(OURS4)


def serves_many_connections_at_once(new):
    """More than one burst, more than one look at the sleeping socket."""
    with new():
        lines = []

        def client():
            with contextlib.suppress(OSError):  # who fails is missing below
                lines.append(greeting(OURS4))

        threads = [threading.Thread(target=client) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(lines) == 40, "%d of 40 connections were greeted" % len(lines)


def spreads_over_two_workers(new):
    """Flows fall on queues as the kernel likes; each worker serves those of its queue to their end."""
    with new(limits="workers = 2;"):
        assert ping(OURS4), "no answer to ICMP"
        for _ in range(20):
            expect_greeting(OURS4)


def relays_on_every_worker(new):
    """What the backend answers falls on queues as the kernel likes, too; it must reach who asked."""
    with Sink() as sink, new(limits="workers = 2;"):
        marks = [b"mark %d of this test" % i for i in range(16)]
        for mark in marks:
            send_message(OURS4, mark)
        assert len(sink.messages) == len(marks), "%d messages" % len(sink.messages)
        for mark, message in zip(marks, sink.messages):
            assert mark in message, "message lost or out of order"


def speaks_in_its_vlan_only(new):
    with new(port='vlan = 7; addresses = ["%s/24"];' % VLAN_OURS4):
        assert arp_is_answered(VLAN_OURS4, 7), "no answer in our VLAN"
        assert not arp_is_answered(VLAN_OURS4, 0), "an answer to an untagged frame"
        assert not arp_is_answered(VLAN_OURS4, 8), "an answer in another VLAN"
        assert ping(KERNEL4), "untagged frames no longer reach the kernel"


def bad_commands_until_421(address):
    """How many unknown commands the session takes."""
    with connect(address) as s:
        s.settimeout(ANSWER_SECONDS)
        f = s.makefile("rwb", buffering=0)
        f.readline()
        for count in range(1, 50):
            f.write(b"NONSENSE\r\n")
            if f.readline().startswith(b"421"):
                return count
    return None


def takes_over_options_on_sighup(new):
    with new(limits="errors_max = 10;") as postern:
        def hang_up(config, answer):
            with open(postern.config, "w") as f:
                f.write(config)
            postern.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + ANSWER_SECONDS
            while answer not in postern.text():
                assert time.monotonic() < deadline, "no answer to SIGHUP: " + postern.text()
                time.sleep(0.05)

        with open(postern.config) as f:
            config = f.read()
        before = bad_commands_until_421(OURS4)
        hang_up(config.replace("errors_max = 10", "errors_max = none"), "stays as it is")
        assert bad_commands_until_421(OURS4) == before, "a wrong configuration changed something"
        hang_up(config.replace("errors_max = 10", "errors_max = 3"), "taken over")
        after = bad_commands_until_421(OURS4)
        assert before - after == 7, "421 after %d errors, then after %d" % (before, after)


def wrong_configuration_is_told(new):
    postern = new(port="speed = 1;")
    result = subprocess.run([postern.program, "--check", "--config", postern.config], stderr=subprocess.PIPE)
    assert result.returncode == 3, "exit status %d" % result.returncode
    assert b"postern.conf:1:" in result.stderr, result.stderr


TESTS = [answers_echo_requests, greets_over_ipv4_and_ipv6, leaves_the_kernel_its_own, ends_on_sigterm,
         starts_again_after_kill, refuses_an_interface_that_is_taken, runs_without_huge_pages,
         serves_many_connections_at_once, spreads_over_two_workers, relays_on_every_worker,
         speaks_in_its_vlan_only,
         takes_over_options_on_sighup, wrong_configuration_is_told]


def why_not():
    if os.geteuid() != 0:
        return "needs root"
    for program in ("ip", "nsenter", "ethtool"):
        if shutil.which(program) is None:
            return "needs " + program
    try:
        socket.socket(44, socket.SOCK_RAW).close()  # AF_XDP
    except OSError as error:
        return "no AF_XDP sockets here: %s" % error
    return None


def main():
    reason = why_not()
    if reason:
        print("1..0 # SKIP " + reason)
        return
    program = os.path.abspath(sys.argv[1])
    print("1..%d" % len(TESTS), flush=True)
    remove_network()
    try:
        make_network()
        for number, test in enumerate(TESTS, 1):
            with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
                try:
                    test(lambda **options: Postern(program, folder, **options))
                    print("ok %d - %s" % (number, test.__name__), flush=True)
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    print("not ok %d - %s" % (number, test.__name__))
                    print("# " + (str(error) or repr(error)).replace("\n", "\n# "), flush=True)
            subprocess.run(["ip", "-n", GATE, "link", "set", "g0", "xdp", "off"], stderr=subprocess.DEVNULL)
    finally:
        remove_network()


if __name__ == "__main__":
    main()
