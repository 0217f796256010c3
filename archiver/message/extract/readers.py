"""All readers by kind. Importing this loads every library that one of them needs: only the child does."""

from __future__ import annotations

from archiver.message.extract.archives import read_bzip2, read_gzip, read_tar, read_xz
from archiver.message.extract.context import Context, Reader
from archiver.message.extract.excel import read_biff
from archiver.message.extract.limits import Limits
from archiver.message.extract.mail import read_mail
from archiver.message.extract.ocr import read_image
from archiver.message.extract.office import read_zip
from archiver.message.extract.ole import read_ole
from archiver.message.extract.pdf import read_pdf
from archiver.message.extract.plain import read_html, read_markup, read_rtf, read_text
from archiver.message.extract.sevenzip import read_7z
from archiver.message.extract.tnef import read_tnef

READERS: dict[str, Reader] = {
    "text": read_text,
    "html": read_html,
    "markup": read_markup,
    "rtf": read_rtf,
    "pdf": read_pdf,
    "zip": read_zip,
    "ole": read_ole,
    "biff": read_biff,
    "tnef": read_tnef,
    "7z": read_7z,
    "gzip": read_gzip,
    "bzip2": read_bzip2,
    "xz": read_xz,
    "tar": read_tar,
    "image": read_image,
    "mail": read_mail,
}

_SAMPLES = {
    "text": b"a",
    "html": b"<p>a",
    "rtf": rb"{\rtf1 a}",
    "pdf": b"%PDF-1.4\ntrailer<<>>\n%%EOF",
    "zip": b"PK\x05\x06" + bytes(18),
    "ole": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1024),
    "biff": b"\x09\x08\x10\x00\x00\x06\x05\x00" + bytes(24),
    "tar": bytes(1024),
    "mail": b"Subject: a\r\nDate: Tue, 3 Feb 2026 10:00:00 -0500\r\n\r\nb",
}


def warm_up() -> None:
    """Read a little of each kind, so that what libraries load on first use is loaded."""
    for kind, data in _SAMPLES.items():
        Context(Limits(), READERS).read(kind, data)
