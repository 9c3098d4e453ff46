#!/usr/bin/python3
"""dns_server.py - a DNS server of a few records, for tests: UDP, one thread.

    dns_server.py ADDRESS PORT RECORDS LOG

RECORDS is a JSON file, read again when it has changed: {"A": {name: [address]}, "AAAA": {name: [address]},
"TXT": {name: [text]}, "NS": {name: [host]}, "MX": {name: ["10 host"]}, "PTR": {name: [host]}, "silent": [end of name],
"delay": {end of name: seconds}}. A name without records does not exist. LOG gets a line a query: its type and its name.
"""
import heapq
import json
import os
import select
import socket
import struct
import sys
import time

TYPES = {1: "A", 2: "NS", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
NEGATIVE_TTL = 30


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def read_question(packet):
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += 1 + packet[at]
    kind, _ = struct.unpack_from("!HH", packet, at + 1)
    return ".".join(labels), TYPES.get(kind, str(kind)), packet[12:at + 5]


def record_data(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind in ("NS", "PTR"):
        return encode_name(value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack("!H", int(preference)) + encode_name(host)
    octets = value.encode()
    return b"".join(bytes([len(octets[i:i + 255])]) + octets[i:i + 255] for i in range(0, max(1, len(octets)), 255))


def reply(packet, records):
    name, kind, question = read_question(packet)
    found = records.get(kind, {}).get(name, [])
    exists = any(name in records.get(other, {}) for other in TYPES.values())
    rcode = 0 if exists else 3
    answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", next(k for k, v in TYPES.items() if v == kind), 1, 60, len(data)) + data
                       for data in (record_data(kind, value) for value in found))
    soa = b""
    if not found:
        data = encode_name("ns.test") + encode_name("root.test") + struct.pack("!IIIII", 1, 60, 60, 60, NEGATIVE_TTL)
        soa = b"\xc0\x0c" + struct.pack("!HHIH", 6, 1, NEGATIVE_TTL, len(data)) + data
    return packet[:2] + struct.pack("!HHHHH", 0x8580 | rcode, 1, len(found), 1 if soa else 0, 0) + question + answers + soa


def ends(name, suffix):
    return name == suffix or name.endswith("." + suffix)


def main():
    address, port, path, log_path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, port))
    log = open(log_path, "a", buffering=1)
    records, read_at, later = {}, None, []
    while True:
        wait = max(0, later[0][0] - time.monotonic()) if later else None
        ready, _, _ = select.select([server], [], [], wait)
        while later and later[0][0] <= time.monotonic():
            _, packet, peer = heapq.heappop(later)
            server.sendto(packet, peer)
        if not ready:
            continue
        packet, peer = server.recvfrom(4096)
        changed = os.stat(path).st_mtime_ns
        if changed != read_at:
            with open(path) as file:
                records, read_at = json.load(file), changed
        name, kind, _ = read_question(packet)
        log.write(f"{kind} {name}\n")
        if any(ends(name, suffix) for suffix in records.get("silent", [])):
            continue
        delay = max([seconds for suffix, seconds in records.get("delay", {}).items() if ends(name, suffix)], default=0)
        heapq.heappush(later, (time.monotonic() + delay, reply(packet, records), peer))


if __name__ == "__main__":
    main()
