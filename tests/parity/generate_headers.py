"""generate_headers.py - headers as many programs write them, for generate.py."""
import base64
import re

from generate_words import SCRIPTS, shown

DAYS, MONTHS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'), ('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec')
ZONES = ('+0000', '-0700', '+0530', 'GMT', 'EST', 'UT', '+0100 (CET)', '-0000', '', '+2500', '(PST)', 'MSK', 'Z', '+1', '-0800 (Pacific Standard Time)', '+0900 (JST)')
MAILERS = ('Microsoft Outlook Express 6.00.2900.2180', 'Microsoft Outlook 16.0', 'Microsoft Outlook, Build 10.0.2616', 'Microsoft Outlook IMO, Build 9.0.2416 (9.0.2910.0)', 'Apple Mail (2.3124)', 'The Bat! (v2.00.4) Personal', 'QUALCOMM Windows Eudora Version 6.0',
           'PHPMailer 5.2.9', 'Internet Mail Service (5.5.2653.19)', 'AOL 9.0 for Windows US sub 5003', 'Mutt/1.5.20', 'YahooMailWebService/0.8.1', 'iPhone Mail (13E238)', 'Sylpheed 3.5', 'CommuniGate Pro WebUser Interface v.4', 'Lotus Notes Release 5',
           'Foxmail 5.0 [cn]', 'SquirrelMail/1.4.6', 'MIME-tools 5.41', 'Zimbra 8.0', 'X', 'Evolution 2.0', 'KMail 1.9', 'Ximian', 'WebMail', 'Mozilla 4.7 [en] (WinNT)', 'Novell GroupWise', 'MailChimp Mailer', 'aspmail', 'Bulk Mailer', 'Sender v1.0')
IDS = ('%t.%n@%h', '%t@%h', '%T%T$%T$%T@%h', 'CA%t%t@mail.gmail.com', '%n.%n.%n.JavaMail.%t@%h', '%n.%t@web%n.mail.mud.yahoo.com', 'BAY%n-F%n%T@phx.gbl', '000001c%t$%T$%T@%h', '%T-%T-%T@%h', '%h', '', '%t', '%t@', '@%h', '%t@[%a]', '%t@localhost',
       'Pine.LNX.4.44.%n@%h', 'E1%t-000%t-00@%h', '%n.%n@%h', 'P%t.%t@%h', '%T.%n%t@%h', '3D%n.%n@%h', '%t %t@%h', '%t@%h>%t', '<%t@%h', '001a01c7%t$%T$0100a8c0@%t', '%n%n%n@%h', 'MSGID%t_-_%n@%h', '%T%T%T%T@%h', '0.%n.%t@%h')
