"""Made-up mail for the tests: small, distinct, deterministic."""

from __future__ import annotations

import random
from email.message import EmailMessage


def numbered(number: int, size: int = 400, *, stream: str = "load") -> bytes:
    """A plain message of about `size` bytes whose content says its number; CRLF line ends."""
    chance = random.Random(f"{stream}-{number}")
    lines = [
        f"From: sender{number % 7}@clinic.example",
        f"To: reader{number % 5}@clinic.example",
        f"Subject: {stream} message {number}",
        f"Message-ID: <{stream}-{number}@clinic.example>",
        f"Date: Tue, {number % 28 + 1:02d} Feb 2022 10:00:00 +0000",
        "",
    ]
    while sum(map(len, lines)) < size:
        lines.append(f"{number} " + " ".join(f"{chance.getrandbits(32):08x}" for _ in range(7)))
    return "\r\n".join(lines).encode() + b"\r\n"


def bulky(number: int, size: int, *, stream: str = "bulk") -> bytes:
    """A message with an attachment of `size` random bytes, which nothing can compress."""
    message = EmailMessage()
    message["From"] = "sender@clinic.example"
    message["To"] = "reader@clinic.example"
    message["Subject"] = f"{stream} {number}"
    message["Message-ID"] = f"<{stream}-{number}@clinic.example>"
    message.set_content("see the attachment\n")
    content = random.Random(f"{stream}-{number}").randbytes(size)
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename="scan.bin")
    # The generator draws boundaries at random; the same number must give the same bytes.
    message.set_boundary(f"=={stream}-{number}==")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
