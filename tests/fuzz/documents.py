"""Targets: the documents inside mail, read in process as the extraction child reads them."""

# ruff: noqa: E501
# Bytes as programs write them.

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import get_args

from archiver.capture.files.emlx import emlx_item
from archiver.capture.files.items import Spot
from archiver.capture.files.msg import msg_item
from archiver.message.charsets import clean
from archiver.message.extract.context import Context
from archiver.message.extract.excel import text_boxes
from archiver.message.extract.faults import Damaged, TooDeep, TooLarge, Unreadable
from archiver.message.extract.limits import Limits
from archiver.message.extract.lzfu import decompress_rtf
from archiver.message.extract.msg import open_msg
from archiver.message.extract.readers import READERS
from archiver.message.extract.sniff import sniff
from archiver.message.extract.tnef import open_tnef
from archiver.message.extract.xmltext import xml_text
from archiver.message.html import html_to_text
from archiver.message.model import TextStatus
from archiver.message.rtf import rtf_text
from tests.archiver.capture import ole_writer
from tests.support import documents

LIMITS = Limits(text=1 << 16, unpacked=1 << 20, entries=50, depth=3)
SPOT = Spot("f", "f", "", b"f")


def check_text(text: str) -> None:
    """What goes into the index must be Unicode that UTF-8 can carry, without NUL."""
    text.encode("utf-8")
    assert "\0" not in text


def rtf(data: bytes) -> None:
    """Any bytes give text; none of them an error."""
    rtf_text(data)[0].encode("utf-8")
    rtf_text(b"{\\rtf1 " + data)[0].encode("utf-8")


def html(data: bytes) -> None:
    """Any bytes give text, of HTML and of XML."""
    clean(html_to_text(data.decode("latin-1"))).encode("utf-8")
    with contextlib.suppress(Unreadable):
        xml_text(data).encode("utf-8")


def lzfu(data: bytes) -> None:
    """Compressed RTF is unpacked within its stated size, or refused by our own errors."""
    with contextlib.suppress(Damaged, TooLarge):
        found = decompress_rtf(data)
        assert len(found) <= int.from_bytes(data[4:8], "little")


def tnef(data: bytes) -> None:
    """A winmail.dat gives a message or one of our own errors, and so does the reader of its text."""
    with contextlib.suppress(Damaged, TooDeep, TooLarge):
        open_tnef(data)
    _read("tnef", data)


def msg(data: bytes) -> None:
    """An Outlook file is converted or refused, by both who read it; the same bytes for the same file."""
    with contextlib.suppress(Damaged, TooDeep, TooLarge):
        open_msg(data)
    item = msg_item(SPOT, data)
    assert (item.raw is None) == (item.why is not None)
    assert msg_item(SPOT, data).raw == item.raw


def emlx(data: bytes) -> None:
    """An .emlx gives a message that lies in its bytes, or a reason."""
    item = emlx_item(SPOT, data)
    assert (item.raw is None) == (item.why is not None)
    assert item.raw is None or (isinstance(item.raw, bytes) and item.raw in data)


def office(data: bytes) -> None:
    """Old Word, Excel and PowerPoint files, ZIPs of any kind and the rest end with a status."""
    _read(sniff(data, ""), data)
    for kind in ("ole", "biff"):
        _read(kind, data)
    text_boxes(data)


def packed(data: bytes) -> None:
    """Archives of every kind stay within their bounds."""
    for kind in ("zip", "7z", "tar", "gzip", "bzip2", "xz"):
        _read(kind, data)


def calendar(data: bytes) -> None:
    """Plain text, calendars, cards and tables of any charset."""
    for kind in ("text", "markup", "html"):
        _read(kind, data)


def _read(kind: str, data: bytes) -> None:
    context = Context(LIMITS, READERS, "f")
    assert context.read(kind, data) in get_args(TextStatus)
    text = context.text()
    check_text(text)
    assert len(text) <= LIMITS.text + len(context.inner) + 1
    for inner in context.inner:
        assert inner.status in get_args(TextStatus)


def seeds() -> list[bytes]:
    """One small document of every kind that we can write, and parts of them."""
    made = [
        documents.docx("quill"), documents.xlsx("quill"), documents.pptx("quill"), documents.odt("quill"),
        documents.doc("quill"), documents.xls("quill"), documents.ppt("quill"), documents.pdf("quill"),
        documents.biff("quill"), documents.msg("quill", "body", {"a.txt": b"attached"}),
        documents.tnef("quill", {"a.txt": b"attached"}), documents.tarred({"a.txt": b"quill"}),
        documents.zipped({"a/b.txt": "quill", "c.zip": documents.zipped({"d": "quill"})}),
        ole_writer.Msg(ole_writer_props()).bytes(),
        b"{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0\\fcharset128 A;}}\\f0 \\u8364?\\'e9 {\\*\\htmltag &eacute;}\\par}",
        b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00rcpg125\x42\x32\x0a\xf3\x20hel\x09\x00\x20bw\x05\xb0ld}\x0a\x80\x0f\xa0",
        b"20\nSubject: quill\n\nbody\n<?xml version='1.0'?><plist><dict><key>flags</key><integer>1</integer></dict></plist>",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY;CHARSET=UTF-8:qu\r\n ill\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        b"<html><style>p{}</style><p>qu&#105;ll<!-- --><![CDATA[x]]><script>a</script></html>",
    ]  # fmt: skip
    folder = Path(__file__).parents[1] / "museum" / "mail"
    return made + [path.read_bytes() for path in sorted(folder.glob("*html*.eml"))]


def ole_writer_props() -> dict[int, object]:
    """A message's commonest properties."""
    return {0x0037: "quill", 0x1000: "body", 0x0C1F: "ann@clinic.example", 0x1013: b"<p>quill</p>"}
