"""Blind-index tokens: equality search over sealed fields by keyed hashes (docs/FORMAT.md, section 3)."""

from __future__ import annotations

import hmac
import unicodedata
from functools import lru_cache
from typing import Final

from archiver.errors import SealError
from archiver.seal.context import length_prefixed

TOKEN_BYTES: Final = 16

_KEY_BYTES: Final = 32
_REMEMBERED: Final = 1 << 14
_LONGEST_REMEMBERED: Final = 320


def normalise(value: str) -> str:
    """Return the form in which two spellings of one value are equal.

    White space is stripped off both ends, case is folded and the result is NFC (Unicode 15, section
    3.13, D145: decompose before folding, so that canonically equal texts stay equal).
    """
    if value.isascii():
        return value.strip().lower()
    folded = unicodedata.normalize("NFD", value.strip()).casefold()
    return unicodedata.normalize("NFC", folded)


class BlindIndex:
    """Makes the tokens of one archive. Safe from any thread.

    Tokens of the values met last are remembered, in memory only: the same people write every day.
    """

    def __init__(self, key: bytes) -> None:
        """Take the 32-byte branch key `blind`. Raises SealError for a key of another length."""
        if len(key) != _KEY_BYTES:
            raise SealError("a blind-index key must be 32 bytes")
        self._key = key
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._token)

    def token(self, field: str, value: str) -> bytes:
        """Return the 16-byte token of a field's value; equal tokens mean equal normalised values.

        Any text has a token, lone surrogates included. Raises SealError only where the field's name
        can't be encoded.
        """
        return (self._remembered if len(value) <= _LONGEST_REMEMBERED else self._token)(field, value)

    def _token(self, field: str, value: str) -> bytes:
        message = length_prefixed(field) + normalise(value).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")[:TOKEN_BYTES]

    def content_token(self, sha256: bytes, size: int) -> bytes:
        """Return the 32-byte token of a part's content, given its SHA-256 and number of bytes.

        Whole, not cut to 16 bytes: two parts with one token are stored as one.
        """
        message = length_prefixed("part-content") + sha256 + size.to_bytes(8, "big")
        return hmac.digest(self._key, message, "sha256")