RECEIVED = (
    'from %h (%h [%a])\n\tby %h (Postfix) with ESMTP id %T%n\n\tfor <%m>; %d', 'from %h (unknown [%a])\n\tby %h (Postfix) with SMTP id %T; %d', 'from [%a] (helo=%h)\n\tby %h with esmtp (Exim 4.92)\n\t(envelope-from <%m>)\n\tid 1%t-0%t-00; %d',
    'from %h ([%a])\n\tby %h with esmtps (TLS1.2:ECDHE_RSA:256) (Exim 4.89) id %t for %m; %d', 'from %h (%a)\n  by %h with SMTP; %d', '(qmail %n invoked from network); %d', '(qmail %n invoked by uid 501); %d', 'from unknown (HELO %h) (%a)\n  by %h with SMTP; %d',
    'from unknown (HELO %h) (%m@%a)\n  by %h with ESMTPA; %d', 'from %h (%h [%a] (may be forged))\n\tby %h (8.12.8/8.12.8) with ESMTP id h%t; %d', 'from %h (%t@%h [%a])\n\tby %h (8.9.3/8.9.3) with SMTP id PAA%n; %d', 'by %h with HTTP; %d', 'from %a ([%a]) by %h with Microsoft SMTPSVC(6.0.3790.4675);\n\t %d',
    'from %h (%a) by %h (%a) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE) id 15.20.%n.%n; %d', 'from %h ([fe80::%n]) by %h ([%a%12]) with mapi id 15.01.%n; %d', 'by 2002:a05:6a10:%n with SMTP id %t; %d', 'from %h (%h. [%a])\n        by mx.google.com with ESMTPS id %t;\n        %d',
    'from [%a] by %h via HTTP; %d', 'from %h (EHLO %h) (%a)\n  by %h with SMTP; %d', 'from [%a] (account %m HELO %h)\n  by %h (CommuniGate Pro SMTP 4.2.10)\n  with ESMTPSA id %n; %d', 'from %h ([%a] verified)\n  by %h (CommuniGate Pro SMTP 4.1.8)\n  with ESMTP id %n; %d', 'from %t ([%a]) (authenticated user %m)\n\tby %h with ESMTPA; %d',
    'from %h (%h [%a])\n\t(Authenticated sender: %m)\n\tby %h (Postfix) with ESMTPSA id %T; %d', 'from %h (%h [IPv6:%a])\n\tby %h (Postfix) with ESMTPS; %d', 'from %h (localhost [127.0.0.1])\n\tby %h (Postfix) with ESMTP id %T; %d', 'from localhost (127.0.0.1) by %h (%t/smtp) id %n; %d', 'from %h([%a]) by %h(JAMES SMTP Server ) with SMTP ID %n; %d',
    'from %h by %h ; %d', 'from %h (HELO %h ([%a])) by %h with ESMTP; %d', 'FROM %h BY %h; %d', 'from %h (%h[%a])\n by %h (rwcrmhc11) with SMTP\n id <%n>; %d', 'from %h ([%a]) by %h (Sun Java System Messaging Server) with ESMTP id <%t>; %d', '%t', '', 'from ; %d', 'from %h ([%a]:%n) by %h with esmtpsa; %d', 'from %m by %h; %d',
    'from User ([%a]) by %h with Microsoft SMTPSVC(5.0.2195.6713); %d', 'from mail pickup service by %h with Microsoft SMTPSVC; %d', 'from %h (%h [%a])\n\t(using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits))\n\t(No client certificate requested)\n\tby %h (Postfix) with ESMTPS id %T\n\tfor <%m>; %d (UTC)',
    'from %h (%h [%a])\n        by %h (8.15.2/8.15.2) with ESMTPSA id %t\n        (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\n        for <%m>; %d', 'from %h (port=%n helo=%h)\n\tby %h with esmtpa (Exim 4.69)\n\tid %t; %d', 'from %h [%a] by %h with ESMTP\n  (SMTPD32-8.05) id %T; %d', 'from %h (%m) by %h (%t) (authenticated as %m)\n        id %T; %d')
