#!/usr/bin/python3
"""test_steer.py BUILD - which frames of a shared interface are the workers', and the deny maps.

On the network of test_af_xdp.py. Needs root. TAP on stdout. Everything made is taken away again.
"""
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_af_xdp as net  # noqa: E402
from tap import Tap, equal, skip_all  # noqa: E402

net.TAG = "st%d" % (os.getpid() % 100000)
net.GATE, net.PEER = net.TAG + "g", net.TAG + "p"
LISTED4, LISTED6, FAR6 = "10.99.7.66", "fd99:7::66", "fd99:8::2"
FALSE_SECONDS = 1.5  # how long silence is waited for


class Setup:
    def __init__(self, build, folder):
        self.build, self.folder = os.path.abspath(build), folder

    def postern(self, **options):
        return net.Postern(self.build + "/dataplane/postern", self.folder, **options)


def connect_from(source, address, port=25, timeout=net.ANSWER_SECONDS):
    with net.namespace(net.PEER):
        return socket.create_connection((address, port), timeout, source_address=(source, 0))


def greeting_from(source, address=net.OURS4, timeout=net.ANSWER_SECONDS):
    """The code of the greeting; "silence" without any answer, "reset" when refused."""
    try:
        with connect_from(source, address, timeout=timeout) as s:
            return s.recv(512)[:3].decode()
    except socket.timeout:
        return "silence"
    except ConnectionRefusedError:
        return "reset"


def is_refused(address, port):
    try:
        net.connect(address, port).close()
    except ConnectionRefusedError:
        return True
    return False


def link_local(namespace, device):
    out = subprocess.run(["ip", "-n", namespace, "-j", "link", "show", device], stdout=subprocess.PIPE, check=True)
    octets = [int(x, 16) for x in json.loads(out.stdout)[0]["address"].split(":")]
    octets[0] ^= 2
    six = octets[:3] + [0xff, 0xfe] + octets[3:]
    return socket.inet_ntop(socket.AF_INET6, bytes([0xfe, 0x80] + [0] * 6 + six))


def await_addresses():
    """The kernels answer for their link-local addresses once they have made sure of them."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        out = b"".join(subprocess.run(["ip", "-n", name, "-6", "addr", "show", "tentative"], stdout=subprocess.PIPE).stdout
                       for name in (net.GATE, net.PEER))
        if not out.strip():
            return
        time.sleep(0.1)
    raise AssertionError("addresses stay tentative: " + out.decode())


def other_ports_of_ours_are_refused(setup):
    with setup.postern():
        assert is_refused(net.OURS4, 81), "no reset from IPv4"
        assert is_refused(net.OURS6, 81), "no reset from IPv6"


def a_kernels_address_is_warned_of(setup):
    """Mail is served there; what else comes to it stays the kernel's."""
    with setup.postern(port='addresses = ["%s/24"];' % net.KERNEL4) as postern:
        net.expect_greeting(net.KERNEL4)
        assert "10.99.7.3 is the kernel's, too" in postern.text(), postern.text()
        before = passed_to_kernel(net.KERNEL4, 81)
        assert before, "a frame for another port did not reach the kernel"


def passed_to_kernel(address, port):
    """Sends a SYN there; whether the kernel has counted one more packet of TCP."""
    def segments():
        with net.namespace(net.GATE), open("/proc/thread-self/net/snmp") as f:
            lines = [line.split() for line in f if line.startswith("Tcp:")]
        return int(lines[1][lines[0].index("InSegs")])

    before = segments()
    with contextlib.suppress(OSError), net.namespace(net.PEER):
        socket.create_connection((address, port), 0.5).close()
    return segments() > before


def fragments_reach_the_workers(setup):
    """The kernel of the peer cuts an echo request in two; both must get to where they are put together."""
    net.run("ip", "-n", net.PEER, "route", "add", net.OURS4 + "/32", "dev", "p0", "mtu", "lock", "800")
    try:
        with setup.postern():
            assert net.ping(net.OURS4, b"octets  " * 175), "no answer to a request in two fragments"
    finally:
        net.run("ip", "-n", net.PEER, "route", "del", net.OURS4 + "/32", "dev", "p0")


