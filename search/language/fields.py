"""The fields a query may name, and what each one's value is."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

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
    "custodian": Kind.TAG,
    "source": Kind.TAG,
    "patient": Kind.TAG,
    "record": Kind.TAG,
    "state": Kind.TAG,
    "hold": Kind.TAG,
    "matter": Kind.TAG,
    "phi": Kind.TAG,
    "lang": Kind.TAG,
    "id": Kind.TAG,
    "message-id": Kind.TAG,
}

FIELD_LIST: Final = ", ".join(f"{name}:" for name in FIELDS)


def tag_value(name: str, value: str) -> str:
    """Return a label's value in the one form that index and queries share.

    Casefolded, NULs, outer and repeated blanks off; a Message-ID (RFC 5322 section 3.6.4) loses its angle
    brackets, since people paste it with and without. A blank value gives "".
    """
    folded = " ".join(clean(value).replace("\0", " ").casefold().split())
    if name == "message-id":
        folded = folded.removeprefix("<").removesuffix(">").strip()
    return folded


@lru_cache(maxsize=64)
def _tag_name(name: str) -> str:
    return tag_value("", name)


def tag(name: str, value: str) -> str:
    """Return the label `name:value` as `IndexDocument.tags` holds it."""
    name = _tag_name(name)
    return f"{name}:{tag_value(name, value)}"
