"""generate_html.py - HTML as mail has it, for generate.py."""
import re

BLOCKS = ('p', 'div', 'td', 'span', 'font', 'b', 'i', 'u', 'h1', 'h3', 'li', 'center', 'a', 'blockquote', 'pre', 'strong', 'em', 'small', 'big', 'table', 'tr', 'ul', 'dl', 'dt', 'dd', 'th',
          'form', 'select', 'option', 'textarea', 'label', 'title', 'style', 'script', 'noscript', 'xmp', 'plaintext', 'listing', 'marquee', 'object', 'iframe', 'map', 'x-odd', 'o:p', 'v:shape',
          'section', 'nav', 'button', 'head', 'body', 'html', 'tbody', 'address', 'blink', 'abbr', 'svg', 'math', 'code', 'tt', 's', 'strike', 'sub', 'sup', 'ins', 'del', 'q', 'zzz')
EMPTY = ('<br>', '<br/>', '<BR>', '<br />', '<hr>', '<hr size=1>', '<wbr>', '<p>', '<p/>', '</p>', '</div>', '</foo>', '<>', '< b >', '<!>', '<!doctype html>', '<?xml version="1.0"?>', '<![CDATA[x]]>',
         '<o:p></o:p>', '<!-- -->', '<!--[if mso]>', '<![endif]-->', '<!--', '-->', '<!---->', '<!-- a -- b -->', '<input type=hidden name=x value=y>', '<input type="password">', '<embed src=x.swf>',
         '<bgsound src="http://a.example.com/x.wav">', '<link rel=stylesheet href="http://b.example.com/x.css">', '<base href="http://base.example.com/dir/">', '<meta http-equiv=refresh content="0;url=http://refresh.example.com/">',
         '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', '<meta charset="windows-1251">', '</html>', '</body>', '<body bgcolor="#ffffff" text=black>', '<body background="http://bg.example.com/x.gif">')
ENTITIES = ('&nbsp;', '&amp;', '&lt;', '&gt;', '&quot;', '&eacute;', '&#65;', '&#x41;', '&#8203;', '&zwnj;', '&copy', '&euro;', '&#128;', '&#0;', '&#150;', '&bogus;', '&', '&;', '&#;', '&#x;', '&#1114112;', '&#xD800;',
            '&rarr;', '&hellip;', '&NBSP;', '&ensp;', '&thinsp;', '&shy;', '&apos;', '&#32;', '&#10;', '&#13;', '&#160;', '&#160', '&lsquo;', '&Eacute', '&amp;nbsp;', '&#999999999999;', '&#x1F4B0;', '&#039;', '&#064;')
COLOURS = ('white', 'black', '#fff', '#ffffff', '#FEFEFE', '#000', 'red', 'rgb(255,255,255)', 'rgb(100%,0%,0%)', 'transparent', 'inherit', '#12', '#ggg', 'ffffff', 'lightgray', '#f5f5f5', '', 'rgba(0,0,0,0.5)', 'chucknorris',
           '#ffffff80', 'hsl(120,100%,50%)', 'WHITE', ' white ', '#fffff', 'fuchsia', 'whitesmoke', 'rgb(1,2)')
STYLES = ('color:%s', 'background-color:%s', 'background:%s', 'background: url(http://st.example.com/x.png) %s', 'font-size:1px', 'font-size:0', 'font-size: 12pt', 'font-size:xx-small', 'font-size:150%', 'font-size:0.1em', 'display:none',
          'visibility:hidden', 'font: 2px arial', 'font-family:"Times New Roman"', 'text-decoration:none', 'line-height:0', 'COLOR: %s !important', 'width:0;height:0', 'mso-hide:all', 'font-size:-1', 'opacity:0', ';;', 'color', 'font-size:1')
REDIRECTORS = ('http://www.google.com/url?q=%s', 'http://google.com/url?sa=D&q=%s&x=1', 'http://rds.yahoo.com/*%s', 'http://r.example.com/?u=%s', 'https://www.google.co.uk/pagead/iclk?sa=l&adurl=%s',
               'http://drs.yahoo.com/x/*%s', 'http://chkpt.zdnet.com/chkpt/x/%s', 'http://www.aol.com/redir.adp?_url=%s', 'http://images.google.ca/imgres?imgurl=x&imgrefurl=%s', 'http://safelinks.example.com/?url=%s', 'http://a/%s', 'https://www.youtube.com/redirect?q=%s')
TAG_PIECES = re.compile(r'\s+')


