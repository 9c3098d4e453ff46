#!/usr/bin/python3
"""Compares what tests/captures/follow makes of the corpus' captures with what their owners publish about them.

One TAP case a capture. What is compared, as far as it is there: the reassembled octets and gaps that Suricata's
tests name (payloads, contents of rules, HTTP request and status lines, files with gaps), its and Zeek's findings
about fragments, checksums and retransmissions, the corpus' own index (packets, connections, lost segments), and the
checksums of datagrams that came in fragments. A capture about whose reassembly nothing is published is skipped, never
passed.
"""
import collections
import json
import os
import re
import subprocess
import sys

SUITE = 'OISF__suricata-verify'

# Where we differ on purpose: the beginning of the checks that may fail, and why. Shown as skipped, not as passed.
DIFFERENT = {
    f'pcap-tcp/{SUITE}/tests/defrag/bug-6887-defrag-eth-vlan-ipv4-tcp-syn/frag-eth-vlan-ip-tcp-syn.pcap':
        ('connections', 'a TCP header spread over fragments is refused (RFC 1858, 8900)'),
    f'pcap-tcp/{SUITE}/tests/security-8510/defrag-af-confusion-spray-h8.pcap':
        ('0 datagrams whole', 'its datagrams are filled with letters and have no checksums'),
    f'pcap-tcp/{SUITE}/tests/tcp-rst-unacked-stream-04-gap-ips/input.pcap':
        ('tcp-rst-unacked', 'what waits behind a hole is handed on at the end, the hole marked, acknowledged or not'),
    f'pcap-tcp/{SUITE}/tests/tcp-split-handshake-02-5whs/split-handshake-5whs.pcap':
        ('connections', 'a SYN answered by a SYN is one connection (RFC 9293 3.5), the index counts two'),
    'pcap-tcp/bro__bro/testing/btest/Traces/chksums/ip6-route0-tcp-bad-chksum.pcap':
        (('bad_TCP', 'connections'), 'a routing header with segments left is for no host (RFC 5095): not followed'),
    'pcap-tcp/zeek__zeek/testing/btest/Traces/ipv6-reassembly-state-leak.pcap':
        ('excessively', 'its fragments come a second apart, and ours wait two seconds: none gets so far'),
    'pcap-tcp/seladb__PcapPlusPlus/Tests/ExamplesTest/pcap_examples/tcp-reassembly.pcap':
        ('connections', 'the index counts seven where there is one SYN, one FIN a side and one pair of endpoints'),
    'pcap-tcp/snort3__snort3_demo/tests/loggers/unified2/mpls_ip4_tcp.pcap':
        ('connections', 'MPLS is not followed'),
}

# Findings of Zeek's baselines (below expected/, in weird.log and outputs), by capture. The baselines name several
# captures in one file, so the pairing stands here: baseline, finding, and how it shows in our counters.
ZEEK = {
    'chksums/ip4-bad-chksum.pcap': [('core.checksums/bad.out', 'bad_IP_checksum', 'ip_checksum_bad')],
    'chksums/ip4-tcp-bad-chksum.pcap': [('core.checksums/bad.out', 'bad_TCP_checksum', 'checksum_bad')],
    'chksums/ip4-tcp-good-chksum.pcap': [('core.checksums/good.out', '', 'segments')],
    'chksums/ip6-hoa-tcp-bad-chksum.pcap': [('core.mobility-checksums/bad.out', 'bad_TCP_checksum', 'checksum_bad')],
    'chksums/ip6-route0-tcp-bad-chksum.pcap': [('core.checksums/bad.out', 'bad_TCP_checksum', 'checksum_bad')],
    'chksums/ip6-tcp-bad-chksum.pcap': [('core.checksums/bad.out', 'bad_TCP_checksum', 'checksum_bad')],
    'tcp/qi_internet_SYNACK_curl_jsonip.pcap': [
        ('core.tcp.quantum-insert/.stdout', 'rexmit_inconsistency', 'conflicting')],
    'ipv6-reassembly-state-leak.pcap': [
        ('core.ipv6-reassembly-state-leak/weird.log', 'excessively_large_fragment', 'fragments_malformed')],
    'ipv4/fragmented-2.pcap': [('core.reassembly/output', 'excessively_small_fragment', 'fragments_malformed')],
    'tcp/syn-bad.pcap': [('core.tcp.bad-checksum-syn/conn.log', 'OTH', 'checksum_bad')],
    'chksums/localhost-bad-chksum.pcap': [
        ('core.checksums_ignore_nets/conn-failed.log', 'OTH', 'checksum_bad')],
}