FREE = (('List-Id', '<list.%h>'), ('List-Unsubscribe', '<mailto:%m>, <http://%h/u>'), ('List-Post', '<mailto:%m>'), ('Precedence', 'bulk'), ('Precedence', 'list'), ('X-Priority', '1 (Highest)'), ('X-Priority', '3'), ('X-MSMail-Priority', 'High'), ('Importance', 'high'),
        ('X-MimeOLE', 'Produced By Microsoft MimeOLE V6.00.2900.2180'), ('Sender', '%m'), ('Reply-To', '%m'), ('Reply-To', '"%w" <%m>'), ('Errors-To', '%m'), ('Return-Path', '<%m>'), ('Return-Path', '<>'), ('X-Originating-IP', '[%a]'), ('X-Originating-IP', '%a'), ('X-Yahoo-Post-IP', '%a'),
        ('X-Apparently-From', '%m'), ('In-Reply-To', '<%t@%h>'), ('References', '<%t@%h> <%t@%h>'), ('Organization', '%w'), ('User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko Thunderbird/60.0'), ('User-Agent', '%w'), ('DKIM-Signature', 'v=1; a=rsa-sha256; c=relaxed/relaxed; d=%h; s=s1;\n\th=from:to:subject; bh=%t=; b=%t'),
        ('DKIM-Signature', 'v=1; d=%h'), ('DomainKey-Signature', 'a=rsa-sha1; q=dns; c=nofws; s=s1024; d=%h; b=%t;'), ('Authentication-Results', '%h; spf=pass smtp.mailfrom=%m; dkim=pass header.d=%h'), ('Received-SPF', 'pass (%h: domain of %m designates %a) client-ip=%a;'), ('X-Spam-Status', 'No, score=1.0'),
        ('X-Spam-Flag', 'YES'), ('X-Mailing-List', '%m'), ('X-Loop', '%m'), ('Auto-Submitted', 'auto-replied'), ('Thread-Index', 'Ac%t%t=='), ('Thread-Topic', '%w'), ('X-PHP-Originating-Script', '%n:mail.php'), ('X-PHP-Script', '%h/x.php for %a'), ('X-AntiAbuse', 'Original Domain - %h'),
        ('X-Source-IP', '%a'), ('Disposition-Notification-To', '%m'), ('Bcc', '%m'), ('Cc', '%m, %m'), ('Resent-From', '%m'), ('Resent-To', '%m'), ('Resent-Date', '%d'), ('Resent-Message-Id', '<%t@%h>'), ('X-Original-Message-ID', '<%t@%h>'), ('Apparently-To', '%m'), ('X-Envelope-From', '%m'), ('Envelope-To', '%m'),
        ('Delivered-To', '%m'), ('X-Google-Sender-Auth', '%t'), ('X-Gm-Message-State', '%t'), ('ARC-Seal', 'i=1; a=rsa-sha256; t=1; cv=none; d=%h; s=x; b=%t'), ('Feedback-ID', '%n:%n'), ('X-Report-Abuse', 'http://%h/abuse'), ('X-SG-EID', '%t'), ('X-Beenthere', '%m'), ('X-Mailman-Version', '2.1.9'), ('Keywords', '%w'), ('Comments', '%w'),
        ('X-Forwarded-For', '%m %m'), ('MIME-Version', '1.0'), ('X-Library', 'Indy 9.0.3-B'), ('X-EM-Version', '5, 0, 0, 0'), ('X-MB-Message-Source', 'WebUI'), ('Importance', 'low'), ('Content-Language', 'en-us'), ('Lines', '%n'), ('Mail-Followup-To', '%m'), ('X-Face', '%t'), ('Content-Class', 'urn:content-classes:message'))


