#!/usr/bin/env python3
"""tidy.py - the rules of STYLE.md and ARCHITECTURE.md that a machine can check.

    tests/tidy.py [ROOT]            every rule; one line a breach, exit status 1 when there are any
    tests/tidy.py --report [ROOT]   the largest files and functions
    tests/tidy.py --format [ROOT]   the layout, by clang-format 14; exit status 77 (skipped) without it
"""
import fnmatch
import os
import re
import shutil
import subprocess
import sys

# Who may include whom; a folder may always include itself. This table is the architecture.
LAYERS = {
    "base":       [],
    "tcpstack":   ["base"],
    "smtp":       ["base"],
    "classifier": ["base"],
    "dataplane":  ["base", "tcpstack", "smtp", "classifier"],
    "mgmt":       ["base", "smtp", "classifier"],
    "bench":      ["base", "tcpstack", "smtp", "classifier", "dataplane", "mgmt"],
    "tests":      ["base", "tcpstack", "smtp", "classifier", "dataplane", "mgmt", "bench"],
}
# Single files that may include more than their folder may: the rule and list compilers.
ALSO = {
    "classifier/rule_*":     ["smtp"],
    "classifier/list_build*": ["smtp"],
}

RULE_COMPILERS = ["classifier/scan.c", "classifier/scan_confirm.c", "classifier/ruleset.c", "classifier/eval_list.c", "classifier/ruleset_pattern.c", "classifier/pattern_set.c",
                  "classifier/eval_match.c", "classifier/redirect.c",
                  "classifier/rule_compile*.c", "classifier/rule_regex.c"]
TLS_FILES = ["tcpstack/tls.c", "tcpstack/tls_*.c", "tcpstack/tls_internal.h",
             "tests/unit/tcpstack/test_tls_accel.c"]
# Headers from outside and the only files that may see them; the longest name that fits counts.
VENDOR = {
    "rte_":        ["dataplane/port_dpdk.c", "dataplane/eal.c"],
    "bpf/":        ["dataplane/xdp/*"],
    "xdp/":        ["dataplane/xdp/*"],
    "pcap/":       ["dataplane/port_pcap.c", "bench/*", "tests/*"],
    "hs.h":        RULE_COMPILERS,
    "pcre2.h":     RULE_COMPILERS,
    "nettle/":     ["classifier/eval_hashbl.c", "smtp/mime_digest.c", "smtp/dkim_hash.h", "mgmt/dkim_key.c", "tests/*", "bench/common/sha256.c"],
    "libpsl.h":    ["smtp/uri.c", "mgmt/dmarc.c"],
    "idn2.h":      ["smtp/uri_idn.c"],
    "ucl.h":       [],
    "jansson.h":   ["mgmt/*", "bench/*", "tests/*"],
    "malloc.h":    ["mgmt/heap.c"],
    "sqlite3.h":   ["mgmt/*", "bench/*", "tests/*"],
    "microhttpd.h": ["mgmt/*", "tests/*"],
    "maxminddb.h": ["mgmt/list_mmdb.c"],
    "ares.h":      ["mgmt/resolver.c"],
    "curl/":       ["mgmt/*", "bench/*", "tests/*"],
    "cmocka.h":    ["tests/*"],
    "sanitizer/":  ["base/poison.h"],
    "mbedtls/":    TLS_FILES,
    "psa/":        TLS_FILES,
    "psa_crypto_": TLS_FILES,
    "ssl_misc.h":  ["tcpstack/tls.c", "tcpstack/tls_describe.c", "tcpstack/tls_sign.c"],
    "openssl/":    ["tcpstack/tls_accel*.c", "bench/tls/*", "bench/connections/openssl.h", "tests/*"],
    "intel-ipsec-mb.h": ["tcpstack/tls_accel*.c"],
}
# What libc and the kernel bring; anything else needs a row above.
SYSTEM = re.compile(
    r"^(arpa|linux|net|netinet|sys)/[\w/]+\.h$|"
    r"^(assert|ctype|dirent|dlfcn|elf|errno|fcntl|fnmatch|fts|ftw|getopt|glob|grp|iconv|inttypes|limits|locale|math|poll|"
    r"pthread|pwd|regex|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|"
    r"stdio|stdlib|string|strings|syslog|termios|time|unistd|[a-z]mmintrin|cpuid|langinfo|wchar|netdb|ifaddrs|"
    r"libgen|ucontext|execinfo|byteswap|endian)\.h$")

