#!/usr/bin/env python3
"""headers.py - every header compiles alone: it includes what it needs, and has no need of an order.

    tests/headers.py ROOT COMPILER [ARGUMENT…]    prints TAP
"""
import os
import subprocess
import sys
import tempfile

FOLDERS = ("base", "tcpstack", "smtp", "classifier", "dataplane", "mgmt", "bench", "tests")
# Headers that show a library which a build may lack, and the word its arguments then lack.
NEED = {"tcpstack/tls_internal.h": "mbedtls"}
ARGUMENTS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I."]


def headers(root):
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if not f.startswith((".", "build", "__pycache__")))
            for name in sorted(names):
                if name.endswith(".h"):
                    yield os.path.relpath(os.path.join(folder, name), root)


def main(root, compiler):
    paths = list(headers(root))
    bad = 0
    print("1..%d" % len(paths))
    for number, path in enumerate(paths, 1):
        if NEED.get(path, "") not in " ".join(compiler):
            print("ok %d - %s # SKIP without %s" % (number, path, NEED[path]))
            continue
        # Included twice, so that a guard that does not guard shows too.
        with tempfile.NamedTemporaryFile("w", suffix=".c") as unit:
            unit.write('#include "%s"\n#include "%s"\nint nothing;\n' % (path, path))
            unit.flush()
            done = subprocess.run(compiler + ARGUMENTS + [unit.name], cwd=root, capture_output=True, text=True)
        print("%s %d - %s compiles alone" % ("ok" if done.returncode == 0 else "not ok", number, path))
        if done.returncode != 0:
            bad += 1
            print("\n".join("# " + line for line in done.stderr.strip().split("\n")[:10]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
