#!/usr/bin/python3
"""test_drivers.py POSTERN PORT_WIRE - every driver that can run here carries mail from end to end.

A client and a mail server in one namespace, the gateway in another. Needs root. TAP on stdout.
"""
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_af_xdp as net  # noqa: E402
from tap import Tap, equal, skip_all  # noqa: E402

net.TAG = "st%d" % (os.getpid() % 100000)
net.GATE, net.PEER = net.TAG + "g", net.TAG + "p"


class Setup:
    def __init__(self, program, wire, folder):
        self.program, self.wire, self.folder = os.path.abspath(program), os.path.abspath(wire), folder

    def postern(self, driver, port="", limits=""):
        """The gateway on one port; `driver` is the text of its driver and interface."""
        postern = net.Postern(self.program, self.folder, port=port, limits=limits)
        with open(postern.config) as f:
            text = f.read()
        with open(postern.config, "w") as f:
            f.write(text.replace("driver = af_xdp; interface = g0;", driver))
        return postern

    @contextlib.contextmanager
    def wired(self, ports, *pairs):
        """port_wire between `ports`, texts of driver and interface."""
        config = os.path.join(self.folder, "wire.conf")
        with open(config, "w") as f:
            f.write("ports { %s }\n" % " ".join('w%d { %s addresses = ["192.0.2.%d/32"]; }' % (i, text, i + 1)
                                                for i, text in enumerate(ports)))
            f.write('backends { b { address = "192.0.2.9"; } }\nlimits { packets = 4096; hugepages = %s; }\n' %
                    ("true" if any("memif" in text for text in ports) else "false"))
        with open(self.folder + "/wire.log", "w+") as log:
            process = subprocess.Popen(["nsenter", "--net=/run/netns/" + net.GATE, self.wire, config, *pairs],
                                       stdout=log, stderr=log)
            try:
                deadline = time.monotonic() + net.START_SECONDS
                while "ready" not in open(log.name).read():
                    assert process.poll() is None and time.monotonic() < deadline, open(log.name).read()
                    time.sleep(0.05)
                yield
            finally:
                process.terminate()
                process.wait()


def carries_mail(setup, postern, count=4):
    with net.Sink() as sink, postern:
        for n in range(count):
            net.send_message(net.OURS4, b"mark %d" % n)
        net.expect_greeting(net.OURS6)
        equal(len(sink.messages), count, "messages at the backend")


def af_packet(setup):
    carries_mail(setup, setup.postern("driver = af_packet; interface = g0;"))


def af_packet_with_two_workers(setup):
    carries_mail(setup, setup.postern("driver = af_packet; interface = g0;", limits="workers = 2;"), 16)


def await_backend(sink):
    """The gateway has asked for it before the tap had its address, and asks again after a while."""
    deadline = time.monotonic() + 20
    while not sink.messages:
        try:
            net.send_message(net.OURS4, b"is it there")
        except AssertionError as error:
            assert "451 4.4.1" in str(error) and time.monotonic() < deadline, str(error)
            time.sleep(0.5)
    sink.messages.clear()


@contextlib.contextmanager
def tap_in_peer(setup, limits=""):
    """The tap's kernel end becomes the peer's p0."""
    postern = setup.postern("driver = tap; interface = sttap0;", limits=limits)
    net.run("ip", "-n", net.PEER, "addr", "del", net.PEER4 + "/24", "dev", "p0")
    net.run("ip", "-n", net.PEER, "addr", "del", "fd99:7::2/64", "dev", "p0")
    try:
        with postern:
            net.run("ip", "-n", net.GATE, "link", "set", "sttap0", "netns", net.PEER)
            net.run("ip", "-n", net.PEER, "link", "set", "sttap0", "up")
            net.run("ip", "-n", net.PEER, "addr", "add", net.PEER4 + "/24", "dev", "sttap0")
            net.run("ip", "-n", net.PEER, "addr", "add", "fd99:7::2/64", "dev", "sttap0", "nodad")
            yield postern
    finally:
        net.run("ip", "-n", net.PEER, "addr", "add", net.PEER4 + "/24", "dev", "p0")
        net.run("ip", "-n", net.PEER, "addr", "add", "fd99:7::2/64", "dev", "p0", "nodad")


def tap(setup):
    with tap_in_peer(setup), net.Sink() as sink:
        await_backend(sink)
        for n in range(4):
            net.send_message(net.OURS4, b"mark %d" % n)
        net.expect_greeting(net.OURS6)
        equal(len(sink.messages), 4, "messages at the backend")


def tap_with_two_workers(setup):
    with tap_in_peer(setup, "workers = 2;"), net.Sink() as sink:
        await_backend(sink)
        for n in range(16):
            net.send_message(net.OURS4, b"mark %d" % n)
        equal(len(sink.messages), 16, "messages at the backend")


def memif(setup):
    path = setup.folder + "/memif.sock"
    with setup.wired(['vdev = "net_memif0,role=server,socket=%s,socket-abstract=no";' % path,
                      "driver = af_packet; interface = g0;"], "0:1", "1:0"):
        carries_mail(setup, setup.postern('driver = memif; interface = "%s";' % path))