def link_local_serves_and_stays_the_kernels(setup):
    ours = link_local(net.GATE, "g0")
    with net.namespace(net.PEER):
        scope = socket.if_nametoindex("p0")
    with setup.postern():
        with net.namespace(net.PEER):
            s = socket.socket(socket.AF_INET6)
        with s:
            s.settimeout(net.ANSWER_SECONDS)
            s.connect((ours, 25, 0, scope))
            assert s.recv(512).startswith(b"220 "), "no greeting at the link-local address"
        net.run("ip", "-n", net.PEER, "neigh", "flush", "dev", "p0")
        assert net.ping(ours + "%p0"), "the kernel lost its link-local address"


def the_kernel_reports_our_groups(setup):
    def groups():
        return subprocess.run(["ip", "-n", net.GATE, "-6", "maddr", "show", "dev", "g0"], stdout=subprocess.PIPE).stdout

    ours = b"ff02::1:ff00:1"  # of fd99:7::1
    assert ours not in groups(), groups()
    with setup.postern() as postern:
        net.expect_greeting(net.OURS6)
        assert ours in groups(), groups()
        postern.end()
    assert ours not in groups(), groups()


def a_link_local_gateway_is_found(setup):
    gateway = link_local(net.PEER, "p0")
    with setup.postern(port='gateway6 = "%s";' % gateway):
        equal(greeting_from(FAR6, net.OURS6), "220", "through the gateway")


