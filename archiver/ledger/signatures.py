"""What a note's signature line holds, by key type: what is signed, and how it is checked.

c2sp.org/signed-note (0x01, Ed25519 over the text) and c2sp.org/tlog-cosignature (0x04, Ed25519, and 0x06,
ML-DSA-44): a cosignature says when a witness saw a checkpoint to continue all it had seen of that log.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
COSIGNATURE_ML_DSA_44: Final = 0x06

PUBLIC_BYTES: Final = {ED25519: 32, COSIGNATURE: 32, COSIGNATURE_ML_DSA_44: 1312}
SIGNATURE_BYTES: Final = {ED25519: 64, COSIGNATURE: 8 + 64, COSIGNATURE_ML_DSA_44: 8 + 2420}
SEED_BYTES: Final = 32
MAX_TIME: Final = 2**63 - 1
_KEY_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8


def key_id(kind: int, name: str, public: bytes) -> bytes:
    """The four bytes by which a signature line names its key."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([kind]) + public).digest()[:_KEY_ID_BYTES]


def usable(kind: int, public: bytes) -> bool:
    """Whether these bytes are a public key of a kind we know."""
    if PUBLIC_BYTES.get(kind) != len(public):
        return False
    # Some strings of the right length are no key at all; the library says so when it loads them.
    try:
        _load(kind, public)
    except ValueError:
        return False
    return True


def public_of(kind: int, seed: bytes) -> bytes:
    """The public key of a 32-byte seed."""
    if kind == COSIGNATURE_ML_DSA_44:
        return MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(kind: int, name: str, seed: bytes, text: bytes, time: int) -> bytes:
    """What follows the key id in a signature line. `time` (seconds since 1970) counts for cosignatures only.

    Raises ValueError for a text that this kind can't sign.
    """
    if kind == ED25519:
        return Ed25519PrivateKey.from_private_bytes(seed).sign(text)
    if not 0 <= time <= MAX_TIME:
        raise ValueError("a cosignature's time is out of range")
    said = _said(kind, name, text, time)
    if kind == COSIGNATURE:
        return time.to_bytes(_TIME_BYTES, "big") + Ed25519PrivateKey.from_private_bytes(seed).sign(said)
    return time.to_bytes(_TIME_BYTES, "big") + MLDSA44PrivateKey.from_seed_bytes(seed).sign(said)


def accepts(kind: int, name: str, public: bytes, text: bytes, signature: bytes) -> bool:
    """Whether what follows the key id is this key's over the note's text."""
    if SIGNATURE_BYTES[kind] != len(signature):
        return False
    try:
        if kind == ED25519:
            _load(kind, public).verify(signature, text)
        else:
            time = time_of(kind, signature)
            if time is None or time > MAX_TIME:
                return False
            _load(kind, public).verify(signature[_TIME_BYTES:], _said(kind, name, text, time))
    except (InvalidSignature, ValueError):
        return False
    return True


def time_of(kind: int, signature: bytes) -> int | None:
    """When a cosignature was made, in seconds since 1970; None for a plain signature."""
    return None if kind == ED25519 else int.from_bytes(signature[:_TIME_BYTES], "big")


def _load(kind: int, public: bytes) -> Ed25519PublicKey | MLDSA44PublicKey:
    if kind == COSIGNATURE_ML_DSA_44:
        return MLDSA44PublicKey.from_public_bytes(public)
    return Ed25519PublicKey.from_public_bytes(public)


def _said(kind: int, name: str, text: bytes, time: int) -> bytes:
    """The message of a cosignature. Raises ValueError for a text that is no checkpoint."""
    if kind == COSIGNATURE:
        return b"cosignature/v1\ntime %d\n" % time + text
    origin, size, root, *_ = text.split(b"\n")
    end = int(size)
    if not 0 <= end <= MAX_TIME or not size.isdigit():
        raise ValueError("no checkpoint")
    return b"".join(
        (
            b"subtree/v1\n\x00",
            _short(name.encode("utf-8")),
            time.to_bytes(8, "big"),
            _short(origin),
            (0).to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            _hash(root),
        )
    )


def _short(value: bytes) -> bytes:
    if not 1 <= len(value) <= 255:
        raise ValueError("a name is too long for a cosignature")
    return bytes([len(value)]) + value


def _hash(text: bytes) -> bytes:
    value = base64.b64decode(text, validate=True)
    if len(value) != 32:
        raise ValueError("no checkpoint")
    return value
