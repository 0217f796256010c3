"""Signed notes (c2sp.org/signed-note): text that carries its signatures, and witnesses' cosignatures."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger import signatures
from archiver.ledger.generations import same_log
from archiver.ledger.signatures import COSIGNATURE, COSIGNATURE_ML_DSA_44, ED25519, SEED_BYTES

MAX_NOTE_BYTES: Final = 256 * 1024
MAX_SIGNATURES: Final = 64

_KEY_ID_BYTES: Final = 4
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH: Final = "\u2014 "


class NotSigned(LedgerError):
    """A well-formed note without a signature of a key that is trusted, or with a bad one of such a key."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under its name. Make it with `parse_vkey`. `kind` is the key type of its signatures."""

    name: str
    key_id: bytes
    public: bytes
    kind: int = ED25519

    @property
    def vkey(self) -> str:
        """The text form to hand to others: name, key id, and key type with key in base64."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.public)}"

    @property
    def cosigns(self) -> bool:
        """True for a witness's key."""
        return self.kind != ED25519

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (what follows the key id) is this key's over a note's `text`."""
        return signatures.accepts(self.kind, self.name, self.public, text, signature)

    def renamed(self, name: str) -> Verifier:
        """The same key under another name."""
        return Verifier(name, signatures.key_id(self.kind, name, self.public), self.public, self.kind)


class Signer:
    """A private key under its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the key's name and its 32-byte Ed25519 seed. Raises LedgerError for a bad one."""
        self._seed = seed
        self.verifier: Final = _verifier(ED25519, name, seed)

    def line(self, text: bytes) -> str:
        """Return the signature line over a note's text, with its newline."""
        return _line(self.verifier, signatures.sign(ED25519, self.verifier.name, self._seed, text, 0))


class Cosigner:
    """A witness's private keys under its one name: Ed25519 (key type 0x04) and ML-DSA-44 (0x06)."""

    def __init__(self, name: str, seed: bytes, ml_dsa_seed: bytes) -> None:
        """Take two 32-byte seeds. Raises LedgerError for a bad name or seed."""
        self._seeds = (seed, ml_dsa_seed)
        self.verifiers: Final = (
            _verifier(COSIGNATURE, name, seed),
            _verifier(COSIGNATURE_ML_DSA_44, name, ml_dsa_seed),
        )

    def lines(self, text: bytes, time: int) -> str:
        """Return the cosignature lines over a checkpoint's text, each with its newline.

        `time` is in seconds since 1970. Who signs answers for it that the checkpoint continues the last one.
        """
        found = []
        for key, seed in zip(self.verifiers, self._seeds, strict=True):
            try:
                found.append(_line(key, signatures.sign(key.kind, key.name, seed, text, time)))
            except ValueError:
                raise LedgerError("a cosignature can only be made over a checkpoint") from None
        return "".join(found)


@dataclass(frozen=True, slots=True)
class Note:
    """A verified note: its text with the final newline, and the keys found to have signed it.

    `times` says for each of them when, in seconds since 1970; None where the signature doesn't tell.
    """

    text: str
    signed_by: tuple[Verifier, ...]
    times: tuple[int | None, ...] = ()


def parse_vkey(vkey: str) -> Verifier:
    """Read a public key in its text form. Raises LedgerError where it is malformed or of an unknown type."""
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    _check_name(name)
    key = b64decode(encoded)
    if not key or key[0] not in signatures.PUBLIC_BYTES or len(key) != 1 + signatures.PUBLIC_BYTES[key[0]]:
        raise LedgerError("the verification key isn't a key of the form name+id+base64")
    kind, public = key[0], key[1:]
    if not signatures.usable(kind, public):
        raise LedgerError("the verification key holds no usable key")
    expected = signatures.key_id(kind, name, public)
    if key_id != expected.hex():
        raise LedgerError("the verification key's id doesn't fit its name and key: was it mistyped?")
    return Verifier(name, expected, public, kind)


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

    Signatures of unknown keys are passed over; a log's key is known under the names of all the log's
    generations. Raises LedgerError where the note is malformed, too
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
    signed_by: dict[Verifier, int | None] = {}
    for name, key_id, signature in [_parse_line(line) for line in lines]:
        key = keys.get((name, key_id)) or _of_another_generation(name, key_id, known)
        if key is None:
            continue
        if not key.accepts(text.encode("utf-8"), signature):
            raise NotSigned("the note has a bad signature: its text or signature was changed")
        signed_by.setdefault(key, signatures.time_of(key.kind, signature))
    if not signed_by:
        raise NotSigned("the note isn't signed by the key you trust")
    return Note(text, tuple(signed_by), tuple(signed_by.values()))


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


def _of_another_generation(name: str, key_id: bytes, known: Sequence[Verifier]) -> Verifier | None:
    for key in known:
        if key.name != name and same_log(key.name, name):
            found = key.renamed(name)
            if found.key_id == key_id:
                return found
    return None


def _line(key: Verifier, signature: bytes) -> str:
    return f"{_DASH}{key.name} {b64encode(key.key_id + signature)}\n"


def _verifier(kind: int, name: str, seed: bytes) -> Verifier:
    _check_name(name)
    if len(seed) != SEED_BYTES:
        raise LedgerError("a signing key's seed must be 32 bytes")
    public = signatures.public_of(kind, seed)
    return Verifier(name, signatures.key_id(kind, name, public), public, kind)


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name) or _CONTROL.search(name):
        raise LedgerError("a key's name must not be empty nor hold spaces, `+` or control characters")