class Managed:
    """The dataplane and management, with lists."""

    def __init__(self, setup, deny, allow="", policy="", limits=""):
        self.setup, folder = setup, setup.folder
        self.deny_file = folder + "/deny.txt"
        self.write(deny)
        with open(folder + "/allow.txt", "w") as f:
            f.write(allow)
        self.postern = setup.postern(limits=limits)
        with open(self.postern.config) as f:
            text = f.read()
        text = text.replace('mgmt {', 'mgmt { control_socket = "%s/ctl.sock"; history_file = ""; cache_folder = "";' % folder)
        text = text.replace('hostname = "gate.example";', 'hostname = "gate.example"; ' + policy)
        text += 'lists { deny_files = ["%s"]; allow_files = ["%s/allow.txt"]; }\n' % (self.deny_file, folder)
        with open(self.postern.config, "w") as f:
            f.write(text)

    def write(self, deny):
        with open(self.deny_file, "w") as f:
            f.write(deny)

    def ctl(self, *words):
        return subprocess.run([self.setup.build + "/mgmt/posternctl", "--socket", self.setup.folder + "/ctl.sock", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout.decode()

    def steer(self):
        counters = json.loads(self.ctl("counters", "--all", "--json"))["counters"]
        return {c["name"]: c["value"] for c in counters if c["group"] == "steer"}

    def await_steer(self, name, value):
        deadline = time.monotonic() + 10
        seen = None
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.CalledProcessError, KeyError):
                seen = self.steer()
                if seen[name] == value:
                    return
            time.sleep(0.1)
        raise AssertionError("%s does not become %d: %s %s" % (name, value, seen, self.postern.text()))

    def option(self, old, new):
        with open(self.postern.config) as f:
            text = f.read()
        assert old in text
        with open(self.postern.config, "w") as f:
            f.write(text.replace(old, new))
        self.postern.process.send_signal(net.signal.SIGHUP)

    def __enter__(self):
        self.postern.start()
        self.log = open(self.setup.folder + "/mgmtd.log", "w")
        self.mgmtd = subprocess.Popen([self.setup.build + "/mgmt/postern-mgmtd", "--config", self.postern.config],
                                      stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.mgmtd.terminate()
        self.mgmtd.wait()
        self.log.close()
        self.postern.kill()


def listed_addresses_are_dropped_when_told_to(setup):
    with Managed(setup, deny="%s\n%s\n" % (LISTED4, LISTED6), policy="listed_drop = true;") as m:
        m.await_steer("deny_networks", 2)
        equal(greeting_from(LISTED4, timeout=FALSE_SECONDS), "silence", "listed, IPv4")
        equal(greeting_from(LISTED6, net.OURS6, FALSE_SECONDS), "silence", "listed, IPv6")
        equal(greeting_from(net.PEER4), "220", "not listed")
        steer = m.steer()
        assert steer["denied_lists_ip4"] > 0 and steer["denied_lists_ip6"] > 0, steer
        m.option("listed_drop = true", "listed_drop = false")
        m.await_steer("deny_networks", 0)
        equal(greeting_from(LISTED4), "554", "by default")
        m.option("listed_drop = false", "listed_drop = true")
        m.await_steer("deny_networks", 2)
        equal(greeting_from(LISTED4, timeout=FALSE_SECONDS), "silence", "listed again")


def the_most_specific_entry_counts(setup):
    """A denied network, in it an allowed address; then the other way round by the delta, at once."""
    with Managed(setup, deny="10.99.7.64/26\n", allow=LISTED4 + "\n", policy="listed_drop = true;") as m:
        m.await_steer("deny_networks", 2)
        equal(greeting_from(LISTED4), "220", "allowed within a denied network")
        m.ctl("lists", "add", "deny", LISTED4)
        m.await_steer("deny_networks", 3)
        equal(greeting_from(LISTED4, timeout=FALSE_SECONDS), "silence", "denied by the delta")
        assert m.steer()["denied_delta_ip4"] > 0, m.steer()
        m.ctl("lists", "del", LISTED4)
        m.ctl("lists", "add", "allow", "10.99.0.0/16")
        m.await_steer("deny_networks", 3)
        equal(greeting_from("10.99.7.65"), "220", "allowed by a wider network of the delta")


def a_new_generation_takes_the_place_of_the_old(setup):
    with Managed(setup, deny="192.0.2.1\n", policy="listed_drop = true;") as m:
        m.await_steer("deny_networks", 1)
        equal(greeting_from(LISTED4), "220", "not listed yet")
        m.write("192.0.2.1\n%s\n198.51.100.0/24\n" % LISTED4)
        m.ctl("config", "reload")
        m.await_steer("deny_networks", 3)
        equal(greeting_from(LISTED4, timeout=FALSE_SECONDS), "silence", "listed now")
        m.write("198.51.100.0/24\n")
        m.ctl("config", "reload")
        m.await_steer("deny_networks", 1)
        equal(greeting_from(LISTED4), "220", "listed no more")


def what_has_no_room_is_answered_by_the_workers(setup):
    """The widest networks go in first; who is left out is dropped by the worker, and counted."""
    with Managed(setup, deny="192.0.2.0/24\n198.51.100.1\n%s\n" % LISTED4, policy="listed_drop = true;",
                 limits="xdp_deny_max = 1;") as m:
        m.await_steer("deny_left_out", 2)
        equal(m.steer()["deny_networks"], 1, "networks in the map")
        equal(greeting_from(LISTED4, timeout=FALSE_SECONDS), "silence", "listed")
        equal(m.steer()["denied_lists_ip4"], 0, "dropped by the map")
        assert "syns_refused" in m.ctl("counters"), "the worker did not count it"


CASES = [other_ports_of_ours_are_refused, a_kernels_address_is_warned_of, fragments_reach_the_workers,
         link_local_serves_and_stays_the_kernels, the_kernel_reports_our_groups, a_link_local_gateway_is_found,
         listed_addresses_are_dropped_when_told_to, the_most_specific_entry_counts,
         a_new_generation_takes_the_place_of_the_old, what_has_no_room_is_answered_by_the_workers]


def main():
    reason = net.why_not()
    if reason:
        skip_all(reason)
    tap = Tap()
    try:
        net.make_network()
        for address in (LISTED4 + "/24", "10.99.7.65/24"):
            net.run("ip", "-n", net.PEER, "addr", "add", address, "dev", "p0")
        for address in (LISTED6 + "/64", FAR6 + "/64"):
            net.run("ip", "-n", net.PEER, "addr", "add", address, "dev", "p0", "nodad")
        await_addresses()
        for case in CASES:
            with tempfile.TemporaryDirectory(prefix="postern-test-") as folder:
                tap.case(case.__name__, case, Setup(sys.argv[1], folder))
            subprocess.run(["ip", "-n", net.GATE, "link", "set", "g0", "xdp", "off"], stderr=subprocess.DEVNULL)
    finally:
        net.remove_network()
    tap.done()


if __name__ == "__main__":
    main()
