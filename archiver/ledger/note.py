"""Signed notes (c2sp.org/signed-note) with Ed25519 keys: text that carries its signatures."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from archiver.errors import LedgerError

MAX_NOTE_BYTES: Final = 256 * 1024
MAX_SIGNATURES: Final = 64

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH: Final = "\u2014 "


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under its name. Make it with `parse_vkey`."""

    name: str
    key_id: bytes
    public: bytes

    @property
    def vkey(self) -> str:
        """The text form to hand to others: name, key id, and key type with key in base64."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(_ED25519 + self.public)}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (64 bytes) is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key under its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the key's name and its 32-byte Ed25519 seed. Raises LedgerError for a bad one."""
        _check_name(name)
        if len(seed) != 32:
            raise LedgerError("a signing key's seed must be 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.verifier: Final = Verifier(name, _key_id(name, public), public)

    def line(self, text: bytes) -> str:
        """Return the signature line over a note's text, with its newline."""
        return f"{_DASH}{self.verifier.name} {b64encode(self.verifier.key_id + self._key.sign(text))}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A verified note: its text with the final newline, and the keys found to have signed it."""

    text: str
    signed_by: tuple[Verifier, ...]


def parse_vkey(vkey: str) -> Verifier:
    """Read a public key in its text form. Raises LedgerError where it is malformed or not Ed25519."""
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    _check_name(name)
    key = b64decode(encoded)
    if len(key) != 33 or key[:1] != _ED25519:
        raise LedgerError("the verification key isn't an Ed25519 key of the form name+id+base64")
    public = key[1:]
    # Some 32-byte strings are no key at all; the library says so when it loads them.
    try:
        Ed25519PublicKey.from_public_bytes(public)
    except ValueError:
        raise LedgerError("the verification key holds no usable Ed25519 key") from None
    expected = _key_id(name, public)
    if key_id != expected.hex():
        raise LedgerError("the verification key's id doesn't fit its name and key: was it mistyped?")
    return Verifier(name, expected, public)


def sign_note(text: str, signers: Sequence[Signer]) -> bytes:
    """Return the note of `text`, which must end in a newline, signed by every signer in order.

    Raises LedgerError for a text that a note can't carry, or no signer.
    """
    if not text.endswith("\n") or _CONTROL.search(text):
        raise LedgerError("a note's text must end in a newline and hold no control characters")
    if not 0 < len(signers) <= MAX_SIGNATURES:
        raise LedgerError("a note needs one to 64 signers")
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise LedgerError("a note's text must be valid Unicode") from None
    return data + b"\n" + "".join(signer.line(data) for signer in signers).encode("utf-8")


def open_note(data: bytes, known: Sequence[Verifier]) -> Note:
    """Verify a note by the known keys and return it.

    Signatures of unknown keys are passed over. Raises LedgerError where the note is malformed, too
    large (256 KiB, 64 signatures), has a bad signature of a known key, or no good one.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise LedgerError("the note is larger than 256 KiB")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise LedgerError("the note isn't valid UTF-8") from None
    head, separator, tail = whole.rpartition("\n\n")
    if not separator or not tail.endswith("\n") or _CONTROL.search(whole):
        raise LedgerError("the note isn't text, an empty line and signature lines")
    text = head + "\n"
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise LedgerError("the note has more than 64 signatures")
    keys = {(key.name, key.key_id): key for key in known}
    signed_by: list[Verifier] = []
    for line in lines:
        name, key_id, signature = _parse_line(line)
        key = keys.get((name, key_id))
        if key is None:
            continue
        if not key.accepts(text.encode("utf-8"), signature):
            raise LedgerError("the note has a bad signature: its text or signature was changed")
        if key not in signed_by:
            signed_by.append(key)
    if not signed_by:
        raise LedgerError("the note isn't signed by the key you trust")
    return Note(text, tuple(signed_by))


def b64encode(data: bytes) -> str:
    """Return standard base64 (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str) -> bytes:
    """Return the bytes of canonical standard base64. Raises LedgerError for any other spelling."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise LedgerError("malformed base64") from None
    # The decoder forgives set bits behind the end; one value must have one spelling.
    if b64encode(data) != text:
        raise LedgerError("base64 not in canonical form")
    return data


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    """Return name, key id and signature of a signature line."""
    if not line.startswith(_DASH):
        raise LedgerError("the note has a malformed signature line")
    name, space, encoded = line[len(_DASH) :].partition(" ")
    signature = b64decode(encoded)
    if not space or len(signature) <= _KEY_ID_BYTES:
        raise LedgerError("the note has a malformed signature line")
    _check_name(name)
    return name, signature[:_KEY_ID_BYTES], signature[_KEY_ID_BYTES:]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name) or _CONTROL.search(name):
        raise LedgerError("a key's name must not be empty nor hold spaces, `+` or control characters")


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode("utf-8") + b"\n" + _ED25519 + public).digest()[:_KEY_ID_BYTES]
