"""Failure reports (RFC 3464): which mail of ours they say came back."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.errors import MessageError
from typing import Final

MAX_BOUNCE: Final = 2**20
_MESSAGE_ID: Final = re.compile(rb"<notice-(l[a-z2-7]{15,31})@")


def returned_mail(report: bytes) -> str | None:
    """The id of the mail that a report says wasn't delivered; None for a mail that isn't a failure report, or
    not about one of ours."""
    report = report[:MAX_BOUNCE]
    try:
        parsed = message_from_bytes(report)
        failed = any(str(part.get("Action", "")).strip().lower() == "failed" for part in parsed.walk())
    except (MessageError, LookupError, ValueError):
        return None
    # Its own Message-ID is another program's; ours stands in the mail that it gives back.
    mail = _MESSAGE_ID.search(report)
    return mail[1].decode() if failed and mail is not None else None
