"""Targets: what the archive itself wrote and reads back, should somebody have changed it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest import mock

from cryptography.cobblestone import Cobblestone256Encryptor

from archiver.errors import LedgerError, SealError
from archiver.ledger import canonical
from archiver.ledger.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from archiver.ledger.note import Signer, open_note, parse_vkey
from archiver.ledger.proof import Proof, format_proof, parse_proof, verify_proof
from archiver.ledger.tilepath import decode_entries, encode_entries
from archiver.message import base64_form
from archiver.message import split as splitting
from archiver.message import split_stream as streaming
from archiver.message.content import Raw
from archiver.message.split import BadManifest, Region, Split, packed, split, unpacked
from archiver.message.split_stream import split_stream
from archiver.message.structure import scan
from archiver.seal import container
from archiver.seal.container import open_sealed, seal
from archiver.seal.dictionary import DictionaryLost
from archiver.seal.streaming import open_chunks
from search.errors import QueryError
from search.language import parse

KEY = bytes(range(32))
CONTEXT = b"fuzz"
SIGNER = Signer("log.example/fuzz", bytes(32))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Dripping:
    """A content that comes in pieces of an odd size."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = data
        self._step = step

    def __len__(self) -> int:
        return len(self._data)

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `archiver.message.content.Content`."""
        stop = len(self._data) if end is None else min(end, len(self._data))
        for at in range(start, stop, self._step):
            yield self._data[at : min(at + self._step, stop)]


def taken_apart(data: bytes) -> None:
    """Whatever is taken out of a message, put back it is the message: in memory, streamed, and reopened."""
    with (
        mock.patch.object(splitting, "DETACH_FROM", 24),
        mock.patch.object(splitting, "DETACH_ANY_FROM", 400),
        mock.patch.object(streaming, "MAX_SKELETON", 1 << 14),
    ):
        entity = scan(data)[0]
        for message in (None, (len(data) // 4, len(data) // 2)):
            done = split(data, entity, message)
            if done is not None:
                _comes_back(done, data)
        for step in (max(7, len(data) // 500), 1 << 20):
            flowing, digest = split_stream(Dripping(data, step))
            assert flowing.is_of(digest)
            _comes_back(flowing, data)


def _comes_back(done: Split, data: bytes) -> None:
    assert b"".join(done.chunks()) == data
    assert done.size == len(data)
    contents: dict[bytes, Raw] = {region.sha256: region.content for region in done.regions}
    again = unpacked(packed(done), lambda region: contents[region.sha256])
    assert b"".join(again.chunks()) == data
    assert again.size == len(data)


def manifest(data: bytes) -> None:
    """A skeleton's manifest is of the form or refused; nothing that it says takes more than it has."""

    def find(region: Region) -> bytes:
        return bytes(min(region.size, 1 << 12))

    for text in (data, len(data).to_bytes(4, "big") + data):
        with contextlib.suppress(BadManifest):
            done = unpacked(text, find)
            assert done.size >= len(done.skeleton)
            if all(region.size <= 1 << 12 for region in done.regions):
                assert sum(map(len, done.chunks())) == done.size


def base64_lines(data: bytes) -> None:
    """What is taken for canonical base64 comes out again to the byte, whole and in pieces."""
    found = base64_form.decode(data)
    if found is not None:
        body, line, eol = found
        assert b"".join(base64_form.encoded([body], line, eol)) == data
        drops = [data[at : at + 5] for at in range(0, len(data), 5)]
        assert b"".join(base64_form.decoded(drops, line, eol)) == body
        assert base64_form.encoded_size(len(body), line, eol) == len(data)


