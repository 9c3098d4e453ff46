#!/usr/bin/python3
"""generate.py - messages unlike any corpus, to compare what we and SpamAssassin make of them.

    generate.py SEED COUNT OUT [--mail FOLDER] [--rules PATH]... [--received FILE]

Writes OUT/NNNNN.eml. Parts are put together at random: texts the rules look for (made out of their patterns), pieces of messages
below --mail, markup, links, character sets, encodings, headers as many programs write them, and all of it now and then broken.
--received names a file with Received lines to vary. The same arguments give the same messages.
"""
import argparse
import base64
import binascii
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate_headers as headers  # noqa: E402
import generate_html as html  # noqa: E402
from generate_words import CHARSETS, Words  # noqa: E402
from pattern_words import Rules  # noqa: E402

ENCODINGS = ('7bit', '8bit', 'quoted-printable', 'base64')
ODD_ENCODINGS = ('binary', 'x-uuencode', 'uuencode', 'x-uue', 'QUOTED-PRINTABLE', 'Base64', ' base64 ', 'quoted printable', '"base64"',
                 'base64 (comment)', '8-bit', 'none', '', 'utf-8', 'quoted-printable;')
DOCUMENTS = (('application/pdf', 'pdf', b'%PDF-1.4\n'), ('image/gif', 'gif', b'GIF89a\x20\x03\x58\x02\xf7\x00\x00'),
             ('image/png', 'png', b'\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x90\x00\x00\x00\xc8\x08\x02\x00\x00\x00'),
             ('image/jpeg', 'jpg', b'\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x11\x08\x01\x2c\x02\x58\x03'),
             ('application/msword', 'doc', b'\xd0\xcf\x11\xe0'), ('application/zip', 'zip', b'PK\x03\x04'), ('application/octet-stream', 'exe', b'MZ'),
             ('application/octet-stream', 'html', b'<html><body>'), ('text/calendar', 'ics', b'BEGIN:VCALENDAR\r\n'), ('text/x-vcard', 'vcf', b'BEGIN:VCARD\n'),
             ('text/csv', 'csv', b'a,b,c\n'), ('text/rtf', 'rtf', b'{\\rtf1 '), ('application/rtf', 'rtf', b'{\\rtf1 '), ('audio/mpeg', 'mp3', b'ID3'),
             ('application/pgp-signature', 'asc', b'-----BEGIN PGP SIGNATURE-----\n'), ('text/xml', 'xml', b'<?xml version="1.0"?>'),
             ('application/xhtml+xml', 'xhtml', b'<html xmlns="x">'), ('application/vnd.ms-excel', 'xls', b'\xd0\xcf\x11\xe0'), ('image/svg+xml', 'svg', b'<svg>'))


