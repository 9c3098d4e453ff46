"""classifier_mix.py - mail as gateways see it, made from a corpus: most of it plain and small, some with attachments that are most of the octets.

Corpora of spam and ham keep hardly any attachment. A mix takes messages of a corpus as they are and hangs attachments on some of them: the
message becomes the first part of a multipart/mixed, and what is attached has a true beginning (a picture's size is read from it) and random
octets behind it, as compressed files have. The same corpus gives the same mix: all is drawn from a fixed seed.
"""
import base64
import random
import struct

MEAN_BYTES = 75000
WITH_ATTACHMENT = 0.28  # of messages
# Kind, share of attachments, median octets before base64, what its name ends in.
KINDS = (("image/jpeg", 0.40, 70000, "jpg"), ("application/pdf", 0.30, 90000, "pdf"), ("image/png", 0.15, 15000, "png"),
         ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", 0.10, 60000, "docx"),
         ("application/zip", 0.05, 200000, "zip"))
SPREAD = 1.0  # of the logarithm of sizes
ATTACHMENT_BYTES_MAX = 6 << 20


def beginning(kind, draw):
    width, height = draw.randrange(200, 4000), draw.randrange(200, 3000)
    if kind == "image/jpeg":
        return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x48\x00\x48\x00\x00\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03"
    if kind == "image/png":
        return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" if kind == "application/pdf" else b"PK\x03\x04\x14\x00\x06\x00\x08\x00"


def attachment(draw, scale):
    kind, _, median, ending = draw.choices(KINDS, [row[1] for row in KINDS])[0]
    size = min(int(draw.lognormvariate(0, SPREAD) * median * scale), ATTACHMENT_BYTES_MAX)
    name = f"file-{draw.randrange(10 ** 6)}.{ending}"
    # Octets of their own draw: what comes after does not depend on how many there are.
    octets = (beginning(kind, draw) + random.Random(name).randbytes(size))[:size]
    head = (f'Content-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment; filename="{name}"\r\n\r\n')
    return head.encode() + base64.encodebytes(octets).replace(b"\n", b"\r\n")


def split_fields(head):
    """The fields that describe the content, and the others; each with its folds."""
    content, others, current = [], [], None
    for line in head.split(b"\r\n"):
        if not line[:1] in (b" ", b"\t"):
            current = content if line[:8].lower() == b"content-" else others
        if current is not None:
            current.append(line)
    return content, [line for line in others if not line.lower().startswith(b"mime-version:")]


def attach(message, draw, scale, boundary):
    """The message within a multipart/mixed, with one to three attachments; as it is when it has no body."""
    head, gap, body = message.partition(b"\r\n\r\n")
    if not gap:
        return message
    content, others = split_fields(head)
    parts = [b"\r\n".join(content) + b"\r\n\r\n" + body]
    parts += [attachment(draw, scale) for _ in range(draw.choices((1, 2, 3), (0.7, 0.2, 0.1))[0])]
    mark = b"\r\n--" + boundary
    top = b"\r\n".join(others + [b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="' + boundary + b'"'])
    return top + b"\r\n" + b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"


def with_crlf(content):
    """As on the wire, without the line a mailbox file puts in front."""
    if content.startswith(b"From "):
        content = content.partition(b"\n")[2]
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def draw_mix(contents, scale):
    mixed, attached = [], 0
    for index, content in enumerate(contents):
        draw = random.Random(f"{index}")
        content = with_crlf(content)
        if draw.random() < WITH_ATTACHMENT:
            content = attach(content, draw, scale, f"=_mix_{index}".encode())
            attached += 1
        mixed.append(content)
    return mixed, attached


def make(contents):
    """Messages whose mean size on the wire is MEAN_BYTES, and what they are."""
    scale = 1.0
    for _ in range(6):  # sizes are scaled until their mean is what it should be
        mixed, attached = draw_mix(contents, scale)
        plain = sum(len(with_crlf(content)) for content in contents) / len(contents)
        mean = sum(len(message) for message in mixed) / len(mixed)
        if abs(mean - MEAN_BYTES) < MEAN_BYTES / 200 or mean <= plain:
            break
        scale *= (MEAN_BYTES - plain) / (mean - plain)
    sizes = sorted(len(message) for message in mixed)
    return mixed, {"messages": len(mixed), "with_attachment": attached, "mean_bytes": round(mean), "plain_mean_bytes": round(plain),
                   "median_bytes": sizes[len(sizes) // 2], "p90_bytes": sizes[len(sizes) * 9 // 10], "max_bytes": sizes[-1]}