# Suricata's decoder and stream events that are about reassembly, and how they show in our counters.
EVENTS = {
    'ipv6.frag_overlap': ('fragments_overlapping',),
    'ipv6.frag_pkt_too_large': ('fragments_too_big', 'fragments_malformed'),
    'ipv6.frag_invalid_length': ('fragments_malformed',),
    'reassembly_seq_gap': ('gaps',),
    'invalid': ('checksum_bad',),
}


def read(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


class Outcome:
    """What follow printed."""

    def __init__(self, text):
        self.counters = collections.Counter()
        self.streams = []  # [client, server] as lists of octets and gaps (int)
        for line in text.splitlines():
            word = line.split(' ')
            if word[0] == 'counter':
                self.counters[word[1]] = int(word[2])
            elif word[0] == 'packets':
                self.counters['packets'] = int(word[1])
            elif word[0] == 'stream':
                parts = [int(gap) if gap else bytes.fromhex(octets)
                         for octets, gap in re.findall(r'([0-9a-f]+)|\[(\d+)\]', word[3])]
                if word[2] == 'c':
                    self.streams.append([parts])
                else:
                    self.streams[-1].append(parts)

    def sides(self, which=(0, 1)):
        return [flow[side] for flow in self.streams for side in which]

    def gaps(self):
        """In sides of which anything was seen: of the others there is nothing but gaps."""
        return sum(isinstance(part, int) for side in self.sides() for part in side
                   if any(isinstance(other, bytes) for other in side))

    def contains(self, wanted, nocase=False, which=(0, 1)):
        fold = (lambda octets: octets.lower()) if nocase else (lambda octets: octets)
        return any(fold(wanted) in fold(part) for side in self.sides(which) for part in side
                   if isinstance(part, bytes))

    def printable(self):
        return [''.join(f'[{part} bytes missing]' if isinstance(part, int) else
                        ''.join(chr(c) if 32 <= c < 127 or c in (10, 13) else '.' for c in part) for part in side)
                for side in self.sides()]

    def count_lines(self, pattern, which):
        return sum(len(re.findall(pattern, part, re.M)) for side in self.sides((which,)) for part in side
                   if isinstance(part, bytes))


def run(follow, capture, ignore_checksums):
    command = [follow] + (['--ignore-checksums'] if ignore_checksums else []) + [capture]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr else f'ended with {done.returncode}')
    return Outcome(done.stdout)


def filters_of(text):
    """The checks of a test.yaml: (count, {key: value}); those for some versions only are left out."""
    for block in re.split(r'^\s*- filter:\s*$', text, flags=re.M)[1:]:
        block = re.split(r'^\s*- (?:stats|shell|file-compare):', block, flags=re.M)[0]
        if 'requires:' in block or 'lt-version' in block:
            continue
        count = re.search(r'^\s*count:\s*(\d+)', block, re.M)
        match = re.split(r'^\s*match:\s*$', block, flags=re.M)
        pairs = re.findall(r'^\s*([\w.\[\]]+):\s*(.*?)\s*$', match[1], re.M) if len(match) > 1 else []
        yield (int(count.group(1)) if count else 1,
               {key: value.strip('"\'') for key, value in pairs if not key.startswith('count')})


