"""pattern_words.py - texts that SpamAssassin's rules look for, made out of the rules' own patterns.

Rules read from .cf files, patterns taken apart by Python's own reader of regular expressions. A pattern it cannot read is left
out; a text that looks about would forbid is not noticed. So most texts match their pattern, and some nearly do, which is as good.
"""
import collections
import glob
import os
import re
import re._constants as sre
import re._parser as parser
import string

Rule = collections.namedtuple('Rule', 'name kind selector pattern flags')
REPEATED_MOST = 12
TRIES = 6
FLAGS = {'i': re.I, 's': re.S, 'x': re.X, 'm': re.M}
POSIX = {'alpha': 'a-zA-Z', 'alnum': 'a-zA-Z0-9', 'digit': '0-9', 'upper': 'A-Z', 'lower': 'a-z', 'space': r'\s', 'punct': r'!-/:-@\[-`{-~',
         'xdigit': '0-9a-fA-F', 'cntrl': r'\x00-\x1f\x7f', 'print': ' -~', 'graph': '!-~', 'word': r'\w', 'blank': r' \t', 'ascii': r'\x00-\x7f'}
CLOSERS = {'{': '}', '(': ')', '[': ']', '<': '>'}


def logical_lines(paths):
    for path in paths:
        files = sorted(glob.glob(os.path.join(path, '*.cf'))) if os.path.isdir(path) else [path]
        for file_path in files:
            with open(file_path, encoding='latin-1') as file:
                for line in file:
                    line = line.strip()
                    if line and not line.startswith('#'):
                        yield line


def split_pattern(text):
    """The pattern and its flags of /…/i, m{…}i, m!…! and the like, or None."""
    text = text.strip()
    match = re.match(r'(?:m(\W)|(/))', text)
    if not match:
        return None
    opener = match.group(1) or '/'
    closer = CLOSERS.get(opener, opener)
    end = text.rfind(closer)
    if end < match.end():
        return None
    flags = re.match(r'[a-z]*', text[end + 1:]).group(0)
    return text[match.end():end], flags


class Rules:
    def __init__(self, paths):
        self.rules, self.metas, self.tags, self.replaced, self.around = {}, {}, {}, set(), {}
        for line in logical_lines(paths):
            self.read(line.split(None, 2))
        self.names = sorted(self.rules)
        self.meta_names = sorted(self.metas)
        self.trees = {}

    def read(self, words):
        if words[0] == 'replace_rules':
            self.replaced.update(' '.join(words[1:]).split())
        if len(words) < 3:
            return
        kind, name, rest = words
        if kind in ('replace_tag', 'replace_inter', 'replace_pre', 'replace_post'):
            (self.tags if kind == 'replace_tag' else self.around)[(kind, name) if kind != 'replace_tag' else name] = rest.strip()
        elif kind == 'meta':
            self.metas[name] = rest
        elif kind in ('body', 'rawbody', 'full', 'uri'):
            self.add(name, kind, '', rest)
        elif kind in ('header', 'mimeheader'):
            match = re.match(r'(\S+)\s*=~\s*(.*)', rest)
            if match:
                self.add(name, kind, match.group(1), re.sub(r'\s*\[if-unset:.*', '', match.group(2)))

    def add(self, name, kind, selector, text):
        parts = split_pattern(text)
        if parts:
            self.rules[name] = Rule(name, kind, selector, *parts)

    def expand(self, pattern):
        around = {}
        for what in ('pre', 'inter', 'post'):
            found = re.search(r'<%s (\w+)>' % what, pattern)
            around[what] = self.around.get(('replace_' + what, found.group(1)), '') if found else ''
            pattern = re.sub(r'<%s \w+>' % what, '', pattern)
        if around['inter']:
            pattern = re.sub(r'(<\w+>)(?=<\w+>)', lambda m: m.group(1) + around['inter'], pattern)

        def tag(match):
            return around['pre'] + self.tags[match.group(1)] + around['post'] if match.group(1) in self.tags else match.group(0)
        for _ in range(6):
            pattern = re.sub(r'<(\w+)>', tag, pattern)
        return pattern

    def tree(self, name):
        if name not in self.trees:
            rule = self.rules[name]
            pattern = self.expand(rule.pattern) if name in self.replaced else rule.pattern
            self.trees[name] = read_pattern(pattern, rule.flags)
        return self.trees[name]

    def text(self, chance, name):
        """A text for the rule, as octets, or None."""
        tree = self.tree(name)
        if tree is None:
            return None
        for _ in range(TRIES):
            maker = Maker(chance)
            made = maker.make(tree)
            if made is not None:
                return made.encode('latin-1', 'replace')
        return None

    def needed(self, name, deep=6):
        """Patterns a meta names outside a negation, through other metas."""
        if name in self.rules:
            return {name}
        if deep == 0 or name not in self.metas:
            return set()
        found = set()
        for negated, part in re.findall(r'(!\s*\(?\s*)?([A-Za-z_]\w+)', self.metas[name]):
            if not negated:
                found |= self.needed(part, deep - 1)
        return found


