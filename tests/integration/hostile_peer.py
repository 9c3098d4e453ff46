#!/usr/bin/python3
"""hostile_peer.py - one client without a kernel that breaks the rules of TCP on a live session; says in JSON what came back.

usage: hostile_peer.py INTERFACE GATEWAY-MAC GATEWAY-IP OUR-IP

The address is on no interface here: the gateway reaches it through this machine, whose kernel knows nothing of it and
resets nothing. Everything is counted from what leaves the gateway; whether it lived, a NOOP on the same session says.
"""
import json
import random
import select
import socket
import sys
import time

from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror
from scapy.layers.l2 import Ether
from scapy.packet import Raw

WINDOW = 30000
QUIET_S = 0.15  # without a frame: no more answers come
M32 = 0xffffffff


class Peer:
    def __init__(self, interface, mac, gateway, ours, seed):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind((interface, 0))
        self.random = random.Random(seed)
        self.head = Ether(src=self.socket.getsockname()[4], dst=mac)
        self.gateway, self.ours = gateway, ours
        self.port = self.random.randrange(20000, 60000)

    # -- frames ---------------------------------------------------------------------------------------
    def ip(self, **more):
        return self.head / IP(src=self.ours, dst=self.gateway, **more)

    def put(self, packet):
        self.socket.send(bytes(packet))

    def send(self, flags, seq=None, ack=None, data=b"", options=(), window=WINDOW):
        tcp = TCP(sport=self.port, dport=25, flags=flags, seq=(self.seq if seq is None else seq) & M32,
                  ack=(self.ack if ack is None else ack) & M32, window=window, options=list(options))
        self.put(self.ip() / tcp / Raw(data) if data else self.ip() / tcp)

    def receive(self, quiet_s=QUIET_S, most_s=5, first_s=0):
        """Segments for our port until none comes for a while; the first is waited for `first_s`."""
        segments, begun = [], time.monotonic()
        while time.monotonic() < begun + most_s:
            wait = quiet_s if segments else max(quiet_s, begun + first_s - time.monotonic())
            if not select.select([self.socket], [], [], wait)[0]:
                break
            frame = Ether(self.socket.recv(4096))
            if TCP in frame and frame[IP].dst == self.ours and frame[TCP].dport == self.port:
                segments.append(frame[IP])
        return segments

    def payload(self, segment):
        head = segment.ihl * 4 + segment[TCP].dataofs * 4
        return bytes(segment)[head:segment.len]

    def take(self, **waits):
        """What it said, in order, acknowledged."""
        text = b""
        for segment in self.receive(**waits):
            data = self.payload(segment)
            if data and segment[TCP].seq == self.ack:
                text += data
                self.ack = (self.ack + len(data)) & M32
        if text:
            self.send("A")
        return text.decode("latin-1")

    # -- a session ------------------------------------------------------------------------------------
    def open(self, options=(("MSS", 1460), ("SAckOK", b""))):
        self.port += 1
        self.seq, self.ack = self.random.getrandbits(32), 0
        for _ in range(4):  # as every client, again after a second
            self.send("S", ack=0, options=options)
            answer = [s for s in self.receive(first_s=1) if s[TCP].flags == "SA"]
            if answer:
                break
        else:
            return ""
        self.seq = (self.seq + 1) & M32
        self.ack = (answer[0][TCP].seq + 1) & M32
        self.send("A")
        return self.take(first_s=3)

    def say(self, line):
        data = line.encode() + b"\r\n"
        self.send("PA", data=data)
        self.seq = (self.seq + len(data)) & M32
        return self.take(first_s=3)

    def close(self):
        self.send("RA")

    def acks(self):
        """Bare ACKs, and resets."""
        got = self.receive()
        return {"acks": sum(1 for s in got if s[TCP].flags == "A"), "resets": sum(1 for s in got if "R" in s[TCP].flags)}


# -- what is done to a session; each returns what came back --------------------------------------------
def reset_in_the_window(p):
    p.send("R", seq=p.seq + 100, ack=0)
    return p.acks()


def resets_anywhere(p):
    for _ in range(200):
        p.send("R", seq=p.seq + 100000 + p.random.randrange(1 << 31), ack=0)
    return p.acks()


def syn_in_the_window(p):
    p.send("S", seq=p.seq + 5, ack=0)
    return p.acks()


def data_anywhere(p):
    for _ in range(100):
        p.send("PA", seq=p.seq + 100000 + p.random.randrange(1 << 31), data=b"QUIT\r\n")
    return p.acks()


def data_with_a_foreign_ack(p):
    p.send("PA", ack=p.ack - 0x40000000, data=b"QUIT\r\n")
    return p.acks()


def optimistic_acks(p):
    for i in range(100):
        p.send("A", ack=p.ack + 1460 * (i + 1))
    return p.acks()


def ack_storm(p):
    for _ in range(300):
        p.send("A", seq=p.seq - 1000)
    return p.acks()