def octets_of(content):
    """A rule's content: text with |hex| in between."""
    out = b''
    for index, part in enumerate(content.split('|')):
        out += bytes.fromhex(part.replace(' ', '')) if index % 2 else part.encode()
    return out


def rules_of(folder):
    """Rules by id: protocol, contents, whether nocase, event, and whether it has anything we do not judge."""
    rules = {}
    for name in os.listdir(folder):
        if not name.endswith('.rules'):
            continue
        for line in read(os.path.join(folder, name)).splitlines():
            head = re.match(r'\s*(?:alert|drop|pass)\s+(\S+)\s.*?\((.*)\)', line)
            sid = re.search(r'sid:\s*(\d+)', line)
            if not head or not sid:
                continue
            options = dict(re.findall(r'([\w.-]+)\s*:\s*("(?:[^"\\]|\\.)*"|[^;]*);', head.group(2)))
            words = set(re.findall(r'(?:^|;)\s*([\w.-]+)\s*(?=[:;])', head.group(2)))
            plain = {'msg', 'content', 'sid', 'rev', 'classtype', 'flow', 'nocase', 'threshold', 'reference'}
            contents = re.findall(r'[\s;(]content:\s*"([^"]*)"', ' ' + head.group(2))
            event = re.search(r'(?:decode-event|stream-event|tcpv4-csum):\s*"?([\w.]+)', head.group(2))
            rules[sid.group(1)] = {
                'protocol': head.group(1), 'contents': [octets_of(c) for c in contents], 'nocase': 'nocase' in words,
                'event': event.group(1) if event else None, 'plain': words <= plain, 'flow': options.get('flow', ''),
                'raw': line}
    return rules


def judge_alert(outcome, count, keys, rules):
    """(what, holds) of an alert that is expected `count` times, or None when it is not about reassembly."""
    if 'payload_printable' in keys and keys.get('stream') == '1':
        wanted = keys['payload_printable']
        return f'stream {wanted!r}', (wanted in outcome.printable()) == (count > 0)
    rule = rules.get(keys.get('alert.signature_id', ''))
    if rule is None:
        return None
    if rule['event'] in EVENTS:
        seen = sum(outcome.counters[name] for name in EVENTS[rule['event']])
        return rule['event'], (seen > 0) == (count > 0)
    streams = {'tcp-stream', 'tcp', 'ip', 'http'} if count else {'tcp-stream'}
    if not rule['plain'] or not rule['contents'] or rule['protocol'] not in streams:
        return None
    which = (0,) if 'to_server' in rule['flow'] else (1,) if 'to_client' in rule['flow'] else (0, 1)
    holds = all(outcome.contains(c, rule['nocase'], which) for c in rule['contents'])
    return f'content {rule["contents"]}', holds == (count > 0)


def judge_http(outcome, count, keys):
    if 'http.url' in keys:
        pattern = rb'^[A-Z]+ \S*' + re.escape(keys['http.url'].encode()) + rb'[ ]'
        found = outcome.count_lines(pattern, 0)
        return f'request {keys["http.url"]}', found >= count if count else found == 0
    if 'http.status' in keys:
        pattern = rb'^HTTP/1\.\d ' + keys['http.status'].encode()
        found = outcome.count_lines(pattern, 1)
        return f'status {keys["http.status"]}', found >= count if count else found == 0
    return None