def read_pattern(pattern, flags):
    pattern = re.sub(r'\[:(\^?)(\w+):\]', lambda m: POSIX.get(m.group(2), ''), pattern)
    pattern = re.sub(r'\(\?\^?a*([ismx]*)a*:', r'(?:', pattern)
    pattern = pattern.replace('\\h', '[ \\t]').replace('\\z', '\\Z').replace('\\R', '\\n').replace('\\/', '/')
    pattern = re.sub(r'\(\?<([A-Za-z_]+)>', r'(?P<\1>', pattern)
    pattern = re.sub(r'\\x\{([0-9a-fA-F]{1,2})\}', lambda m: '\\x%02x' % int(m.group(1), 16), pattern)
    pattern = re.sub(r'^\(\?[ismx]+\)', '', pattern)
    bits = re.A
    for flag in flags:
        bits |= FLAGS.get(flag, 0)
    try:
        return parser.parse(pattern, bits)
    except (re.error, OverflowError, RecursionError, ValueError):
        return None


class Maker:
    """Walks one pattern, choosing by chance."""

    def __init__(self, chance):
        self.chance, self.groups, self.left = chance, {}, 4000

    def make(self, tree):
        out = []
        for op, value in tree:
            self.left -= 1
            if self.left < 0:
                return None
            piece = self.piece(op, value)
            if piece is None:
                return None
            out.append(piece)
        return ''.join(out)

    def piece(self, op, value):
        if op is sre.LITERAL:
            character = chr(value) if value < 256 else '?'
            return character.swapcase() if self.chance.random() < 0.03 else character
        if op is sre.NOT_LITERAL:
            return self.other_than({value})
        if op is sre.ANY:
            return self.chance.choice(string.ascii_letters + string.digits + ' -._')
        if op is sre.IN:
            return self.member(value)
        if op is sre.BRANCH:
            return self.make(self.chance.choice(value[1]))
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            return self.repeated(*value)
        if op is sre.SUBPATTERN:
            made = self.make(value[3])
            self.groups[value[0]] = made
            return made
        if op is sre.ATOMIC_GROUP:
            return self.make(value)
        if op is sre.GROUPREF:
            return self.groups.get(value, '')
        if op is sre.GROUPREF_EXISTS:
            return self.make(value[1])
        if op is sre.ASSERT and value[0] > 0 and self.chance.random() < 0.4:
            return self.make(value[1])
        return ''

    def repeated(self, least, most, tree):
        most = min(int(most), least + REPEATED_MOST)
        count = self.chance.choice((least, least, min(most, least + 1), self.chance.randint(least, most)))
        made = [self.make(tree) for _ in range(min(count, 400))]
        return None if None in made else ''.join(made)

    def other_than(self, codes):
        for _ in range(20):
            character = self.chance.choice(string.ascii_letters + string.digits + '  .-_,')
            if ord(character) not in codes:
                return character
        return '#'

    def member(self, items):
        if items[0][0] is sre.NEGATE:
            return self.other_than(members(items[1:]))
        op, value = self.chance.choice(items)
        if op is sre.LITERAL:
            return chr(value) if value < 256 else '?'
        if op is sre.RANGE:
            return chr(min(255, self.chance.randint(*value)))
        codes = sorted(category(value))
        return chr(self.chance.choice(codes)) if codes else ' '


def category(what):
    name = str(what)
    known = {'DIGIT': string.digits, 'SPACE': ' \t\n  ', 'WORD': string.ascii_letters + string.digits + '_'}
    base = {ord(c) for c in known[name.rsplit('_', 1)[1]]}
    return {ord(c) for c in string.printable} - base if 'NOT' in name else base


def members(items):
    codes = set()
    for op, value in items:
        if op is sre.LITERAL:
            codes.add(value)
        elif op is sre.RANGE:
            codes.update(range(value[0], value[1] + 1))
        elif op is sre.CATEGORY:
            codes |= category(value)
    return codes