def nonsense_in_sack(p):
    edges = [(p.ack + 500, p.ack + 100), (p.ack - 90000, p.ack + 90000), (p.ack, p.ack), (0, M32)]
    for count in range(1, 5):
        flat = tuple(edge & M32 for pair in edges[:count] for edge in pair)
        for flags, data in (("A", b""), ("PA", b"NOOP\r\n")):
            p.send(flags, data=data, options=[("SAck", flat)])
            p.seq = (p.seq + len(data)) & M32
    return {"replies": p.take(first_s=3, quiet_s=0.6).count("250 ")}


def hole_and_overlap(p):
    """A later piece first, then overlapping ones that disagree: the first octets to arrive in order count."""
    p.send("PA", seq=p.seq + 4, data=b"\r\n")
    p.send("PA", seq=p.seq + 2, data=b"XX\r\n")
    p.send("PA", data=b"NO")
    p.seq = (p.seq + 6) & M32
    p.send("PA", seq=p.seq - 6, data=b"NOOP\r\n")
    return {"replies": len(p.take(first_s=3, quiet_s=0.6).splitlines())}


def urgent_data(p):
    p.put(p.ip() / TCP(sport=p.port, dport=25, flags="PAU", seq=p.seq, ack=p.ack, window=WINDOW, urgptr=3) / Raw(b"NOOP\r\n"))
    p.seq = (p.seq + 6) & M32
    return {"replies": p.take(first_s=3, quiet_s=0.6).count("250 ")}


def options_at_random(p):
    for _ in range(300):
        junk = bytes(p.random.randrange(256) for _ in range(40))
        tcp = TCP(sport=p.port, dport=25, flags="A", seq=p.seq, ack=p.ack, window=WINDOW, dataofs=15)
        p.put(p.ip(proto=6) / tcp / Raw(junk))
    return p.acks()


def icmp_error(p, kind, code, seq, mtu=0):
    quoted = IPerror(src=p.gateway, dst=p.ours, proto=6, len=40) / TCPerror(sport=25, dport=p.port, seq=seq & M32)
    icmp = ICMP(type=kind, code=code, nexthopmtu=mtu) if mtu else ICMP(type=kind, code=code)
    p.put(p.ip() / icmp / quoted)


def forged_icmp(p):
    for _ in range(30):
        icmp_error(p, 3, 4, p.ack + p.random.randrange(1000, 1 << 31), 68)
        icmp_error(p, 3, 3, p.ack + p.random.randrange(1000, 1 << 31))
        icmp_error(p, 3, 1, p.ack + p.random.randrange(1000, 1 << 31))
        icmp_error(p, 4, 0, p.ack)
    icmp_error(p, 3, 4, p.ack - 1, 68)
    icmp_error(p, 3, 3, p.ack - 1)
    return p.acks()


def fragments(p):
    """Overlapping, tiny and impossible ones, of segments on this connection."""
    segment = bytes(TCP(sport=p.port, dport=25, flags="PA", seq=p.seq, ack=p.ack, window=WINDOW) / Raw(b"Q" * 64))
    for i in range(50):
        ident = p.random.getrandbits(16)
        p.put(p.ip(id=ident, flags="MF", proto=6) / Raw(segment[:40]))
        p.put(p.ip(id=ident, frag=3, proto=6) / Raw(segment[16:48]))         # inside the first: teardrop
        p.put(p.ip(id=ident + 1, flags="MF", proto=6) / Raw(segment[:8]))    # no whole header
        p.put(p.ip(id=ident + 2, frag=8191, proto=6) / Raw(segment[:64]))    # ends beyond 65535
        p.put(p.ip(id=ident + 3, flags="MF", proto=6) / Raw(segment[:40]))   # the rest never comes
    return p.acks()


ON_A_SESSION = (reset_in_the_window, resets_anywhere, syn_in_the_window, data_anywhere, data_with_a_foreign_ack, optimistic_acks,
                ack_storm, nonsense_in_sack, hole_and_overlap, urgent_data, options_at_random, forged_icmp, fragments)


def syns_with_random_options(p):
    """SYNs whose options are chance; then one in order."""
    for i in range(300):
        junk = bytes(p.random.randrange(256) for _ in range(40))
        tcp = TCP(sport=10000 + i, dport=25, flags="S", seq=p.random.getrandbits(32), window=WINDOW, dataofs=15)
        p.put(p.ip() / tcp / Raw(junk))
    return p.open()[:4]


def from_itself(p):
    """Land: a SYN from the gateway's own address and port, and ones from addresses no host has."""
    for source in (p.gateway, "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"):
        for _ in range(20):
            p.put(p.head / IP(src=source, dst=p.gateway) / TCP(sport=25, dport=25, flags="S", seq=p.random.getrandbits(32)))
    return p.open()[:4]


def main():
    interface, mac, gateway, ours = sys.argv[1:5]
    peer, found = Peer(interface, mac, gateway, ours, 1), {}
    for what in ON_A_SESSION:
        greeting = peer.open()
        hello = peer.say("EHLO hostile.example")
        start = time.monotonic()
        answer = what(peer)
        seconds = time.monotonic() - start
        found[what.__name__] = {"greeting": greeting[:4], "hello": hello[:4], "answer": answer,
                                "seconds": round(seconds, 2), "lived": peer.say("NOOP")[:4]}
        peer.close()
    for what in (syns_with_random_options, from_itself):
        found[what.__name__] = {"greeting": what(peer)}
        peer.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
