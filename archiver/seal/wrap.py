"""Key wrapping (docs/FORMAT.md, section 2): one key under another by AES-256-GCM, bound to a context."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archiver.errors import SealError

WRAPPED_BYTES: Final = 61

_FORMAT: Final = b"\x01"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def wrap_key(wrapping: AESGCM, context: bytes, key: bytes) -> bytes:
    """Return the 61-byte wrapped form of a 32-byte key, with a fresh random nonce.

    A wrapping key may be used 2**32 times (NIST SP 800-38D, 8.3); the caller counts. Raises SealError
    for a key of another length.
    """
    if len(key) != _KEY_BYTES:
        raise SealError("only keys of 32 bytes are wrapped")
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + wrapping.encrypt(nonce, key, context)


def unwrap_key(wrapping: AESGCM, context: bytes, wrapped: bytes) -> bytes:
    """Return the 32-byte key, or raise SealError (wrong wrapping key or context, or changed bytes)."""
    if len(wrapped) != WRAPPED_BYTES or wrapped[:1] != _FORMAT:
        raise SealError("a wrapped key isn't of a form this version knows; run `holdfast verify`")
    nonce = wrapped[1 : 1 + _NONCE_BYTES]
    try:
        return wrapping.decrypt(nonce, wrapped[1 + _NONCE_BYTES :], context)
    except InvalidTag:
        raise SealError(
            "a wrapped key doesn't open: wrong key or context, or changed bytes; run `holdfast verify`"
        ) from None
