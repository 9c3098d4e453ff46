#!/usr/bin/env python3
"""embed.py IN OUT - a compiled BPF object as a C array, so that the program needs no file beside it."""
import sys

with open(sys.argv[1], "rb") as f:
    data = f.read()
with open(sys.argv[2], "w", encoding="ascii") as f:
    f.write("static const unsigned char steer_object[] __attribute__((aligned(8))) = {")
    f.write(",".join(str(octet) for octet in data))
    f.write("};\n")
