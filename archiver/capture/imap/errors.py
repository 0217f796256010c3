"""What a mailbox server's refusal means: gone, too much asked of it, or a sign-in that has run out.

Response codes are those of RFC 5530 (UNAVAILABLE, INUSE, LIMIT, OVERQUOTA, EXPIRED ...) and what Gmail and
Exchange write in words. No text of a server gets into an exception.
"""

from __future__ import annotations

import re
from typing import Literal

from archiver.errors import CaptureError, SourceUnreachable

Meaning = Literal["limited", "busy", "expired", "no"]

_CODE = re.compile(rb"\A\[([A-Z-]{1,40})")
_CODES: dict[bytes, Meaning] = {
    b"THROTTLED": "limited",
    b"LIMIT": "limited",
    b"OVERQUOTA": "limited",
    b"INUSE": "busy",
    b"UNAVAILABLE": "busy",
    b"EXPIRED": "expired",
    b"AUTHENTICATIONFAILED": "expired",
    b"AUTHORIZATIONFAILED": "expired",
}
_LIMITED = re.compile(
    rb"(?i)throttl|too many|rate.?limit|bandwidth|try (?:again )?later|server (?:is )?(?:too )?busy|backoff"
)
_EXPIRED = re.compile(rb"(?i)token ?(?:is |has )?expired|session (?:expired|invalidated)")
_BACKOFF = re.compile(rb"(?i)backoff time:? (\d{1,9})")
LONGEST_WAIT = 6 * 3600.0


class NotAnsweredError(CaptureError):
    """The server answered NO or BAD."""

    code = "imap_refused"


class BusyError(NotAnsweredError):
    """The server can't open or give this just now (INUSE, UNAVAILABLE); other folders may do."""

    code = "imap_busy"


class SignInRefused(SourceUnreachable):
    """The server or the token endpoint doesn't accept who signs in."""

    code = "source_sign_in_refused"


class SignInExpired(SourceUnreachable):
    """A session ended because its access token did; a new one goes on where it stopped."""

    code = "source_sign_in_expired"


class RateLimited(SourceUnreachable):
    """The server, or our own limit of bytes a day, wants us to wait: `retry_after` seconds, where known."""

    code = "source_rate_limited"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def meaning_of(text: bytes) -> Meaning:
    """Say what the text after NO, BAD or BYE means."""
    code = _CODE.match(text)
    if code and code[1] in _CODES:
        return _CODES[code[1]]
    if _EXPIRED.search(text):
        return "expired"
    return "limited" if _LIMITED.search(text) else "no"


def wait_asked(text: bytes) -> float | None:
    """Return the seconds of Exchange's `Suggested Backoff Time: N milliseconds`, or None."""
    found = _BACKOFF.search(text)
    return min(int(found[1]) / 1000, LONGEST_WAIT) if found else None


def limited(text: bytes) -> RateLimited:
    """Return the error for a server that wants to be left alone for a while."""
    return RateLimited("the mailbox server asks for patience: reading goes on later", wait_asked(text))
