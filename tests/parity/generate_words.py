"""generate_words.py - words, names and texts for generate.py: own ones, and pieces of messages in a folder."""
import os
import re

CHARSETS = ('utf-8', 'utf-8', 'utf-8', 'UTF8', 'iso-8859-1', 'ISO-8859-1', 'iso-8859-15', 'iso-8859-2', 'iso-8859-5', 'iso-8859-7', 'iso-8859-8-i', 'iso-8859-9',
            'windows-1250', 'windows-1251', 'windows-1252', 'Windows-1252', 'windows-1253', 'windows-1255', 'windows-1256', 'windows-1257', 'windows-1258', 'windows-874',
            'koi8-r', 'KOI8-R', 'koi8-u', 'us-ascii', 'ascii', 'iso-2022-jp', 'ISO-2022-JP', 'iso-2022-kr', 'shift_jis', 'Shift-JIS', 'euc-jp', 'gb2312', 'GB2312', 'gbk', 'gb18030', 'hz-gb-2312',
            'big5', 'big5-hkscs', 'euc-kr', 'ks_c_5601-1987', 'cp949', 'utf-16', 'utf-16le', 'utf-16be', 'utf-7', 'utf-32', 'tis-620', 'cp437', 'ibm866', 'cp850', 'macintosh',
            'x-mac-cyrillic', 'unknown-8bit', 'x-user-defined', 'default', 'unicode', 'cp1252', 'latin1', 'ansi_x3.4-1968', '_iso-2022-jp$esc', 'iso-8859-16', 'charset', '')
CODECS = {'iso-8859-8-i': 'iso-8859-8', 'windows-874': 'cp874', 'hz-gb-2312': 'hz', 'ks_c_5601-1987': 'cp949', 'x-mac-cyrillic': 'mac_cyrillic', 'macintosh': 'mac_roman',
          'unicode': 'utf-16', '_iso-2022-jp$esc': 'iso-2022-jp', 'ibm866': 'cp866', 'ansi_x3.4-1968': 'ascii'}
SCRIPTS = (
    'the offer for your account is ready please confirm click here to see free money now we have sent an order of goods to you dear friend bank transfer million dollars '
    'viagra meds cheap price loan credit approved winner lottery unsubscribe remove password security update invoice payment attached thanks best regards',
    'résumé naïve façade cœur garçon déjà été Gewinn Überweisung schöne Grüße Straße año señor niño información crédito você não promoção', '„Zażółć gęślą jaźń“ příliš žluťoučký kůň',
    'Привет здравствуйте деньги кредит выиграли заработок Москва скидка бесплатно реклама рассылка', 'Καλημέρα χρήματα δωρεάν προσφορά', 'שלום כסף חינם מבצע', 'مرحبا المال مجانا عرض',
    'こんにちは 無料 お金 未承諾広告 出会い ビジネス カタカナ', '你好 免费 发票 公司 优惠 培训 课程 贷款', '免費 優惠 公司 課程', '안녕하세요 무료 광고 대출 돈', 'สวัสดี เงิน ฟรี', 'xin chào miễn phí tiền được',
    '😀 💰 🎁 ✅', 'ｆｒｅｅ ｍｏｎｅｙ 𝐅𝐫𝐞𝐞 𝓂𝑜𝓃𝑒𝓎 ①②③', 'v\u200bi\u200ba\u200bg\u200br\u200ba \ufefffree\u00a0money \u00adsoft\u00adhyphen \u2028line \u3000wide \u202eright', '“smart” ‘quotes’ – dash — … € £ ¥ © ® ™ • ½')
HOSTS = ('mail', 'smtp', 'mx1', 'out', 'www', 'web', 'shop', 'relay-3', 'dsl-12-34', 'ip-198-51-100-7', 'host7', 'static.client', 'cpe')
DOMAINS = ('example.com', 'example.org', 'sender.example', 'gmail.com', 'yahoo.com', 'hotmail.com', 'outlook.com', 'aol.com', 'google.com', 'microsoft.com', 'paypal.com', 'ebay.co.uk', 'spam.ru',
           'shop.cn', 'news.info', 'firm.biz', 'x.top', 'y.xyz', 'z.click', 'uni.edu', 'gov.ng', 'mail.ru', 'web.de', 'free.fr', 'comcast.net', 'sendgrid.net', 'amazonaws.com', 'github.io',
           'blogspot.com', 'co.uk', 'xn--e1afmkfd.xn--p1ai', 'bücher.example', 'пример.рф', 'localhost', 'domain.local', 'apple.com', 'facebook.com', 'linkedin.com', 'bit.ly', 'tinyurl.com')
ENDS = ('.', '.', '!', '?', '!!!', '...', ':', ',', '')
ADDRESSES = ('10.0.0.%d', '192.168.1.%d', '127.0.0.1', '172.16.3.%d', '198.51.100.%d', '203.0.113.%d', '8.8.8.%d', '66.218.66.%d', '64.233.160.%d', '209.85.128.%d', '40.92.1.%d', '2001:db8::%x',
             '2a00:1450:4864:20::%x', 'fe80::%x', '::1', '::ffff:192.0.2.%d', '100.64.1.%d', '169.254.0.%d', '224.0.0.%d', '0.0.0.0', '255.255.255.%d', '1.2.3.%d', '41.58.0.%d')


