"""Syslog messages of RFC 5424, framed by octet counting as RFC 5425 (4.3) sends them over TLS."""

from __future__ import annotations

import os
import re
from typing import Final

from api.auditing.entry import Entry
from api.auditing.forms import dicom
from archiver.clock import rfc3339

PRI: Final = 10 * 8 + 5
"""Facility 10 (security/authorization), severity 5 (notice), as ATNA senders use them: 85."""
_BOM: Final = b"\xef\xbb\xbf"
_MSGID: Final = {"dicom": dicom.MSGID, "cef": "CEF", "ocsf": "OCSF", "json": "AUDIT"}
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")
_LARGEST: Final = 2_147_483_647
"""Of `sequenceId` (RFC 5424, 7.3.1), which then begins again at 1."""


def message(entry: Entry, body: str, form: str, host: str) -> bytes:
    """One syslog message. `sequenceId` is the entry's index and one more, so that a receiver can see gaps."""
    name = _UNPRINTABLE.sub("-", host)[:255] or "-"
    head = (
        f"<{PRI}>1 {rfc3339(entry.at)} {name} holdfast {os.getpid()} {_MSGID[form]} "
        f'[meta sequenceId="{entry.n % _LARGEST + 1}"] '
    )
    # RFC 5424, 6.4: UTF-8 says so by its mark. Readers of CEF and JSON take the mark for content.
    mark = _BOM if form == "dicom" else b""
    return head.encode("ascii") + mark + body.encode("utf-8", "replace")


def framed(message_: bytes) -> bytes:
    """MSG-LEN SP SYSLOG-MSG (RFC 5425, 4.3)."""
    return b"%d %s" % (len(message_), message_)
