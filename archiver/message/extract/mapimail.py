"""Text of a mail kept as MAPI properties: what MSG files and TNEF parts come to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from archiver.message.charsets import decode_bytes
from archiver.message.extract import mapi
from archiver.message.extract.archives import short_name
from archiver.message.extract.faults import Unreadable
from archiver.message.extract.lzfu import decompress_rtf
from archiver.message.extract.mapi import Item
from archiver.message.extract.sniff import sniff
from archiver.message.html import html_to_text
from archiver.message.rtf import rtf_text

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

_SHOWN = (
    mapi.SUBJECT, mapi.SENDER_NAME, mapi.SENDER_ADDRESS, mapi.SENDER_SMTP, mapi.SENT_REPRESENTING_NAME,
    mapi.DISPLAY_TO, mapi.DISPLAY_CC, mapi.DISPLAY_BCC,
)  # fmt: skip
_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,80}\Z")


def read_message(message: Item, context: Context) -> None:
    """Add a message's header and text, then read its attachments."""
    lines = [message.text(name) for name in _SHOWN]
    for person in message.recipients:
        lines += [
            mapi.text_of(person, name) for name in (mapi.DISPLAY_NAME, mapi.SMTP_ADDRESS, mapi.EMAIL_ADDRESS)
        ]
    context.add("\n".join(dict.fromkeys(filter(None, lines))))
    fault = _read_bodies(message, context)
    for number, attachment in enumerate(message.attachments, 1):
        context.entry()
        name = short_name(attachment.filename or f"attachment-{number}")
        declared = attachment.content_type
        content_type = declared if _TYPE.match(declared) else "application/octet-stream"
        if attachment.item is not None:
            _read_embedded(attachment.item, name, context)
            continue
        data = attachment.data or b""
        context.unpacked(len(data))
        context.nested(name, sniff(data, name, content_type), data, content_type)
    if fault is not None:
        raise fault


def _read_bodies(message: Item, context: Context) -> Unreadable | None:
    """Each form of the body that says something of its own; a damaged one is told, not fatal."""
    plain = message.text(mapi.BODY)
    context.add(plain)
    said = _words(plain)
    html = message.properties.get(mapi.HTML)
    if isinstance(html, (bytes, str)):
        charset = mapi.charset_of(message.properties.get(mapi.INTERNET_CODEPAGE))
        text = html_to_text(decode_bytes(html, charset)[0] if isinstance(html, bytes) else html)
        if _words(text) != said:
            context.add(text)
    packed = message.properties.get(mapi.RTF_COMPRESSED)
    if isinstance(packed, bytes) and packed and not (said or html):
        try:
            text, good = rtf_text(decompress_rtf(packed))
        except Unreadable as why:
            return why
        context.add(text)
        if not good:
            return Unreadable("damaged")
    return None


def _read_embedded(message: Item, name: str, context: Context) -> None:
    with context.inside(name, "application/vnd.ms-outlook") as entered:
        if entered:
            read_message(message, context)


def _words(text: str) -> str:
    return " ".join(text.split())
