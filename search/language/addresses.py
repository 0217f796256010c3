"""E-mail addresses: which runs of characters in a text are one, and the form in which two are the same.

An address that is asked for in a field of addresses means that very address, not those that end alike: so the
index keeps each as one word of its own, and needn't go through all mail that has `com` in it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from search.language.folding import fold

ADDRESS_FIELDS: Final = frozenset({"from", "to", "cc", "bcc", "participant"})
"""Fields in which a whole address is looked for as one."""

# What parts addresses from each other and from what stands around them (RFC 5322 section 3.4).
_RUN: Final = re.compile(r"[^\s<>()\[\],;:\"]+")
_AROUND: Final = "'`."
_WHOLE: Final = re.compile(
    r"[^\s<>()\[\],;:\"@*?~^|{}]+@[^\s<>()\[\],;:\"@*?~^|{}.]+(?:\.[^\s<>()\[\],;:\"@*?~^|{}.]+)+"
)


def addresses_in(text: str) -> set[str]:
    """Every address of a text, in the form of `same_form`."""
    if "@" not in text:
        return set()
    return {same_form(run) for run in _RUN.findall(text) if "@" in run}


def whole_address(typed: str) -> str | None:
    """The address, in the form of `same_form`, that a typed word is; None for anything else."""
    return same_form(typed) if _WHOLE.fullmatch(typed) else None


def same_form(address: str) -> str:
    """An address without what doesn't count: case, accents, quotes and full stops around it."""
    bare = address.strip(_AROUND)
    if bare.isascii():
        return bare.lower()
    parted = unicodedata.normalize("NFD", fold(bare))
    plain = "".join(char for char in parted if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", plain).replace(" ", "").casefold()