def judge_suricata(follow, capture, folder):
    text = read(os.path.join(folder, 'test.yaml'))
    outcome = run(follow, capture, '-k none' in text)
    rules = rules_of(folder)
    if 'simulate-ips' in text and 'out-of-window' not in folder:
        return  # what passes depends on what its rules drop
    for count, keys in filters_of(text):
        kind = keys.get('event_type')
        if kind == 'alert':
            verdict = judge_alert(outcome, count, keys, rules)
        elif kind == 'http':
            verdict = judge_http(outcome, count, keys)
        elif kind == 'fileinfo' and 'fileinfo.gaps' in keys and keys['fileinfo.gaps'] == 'true':
            verdict = ('a gap', outcome.counters['gaps'] > 0)
        elif kind == 'anomaly' and keys.get('anomaly.event') == 'stream.3whs_wrong_seq_wrong_ack':
            verdict = ('out of window', outcome.counters['out_of_window'] + outcome.counters['acks_bad'] > 0)
        elif kind == 'stats' and 'stats.tcp.reassembly_gap' in keys:
            verdict = None  # of Suricata's IPS mode, which knows no later segment
        else:
            verdict = None
        if verdict is not None:
            yield f'{os.path.basename(folder)}: {verdict[0]}', verdict[1]
    packets = re.search(r'decoder\.pkts:\s*(\d+)', text)
    if packets:
        yield f'{packets.group(1)} packets', outcome.counters['packets'] == int(packets.group(1))


def suricata_tests(kind):
    """Folders with a test.yaml, by the path of the capture they read, both below the corpus."""
    tests = collections.defaultdict(list)
    base = os.path.join(kind, 'expected', SUITE)
    for folder, _, names in os.walk(base):
        if 'test.yaml' not in names:
            continue
        home = folder.replace(os.path.join('expected', SUITE), SUITE)
        named = re.search(r'^pcap:\s*(\S+)', read(os.path.join(folder, 'test.yaml')), re.M)
        if named:
            path = os.path.normpath(os.path.join(home, named.group(1)))
        else:
            here = [n for n in os.listdir(home) if 'pcap' in n] if os.path.isdir(home) else []
            path = os.path.join(home, here[0]) if len(here) == 1 else ''
        tests[path].append(folder)
    return tests


def judge_arkime(follow, capture):
    """Octets of payload of each side, where a capture is one session."""
    path = capture.replace('arkime__arkime', 'expected/arkime__arkime').replace('.pcap', '.test')
    if not os.path.exists(path) or path == capture:
        return
    sessions = [session['body'] for session in json.loads(read(path))['sessions3']]
    if len(sessions) != 1 or 'tcp' not in sessions[0].get('protocol', []):
        return
    outcome = run(follow, capture, True)
    for side, name in enumerate(('client', 'server')):
        wanted = sessions[0].get(name, {}).get('bytes', 0)
        found = sum(len(part) for stream in outcome.sides((side,)) for part in stream if isinstance(part, bytes))
        yield f'{found} octets of {wanted} of the {name}', found == wanted


def judge_zeek(follow, capture):
    for suffix, findings in ZEEK.items():
        if not capture.endswith('Traces/' + suffix):
            continue
        outcome = run(follow, capture, False)
        for baseline, finding, counter in findings:
            where = [os.path.join('pcap-tcp/expected', owner, 'testing/btest/Baseline', baseline)
                     for owner in ('bro__bro', 'zeek__zeek')]
            published = [path for path in where if os.path.exists(path) and finding in read(path)]
            if published:
                yield f'{finding or "accepted"} as {counter}', outcome.counters[counter] > 0


def judge_index(follow, capture, note):
    """The corpus' own count of each capture: connections, and segments lost on their way to it."""
    streams = re.search(r'tcp_streams=(\d+)', note)
    tcp = re.search(r'tcp=\{(.*)\}', note)
    packets = re.search(r'pkts=(\d+)', note)
    if not streams or not tcp or int(streams.group(1)) == 0:
        return
    outcome = run(follow, capture, True)
    if outcome.counters['cut']:
        return  # packets are not captured whole
    yield 'packets', outcome.counters['packets'] == int(packets.group(1))
    # A reset of no known connection is one for the index.
    flows = outcome.counters['opened'] + outcome.counters['picked_up']
    yield (f'connections: {flows} of {streams.group(1)}',
           flows <= int(streams.group(1)) <= flows + outcome.counters['no_flow'])
    # What it calls lost may come later, which it calls retransmitted or out of order.
    found, late = outcome.gaps(), re.search("'(retx|ooo)'", tcp.group(1))
    if "'lost'" not in tcp.group(1) and "'acklost'" not in tcp.group(1):
        yield f'gaps: {found}, lost: none', found == 0
    elif "'lost'" in tcp.group(1) and not late:
        yield f'gaps: {found}, lost: some', found > 0 or outcome.counters['out_of_window'] > 0


