"""The fields a query may name, and what each one's value is."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA

from archiver.classify.identifiers import normalise_identifier
from search.language.words import clean


class Kind(Enum):
    """How a field's value is read."""

    PROSE = "English text: words match by stem"
    NAMES = "names, addresses and headers: words match exactly"
    TAG = "an exact label"
    DATE = "a day, month, year or range"
    SIZE = "a number of bytes, with k, M or G"


FIELDS: Final[dict[str, Kind]] = {
    "from": Kind.NAMES,
    "to": Kind.NAMES,
    "cc": Kind.NAMES,
    "bcc": Kind.NAMES,
    "participant": Kind.NAMES,
    "subject": Kind.PROSE,
    "body": Kind.PROSE,
    "attachment": Kind.PROSE,
    "filename": Kind.PROSE,
    "header": Kind.NAMES,
    "date": Kind.DATE,
    "after": Kind.DATE,
    "before": Kind.DATE,
    "larger": Kind.SIZE,
    "smaller": Kind.SIZE,
    "has": Kind.TAG,
    "sender": Kind.TAG,
    "custodian": Kind.TAG,
    "source": Kind.TAG,
    "patient": Kind.TAG,
    "record": Kind.TAG,
    "state": Kind.TAG,
    "hold": Kind.TAG,
    "matter": Kind.TAG,
    "tag": Kind.TAG,
    "unsearchable": Kind.TAG,
    "phi": Kind.TAG,
    "lang": Kind.TAG,
    "id": Kind.TAG,
    "message-id": Kind.TAG,
}

_KNOWN_ELSEWHERE: Final = {
    "author": "from",
    "recipient": "to",
    "recipients": "to",
    "text": "body",
    "content": "body",
    "title": "subject",
    "file": "filename",
    "on": "date",
    "sent": "date",
    "since": "after",
    "until": "before",
    "size": "larger",
    "mrn": "patient",
    "language": "lang",
    "mailbox": "custodian",
    "type": "record",
    "msgid": "message-id",
}
"""What other programs call our fields. Only ever a suggestion."""

FIELD_LIST: Final = ", ".join(f"{name}:" for name in FIELDS)


def nearest_field(typed: str) -> str | None:
    """Return the field that somebody who typed this name may have meant, or None."""
    name = typed.casefold()
    if name in _KNOWN_ELSEWHERE:
        return _KNOWN_ELSEWHERE[name]
    edits, nearest = min((OSA.distance(name, field), field) for field in FIELDS)
    return nearest if edits <= (1 if len(name) < 5 else 2) and edits < len(name) else None


def tag_value(name: str, value: str) -> str:
    """Return a label's value in the one form that index and queries share.

    Casefolded, NULs, outer and repeated blanks off; a Message-ID (RFC 5322 section 3.6.4) loses its angle
    brackets, since people paste it with and without. A patient's number is the same however it is written
    (`00123`, `MRN 00123`). A blank value gives "".
    """
    folded = " ".join(clean(value).replace("\0", " ").casefold().split())
    if name == "message-id":
        folded = folded.removeprefix("<").removesuffix(">").strip()
    if name == "patient":
        folded = normalise_identifier("mrn", folded).casefold()
    return folded


@lru_cache(maxsize=64)
def _tag_name(name: str) -> str:
    return tag_value("", name)


def tag(name: str, value: str) -> str:
    """Return the label `name:value` as `IndexDocument.tags` holds it."""
    name = _tag_name(name)
    return f"{name}:{tag_value(name, value)}"