class Html:
    def __init__(self, chance, words):
        self.chance, self.words = chance, words

    def maybe(self, share):
        return self.chance.random() < share

    def host(self):
        octets = [self.chance.randint(1, 254) for _ in range(4)]
        number = octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]
        roll = self.chance.random()
        if roll < 0.75:
            host = self.words.host()
        elif roll < 0.95:
            host = self.chance.choice(('%d.%d.%d.%d' % tuple(octets), '%d' % number, '0x%x' % number, '0%o' % number, '0x%x.0x%x.0x%x.0x%x' % tuple(octets), '0%o.0%o.%d.0x%x' % tuple(octets), '[2001:db8::1]', '%d.%d' % tuple(octets[:2])))
        else:
            host = self.chance.choice(('localhost', 'intranet', 'com', 'a_b.example.com', '-x.com', 'x..com', 'www.', '.', 'example.com.', 'EXAMPLE.COM', 'exa%6dple.com', 'example&#46;com', 'ex\u00adample.com', 'example。com', 'x.notatld',
                                       'paypal.com.evil.ru', 'a' * 70 + '.com', 'www.example.com:'))
        return host

    def links(self):
        """One link, as somebody would write it in text."""
        roll = self.chance.random()
        host = self.host()
        if roll < 0.1:
            return self.words.mailbox()
        if roll < 0.2:
            return self.chance.choice(('www.', '', 'ftp.', 'WWW.')) + host + self.chance.choice(('', '/', '/x', '/index.html'))
        scheme = self.chance.choice(('http://', 'http://', 'https://', 'https://', 'HTTP://', 'hTTps://', 'ftp://', 'http:', 'http:/', 'http:///', 'http:\\\\', '//', 'mailto:', 'file:///', 'javascript:', 'data:text/html,', 'cid:',
                                     'tel:', 'news:', 'hxxp://', 'http//', 'https:// ', 'www.', 'ssh://', 'sip:', 'callto:', 'bitcoin:', 'skype:', 'mid:', 'about:', 'view-source:http://') if self.maybe(0.35) else ('http://', 'https://'))
        user = self.chance.choice(('user@', 'user:pass@', 'www.paypal.com@', 'a%40b@', '@', 'www.ebay.com:x@')) if self.maybe(0.06) else ''
        port = self.chance.choice((':80', ':443', ':8080', ':', ':0', ':99999', ':80a')) if self.maybe(0.08) else ''
        path = self.chance.choice(('', '', '/', '/index.html', '/a/b/c.php?x=1&y=2', '/?id=%s' % self.words.token(20), '/%7euser', '/%2e%2e/', '/a b', '/x#frag', '?q=1', '#top', '\\x\\y', '/é', '/./../x', '/' + self.words.token(60),
                                   '/x;y=z', '/&amp;a=b', '/login.php?email=%s' % self.words.mailbox(), '/%00', '/a=20b', '/image.gif', '/unsubscribe', '/%E4%BD%A0', '/wp-content/plugins/x.php', '/~bob/', '/x' * 30, '/+~!*', "/o'x", '/(x)', '/{x}', '/|x'))
        link = scheme + user + host + port + path
        if self.maybe(0.07):
            link = self.chance.choice(REDIRECTORS) % (link if self.maybe(0.6) else re.sub(r'[:/?&=]', lambda m: '%%%02X' % ord(m.group(0)), link))
        if self.maybe(0.02):
            link += '/' + self.words.token(self.chance.choice((300, 1000, 3000, 9000)))
        return link

    def attribute(self, name, value):
        if self.maybe(0.04):
            value = value[:3] + self.chance.choice(('\n', '\t', ' ', '&#9;', '%0a', '&amp;', '"', "'")) + value[3:]
        form = self.chance.choice(('%s="%s"',) * 8 + ('%s=%s', "%s='%s'", '%s = "%s"', '%s="%s', '%s=3D"%s"', '%s\n=\n"%s"', '%s=\u201c%s\u201d', '%s=""%s""'))
        return ' ' + form % (name.upper() if self.maybe(0.1) else name, value)

    def style(self):
        chosen = [self.chance.choice(STYLES) for _ in range(self.chance.randint(1, 3))]
        return self.chance.choice((';', '; ', ' ; ')).join(one.replace('%s', self.chance.choice(COLOURS)) for one in chosen)

    def attributes(self, tag):
        out = ''
        if tag in ('a', 'area'):
            out += self.attribute('href', self.links())
        if tag in ('iframe', 'script'):
            out += self.attribute('src', self.links()) if self.maybe(0.6) else ''
        if tag == 'form':
            out += self.attribute('action', self.links())
        if tag == 'font':
            out += self.attribute('color', self.chance.choice(COLOURS)) if self.maybe(0.6) else ''
            out += self.attribute('size', self.chance.choice(('1', '7', '+2', '-3', '0', '12px', 'x'))) if self.maybe(0.5) else ''
            out += self.attribute('face', self.chance.choice(('arial', 'Arial, Helvetica', '!x', 'Tahoma;', '123', 'Comic Sans MS', 'MS \u30b4\u30b7\u30c3\u30af'))) if self.maybe(0.4) else ''
        if tag in ('td', 'table', 'tr', 'body', 'th', 'p', 'div'):
            out += self.attribute('bgcolor', self.chance.choice(COLOURS)) if self.maybe(0.2) else ''
            out += self.attribute('background', self.links()) if self.maybe(0.04) else ''
        if self.maybe(0.3):
            out += self.attribute('style', self.style())
        if self.maybe(0.1):
            out += self.attribute(self.chance.choice(('class', 'id', 'align', 'title', 'onclick', 'data-saferedirecturl', 'width', 'dir', 'lang', 'hidden', 'name')), self.words.token(5))
        return out

    def image(self):
        size = ''.join(self.attribute(name, self.chance.choice(('1', '0', '100', '600', '100%', '50%', '1px', '600px', '', '-1', 'x', '20000'))) for name in ('width', 'height') if self.maybe(0.7))
        return '<img' + self.attribute('src', self.links()) + size + (self.attribute('alt', self.words.words(2)) if self.maybe(0.3) else '') + '>'

    def tree(self, depth):
        out = []
        for _ in range(self.chance.randint(1, 4)):
            roll = self.chance.random()
            if roll < 0.35 or depth == 0:
                out.append(self.running())
            elif roll < 0.45:
                out.append(self.chance.choice(EMPTY))
            elif roll < 0.52:
                out.append(self.image())
            elif roll < 0.56:
                out.append('<!-- %s -->' % self.words.words(3))
            else:
                tag = self.chance.choice(BLOCKS[:20]) if self.maybe(0.7) else self.chance.choice(BLOCKS)
                shown = tag.upper() if self.maybe(0.15) else tag
                inside = self.style_sheet() if tag == 'style' else self.tree(depth - 1)
                end = '</%s>' % shown if self.maybe(0.92) else self.chance.choice(('', '</%s' % shown, '</ %s>' % shown, '</%s foo>' % shown, '<%s>' % shown, '<%s/>' % shown))
                out.append('<%s%s>%s%s' % (shown, self.attributes(tag), inside, end))
        return self.chance.choice(('', '', '\n', ' ')).join(out)

    def style_sheet(self):
        return ' '.join('%s { %s }' % (self.chance.choice(('p', '.x', '#y', 'a:hover', '@media print')), self.style()) for _ in range(3))

    def running(self):
        """A sentence with entities, and tags that split words."""
        made = self.words.sentence()
        pieces = made.split(' ')
        for _ in range(self.chance.choice((0, 0, 1, 3))):
            at = self.chance.randrange(len(pieces))
            pieces[at] += self.chance.choice(ENTITIES)
        if self.maybe(0.06):
            at = self.chance.randrange(len(pieces))
            word = pieces[at]
            cut = len(word) // 2
            pieces[at] = word[:cut] + self.chance.choice(('<!-- x -->', '<b></b>', '<font size=1>x</font>', '<zz>', '</q>', '<span style="display:none">zz</span>', '&#8203;', '<wbr>')) + word[cut:]
        if self.maybe(0.08):
            pieces.append(self.links())
        return ' '.join(pieces)

    def wrap(self, text):
        """Plain text as the HTML beside it."""
        text = text.replace('&', '&amp;').replace('<', '&lt;')
        return '<html><body>%s</body></html>' % re.sub(r'\n+', '<br>\n', text)

    def document(self, hits=()):
        body = self.tree(self.chance.randint(1, 5))
        for octets in hits:
            text = octets.decode('utf-8', 'surrogateescape')
            if self.maybe(0.15):
                text = self.chance.choice(('<b>%s</b>', '<a href="%s">x</a>', '<a href=%s>', '<!-- %s -->', '<td>%s</td>', '<img src="%s">', '<title>%s</title>', '<p>%s')) .replace('%s', text)
            at = self.chance.choice((0, len(body), self.chance.randrange(len(body) + 1)))
            body = body[:at] + self.chance.choice(('\n', ' ', '<br>')) + text + body[at:]
        if self.maybe(0.6):
            head = '<head>%s%s</head>' % ('<title>%s</title>' % self.words.words(3) if self.maybe(0.6) else '', '<style>%s</style>' % self.style_sheet() if self.maybe(0.3) else '')
            body = '<html>%s<body%s>%s</body></html>' % (head if self.maybe(0.8) else '', self.attributes('body'), body)
        return body + self.chance.choice(('', '\n', '\n\n'))
