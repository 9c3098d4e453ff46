#!/usr/bin/python3
"""hits.py - what we and SpamAssassin make of the same messages: rules, points and verdicts.

    hits.py POSTERN_SCAN FOLDER RESULTS... [--rules PATH]... [--threshold POINTS] [--show RULE]

RESULTS are files of sa_hits.pl about messages below FOLDER, all judged by the same rules. Prints on how many messages the sets
of rules that hit (subtests too) are the same and the points differ by at most 0.1, each rule that differs, and by source how
many messages either takes for spam. FOLDER/index.tsv (path, kind, label, …) says what they are; without it the source does.
--show names the messages on which one rule differs. Exit status 1 when points differ by more than 0.1 on some message.
"""
import argparse
import collections
import json
import os
import subprocess
import sys

POINTS_NEAR = 0.1
DISTRIBUTION = '/usr/share/spamassassin'
BATCH = 500


def read_results(paths):
    results = {}
    for path in paths:
        with open(path, encoding='utf-8') as file:
            for line in file:
                name, points, hits = line.rstrip('\n').split('\t')
                pairs = (hit.rsplit('=', 1) for hit in hits.split())
                results[name] = float(points), {rule: float(value) for rule, value in pairs}
    return results


def judge(scan, rules, folder, names):
    ours = {}
    for at in range(0, len(names), BATCH):
        done = subprocess.run([scan, *(word for path in rules for word in ('--rules', path)), '--json', '--subtests'] +
                              [os.path.join(folder, name) for name in names[at:at + BATCH]], stdout=subprocess.PIPE, check=False)
        for line in done.stdout.decode('utf-8', 'replace').splitlines():
            message = json.loads(line)
            ours[os.path.relpath(message['file'], folder)] = message['score'], message['values']
    return ours


def read_labels(folder):
    try:
        with open(os.path.join(folder, 'index.tsv'), encoding='utf-8') as file:
            return {row[0]: row[2] for row in (line.split('\t') for line in file) if len(row) > 2}
    except FileNotFoundError:
        return {}


def compare(theirs, ours):
    """Messages of each kind, and by rule: names of those only we hit, only they hit, with another count."""
    same = near = 0
    rules = collections.defaultdict(lambda: ([], [], []))
    for name, (points, hits) in theirs.items():
        if name not in ours:
            continue
        our_points, our_hits = ours[name]
        for rule in our_hits.keys() - hits.keys():
            rules[rule][0].append(name)
        for rule in hits.keys() - our_hits.keys():
            rules[rule][1].append(name)
        for rule in hits.keys() & our_hits.keys():
            if abs(hits[rule] - our_hits[rule]) > 1e-6:
                rules[rule][2].append(name)
        same += our_hits.keys() == hits.keys()
        near += abs(points - our_points) <= POINTS_NEAR + 1e-9
    return same, near, rules


def print_verdicts(theirs, ours, labels, threshold):
    rows = collections.defaultdict(lambda: [0, 0, 0, 0])
    for name, (points, _) in theirs.items():
        if name not in ours:
            continue
        folders = name.split('/')
        label = labels.get(name, '')
        row = rows[(label, '/'.join(folders[1:3] if folders[0] == 'mail' else folders[:-1]))]
        we, they = ours[name][0] >= threshold - 1e-9, points >= threshold - 1e-9
        for column, holds in enumerate((True, we, they, we != they)):
            row[column] += holds
    print(f'taken for spam at {threshold:g} points\n{"label":<10} {"source":<34} {"messages":>8} {"ours":>14} {"SpamAssassin":>14} '
          f'{"differ":>6}')
    for (label, source), (count, we, they, differ) in sorted(rows.items()):
        print(f'{label:<10} {source:<34} {count:>8} {we:>5} {100 * we / count:>6.2f} % {they:>5} {100 * they / count:>6.2f} % '
              f'{differ:>6}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('scan')
    parser.add_argument('folder')
    parser.add_argument('results', nargs='+')
    parser.add_argument('--rules', action='append')
    parser.add_argument('--threshold', type=float, default=5.0)
    parser.add_argument('--show')
    options = parser.parse_args()
    theirs = read_results(options.results)
    ours = judge(options.scan, options.rules or [DISTRIBUTION], options.folder, sorted(theirs))
    same, near, rules = compare(theirs, ours)
    if options.show:
        for what, names in zip(('ours alone', 'theirs alone', 'another count'), rules[options.show]):
            for name in names:
                print(f'{what}: {name}')
        return 0
    count = sum(name in ours for name in theirs)
    print(f'{count} messages of {len(theirs)}: {same} with the same rules, subtests too; points of {near} differ by at most '
          f'{POINTS_NEAR}')
    if rules:
        print(f'{"rule":<34} {"ours alone":>12} {"theirs alone":>12} {"other count":>12}')
    for rule, columns in sorted(rules.items(), key=lambda item: (-sum(map(len, item[1])), item[0])):
        print(f'{rule:<34} ' + ' '.join(f'{len(names):>12}' for names in columns))
    print_verdicts(theirs, ours, read_labels(options.folder), options.threshold)
    return 0 if near == count == len(theirs) else 1


if __name__ == '__main__':
    sys.exit(main())
