#!/usr/bin/python3
"""test_stack_interop.py - our stack against the kernel's: ICMP, TCP both ways, over links that misbehave.

    test_stack_interop.py STACK_ECHO

Two namespaces and a veth pair. On one end runs stack_echo, on the other the kernel with its sockets, which are
this program's. Trouble on the link is made by stack_echo itself, in both directions.
"""
import contextlib
import ctypes
import hashlib
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from tap import Tap, equal, need_root, skip_all  # noqa: E402

US4, US6 = "192.0.2.1", "2001:db8::1"
KERNEL4, KERNEL6 = "192.0.2.2", "2001:db8::2"
STACK = f"pn-stack-{os.getpid()}"
KERNEL = f"pn-kernel-{os.getpid()}"
STACK_ECHO = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
OFFLOADS = "rx off tx off tso off gso off gro off".split()
DATA = random.Random(1).randbytes(2 << 20)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def inside(namespace, *words):
    run("ip", "netns", "exec", namespace, *words)


def add_address6():
    inside(KERNEL, "ip", "addr", "replace", f"{KERNEL6}/64", "dev", "v1", "nodad")


def lay_out():
    run("ip", "netns", "add", STACK)
    run("ip", "netns", "add", KERNEL)
    # The stack's end has no address of the kernel's: there the kernel stays silent.
    inside(STACK, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    run("ip", "link", "add", "v0", "netns", STACK, "type", "veth", "peer", "name", "v1", "netns", KERNEL)
    for namespace, device in ((STACK, "v0"), (KERNEL, "v1")):
        inside(namespace, "ethtool", "-K", device, *OFFLOADS)
        inside(namespace, "ip", "link", "set", device, "up")
        inside(namespace, "ip", "link", "set", "lo", "up")
    inside(KERNEL, "ip", "addr", "add", f"{KERNEL4}/24", "dev", "v1")
    add_address6()
    # From here on our sockets are in the kernel's namespace.
    with open(f"/run/netns/{KERNEL}") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def clear_away():
    for namespace in (STACK, KERNEL):
        subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def stack(*options):
    """Runs stack_echo; yields a dict that holds its counters afterwards."""
    counters = {}
    # Each run is a new machine as far as ARP is concerned.
    run("ip", "neigh", "flush", "dev", "v1")
    process = subprocess.Popen(
        ["ip", "netns", "exec", STACK, STACK_ECHO, "--device", "v0", "--address", f"{US4}/24",
         "--address", f"{US6}/64", *map(str, options)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        equal(process.stdout.readline(), "ready\n", "stack_echo")
        yield counters
        equal(process.poll(), None, "stack_echo ended early")
    finally:
        process.stdin.close()
        try:
            for line in process.stdout.read().splitlines():
                name, value = line.split()
                counters[name] = int(value)
            status = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if os.environ.get("VERBOSE"):
            print("#", counters, flush=True)
    equal(status, 0, "stack_echo's exit status")


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(address, port, timeout=20):
    conn = socket.socket(family(address), socket.SOCK_STREAM)
    conn.settimeout(timeout)
    conn.connect((address, port))
    return conn


def exchange(conn, data, timeout):
    """Sends and receives at once until the other side closes; the hash of what came must be that of `data`."""
    conn.setblocking(False)
    deadline = time.monotonic() + timeout
    view, sent, got, digest = memoryview(data), 0, 0, hashlib.sha256()
    while True:
        left = deadline - time.monotonic()
        assert left > 0, f"too slow: {sent} octets sent, {got} received of {len(data)} in {timeout} s"
        readable, writable, _ = select.select([conn], [conn] if sent < len(data) else [], [], left)
        if writable:
            sent += conn.send(view[sent:sent + 65536])
            if sent == len(data):
                conn.shutdown(socket.SHUT_WR)
        if readable:
            part = conn.recv(1 << 16)
            if not part:
                break
            got += len(part)
            digest.update(part)
    equal(got, len(data), "octets echoed")
    equal(digest.hexdigest(), hashlib.sha256(data).hexdigest(), "hash")
    conn.close()


def echo(address, data=DATA, timeout=15):
    exchange(connect(address, 7), data, timeout)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(address, size, tries=3):
    six = ":" in address
    with socket.socket(family(address), socket.SOCK_RAW,
                       socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as raw:
        raw.settimeout(1)
        body = random.Random(size).randbytes(size)
        for sequence in range(1, tries + 1):
            head = struct.pack("!BBHHH", 128 if six else 8, 0, 0, os.getpid() & 0xffff, sequence)
            if not six:
                head = head[:2] + struct.pack("!H", checksum(head + body)) + head[4:]
            raw.sendto(head + body, (address, 0))
            try:
                while True:
                    answer = raw.recv(4096)
                    if not six:
                        answer = answer[(answer[0] & 15) * 4:]
                    if answer[0] == (129 if six else 0) and answer[4:] == head[4:] + body:
                        return
            except socket.timeout:
                pass
        raise AssertionError(f"no echo reply of {size} octets from {address}")


def pings(address):
    with stack() as counters:
        for size in (0, 1, 56, 1400):
            ping(address, size)
    assert counters["net_icmp_echo_answered"] >= 4, counters


def echo_clean(address):
    with stack() as counters:
        echo(address)
    equal(counters.get("net_icmp_checksum_bad", 0), 0)


def echo_troubled(address, timeout, *options):
    with stack(*options):
        echo(address, timeout=timeout)


def both_at_once():
    with stack():
        conns = [connect(address, 7) for address in (US4, US6) for _ in range(4)]
        for index, conn in enumerate(conns):
            exchange(conn, DATA[index:200000 + index], 10)


def active_open(address, kernel):
    with socket.socket(family(kernel), socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((kernel, 0))
        listener.listen()
        listener.settimeout(10)
        with stack("--connect", kernel, "--port", listener.getsockname()[1]):
            conn, peer = listener.accept()
            equal(peer[0], address, "source address")
            exchange(conn, DATA, 15)


def discard():
    with stack():
        conn = connect(US4, 9)
        conn.sendall(DATA)
        conn.shutdown(socket.SHUT_WR)
        equal(conn.recv(1), b"", "nothing but FIN comes back")


def closed_port_refuses():
    with stack():
        for address in (US4, US6):
            try:
                connect(address, 81, timeout=5)
                raise AssertionError("connected")
            except ConnectionRefusedError:
                pass


def udp_is_refused():
    with stack():
        for address in (US4, US6):
            with socket.socket(family(address), socket.SOCK_DGRAM) as datagram:
                datagram.settimeout(3)
                datagram.connect((address, 53))
                datagram.send(b"?")
                try:
                    datagram.recv(10)
                    raise AssertionError("an answer")
                except ConnectionRefusedError:
                    pass


def small_mtu(address, mtu):
    """Our segments must fit the kernel's smaller MSS: a larger frame would not pass its end of the veth."""
    run("ip", "link", "set", "v1", "mtu", str(mtu))
    try:
        with stack():
            conn = connect(address, 7)
            exchange(conn, DATA[:500000], 15)
    finally:
        run("ip", "link", "set", "v1", "mtu", "1500")
        add_address6()  # below 1280 the kernel takes IPv6 off the device


def our_small_mtu(address, mtu):
    """The kernel must keep to the MSS that we announce."""
    with stack("--mtu", mtu):
        conn = connect(address, 7)
        header = 60 if ":" in address else 40
        mss = conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        assert mss <= mtu - header, mss
        exchange(conn, DATA[:500000], 15)


def without(setting):
    """An option of the kernel's TCP is off."""
    path = f"net.ipv4.{setting}"
    run("sysctl", "-qw", f"{path}=0")
    try:
        with stack("--loss", 10000):
            echo(US4, DATA[:1000000])
    finally:
        run("sysctl", "-qw", f"{path}=1")


def many_short(count):
    with stack() as counters:
        for index in range(count):
            exchange(connect(US6 if index % 4 == 0 else US4, 7), DATA[index:index + 100], 5)
    assert counters["net_frames_in"] > count, counters


def resets_are_survived():
    with stack():
        for _ in range(50):
            conn = connect(US4, 7)
            conn.send(DATA[:100000])
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.close()
        echo(US4, DATA[:100000])


def idle_then_talk():
    with stack():
        conn = connect(US4, 7)
        time.sleep(1.5)
        exchange(conn, b"still there?", 5)


def slow_reader():
    """Our window towards a peer that does not read closes, and opens again."""
    with stack():
        conn = socket.socket()
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        conn.settimeout(10)
        conn.connect((US4, 7))
        conn.setblocking(False)
        sent = 0
        for _ in range(30):
            with contextlib.suppress(BlockingIOError):
                sent += conn.send(DATA[sent:sent + 100000])
            time.sleep(0.02)
        conn.setblocking(True)
        conn.settimeout(10)
        conn.shutdown(socket.SHUT_WR)
        digest, got = hashlib.sha256(), 0
        while part := conn.recv(4096):
            digest.update(part)
            got += len(part)
        equal(got, sent, "octets")
        equal(digest.hexdigest(), hashlib.sha256(DATA[:sent]).hexdigest(), "hash")


def cases(tap):
    tap.case("IPv4 echo requests of several sizes are answered", pings, US4)
    tap.case("IPv6 echo requests of several sizes are answered", pings, US6)
    tap.case("2 MB echo over a clean link, IPv4", echo_clean, US4)
    tap.case("2 MB echo over a clean link, IPv6", echo_clean, US6)
    tap.case("eight connections of both families, one after the other read", both_at_once)
    tap.case("we open a connection to the kernel, IPv4", active_open, US4, KERNEL4)
    tap.case("we open a connection to the kernel, IPv6", active_open, US6, KERNEL6)
    tap.case("a sink swallows 2 MB and closes cleanly", discard)
    tap.case("a closed port refuses", closed_port_refuses)
    tap.case("UDP is told port unreachable", udp_is_refused)
    tap.case("2 MB echo at 5 % loss", echo_troubled, US4, 25, "--loss", 50000)
    tap.case("2 MB echo at 1 % loss, IPv6", echo_troubled, US6, 15, "--loss", 10000)
    tap.case("2 MB echo with delay and reordering", echo_troubled, US4, 15, "--delay-us", 5000, "--jitter-us", 500,
             "--reorder", 20000)
    tap.case("2 MB echo with 1 % of frames damaged", echo_troubled, US4, 20, "--corrupt", 10000)
    tap.case("2 MB echo with 10 % of frames doubled", echo_troubled, US4, 10, "--duplicate", 100000)
    tap.case("the peer's MSS is kept, MTU 600", small_mtu, US4, 600)
    tap.case("the peer's MSS is kept, MTU 1280, IPv6", small_mtu, US6, 1280)
    tap.case("our MSS is announced, MTU 576", our_small_mtu, US4, 576)
    tap.case("our MSS is announced, MTU 1280, IPv6", our_small_mtu, US6, 1280)
    tap.case("a peer without timestamps, 1 % loss", without, "tcp_timestamps")
    tap.case("a peer without SACK, 1 % loss", without, "tcp_sack")
    tap.case("a peer without window scaling, 1 % loss", without, "tcp_window_scaling")
    tap.case("300 short connections", many_short, 300)
    tap.case("resets in mid-stream are survived", resets_are_survived)
    tap.case("a connection idle for a while still talks", idle_then_talk)
    tap.case("a slow reader closes our window and opens it", slow_reader)


def main():
    need_root()
    if STACK_ECHO is None:
        skip_all("needs the path of stack_echo")
    tap = Tap()
    try:
        try:
            lay_out()
        except (OSError, subprocess.CalledProcessError) as why:
            skip_all(f"cannot lay out namespaces: {re.sub(chr(10), ' ', str(why))}")
        cases(tap)
    finally:
        clear_away()
    tap.done()


if __name__ == "__main__":
    main()
