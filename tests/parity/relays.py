#!/usr/bin/python3
"""relays.py - networks a site configures: the same message and local.cf through SpamAssassin and postern-scan.

Needs POSTERN_PARITY=1 and SpamAssassin; skips without. Usage: relays.py POSTERN_SCAN
"""
import os
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
MESSAGE = '''Received: from c.example (c.example [192.0.2.3])
\tby d.example (Postfix) with ESMTP id abc4; Sun, 22 Nov 2026 10:00:00 +0000 (UTC)
Received: from b.example (b.example [192.0.2.2])
\tby c.example (Postfix) with ESMTP id abc3; Sun, 22 Nov 2026 09:59:00 +0000 (UTC)
Received: from a.example (a.example [192.0.2.1])
\tby b.example (Postfix) with ESMTP id abc2; Sun, 22 Nov 2026 09:58:00 +0000 (UTC)
X-Sent-From: [198.51.100.1]
X-Told: <told@e.example>
Subject: hi

Hello
'''
RULES = r'''util_rb_tld example
header R_TRUSTED_3 X-Spam-Relays-Trusted =~ /^\[ ip=192.0.2.3 [^\]]*\]$/
header R_TRUSTED_32 X-Spam-Relays-Trusted =~ /^\[ ip=192.0.2.3 [^\]]*\] \[ ip=192.0.2.2 [^\]]*\]$/
header R_INTERNAL_3 X-Spam-Relays-Internal =~ /^\[ ip=192.0.2.3 [^\]]*intl=1[^\]]*\]$/
header R_EXTERNAL_21 X-Spam-Relays-External =~ /^\[ ip=192.0.2.2 [^\]]*intl=0[^\]]*\] \[ ip=192.0.2.1 /
header R_UNTRUSTED_1 X-Spam-Relays-Untrusted =~ /^\[ ip=192.0.2.1 /
header R_MSA X-Spam-Relays-Trusted =~ /msa=1/
header R_ORIGIN X-Spam-Relays-Untrusted =~ /ip=198.51.100.1 /
header R_ENVELOPE EnvelopeFrom =~ /^told\@e\.example$/
header R_ALL_TRUSTED eval:check_all_trusted()
'''
# Settings, and the rules that hit by them.
SITES = (
    ('', ''),
    ('trusted_networks 192.0.2.2/31\ninternal_networks 192.0.2.3\n',
     'R_EXTERNAL_21 R_INTERNAL_3 R_TRUSTED_32 R_UNTRUSTED_1'),
    ('trusted_networks !192.0.2.1 192.0.2.\n', 'R_TRUSTED_32 R_UNTRUSTED_1'),
    ('internal_networks 192.0.2.3\n', 'R_EXTERNAL_21 R_INTERNAL_3 R_TRUSTED_3'),
    ('trusted_networks 192.0.2/24\nclear_trusted_networks\n', ''),
    ('trusted_networks 192.0.2.3\nmsa_networks 192.0.2.3\n', 'R_ALL_TRUSTED R_MSA'),
    ('trusted_networks 192.0.2.3\noriginating_ip_headers X-Absent X-Sent-From\nenvelope_sender_header X-Told\n',
     'R_ENVELOPE R_EXTERNAL_21 R_INTERNAL_3 R_ORIGIN R_TRUSTED_3'),
)


def hits(output):
    return ' '.join(sorted(set(re.findall(r'\bR_[A-Z0-9_]+', output))))


def run(command):
    done = subprocess.run(command, input=MESSAGE.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)
    return done.stdout.decode(errors='replace')


def check(scan, folder, settings, wanted):
    with open(os.path.join(folder, 'init.pre'), 'w', encoding='ascii') as file:
        file.write('loadplugin Mail::SpamAssassin::Plugin::Check\nloadplugin Mail::SpamAssassin::Plugin::RelayEval\n')
    with open(os.path.join(folder, 'local.cf'), 'w', encoding='ascii') as file:
        file.write(settings + RULES)
    told = run(['spamassassin', '-L', '-D', 'check', '--configpath=' + folder, '--siteconfigpath=' + folder,
                '-p', '/dev/null', '-t'])
    theirs = hits(' '.join(line for line in told.splitlines() if 'dbg: check: tests=' in line))
    ours = hits(run([scan, '--rules', folder, '--json', '--subtests', '-']))
    if ours == theirs == wanted:
        return 0
    print('%r: wanted %r, ours %r, theirs %r' % (settings, wanted, ours, theirs))
    return 1


def main():
    if os.environ.get('POSTERN_PARITY') != '1':
        print('skipped: POSTERN_PARITY=1 asks for it')
        return SKIPPED
    if subprocess.run(['perl', '-MMail::SpamAssassin', '-e', '1'], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        print('skipped: SpamAssassin is not installed')
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        return 1 if sum(check(sys.argv[1], folder, *site) for site in SITES) else 0


sys.exit(main())