FILE_LINES_MAX, FUNCTION_LINES_MAX = 800, 70
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|alloca|rand|srand)\s*\(")
TESTS_MAY = ("atoi", "atol", "atof", "strcpy", "strcat")  # literals and own arguments, under sanitizers
ALLOC = re.compile(r"\b(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|strndup|asprintf|"
                   r"free)\s*\(")
# Who may allocate: management, tools and tests; and in the dataplane what runs at start or on the control
# thread, never in a worker's turn.
ALLOC_OK = ["base/arena.c", "mgmt/*", "bench/*", "tests/*", "dataplane/main.c", "dataplane/process.c", "dataplane/tls_setup.c",
            "dataplane/control.c", "dataplane/rules.c", "dataplane/eal.c", "dataplane/port_*.c", "dataplane/xdp/*",
            "classifier/ruleset.c", "classifier/eval_list.c", "classifier/score_open.c", "classifier/score_guard.c", "classifier/ruleset_pattern.c", "classifier/scan.c", "classifier/lists.c",
            "classifier/eval_match.c", "classifier/pattern_set.c",
            "classifier/rule_*.c", "classifier/list_build*.c"]
NO_RECURSION = ("base", "tcpstack", "smtp", "classifier", "dataplane")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
MACHINE = re.compile(r"(?<![\w.$}])/(wo" r"rk|ro" r"ot|home/\w+)/|/tmp/bash_jobs")
TEXTS = (".c", ".h", ".def", ".py", ".sh", ".build", ".md", ".conf")

COMMENT_OR_LITERAL = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def fits(path, patterns):
    return any(fnmatch.fnmatchcase(path, p) for p in patterns)


def bare(text):
    """The code without comments and literals, lines kept."""
    return COMMENT_OR_LITERAL.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def functions(lines):
    """(first line, count of lines, name) of each function; `lines` of bare code."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            head = ""
            for above in reversed(lines[:start - 1]):
                if not above.strip() or above.rstrip().endswith((";", "}")) or above.startswith("#"):
                    break
                head = above.strip() + " " + head
            name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", "", head))
            yield start, number - start + 1, name[1] if name else "?"
            start = None


class Tidy:
    def __init__(self, root):
        self.root = root
        self.breaches = []
        self.graph = {}
        self.paths = []
        self.sizes = []  # (lines, "file" or "file:line name")
        self.function_sizes = []

    def report(self, path, line, what):
        self.breaches.append("%s:%d: %s" % (path, line, what))

    def includes(self, path, lines):
        top = path.split("/")[0]
        allowed = LAYERS[top] + [also for pattern, more in ALSO.items() if fnmatch.fnmatchcase(path, pattern)
                                 for also in more]
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            kind, name = found[1], found[2]
            to = name.split("/")[0]
            if kind == "<":
                self.vendor(path, number, name)
                continue
            self.graph.setdefault(path, []).append(name)
            if to not in LAYERS:
                if "/" in name or not (name.endswith(".skel.h") or name in self.neighbours(path)):
                    self.report(path, number, '"%s" is in no folder of ours' % name)
            elif to != top and to not in allowed:
                self.report(path, number, "%s/ may not include %s/ (LAYERS in tests/tidy.py)" % (top, to))
            if to in LAYERS and to != top and top != "tests" and name.endswith("_internal.h"):
                self.report(path, number, "%s is private to %s/" % (name, to))

    def neighbours(self, path):
        """Headers that may be named without their folder: those beside the file, or of any test in a test."""
        top = path.split("/")[0]
        folder = "tests/" if top == "tests" else os.path.dirname(path) + "/"
        return {os.path.basename(p) for p in self.paths if p.startswith(folder) and p.endswith((".h", ".def"))}

    def vendor(self, path, number, name):
        rows = [prefix for prefix in VENDOR if name.startswith(prefix)]
        if rows:
            owners = VENDOR[max(rows, key=len)]
            if not fits(path, owners):
                self.report(path, number, "<%s> may be seen by %s only" % (name, ", ".join(owners) or "nobody"))
        elif not SYSTEM.match(name):
            self.report(path, number, "<%s> has no row in VENDOR in tests/tidy.py" % name)

    def code(self, path, text):
        top = path.split("/")[0]
        raw, lines = text.split("\n"), bare(text).split("\n")
        count = len(raw) - 1
        self.sizes.append((count, path))
        if count > FILE_LINES_MAX:
            self.report(path, 1, "file has %d lines, limit %d" % (count, FILE_LINES_MAX))
        if not re.match(r"/\* %s - " % re.escape(os.path.basename(path)), text) and \
                not text.startswith("// SPDX") and not text.startswith("/* SPDX"):
            self.report(path, 1, "the file must open with /* %s - what it does. */" % os.path.basename(path))
        if path.endswith(".h"):
            guard = re.sub(r"[^A-Z0-9]", "_", path.upper())
            found = re.search(r"^#ifndef (\w+)\n#define (\w+)\n", text, re.M)
            legal = found and found[1] == found[2] and (
                found[1] == guard or top == "tests" and found[1].endswith(re.sub(r".*/", "", path).upper().replace(".", "_")))
            if not legal:
                self.report(path, 1, "the guard must be %s" % guard)
        self.includes(path, raw)
        for number, line in enumerate(lines, 1):
            if BANNED.search(line) and not (top == "tests" and BANNED.search(line)[1] in TESTS_MAY):
                self.report(path, number, "banned call: " + BANNED.search(line)[1])
            if ALLOC.search(line) and not fits(path, ALLOC_OK):
                self.report(path, number, "allocation (%s): memory comes from base/arena at start"
                            % ALLOC.search(line)[1])
        for start, length, name in functions(lines):
            self.function_sizes.append((length, "%s:%d %s" % (path, start, name)))
            if length > FUNCTION_LINES_MAX:
                self.report(path, start, "%s has %d lines, limit %d" % (name, length, FUNCTION_LINES_MAX))
            body = "\n".join(lines[start:start + length])
            if top in NO_RECURSION and re.search(r"(?<![\w.>])%s\s*\(" % re.escape(name), body):
                self.report(path, start, "%s calls itself: no recursion" % name)

    def text(self, path, text):
        if path == "tests/tidy.py":
            return
        for number, line in enumerate(text.split("\n"), 1):
            if UNFINISHED.search(line):
                self.report(path, number, "unfinished: " + UNFINISHED.search(line)[1])
            if MACHINE.search(line):
                self.report(path, number, "a path of one machine: " + MACHINE.search(line)[0])

    def cycles(self):
        """Depth first over all includes; each cycle is reported once, at the include that closes it."""
        done = set()
        for first in sorted(self.graph):
            stack, way = [(first, iter(self.graph.get(first, [])))], [first]
            while stack:
                node, rest = stack[-1]
                to = next(rest, None)
                if to is None:
                    stack.pop()
                    done.add(way.pop())
                elif to in way:
                    self.report(node, 1, "cycle of includes: " + " -> ".join(way[way.index(to):] + [to]))
                elif to not in done and to in self.graph:
                    stack.append((to, iter(self.graph[to])))
                    way.append(to)

    def run(self):
        self.paths = list(files(self.root))
        for path in self.paths:
            try:
                text = open(os.path.join(self.root, path), encoding="utf-8").read()
            except UnicodeDecodeError:
                if path.endswith((".c", ".h", ".def")):
                    self.report(path, 1, "is not UTF-8")
                continue
            self.text(path, text)
            if path.endswith((".c", ".h")) and path.split("/")[0] in LAYERS:
                self.code(path, text)
        self.cycles()


def files(root):
    """Source texts, by path from the root; no build folders, no corpora."""
    for folder, folders, names in os.walk(root):
        here = os.path.relpath(folder, root)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "build", "subprojects", "__pycache__"))
                            and f != "corpus" and "meson-private" not in f)
        for name in sorted(names):
            if name.endswith(TEXTS):
                yield os.path.normpath(os.path.join(here, name))


def check_format(root):
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else ""
    if " 14." not in version:
        print("skipped: the layout is that of clang-format 14, which is not here")
        return 77
    paths = [p for p in files(root) if p.endswith((".c", ".h")) and p.split("/")[0] in LAYERS]
    done = subprocess.run([program, "--dry-run", "-Werror"] + paths, cwd=root, capture_output=True, text=True)
    bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M)))
    for path in bad:
        print("%s: not formatted; run %s -i %s" % (path, os.path.basename(program), path))
    return 1 if bad or done.returncode else 0


def main(arguments):
    modes = [a for a in arguments if a.startswith("--")]
    rest = [a for a in arguments if not a.startswith("--")]
    root = rest[0] if rest else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if "--format" in modes:
        return check_format(root)
    tidy = Tidy(root)
    tidy.run()
    if "--report" in modes:
        for title, sizes in (("functions", tidy.function_sizes), ("files", tidy.sizes)):
            counts = sorted(s[0] for s in sizes)
            print("%d %s, median %d lines; the largest:" % (len(counts), title, counts[len(counts) // 2]))
            for count, name in sorted(sizes, reverse=True)[:10]:
                print("%5d  %s" % (count, name))
        return 0
    for breach in tidy.breaches:
        print(breach)
    print("%d files, %d functions, %d breaches" % (len(tidy.sizes), len(tidy.function_sizes), len(tidy.breaches)))
    return 1 if tidy.breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
