"""Text, HTML and RTF: what needs no library to take it apart but the HTML parser."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from archiver.message.charsets import decode_bytes
from archiver.message.extract.faults import Damaged, TooLarge
from archiver.message.extract.sniff import META_CHARSET
from archiver.message.html import html_to_text
from archiver.message.rtf import rtf_text

if TYPE_CHECKING:
    from archiver.message.extract.context import Context


def read_text(data: bytes, context: Context) -> None:
    """Add text in whatever charset it is; input past four bytes a character allowed is left out."""
    _add(data, 4, context, lambda part: decode_bytes(part)[0].replace("\r\n", "\n"))


def read_html(data: bytes, context: Context) -> None:
    """Add the visible text of a page in the charset that it declares."""
    meta = META_CHARSET.search(data, 0, 4096)
    charset = meta.group(1).decode("ascii") if meta else ""
    _add(data, 2, context, lambda part: html_to_text(decode_bytes(part, charset)[0]))


def read_markup(data: bytes, context: Context) -> None:
    """Add the visible text of a page that the parser has decoded: it is UTF-8."""
    _add(data, 4, context, lambda part: html_to_text(part.decode("utf-8", "replace")))


def read_rtf(data: bytes, context: Context) -> None:
    """Add the text of RTF, or of the HTML that it wraps."""
    most = 2 * context.limits.text + 1024
    text, good = rtf_text(data[:most])
    context.add(text)
    if len(data) > most:
        raise TooLarge
    if not good:
        raise Damaged


def _add(data: bytes, share: int, context: Context, decode: Callable[[bytes], str]) -> None:
    most = share * context.limits.text + 1024
    context.add(decode(data[:most]))
    if len(data) > most:
        raise TooLarge