class Words:
    def __init__(self, folder, received):
        self.chance = None
        self.bodies, self.heads, self.lines, self.received = [], [], [], []
        if received:
            with open(received, encoding='latin-1') as file:
                self.received = [line.strip() for line in file if line.strip()]
        for path in sorted(os.path.join(at, name) for at, _, names in os.walk(folder or '/nonexistent') for name in names):
            with open(path, 'rb') as file:
                self.take(file.read(200000))

    def take(self, data):
        """A message of the folder: its headers, those about its body, its body."""
        data = data.replace(b'\r\n', b'\n')
        head, _, body = data.partition(b'\n\n')
        fields = re.findall(rb'(?m)^([!-9;-~]+):((?:.|\n[ \t])*)\n?', head)
        if not fields or not body:
            return
        own = b''.join(name + b':' + value + b'\n' for name, value in fields if name.lower().startswith(b'content-'))
        self.bodies.append((own, body))
        self.heads.append([(name.decode('latin-1'), value.lstrip(b' ')) for name, value in fields if not name.lower().startswith((b'content-', b'mime-version'))])

    def token(self, length):
        return ''.join(self.chance.choice('abcdefghijklmnopqrstuvwxyz0123456789') for _ in range(length))

    def number(self, digits):
        return ''.join(self.chance.choice('0123456789') for _ in range(digits))

    def domain(self):
        return self.chance.choice(DOMAINS)

    def host(self):
        return self.domain() if self.chance.random() < 0.4 else '%s.%s' % (self.chance.choice(HOSTS), self.domain())

    def address(self):
        pattern = self.chance.choice(ADDRESSES)
        return pattern % self.chance.randint(1, 254) if '%' in pattern else pattern

    def mailbox(self):
        local = self.chance.choice((self.token(6), 'john.doe', 'info', 'a', 'no-reply', 'bounce+%s=%s' % (self.token(4), self.domain()), self.token(30), 'jöhn', '"a b"', 'x_y-z', self.number(8)))
        return '%s@%s' % (local, self.host())

    def words(self, count, script=None):
        script = script or self.chance.choice(SCRIPTS if self.chance.random() < 0.4 else SCRIPTS[:1])
        pool = script.split(' ')
        return ' '.join(self.chance.choice(pool) for _ in range(count))

    def sentence(self, script=None):
        made = self.words(self.chance.randint(1, 14), script)
        if self.chance.random() < 0.15:
            made = made.upper()
        elif self.chance.random() < 0.7:
            made = made[:1].upper() + made[1:]
        return made + self.chance.choice(ENDS)

    def text(self, paragraphs, links, hits=()):
        """Plain text: paragraphs, links, and the texts rules look for."""
        script = self.chance.choice(SCRIPTS) if self.chance.random() < 0.3 else None
        out = []
        for _ in range(paragraphs):
            width = self.chance.choice((1, 2, 4, 30))
            joint = self.chance.choice((' ', ' ', '  ', '\n', '\t', ' \n'))
            piece = joint.join(self.sentence(script) for _ in range(self.chance.randint(1, width)))
            if self.chance.random() < 0.25:
                piece += self.chance.choice((' ', '\n', ' <', ' (', '"', ': ')) + links() + self.chance.choice((' ', '\n', '>', ')', '"', '.', ',', '…', "'s", '...', '!'))
            if self.chance.random() < 0.08:
                piece = self.chance.choice(('> ', '>', '  ', '* ', '-- \n', '\t', '_' * 70 + '\n', 'On Mon, someone wrote:\n> ')) + piece
            if self.chance.random() < 0.02:
                piece += self.token(self.chance.choice((100, 2047, 2048, 2049, 4100)))
            out.append(piece)
        for text in hits:
            if self.chance.random() < 0.85:
                out.insert(self.chance.randrange(len(out) + 1), shown(text))
        return self.chance.choice(('\n\n', '\n', '\n\n\n', '\n \n', ' ')).join(out) + self.chance.choice(('', '\n', '\n\n'))

    def octets(self, text, charset):
        """Text in a character set; octets that texts of rules brought stay as they are."""
        codec = CODECS.get(charset.lower(), charset.lower())
        out = []
        for piece in re.split('([\udc80-\udcff]+)', text):
            if piece and '\udc80' <= piece[0] <= '\udcff':
                out.append(piece.encode('ascii', 'surrogateescape'))
                continue
            try:
                out.append(piece.encode(codec, 'replace' if self.chance.random() < 0.8 else 'ignore'))
            except (LookupError, UnicodeError):
                out.append(piece.encode('utf-8', 'replace'))
        return b''.join(out)

    def some_octets(self, count):
        return self.chance.randbytes(count)


def shown(octets):
    """Octets of a rule's text as text: UTF-8 where it is, else octets that octets() gives back."""
    return octets.decode('utf-8', 'surrogateescape')
