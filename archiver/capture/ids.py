"""Opaque ids."""

from __future__ import annotations

import secrets

# Five random bits of each byte.
_LETTERS = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte & 31] for byte in range(256))


def new_id(prefix: str) -> str:
    """A fresh opaque id: a letter and 75 random bits."""
    return prefix + secrets.token_bytes(15).translate(_LETTERS).decode("ascii")