def ring(setup):
    """Two rings in another process are the wire, a way each; their two ends are packet sockets."""
    net.run("ip", "-n", net.GATE, "link", "add", "wa", "type", "veth", "peer", "name", "wb")
    for name in ("wa", "wb"):
        net.run("ip", "-n", net.GATE, "link", "set", name, "up")
        net.run("nsenter", "--net=/run/netns/" + net.GATE, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off")
    try:
        with setup.wired(["driver = af_packet; interface = g0;", "driver = ring;", "driver = ring;",
                          "driver = af_packet; interface = wa;"], "0:1", "1:3", "3:2", "2:0"):
            carries_mail(setup, setup.postern("driver = af_xdp; interface = wb;"))
    finally:
        net.run("ip", "-n", net.GATE, "link", "del", "wa")


def ring_has_an_address_of_its_own(setup):
    with setup.postern("driver = ring;") as postern:
        assert postern.process.poll() is None


def start_fails(postern):
    try:
        with postern:
            raise RuntimeError("it started")
    except AssertionError as error:
        return str(error)


def pci_says_what_is_wrong(setup):
    assert "is no PCI address" in start_fails(setup.postern('driver = pci; interface = "eth0";'))
    assert "there is no PCI device" in start_fails(setup.postern('driver = pci; interface = "00ff:1f:1f.7";'))


def jumbo_frames(count, octets):
    """IPv4 packets in frames longer than any buffer, to us."""
    with net.namespace(net.PEER):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("p0", 0))
    mac = subprocess.run(["ip", "-n", net.GATE, "-o", "link", "show", "g0"], stdout=subprocess.PIPE).stdout.decode()
    to = bytes(int(x, 16) for x in mac.split("link/ether ")[1].split()[0].split(":"))
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, octets, 0, 0, 64, 6, 0, socket.inet_aton(net.PEER4),
                     socket.inet_aton(net.OURS4))
    ip = ip[:10] + struct.pack(">H", net.checksum(ip)) + ip[12:]
    with s:
        for _ in range(count):
            s.send(to + s.getsockname()[4] + b"\x08\x00" + ip + bytes(octets - 20))


def mss_of(address):
    with net.connect(address) as s:
        return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


@contextlib.contextmanager
def mtu(octets):
    for name, dev in ((net.GATE, "g0"), (net.PEER, "p0")):
        net.run("ip", "-n", name, "link", "set", dev, "mtu", str(octets))
    try:
        yield
    finally:
        for name, dev in ((net.GATE, "g0"), (net.PEER, "p0")):
            net.run("ip", "-n", name, "link", "set", dev, "mtu", "1500")
        net.run("ip", "-n", net.PEER, "addr", "replace", "fd99:7::2/64", "dev", "p0", "nodad")


def jumbo_frames_do_no_harm(setup):
    for driver in ("driver = af_packet; interface = g0;", "driver = af_xdp; interface = g0;"):
        with mtu(3000 if "xdp" in driver else 9000), setup.postern(driver) as postern:
            net.expect_greeting(net.OURS4)
            jumbo_frames(40, 2950)
            net.expect_greeting(net.OURS4)
            equal(mss_of(net.OURS4) <= 1460, True, "MSS on a jumbo interface")
            assert postern.process.poll() is None, postern.text()


def mss_follows_the_interface(setup):
    for driver in ("driver = af_packet; interface = g0;", "driver = af_xdp; interface = g0;"):
        with mtu(1400), setup.postern(driver) as postern:
            with net.namespace(net.PEER):
                net.run("ip", "-n", net.PEER, "link", "set", "p0", "mtu", "1500")
            with net.connect(net.OURS4) as s:
                assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1360, driver
            assert "MTU 1400 instead of 1500" in postern.text(), postern.text()
            out = subprocess.run(["ip", "-n", net.GATE, "link", "show", "g0"], stdout=subprocess.PIPE).stdout
            assert b"mtu 1400" in out, "the interface's own MTU was changed: %r" % out


def af_xdp_on_an_mtu_too_large_says_so(setup):
    with mtu(9000):
        text = start_fails(setup.postern("driver = af_xdp; interface = g0;"))
    assert "MTU" in text, text


CASES = [af_packet, af_packet_with_two_workers, tap, tap_with_two_workers, memif, ring, ring_has_an_address_of_its_own,
         pci_says_what_is_wrong, jumbo_frames_do_no_harm, mss_follows_the_interface,
         af_xdp_on_an_mtu_too_large_says_so]


def main():
    reason = net.why_not()
    if reason:
        skip_all(reason)
    tap_ = Tap()
    try:
        net.make_network()
        for case in CASES:
            with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
                tap_.case(case.__name__, case, Setup(sys.argv[1], sys.argv[2], folder))
            subprocess.run(["ip", "-n", net.GATE, "link", "set", "g0", "xdp", "off"], stderr=subprocess.DEVNULL)
    finally:
        net.remove_network()
    tap_.done()


if __name__ == "__main__":
    main()