def judge_fragments(follow, capture):
    """Datagrams put together still have the checksums their senders gave them."""
    outcome = run(follow, capture, True)
    if outcome.counters['segments'] and not run(follow, capture, False).counters['segments']:
        return  # anonymised: not a single segment of it has a right checksum
    right, wrong = outcome.counters['whole_right'], outcome.counters['whole_wrong']
    if right + wrong > 0:
        yield f'{right} datagrams whole, {wrong} of them wrong', wrong == 0


def judge_smtp(follow, capture, note):
    """Commands in what the client says, replies in what the server says, as often as the corpus' index counts."""
    counts = re.search(r'cmds=\{(.*?)\}', note)
    commands = dict(re.findall(r"'(\w+)': (\d+)", counts.group(1))) if counts else {}
    if not commands:
        return
    outcome = run(follow, capture, True)
    start = b'' if 'BDAT' in commands else b'^'  # a chunk need not end with a line
    for verb, count in commands.items():
        found = outcome.count_lines(rb'(?i)' + start + verb.encode() + rb'\b', 0)
        if verb in ('EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'QUIT', 'RSET', 'BDAT'):
            yield f'{verb}: {found} of at least {count}', found >= int(count)
    if any(isinstance(part, bytes) for side in outcome.sides((1,)) for part in side):
        yield 'replies', outcome.count_lines(rb'^[2-5]\d\d[ -]', 1) > 0


def judge(follow, capture, tests, note):
    yield from judge_index(follow, capture, note)
    yield from judge_fragments(follow, capture)
    for folder in tests.get(capture, []):
        yield from judge_suricata(follow, capture, folder)
    yield from judge_arkime(follow, capture)
    yield from judge_zeek(follow, capture)
    if capture.startswith('pcap-smtp'):
        yield from judge_smtp(follow, capture, note)


def report(number, capture, results):
    name = capture.replace('/tests/', '/').replace('/testing/btest/Traces', '')
    wrong = [what for what, holds in results if not holds]
    if not results:
        print(f'ok {number} - {name} # SKIP nothing is published about its reassembly, or its packets are cut short')
    elif wrong and capture in DIFFERENT and all(what.startswith(DIFFERENT[capture][0]) for what in wrong):
        print(f'ok {number} - {name} # SKIP differs on purpose: {DIFFERENT[capture][1]}')
    elif wrong:
        print(f'not ok {number} - {name}')
    else:
        print(f'ok {number} - {name} ({len(results)} checks)')
    for what in wrong:
        print(f'# {what}')


def main():
    corpus = os.environ.get('POSTERN_CORPUS')
    if not corpus or not os.path.isdir(corpus):
        print('1..0 # SKIP no test corpus: POSTERN_CORPUS is not set')
        return
    follow = os.path.abspath(sys.argv[1])
    os.chdir(corpus)
    captures = []
    for line in read('index.tsv').splitlines()[1:]:
        column = line.split('\t')
        if re.match(r'pcap-(tcp|smtp)/(?!expected/)', column[0]) and re.search(r'\.(pcap|pcapng|trace)$', column[0]):
            captures.append((column[0], column[6] if len(column) > 6 else ''))
    tests = {**suricata_tests('pcap-tcp'), **suricata_tests('pcap-smtp')}
    print(f'1..{len(captures)}')
    for number, (capture, note) in enumerate(captures, 1):
        try:
            report(number, capture, list(judge(follow, capture, tests, note)))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f'not ok {number} - {capture}\n# {error}')


main()
