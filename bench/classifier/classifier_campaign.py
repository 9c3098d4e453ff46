"""classifier_campaign.py - mail as a gateway sees it on a bad day, made from a corpus: mailings that come to many, between mail that comes once.

A campaign is a message of the corpus sent again and again: other recipients, Message-ID, Date and boundary, other relays' ids and times in its
Received fields, and where its text has web addresses, an id of the recipient behind each. The rest stays. The same corpus gives the same
mix: all is drawn from a fixed seed.
"""
import random
import re

SHARE = 0.6  # of messages that belong to a campaign
SIZE_MEDIAN, SIZE_SPREAD, SIZE_MAX = 12, 1.0, 200  # messages of a campaign: lognormal
NAMES = ("anna", "bert", "carla", "dieter", "emma", "frank", "grete", "hans", "ida", "jon", "karin", "lars", "maria", "nils", "olga", "paul")
FIELD = re.compile(rb"^(to|message-id|date|received|delivered-to|x-original-to|content-type)[ \t]*:", re.I)
# In text that is encoded an address cannot be changed as octets: it stays.
ADDRESS = re.compile(rb"(https?://[A-Za-z0-9.-]+/[^\s\"'<>)\]=]{2,200})(?=[\s\"'<>)])")
DIGITS = re.compile(rb"(?<=[0-9])[0-9](?=[0-9])")


def with_crlf(content):
    if content.startswith(b"From "):
        content = content.partition(b"\n")[2]
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def fields(head):
    """The fields of a header, each with its folds."""
    found = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and found:
            found[-1] += b"\r\n" + line
        else:
            found.append(line)
    return found


def other_digits(text, draw):
    """Other times and ids, of the same form."""
    return DIGITS.sub(lambda _: str(draw.randrange(10)).encode(), text)


def changed_field(field, name, recipient, draw):
    if name == b"to":
        return b"To: " + recipient
    if name in (b"delivered-to", b"x-original-to"):
        return field.partition(b":")[0] + b": " + recipient
    if name == b"message-id":
        return b"Message-ID: <%016x@%s" % (draw.getrandbits(64), field.partition(b"@")[2] or b"localhost>")
    if name == b"date":
        return re.sub(rb"\d\d:\d\d:\d\d", b"%02d:%02d:%02d" % (draw.randrange(24), draw.randrange(60), draw.randrange(60)), field)
    if name == b"received":
        return other_digits(field, draw)
    return field


def copy_of(content, draw):
    """The message as it comes to one more recipient."""
    head, gap, body = content.partition(b"\r\n\r\n")
    recipient = f"{draw.choice(NAMES)}.{draw.randrange(10 ** 4)}@example.com".encode()
    mark = re.search(rb"boundary=\"?([^\";\s]{8,70})", head)
    lines = []
    for field in fields(head):
        known = FIELD.match(field)
        lines.append(changed_field(field, known.group(1).lower(), recipient, draw) if known else field)
    token = b"%010x" % draw.getrandbits(40)
    body = ADDRESS.sub(lambda found: found.group(1) + (b"&" if b"?" in found.group(1) else b"?") + b"u=" + token, body)
    message = b"\r\n".join(lines) + gap + body
    return message.replace(mark.group(1), b"%s%08x" % (mark.group(1)[:-8], draw.getrandbits(32))) if mark else message


def make(contents, count):
    """`count` messages in the order they come, and what they are. Campaigns go on for a while beside each other."""
    draw = random.Random("campaigns")
    contents = [with_crlf(content) for content in contents]
    draw.shuffle(contents)
    made, wanted, campaigns, sizes = [], int(count * SHARE), 0, []
    while len(made) < wanted:
        template, size = contents[campaigns % len(contents)], min(int(draw.lognormvariate(0, SIZE_SPREAD) * SIZE_MEDIAN) + 2, SIZE_MAX)
        size = min(size, wanted - len(made))
        at, span = draw.random(), 0.02 + 0.2 * draw.random()
        made += [(at + span * draw.random(), copy_of(template, draw)) for _ in range(size)]
        sizes.append(size)
        campaigns += 1
    single = contents[campaigns:campaigns + count - wanted]
    made += [(1.2 * draw.random(), content) for content in single]
    made.sort(key=lambda one: one[0])
    messages = [content for _, content in made]
    return messages, {"messages": len(messages), "in_campaigns": sum(sizes), "campaigns": campaigns, "campaign_median": sorted(sizes)[len(sizes) // 2],
                      "mean_bytes": round(sum(map(len, messages)) / len(messages))}
