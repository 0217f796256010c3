"""Targets: what comes over a wire, from clients of the SMTP door and from mailbox servers."""

# ruff: noqa: E501
# Bytes as programs write them.

from __future__ import annotations

import contextlib
import re

from archiver.capture.imap.answers import read_fetched, read_folders, read_state, read_statuses
from archiver.capture.imap.names import BadNameError, decode_name, encode_name, label
from archiver.capture.imap.protocol import Oversize
from archiver.capture.journal.envelope_part import read_envelope_part
from archiver.capture.smtp.syntax import (
    BadCommandError,
    read_chunk,
    read_path,
    split_plus,
    take_mail_parameters,
)

_LITERAL = re.compile(rb"\{(\d{1,4})\}\r\n")


def answers(data: bytes) -> None:
    """Whatever a mailbox server says is read without an error; a body is one that it sent."""
    lines = said(data)
    bodies = [bytes(line) for line in lines if isinstance(line, bytearray)]
    for fetched in read_fetched(lines):
        assert fetched.uid is None or 0 <= fetched.uid < 10**10
        assert fetched.body is None or fetched.body in bodies or fetched.body in data.replace(b"\\", b"")
    for folder in read_folders(lines):
        folder.name.encode("utf-8", "surrogateescape")
    read_statuses(lines)
    assert read_state(lines).exists >= 0


def said(data: bytes) -> list[bytes | bytearray]:
    """An answer as the protocol hands it on: lines as `bytes`, literals as `bytearray`."""
    lines: list[bytes | bytearray] = []
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        line = data[at:end]
        lines.append(line)
        literal = re.search(rb"\{(\d{1,20})\}\Z", line)
        at = end + 2
        if literal:
            size = int(literal[1])
            lines.append(Oversize() if size > 4_096 else bytearray(data[at : at + size]))
            at += min(size, len(data) - at)
    lines.append(data[at:])
    return lines


def names(data: bytes) -> None:
    """Mailbox names survive the way there and back, or are refused."""
    label(data)
    with contextlib.suppress(BadNameError):
        name = decode_name(data)
        with contextlib.suppress(UnicodeEncodeError):
            assert decode_name(encode_name(name)) == name


def commands(data: bytes) -> None:
    """MAIL, RCPT and BDAT are read or refused by our own error."""
    text = data.decode("utf-8", "surrogateescape")
    for keyword in ("FROM:", "TO:"):
        for argument in (text, keyword + text, f"{keyword}<{text}>"):
            with contextlib.suppress(BadCommandError):
                address, parameters = read_path(keyword, argument)
                split_plus(address)
                size, _ = take_mail_parameters(parameters)
                assert size >= 0
    with contextlib.suppress(BadCommandError):
        assert read_chunk(text)[0] >= 0
    split_plus(text)


def envelope(data: bytes) -> None:
    """A journal envelope of any bytes and charset gives recipients with an address, or none."""
    for charset in ("", "utf-8", "utf-16", "iso-2022-jp", "x-no-such"):
        for html in (False, True):
            part = read_envelope_part(data, charset, html=html)
            if part is not None:
                for recipient in part.envelope.recipients:
                    assert recipient.address


def seeds() -> list[bytes]:
    """Answers, commands and an envelope as real programs write them."""
    return [
        b'1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE " 3-Feb-2026 10:00:00 +0100" RFC822.SIZE 5 BODY[] {5}\r\n'
        b'quill)\r\n2 FETCH (UID 8 X-GM-LABELS ("\\\\Inbox" &AOk-) BODY[] "x")\r\nOK done',
        b'(\\HasNoChildren \\Sent) "/" "Sent &AOk- Items"\r\n(\\Noselect) "/" {3}\r\na/b\r\n() NIL INBOX\r\nOK',
        b'STATUS "INBOX" (UIDVALIDITY 3 UIDNEXT 9)\r\n17 EXISTS\r\nOK [UIDVALIDITY 9] x\r\nOK [UIDNEXT 4]\r\nOK',
        b"Entw&APw-rfe &- &ZeVnLIqe-",
        b'<@a,@b:"x y\\" z"@c.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS',
        b"feed+ann=clinic.example@journal.host",
        b"86 LAST",
        b"Sender: dr.lee@clinic.example\r\nOn-Behalf-Of: desk@clinic.example\r\nSubject: Lab\r\n"
        b"Message-Id: <m1@clinic.example>\r\nTo: nurse@clinic.example, Expanded: ward3@clinic.example\r\n"
        b"Cc: a@clinic.example, Forwarded: b@clinic.example\r\nBcc: c@law.example\r\nSentUtc: 2/3/2026 10:00:00 AM\r\n",
    ]
