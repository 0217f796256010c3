"""What a message is once its bytes are understood: immutable values, no behaviour, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Role = Literal["to", "cc", "bcc", "recipient"]
"""How an address came to receive a message; `recipient` where the report doesn't say (MS-XJRNL 2.1)."""

TextStatus = Literal[
    "indexed",
    "empty",
    "no_text",
    "not_supported",
    "encrypted",
    "damaged",
    "too_large",
    "too_deep",
    "timeout",
    "crashed",
    "failed",
]
"""What became of a part's text, and why it can't be searched, or not all of it (`docs/what-is-searched.md`).

Everything but `indexed` and `empty` makes a message `not_searchable`. `no_text`: a picture or a scan, and OCR
is off. `timeout` and `crashed`: reading it took too long, or ended the process that read it. `failed`: no
such process could be started, our own trouble (until 0.1 also what is now `damaged` or `too_deep`).
"""


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox from a header. `address` keeps the case as written; compare `.casefold()`ed."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who received a message, and by which group or redirection (MS-XJRNL 2.1 To/Cc/Bcc/Recipient)."""

    address: str
    role: Role
    expanded_from: str | None = None
    forwarded_from: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who really sent and received a message. `origin` says who vouches for it."""

    sender: str | None = None
    on_behalf_of: str | None = None
    recipients: tuple[Recipient, ...] = ()
    origin: Literal["journal", "smtp", "headers"] = "headers"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Envelope:
        """The inverse of `dataclasses.asdict`, for envelopes read back from a sealed delivery."""
        recipients = tuple(Recipient(**recipient) for recipient in value["recipients"])
        return cls(**{**value, "recipients": recipients})


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf MIME part. `path` is its position, as in `1.2`; `size` is in decoded bytes."""

    path: str
    content_type: str
    filename: str | None
    size: int
    attachment: bool
    text_status: TextStatus


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """All that Holdfast reads out of raw bytes.

    `date` is the `Date:` header in UTC, or None when absent or unreadable: a claim by the sender,
    never a retention clock. `headers` is the remaining header text, decoded, one `Name: value` a
    line. `problems` holds short stable codes (`bad_date`, `bad_charset`, `too_deep` ...), never text
    of the message. `parse_failed` is True when the structure couldn't be read at all; the raw bytes
    are kept all the same.
    """

    subject: str = ""
    from_: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    message_id: str = ""
    date: datetime | None = None
    headers: str = ""
    body_text: str = ""
    attachment_text: str = ""
    parts: tuple[Part, ...] = ()
    parse_failed: bool = False
    problems: tuple[str, ...] = ()

    @property
    def filenames(self) -> tuple[str, ...]:
        """Names of all attachments that have one, in order."""
        return tuple(part.filename for part in self.parts if part.filename)

    @property
    def has_attachment(self) -> bool:
        """True when a part is shown as an attachment, named or not."""
        return any(part.attachment for part in self.parts)

    @property
    def not_searchable(self) -> tuple[str, ...]:
        """Paths of the parts whose text is not in the index."""
        return tuple(p.path for p in self.parts if p.text_status not in ("indexed", "empty"))


@dataclass(frozen=True, slots=True)
class JournalReport:
    """An unwrapped Exchange / Microsoft 365 journal report.

    `original` is the message as it travelled, byte for byte. `clear_copy` is the decrypted twin that
    accompanies a rights-protected original, used for the index only. `problems` as in ParsedMessage.
    `received_at` is the envelope's `ReceivedUtc` in UTC, `sent_at` its `SentUtc`, where it has them;
    `label` and `mailbox` are its lines of those names, ``""`` when absent.
    """

    original: bytes
    envelope: Envelope
    clear_copy: bytes | None = None
    problems: tuple[str, ...] = field(default=())
    sent_at: datetime | None = None
    received_at: datetime | None = None
    label: str = ""
    mailbox: str = ""
    span: tuple[int, int] = (0, 0)
    """Where the original lies in the report, as offsets; `encoded`, the bytes there are not its own."""
    clear_span: tuple[int, int] = (0, 0)
    encoded: bool = False