def sealed(data: bytes) -> None:
    """Changed bytes never open, whole or in pieces, and raise nothing but SealError."""
    for key in (KEY, bytes(32)):
        whole = pieces = None
        with contextlib.suppress(SealError):
            whole = open_sealed(key, CONTEXT, data)
        with contextlib.suppress(SealError):
            pieces = b"".join(open_chunks(key, CONTEXT, [data[:9], data[9:40], data[40:]]))
        assert whole == pieces
        assert key == KEY or whole is None
    # The layer below, which only bytes that pass the seal ever reach: authentic, and anything inside.
    for head in (b"\x00", b"\x01", b"\x02", b""):
        encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
        forged = container.FORMAT + encryptor.update(head + data) + encryptor.finalize()
        whole = pieces = None
        with contextlib.suppress(SealError, DictionaryLost):
            whole = open_sealed(KEY, CONTEXT, forged)
        with contextlib.suppress(SealError):
            pieces = b"".join(
                open_chunks(KEY, CONTEXT, (forged[at : at + 50] for at in range(0, len(forged), 50)))
            )
        assert whole == pieces


def ledger(data: bytes) -> None:
    """Notes, checkpoints, proofs, leaves, tiles and keys raise LedgerError only, and have one spelling."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(LedgerError):
        proof = parse_proof(data)
        assert format_proof(proof) == data
        verify_proof(proof, SIGNER.verifier)
    with contextlib.suppress(LedgerError):
        assert open_note(data, [SIGNER.verifier]).signed_by == (SIGNER.verifier,)
    with contextlib.suppress(LedgerError):
        open_checkpoint(data, SIGNER.verifier)
    with contextlib.suppress(LedgerError):
        assert parse_checkpoint(text).text() == text
    with contextlib.suppress(LedgerError):
        assert canonical.dumps(canonical.loads(data)) == data
    with contextlib.suppress(LedgerError):
        assert encode_entries(decode_entries(data)) == data
    with contextlib.suppress(LedgerError):
        parse_vkey(text)


def query(data: bytes) -> None:
    """A query is understood or refused; what it was understood as is understood the same way."""
    text = data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace") if _utf8(data) else ""
    try:
        first = parse(text, now=NOW)
    except QueryError:
        return
    again = parse(first.interpreted, now=NOW)
    assert again.interpreted == first.interpreted
    assert again.tree == first.tree


def _utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
    except UnicodeDecodeError:
        return False
    return True


REGION = {"at": 0, "form": "base64", "sha256": "00" * 32, "size": 9, "line": 76, "eol": "\r\n"}


def seeds() -> list[bytes]:
    """Objects of each kind as the archive writes them."""
    leaf = canonical.dumps({"b": [1, None, True], "a": "quill"})
    signed = sign_checkpoint(Checkpoint(SIGNER.verifier.name, 1, bytes(32)), [SIGNER])
    objects = [
        seal(KEY, CONTEXT, b"quill"),
        seal(KEY, CONTEXT, b"quill " * 200),
        container.zstd.compress(b"quill " * 200),
        leaf,
        signed,
        format_proof(Proof(0, (bytes(32),), signed, leaf)),
        encode_entries([leaf, b"", b"x"]),
        json.dumps({"v": 1, "regions": [REGION]}).encode(),
        b"".join(base64_form.encoded([b"quill" * 100], 76, b"\r\n")),
        b'from:ann@clinic.example AND (subject:"lab result*" OR body:quill~) NOT sent:2024-01..2025 size:>2M',
        b'has:attachment "a b"~3 word* *word -x (a OR (b c)) to:"x y" sent:today',
    ]  # fmt: skip
    return [*objects, *(_split_seeds())]


def _split_seeds() -> list[bytes]:
    body = b"".join(base64_form.encoded([b"quillmarker" * 40], 76, b"\r\n"))
    part = (
        b"--e\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body + b"\r\n"
    )
    head = b'Content-Type: multipart/mixed; boundary="e"\r\n\r\n'
    inner = b"--e\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n" + head.replace(b'"e"', b'"f"')
    return [
        head + part * 2 + b"--e--\r\n",
        (head + part * 3).replace(b"\r\n", b"\n"),
        head + inner + part.replace(b"--e", b"--f") + b"--f--\r\n" + part + b"--e--\r\n",
        b"Content-Type: image/png\r\n\r\n" + bytes(range(256)) * 3,
    ]
