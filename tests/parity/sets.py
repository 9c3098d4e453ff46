#!/usr/bin/python3
"""sets.py - the distribution's rules, KAM's set and a site's own local.cf together: they load, and judge.

Needs the distribution's rules and POSTERN_CORPUS, a folder with rules/kam-*/ in it; skips without. The messages are made
here. Usage: sets.py POSTERN_SCAN
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

SKIPPED = 77
DISTRIBUTION = '/usr/share/spamassassin'
SITE = r'''body SITE_WORD /\bquaggamire\b/
score SITE_WORD 2.5
meta SITE_META SITE_WORD && MISSING_DATE
score SITE_META -0.75
meta SITE_OF_KAM SITE_WORD && KAM_LOTTO1
score SITE_OF_KAM 0.5
score KAM_LOTTO2 0.125
score DEAR_WINNER 0
score DRUGS_ERECTILE (1)
welcomelist_from *@friend.example
'''
LOTTERY = '''Received: from out.sender.example (out.sender.example [198.51.100.7])
\tby mx.site.example (Postfix) with ESMTP id 1A2B3C; Mon, 02 Mar 2026 10:00:00 +0000 (UTC)
From: Prize Office <office@sender.example>
To: someone@site.example
Subject: You have won the lottery
Message-ID: <1234@sender.example>
Date: Mon, 02 Mar 2026 09:59:00 +0000

Dear winner, you won the international lottery. quaggamire
Contact our claims agent and pay the fee in bitcoin.
Viagra Cialis cheap pills http://www.shop.example.com/?x=1
'''
LETTER = '''From: Friend <a@friend.example>
To: someone@site.example
Subject: hi
Message-ID: <55@friend.example>

quaggamire, as we said
'''
LINK = '''Received: from unknown (HELO x) (203.0.113.5)
\tby mx.site.example with SMTP; Mon, 02 Mar 2026 10:00:00 +0000
From: "Billing" <billing@gmail.com>
Reply-To: other@yahoo.com
To: undisclosed-recipients:;
Subject: Your account password is expired
Message-ID: <9@x>
Date: Mon, 02 Mar 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<html><body><a href="http://www.google.com/url?q=http://login.evil.example.com/x">Verify your password</a> now,
or it will be closed within 24 hours</body></html>
'''
# A message, the points it must have at least and at most, rules that must hit (with their points, or None), and such that
# must not.
CASES = (
    (LOTTERY, 10, 40, {'SITE_WORD': 2.5, 'SITE_OF_KAM': 0.5, 'KAM_LOTTO1': None, 'KAM_LOTTO2': 0.125,
                       'DRUGS_ERECTILE': None}, {'DEAR_WINNER', 'SITE_META', 'USER_IN_WELCOMELIST'}),
    (LETTER, -120, -80, {'SITE_WORD': 2.5, 'SITE_META': -0.75, 'MISSING_DATE': None, 'USER_IN_WELCOMELIST': -100.0},
     {'SITE_OF_KAM', 'KAM_LOTTO1'}),
    (LINK, 8, 40, {'FREEMAIL_REPLYTO': None, 'MIME_HTML_ONLY': None, 'KAM_GOOGLE_REDIR': None},
     {'SITE_WORD', 'USER_IN_WELCOMELIST'}),
)


def judge(scan, kam, folder):
    paths = []
    with open(os.path.join(folder, 'local.cf'), 'w', encoding='ascii') as file:
        file.write(SITE)
    for number, case in enumerate(CASES):
        paths.append(os.path.join(folder, '%d.eml' % number))
        with open(paths[-1], 'w', encoding='ascii') as file:
            file.write(case[0])
    done = subprocess.run([scan, '--rules', DISTRIBUTION, '--rules', kam, '--rules', os.path.join(folder, 'local.cf'),
                           '--json', *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, check=False)
    if done.returncode != 0:
        sys.exit('exit status %d: %s' % (done.returncode, done.stderr.decode(errors='replace')[-2000:]))
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def wrong(case, result):
    _, least, most, wanted, unwanted = case
    hits = {rule['name']: rule['score'] for rule in result['rules']}
    faults = ['%s did not hit' % name for name in wanted if name not in hits]
    faults += ['%s is worth %s' % (name, hits[name]) for name, points in wanted.items()
               if points is not None and name in hits and abs(hits[name] - points) > 0.0005]
    faults += ['%s hit' % name for name in unwanted if name in hits]
    if not least <= result['score'] <= most:
        faults.append('%.3f points' % result['score'])
    return faults


def main():
    sets = sorted(glob.glob(os.path.join(os.environ.get('POSTERN_CORPUS') or '/nonexistent', 'rules', 'kam-*')))
    if not sets or not os.path.exists(os.path.join(DISTRIBUTION, '72_active.cf')):
        print('skipped: POSTERN_CORPUS names no folder with rules/kam-*/ in it, or %s holds no rules' % DISTRIBUTION)
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        results = judge(sys.argv[1], sets[-1], folder)
    faults = [wrong(case, result) for case, result in zip(CASES, results)]
    for result, found in zip(results, faults):
        print('%s: %.3f points, %s' % (os.path.basename(result['file']), result['score'], '; '.join(found) or 'as wanted'))
    return 1 if len(results) != len(CASES) or any(faults) else 0


sys.exit(main())