class Headers:
    def __init__(self, chance, words):
        self.chance, self.words = chance, words
        self.cache = {}

    def maybe(self, share):
        return self.chance.random() < share

    def fill(self, template):
        def one(match):
            what = match.group(1)
            made = {'t': lambda: self.words.token(self.chance.randint(2, 14)), 'T': lambda: self.words.token(8).upper(), 'n': lambda: self.words.number(self.chance.randint(1, 9)),
                    'h': self.words.host, 'a': self.words.address, 'm': self.words.mailbox, 'd': self.date, 'w': lambda: self.phrase(4)}[what]()
            return made
        return re.sub(r'%([tTnhamdw])', one, template)

    def date(self):
        year = self.chance.choice((2026, 2026, 2026, 2025, 2010, 2038, 1999, 1970, 2002))
        form = self.chance.choice(('%s, %d %s %d %02d:%02d:%02d %s',) * 8 + ('%s,%d %s %d %02d:%02d:%02d %s', '%s, %02d %s %d %d:%d:%d %s', '%s, %d-%s-%d %02d:%02d:%02d %s', '%s %d %s %d %02d:%02d:%02d%s', '%s,  %d %s %d  %02d:%02d:%02d   %s'))
        hour = self.chance.randint(0, 23) if self.maybe(0.97) else 25
        made = form % (self.chance.choice(DAYS), self.chance.randint(1, 31), self.chance.choice(MONTHS), year, hour, self.chance.randint(0, 59), self.chance.randint(0, 60), self.chance.choice(ZONES))
        if self.maybe(0.04):
            made = self.chance.choice(('', 'now', '2026-03-02T10:00:00Z', '%s %s  2 10:00:00 2026' % (DAYS[0], MONTHS[2]), '2 Mar 26 10:00 GMT', '1/2/2026 3:04 PM', made.upper(), made[5:], made + ' x', '%s, 2 %s 102 10:00:00 +0000' % (DAYS[1], MONTHS[2])))
        return made

    def boundary(self):
        return self.chance.choice(('----=_NextPart_000_%s_%s.%s' % (self.words.number(4), self.words.token(8).upper(), self.words.token(8).upper()), '=_%s' % self.words.token(20), '%s' % self.words.number(20), '--%s' % self.words.token(12), 'Apple-Mail-%s' % self.words.number(3),
                                   '0000000000%s' % self.words.token(12), '_%s_' % self.words.number(10), 'a', '--', "b'%s()+_,-./:=?" % self.words.token(4), '----%s' % self.words.token(22).upper(), '=====================_%s==_' % self.words.number(9), 'x y', self.words.token(69)))

    def phrase(self, count):
        return self.words.words(self.chance.randint(1, count), self.chance.choice(SCRIPTS))

    def encoded(self, text, charset=None):
        """Encoded words of a text: well made, and less well."""
        charset = charset or self.chance.choice(('utf-8', 'UTF-8', 'iso-8859-1', 'windows-1251', 'koi8-r', 'gb2312', 'iso-2022-jp', 'big5', 'euc-kr', 'utf-7', 'unknown', 'windows-1252', 'utf-16'))
        data = self.words.octets(text, charset)
        out = []
        while data:
            size = self.chance.choice((12, 30, 45, 200))
            piece, data = data[:size], data[size:]
            if self.maybe(0.5):
                out.append('=?%s?%s?%s?=' % (charset, self.chance.choice('BBBb'), base64.b64encode(piece).decode()))
            else:
                quoted = ''.join(chr(c) if chr(c).isalnum() and c < 128 else '_' if c == 32 else '=%02X' % c for c in piece)
                out.append('=?%s?%s?%s?=' % (charset, self.chance.choice('QQQq'), quoted))
        made = self.chance.choice((' ', '\n ', '\n\t', ' ', '', '  ')).join(out)
        if self.maybe(0.06):
            made = self.chance.choice((made[:-2], made + made[:6], made.replace('?', '? ', 1), made.replace('=', '= ', 1), '"%s"' % made, made.replace('?=', '==?='), 'Re: ' + made + ' end', made.replace('?B?', '?X?'), made.replace('?=', '*en?=')))
        return made

    def value(self, text):
        """Text as a field has it: encoded words, or as it is."""
        plain = all(' ' <= c < '\x7f' for c in text)
        if (plain and self.maybe(0.85)) or self.maybe(0.12):
            return text
        return self.encoded(text)

    def person(self):
        address = self.words.mailbox()
        name = self.phrase(3)
        return self.chance.choice((lambda: '%s' % address, lambda: '<%s>' % address, lambda: '"%s" <%s>' % (name, address), lambda: '%s <%s>' % (self.value(name), address), lambda: '%s (%s)' % (address, name), lambda: "'%s' <%s>" % (name, address), lambda: '"%s" <%s>' % (self.encoded(name), address),
                                   lambda: '%s <%s' % (name, address), lambda: '%s%s' % (name, address), lambda: '"%s" <%s> (x)' % (address, self.words.mailbox()), lambda: '%s <%s>, %s' % (name, address, self.words.mailbox()), lambda: 'undisclosed-recipients:;', lambda: 'group: %s, %s;' % (address, self.words.mailbox()),
                                   lambda: '<%s> <%s>' % (address, self.words.mailbox()), lambda: '""<%s>' % address, lambda: '"%s\\"x" <%s>' % (name, address), lambda: '%s\n\t<%s>' % (self.value(name), address), lambda: '%s, %s <%s>' % (name, name, address), lambda: '', lambda: name, lambda: '<>',
                                   lambda: 'mailto:%s' % address, lambda: '[%s] %s' % (address, name), lambda: '<<%s>>' % address, lambda: '"%s" %s' % (name, address), lambda: '@%s' % self.words.host(), lambda: '%s <%s> %s' % (name, address, name), lambda: '"%s <%s>"' % (name, address), lambda: "<'%s'>" % address))()

    def block(self, fields):
        out = b''
        for name, value in fields:
            octets = value if isinstance(value, bytes) else value.encode('utf-8', 'surrogateescape')
            octets = re.sub(rb'\n(?![ \t])', b'\n ', octets.replace(b'\r\n', b'\n').replace(b'\x00', b'')).rstrip(b'\n ') if b'\n' in octets else octets
            joint = b': ' if self.maybe(0.97) else self.chance.choice((b':', b' : ', b':\t', b':\n ', b':  ', b' :'))
            out += name.encode() + joint + octets + b'\n'
        return out

    def received(self):
        if self.words.received and self.maybe(0.4):
            line = self.chance.choice(self.words.received)
            line = re.sub(r'\b\d+\.\d+\.\d+\.\d+\b', lambda m: self.words.address() if self.maybe(0.3) else m.group(0), line)
            words = line.split(' ')
            if self.maybe(0.3):
                words[self.chance.randrange(len(words))] = self.chance.choice((self.words.host(), self.words.address(), '', '(', '[%s]' % self.words.address(), self.words.mailbox()))
            return ' '.join(words)
        return self.fill(self.chance.choice(RECEIVED))

    def made(self):
        fields = [('Received', self.received()) for _ in range(self.chance.choice((0, 1, 1, 2, 2, 3, 5)))]
        fields.append(('Message-ID', self.chance.choice(('<%s>',) * 9 + ('%s',)) % self.fill(self.chance.choice(IDS))))
        fields += [('Date', self.date()), ('From', self.person()), ('To', self.person()), ('Subject', self.value(self.chance.choice(('', 'Re: ', 'RE: Re: ', 'Fwd: ', 'AW: ', '[list] ', '***SPAM*** ')) + self.phrase(6)))]
        if self.maybe(0.5):
            fields.append((self.chance.choice(('X-Mailer', 'X-Mailer', 'User-Agent')), self.chance.choice(MAILERS)))
        fields += [(name, self.fill(value)) for name, value in (self.chance.choice(FREE) for _ in range(self.chance.choice((0, 1, 2, 3, 6))))]
        return fields

    def top(self, hits):
        """The header of a message, without what is about its body."""
        fields = list(self.chance.choice(self.words.heads)) if self.words.heads and self.maybe(0.35) else self.made()
        more = []
        for rule, text in hits:
            if rule.kind == 'header':
                more += self.hit_fields(rule, text)
        names = {name.lower() for name, _ in more}
        fields = [field for field in fields if field[0].lower() not in names or field[0].lower() == 'received' or self.maybe(0.05)] + more
        if self.maybe(0.3):
            fields = [field for field in fields if not self.maybe(0.12)]
        if self.maybe(0.1) and fields:
            fields.append(self.chance.choice(fields))
        if self.maybe(0.4):
            self.chance.shuffle(fields)
        if self.maybe(0.02):
            fields.insert(self.chance.randrange(len(fields) + 1), ('X-Long', self.words.token(self.chance.choice((200, 1000, 8200, 20000)))))
        out = self.block(fields)
        if self.maybe(0.02):
            out += self.chance.choice((b'no colon here\n', b'>From x\n', b'X Y: z\n', b': x\n', b'\xe9: x\n', b'--\n', b' folded\n', b'\t\n', b'X:\n', b' \n'))
        return out

    def hit_fields(self, rule, octets):
        name, _, modifier = rule.selector.partition(':')
        text = shown(octets)
        if name in ('ALL', 'ALL-EXTERNAL'):
            found = re.findall(r'(?:^|\n)([A-Za-z-]+): ?([^\n]*)', text)
            return found or [('X-All', text.replace('\n', ' '))]
        if name.startswith('X-Spam-Relays') or name == 'EnvelopeFrom':
            return []
        name = {'ToCc': 'To', 'MESSAGEID': 'Message-ID'}.get(name, name)
        if modifier.startswith('addr'):
            text = self.chance.choice(('%s', '<%s>', '"x y" <%s>')).replace('%s', text)
        elif modifier.startswith('name'):
            text = '%s <%s>' % (self.chance.choice(('"%s"' % text, text, self.encoded(text, 'utf-8'))), self.words.mailbox())
        elif 'raw' not in modifier and self.maybe(0.15):
            text = self.encoded(text, 'utf-8')
        return [(name, text)]

    def without(self, block, names):
        return b''.join(field for field in re.findall(rb'(?:.+\n(?:[ \t].*\n)*)', block) if field.split(b':')[0].strip().lower().decode('latin-1') not in names)

    def delivery_status(self):
        return self.fill('Reporting-MTA: dns; %h\nArrival-Date: %d\n\nFinal-Recipient: rfc822; %m\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 %w\n').encode('utf-8')
