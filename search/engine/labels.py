"""Labels as words of the index, and the few that change and stay rows.

A label that is fixed with its message (`custodian:`, `record:`, `id:` ...) is one word of the FTS5 column
`label`, so it is merged with the words instead of being put between rows all over a table. `hold:`, `matter:`
and `tag:` come and go without their message: they are rows of `doc_tag`.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from search.engine.ports import IndexDocument
from search.language.addresses import addresses_in
from search.language.fields import tag as tag_of

CHANGING: Final = frozenset({"hold", "matter", "tag"})
"""The kinds that are rows. Whatever else a message bears changes only by adding the message again."""

COLUMN: Final = "label"

# Private-use characters: to the tokenizer (`TOKENIZER`) they are letters it leaves alone.
_FIRST, _LONG, EVERY, BEYOND = "\ue000", "\ue001", "\ue002", "\ue003"
# Each byte is one character of the word, so two labels are never one word: what the tokenizer would cut
# at, fold or lower becomes private use as well.
_BYTES: Final = str.maketrans(
    {chr(b): chr(0xE100 + b) for b in range(256) if chr(b) not in "abcdefghijklmnopqrstuvwxyz0123456789"}
)
_LONGEST: Final = 512
"""FTS5 cuts words at 32 KiB; labels of more UTF-8 bytes than this are told apart by their SHA-256."""

_SIZE_CLASSES: Final = 63

FIRST: Final = _FIRST
"""Every word of the column is in the span `[FIRST, BEYOND)`; `EVERY` is borne by each message."""


def label_of(tag: str) -> str:
    """Return a tag in the form queries have it in, whoever made it."""
    return _remembered(tag) if len(tag) <= _LONGEST else _label_of(tag)


def _label_of(tag: str) -> str:
    name, _, value = tag.partition(":")
    return tag_of(name, value)


# The same people, record types and States come again and again.
_remembered: Final = lru_cache(maxsize=8_192)(_label_of)


def changes(label: str) -> bool:
    """True for a label that is a row, not a word."""
    return label.partition(":")[0] in CHANGING


@lru_cache(maxsize=32_768)
def word_of(label: str) -> str:
    """Return the index word of a label: one word, and no other label's."""
    raw = label.encode()
    if len(raw) > _LONGEST:
        return f"{_LONG}{hashlib.sha256(raw).hexdigest()}"
    return _FIRST + raw.decode("latin-1").translate(_BYTES)


def derived(document: IndexDocument) -> set[str]:
    """Labels that follow from the document itself: its addresses by field, and the class of its size."""
    found = {size_class(document.size)}
    for kind, text in (
        ("from", document.from_),
        ("to", document.to),
        ("to", document.bcc),
        ("to", document.recipient),
        ("cc", document.cc),
        ("bcc", document.bcc),
    ):
        found.update([f"{kind}:{address}" for address in addresses_in(text)])
    return found


def size_class(size: int) -> str:
    """The label of all sizes with as many binary digits."""
    return f"size:{size.bit_length()}"


def size_classes(above: int | None, below: int | None) -> list[str] | None:
    """The labels of all sizes over `above` and under `below`, and of some others; None where that is all."""
    first = 0 if above is None else (above + 1).bit_length()
    last = _SIZE_CLASSES if below is None else max(0, below - 1).bit_length()
    if first == 0 and last >= _SIZE_CLASSES:
        return None
    return [f"size:{digits}" for digits in range(first, last + 1)]


def column_of(labels: list[str]) -> str:
    """Return the text of the column for a message that bears `labels`."""
    return " ".join((EVERY, *map(word_of, labels)))