class Maker:
    def __init__(self, chance, words, rules):
        self.chance, self.words, self.rules = chance, words, rules
        self.headers = headers.Headers(chance, words)
        self.html = html.Html(chance, words)

    def maybe(self, share):
        return self.chance.random() < share

    # --- texts in transfer encodings and character sets

    def encode(self, data, encoding):
        name = encoding.strip().strip('"').lower()
        if name.startswith('base64'):
            return self.base64(data)
        if name.startswith('quoted-printable'):
            return self.quoted(data)
        if name in ('x-uuencode', 'uuencode', 'x-uue'):
            lines = [binascii.b2a_uu(data[i:i + 45]) for i in range(0, len(data), 45)]
            return b'begin 644 text.txt\n' + b''.join(lines) + b'`\nend\n'
        return data

    def base64(self, data):
        if self.maybe(0.2):
            data = data.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
        text = base64.b64encode(data)
        width = self.chance.choice((76, 76, 76, 72, 60, 4, 77, 1000, 100000))
        out = b'\n'.join(text[i:i + width] for i in range(0, len(text), width)) + b'\n'
        if self.maybe(0.12):
            at = self.chance.randrange(len(out))
            out = out[:at] + self.chance.choice((b'=', b'!', b' ', b'\n\n', b'*#', b'==', b'-', b'\r', b'A')) + out[at:]
        if self.maybe(0.05):
            out = out.rstrip(b'=\n') + b'\n'
        if self.maybe(0.05):
            out += b'\nThis text follows the data\n'
        return out

    def quoted(self, data):
        lines, limit = [], self.chance.choice((76, 76, 76, 60, 200, 3000))
        everything = self.maybe(0.1)
        for line in data.split(b'\n'):
            out = b''
            for octet in line:
                piece = b'%c' % octet if 32 <= octet < 127 and octet != 61 and not everything else b'=%02X' % octet
                if self.maybe(0.002):
                    piece = self.chance.choice((b'=', b'=3D', b'=%02x' % octet, b'=XY', b'=\t\n', b'= \n', b'=0A', b'=0D=0A', b'=20'))
                if len(out) - out.rfind(b'\n') + len(piece) > limit - 1:
                    out += b'=\n'
                out += piece
            lines.append(out + (b' ' if self.maybe(0.01) else b''))
        return b'\n'.join(lines)

    def type_field(self, kind, charset, name=None):
        parameters = []
        if charset is not None:
            parameters.append(self.chance.choice(('charset=%s', 'charset="%s"', 'charset="%s"', "charset='%s'", 'Charset = %s', 'charset="%s')) % charset
                              if self.maybe(0.3) else 'charset="%s"' % charset)
        if name is not None:
            parameters.append(self.chance.choice(('name="%s"', 'name="%s"', 'name=%s', "name*=utf-8''%s", 'name*0="%s"')) % name)
        if self.maybe(0.15):
            parameters.append(self.chance.choice(('format=flowed', 'delsp=yes', 'format=flowed; delsp=yes', 'reply-type=original', 'x-unix-mode=0644', '', 'boundary=x')))
        self.chance.shuffle(parameters)
        joint = self.chance.choice(('; ', ';\n\t', ';\n ', ';', ' ; '))
        value = joint.join([kind] + parameters)
        if self.maybe(0.04):
            value = self.chance.choice((kind.split('/')[0], kind.upper(), '"%s"' % kind, kind + ';', value + ';', kind.replace('/', ' / '), value + ' (a comment)',
                                        '', 'text', 'text/', '/plain', 'text\\plain', kind + ' ' + value))
        return value

    def text_part(self, is_html=None, hits=()):
        """Fields and body of a text part."""
        if is_html is None:
            is_html = self.maybe(0.5)
        shown = self.chance.choice(CHARSETS) if self.maybe(0.75) else self.chance.choice(('utf-8', 'iso-8859-1', 'us-ascii'))
        used = shown if self.maybe(0.85) else self.chance.choice(CHARSETS)
        text = self.html.document(hits) if is_html else self.plain(hits)
        data = self.words.octets(text, used)
        if self.maybe(0.06):
            at = self.chance.randrange(len(data) + 1)
            data = data[:at] + self.chance.choice((b'\x00', b'\xff\xfe', b'\r', b'\xef\xbb\xbf', b'\x1b', b'\x0c', b'\xa0', b'\xc2', b'\x0b')) + data[at:]
        encoding = self.chance.choice(ENCODINGS) if self.maybe(0.9) else self.chance.choice(ODD_ENCODINGS)
        if used.startswith(('utf-16', 'utf-32')):
            encoding = 'base64'
        body = self.encode(data, encoding)
        kind = 'text/html' if is_html else 'text/plain'
        if self.maybe(0.05):
            kind = self.chance.choice(('text/html', 'text/plain', 'text/enriched', 'text/x-amp-html', 'text/richtext', 'text/css', 'text/javascript', 'message/plain'))
        fields = [('Content-Type', self.type_field(kind, shown if self.maybe(0.9) else None, 'a.txt' if self.maybe(0.05) else None))]
        if encoding != '7bit' or self.maybe(0.7):
            fields.append(('Content-Transfer-Encoding', encoding if self.maybe(0.97) else self.chance.choice(ENCODINGS + ODD_ENCODINGS)))
        if self.maybe(0.1):
            fields.append(('Content-Disposition', self.chance.choice(('inline', 'attachment', 'attachment; filename="notes.txt"', 'inline; filename=page.html'))))
        if self.maybe(0.03):
            fields.pop(0)
        self.chance.shuffle(fields)
        return fields, body

    def plain(self, hits):
        return self.words.text(self.chance.randint(1, 12), self.html.links, hits)

    def document_part(self):
        kind, end, start = self.chance.choice(DOCUMENTS)
        data = start + self.words.some_octets(self.chance.randint(0, 3000))
        name = self.chance.choice(('file', 'invoice', 'a b', 'Rechnung_2026', '=?utf-8?B?%s?=' % base64.b64encode('счёт'.encode()).decode(), 'report.pdf', 'x' * 90,
                                   'r\u00e9sum\u00e9', '..', '')) + '.' + (end if self.maybe(0.8) else self.chance.choice(('exe', 'html', 'htm', 'txt', 'scr', 'HTML', 'shtml')))
        encoding = self.chance.choice(('base64', 'base64', 'base64', '8bit', 'quoted-printable', 'x-uuencode'))
        fields = [('Content-Type', self.type_field(kind, None, name if self.maybe(0.8) else None)), ('Content-Transfer-Encoding', encoding)]
        if self.maybe(0.8):
            fields.append(('Content-Disposition', self.chance.choice(('attachment', 'inline', 'ATTACHMENT', 'form-data')) +
                           self.chance.choice((';\n filename="%s"', '; filename=%s', "; filename*=utf-8''%s", '')).replace('%s', name)))
        if self.maybe(0.3):
            fields.append(('Content-ID', '<%s@%s>' % (self.words.token(8), self.words.host())))
        return fields, self.encode(data, encoding)

    # --- structure

    def part(self, depth, hits=()):
        roll = self.chance.random()
        if depth > 0 and roll < 0.45:
            return self.multipart(depth, hits)
        if depth > 0 and roll < 0.53:
            kind = self.chance.choice(('message/rfc822', 'message/rfc822', 'message/delivery-status', 'text/rfc822-headers', 'message/partial; id=x; number=1', 'message/global'))
            inner = self.message(depth - 1) if 'delivery' not in kind else self.headers.delivery_status()
            fields = [('Content-Type', kind)]
            if self.maybe(0.15):
                fields.append(('Content-Transfer-Encoding', 'base64'))
                inner = self.base64(inner)
            return fields, inner
        if roll < 0.65 and depth < 3:
            return self.document_part()
        return self.text_part(None, hits)

    def multipart(self, depth, hits=()):
        kind = self.chance.choice(('mixed', 'alternative', 'alternative', 'related', 'digest', 'report; report-type=delivery-status', 'signed', 'x-odd', 'appledouble', 'parallel'))
        boundary = self.headers.boundary()
        shown = '"%s"' % boundary if self.maybe(0.8) or re.search(r'[^\w-]', boundary) else boundary
        if self.maybe(0.03):
            shown = self.chance.choice(('', '""', boundary + 'x', "'%s'" % boundary, '"%s' % boundary))
        parts = [self.part(depth - 1, hits) for _ in range(self.chance.choice((1, 2, 2, 2, 3, 4)))]
        if kind == 'alternative' and self.maybe(0.7):
            text = self.plain(hits)
            parts = [self.labelled(text, 'text/plain'), self.labelled(self.html.wrap(text), 'text/html')]
        out = [self.words.octets(self.plain(()), 'utf-8') + b'\n' if self.maybe(0.15) else b'']
        if self.maybe(0.4):
            out.append(b'This is a multi-part message in MIME format.\n')
        for fields, body in parts:
            out.append(b'--' + boundary.encode() + self.chance.choice((b'\n',) * 12 + (b' \n', b'\t\n', b'x\n', b'\n\n')))
            out.append(self.headers.block(fields))
            out.append(b'\n' if self.maybe(0.98) else b'')
            out.append(body if body.endswith(b'\n') and self.maybe(0.5) else body + b'\n')
        if self.maybe(0.93):
            out.append(b'--' + boundary.encode() + b'--' + self.chance.choice((b'\n', b'\n\n', b'', b' \n')))
        if self.maybe(0.08):
            out.append(self.words.octets(self.plain(()), 'utf-8'))
        return [('Content-Type', 'multipart/%s; %s=%s' % (kind, self.chance.choice(('boundary', 'boundary', 'BOUNDARY')), shown))], b''.join(out)

    def labelled(self, text, kind):
        encoding = self.chance.choice(ENCODINGS)
        return [('Content-Type', kind + '; charset=utf-8'), ('Content-Transfer-Encoding', encoding)], self.encode(text.encode('utf-8', 'replace'), encoding)

    def message(self, depth=3):
        """One message, as octets."""
        hits = self.hits() if self.maybe(0.85) else []
        texts = [text for rule, text in hits if rule.kind in ('body', 'rawbody', 'uri', 'full')]
        if self.maybe(0.12) and self.words.bodies:
            fields, body = self.chance.choice(self.words.bodies)
            body += b''.join(b'\n' + text for text in texts)
        else:
            made, body = self.part(depth, texts)
            fields = self.headers.block(made)
        top = self.headers.top(hits)
        if self.maybe(0.85):
            top += self.headers.block([('MIME-Version', self.chance.choice(('1.0', '1.0', '1.0', '1.0 (Apple Message framework v624)', '1', '')))])
        named = {rule.selector.split(':')[0].lower() for rule, _ in hits if rule.kind == 'mimeheader'}
        for rule, text in hits:
            if rule.kind == 'mimeheader' and self.maybe(0.7) and rule.selector != 'ALL':
                fields = self.headers.without(fields, named) + self.headers.block([(rule.selector.split(':')[0], text)])
        return top + fields + b'\n' + body

    def hits(self):
        """Rules and a text for each: some at random, or all a meta needs."""
        if not self.rules.names:
            return []
        if self.maybe(0.5):
            names = [self.chance.choice(self.rules.names) for _ in range(self.chance.randint(1, 9))]
        else:
            names = sorted(self.rules.needed(self.chance.choice(self.rules.meta_names)))
            names = self.chance.sample(names, min(len(names), 14))
        made = [(self.rules.rules[name], self.rules.text(self.chance, name)) for name in names]
        return [(rule, text) for rule, text in made if text is not None]

    def broken(self, data):
        """Now and then something that no program should write."""
        roll = self.chance.random()
        if roll < 0.04:
            data = data.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n')
        elif roll < 0.05:
            data = data[:self.chance.randrange(len(data))]
        elif roll < 0.06:
            at = self.chance.randrange(len(data))
            data = data[:at] + bytes([self.chance.randrange(256)]) + data[at + 1:]
        elif roll < 0.07:
            data = data.replace(b'\n\n', b'\n', 1)
        elif roll < 0.08:
            data = b'From someone@example.com Mon Mar  2 10:00:00 2026\n' + data
        elif roll < 0.09:
            data += b'\n' * self.chance.randint(1, 60)
        return data


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('seed', type=int)
    parser.add_argument('count', type=int)
    parser.add_argument('out')
    parser.add_argument('--mail')
    parser.add_argument('--rules', action='append', default=[])
    parser.add_argument('--received')
    options = parser.parse_args()
    rules = Rules(options.rules)
    words = Words(options.mail, options.received)
    os.makedirs(options.out, exist_ok=True)
    for number in range(options.count):
        chance = random.Random('%d/%d' % (options.seed, number))
        words.chance = chance
        maker = Maker(chance, words, rules)
        with open(os.path.join(options.out, '%05d.eml' % number), 'wb') as file:
            file.write(maker.broken(maker.message(chance.choice((0, 0, 1, 1, 2, 3)))))


if __name__ == '__main__':
    main()
