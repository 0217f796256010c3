"""Sealed objects: what goes in comes out, and nothing else opens."""

from __future__ import annotations

import contextlib
import hmac
import os
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import SealError
from archiver.seal.container import open_sealed, seal, zstd
from archiver.seal.context import object_context

KEY = bytes(range(32))
CONTEXT = object_context("archive-1", "message-1", "raw")
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CHUNK = 16384


def specified(key: bytes, context: bytes, plain: bytes, salt: bytes) -> bytes:
    """c2sp.org/chunked-encryption written straight from docs/FORMAT.md, section 1, to compare with."""
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    first = hmac.digest(key, info + b"\x01", "sha512")
    material = first + hmac.digest(key, first + info + b"\x02", "sha512")
    aead, base, commitment = AESGCM(material[:32]), int.from_bytes(material[32:44], "big"), material[44:76]
    chunks = [
        aead.encrypt((base ^ number).to_bytes(12, "big"), plain[number * CHUNK : (number + 1) * CHUNK], None)
        for number in range(len(plain) // CHUNK + 1)
    ]
    return b"\x01" + salt + commitment + b"".join(chunks)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.binary(max_size=60), st.binary(min_size=32, max_size=32), st.booleans())
def test_round_trip(plain: bytes, context: bytes, key: bytes, compress: bool) -> None:
    assert open_sealed(key, context, seal(key, context, plain, compress=compress)) == plain


@pytest.mark.parametrize(
    "size", [0, 1, 63, 64, CHUNK - 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 5 * CHUNK + 7]
)
@pytest.mark.parametrize("compress", [True, False])
def test_round_trip_at_the_edges_of_chunks(size: int, compress: bool) -> None:
    for plain in (os.urandom(size), b"a line of mail\r\n" * (size // 16 + 1)):
        sealed = seal(KEY, CONTEXT, plain, compress=compress)
        assert open_sealed(KEY, CONTEXT, sealed) == plain
        assert len(sealed) <= len(plain) + 58 + 16 * (len(plain) // CHUNK + 2)


@pytest.mark.parametrize("size", [0, 5, CHUNK - 1, CHUNK, 40000])
def test_the_bytes_are_those_of_the_specification(size: int) -> None:
    plain = os.urandom(size)
    ours = seal(KEY, CONTEXT, plain, compress=False)
    assert ours == specified(KEY, CONTEXT, b"\0" + plain, ours[1:25])
    assert open_sealed(KEY, CONTEXT, specified(KEY, CONTEXT, b"\0" + plain, b"s" * 24)) == plain


def test_views_are_taken_like_bytes() -> None:
    plain = b"x" * 70000
    assert open_sealed(KEY, CONTEXT, memoryview(seal(KEY, CONTEXT, memoryview(plain)))) == plain


def test_compresses_only_where_it_helps() -> None:
    words = b"the same words again and again. " * 200
    noise = os.urandom(5000)
    assert len(seal(KEY, CONTEXT, words)) < 300
    assert len(seal(KEY, CONTEXT, noise)) == len(seal(KEY, CONTEXT, noise, compress=False))


def test_no_salt_is_used_twice() -> None:
    salts = {seal(KEY, CONTEXT, b"x")[1:25] for _ in range(2000)}
    assert len(salts) == 2000


@pytest.mark.parametrize("plain", [b"Dear Dr. Ames, the results are in.", b"again and again " * 30])
def test_every_flipped_bit_is_refused(plain: bytes) -> None:
    sealed = seal(KEY, CONTEXT, plain)
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(SealError):
                open_sealed(KEY, CONTEXT, bytes(changed))


def test_every_truncation_is_refused() -> None:
    sealed = seal(KEY, CONTEXT, b"secret" * 20, compress=False)
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            open_sealed(KEY, CONTEXT, sealed[:length])


def test_truncation_at_chunk_ends_and_swapped_chunks_are_refused() -> None:
    sealed = seal(KEY, CONTEXT, os.urandom(3 * CHUNK + 100))
    first, step = 57, CHUNK + 16
    for chunks in range(4):
        with pytest.raises(SealError):
            open_sealed(KEY, CONTEXT, sealed[: first + chunks * step])
    swapped = (
        sealed[:first]
        + sealed[first + step : first + 2 * step]
        + sealed[first : first + step]
        + sealed[first + 2 * step :]
    )
    with pytest.raises(SealError):
        open_sealed(KEY, CONTEXT, swapped)


def test_a_trailing_byte_is_refused() -> None:
    for size in (0, 10, CHUNK - 1, CHUNK):
        with pytest.raises(SealError):
            open_sealed(KEY, CONTEXT, seal(KEY, CONTEXT, os.urandom(size)) + b"\0")


def test_another_context_or_key_is_refused() -> None:
    sealed = seal(KEY, CONTEXT, b"one message")
    others = [
        object_context("archive-2", "message-1", "raw"),
        object_context("archive-1", "message-2", "raw"),
        object_context("archive-1", "message-1", "report"),
        b"",
    ]
    for context in others:
        with pytest.raises(SealError):
            open_sealed(KEY, context, sealed)
    with pytest.raises(SealError):
        open_sealed(os.urandom(32), CONTEXT, sealed)


def test_one_ciphertext_never_opens_under_two_keys() -> None:
    """GCM alone allows it; the commitment is what a second key fails on, whatever the chunks hold."""
    salt = os.urandom(24)
    mine = specified(KEY, CONTEXT, b"\0for you", salt)
    theirs = specified(bytes(32), CONTEXT, b"\0for me!", salt)
    assert mine[25:57] != theirs[25:57]
    grafted = mine[:57] + theirs[57:]
    for key in (KEY, bytes(32)):
        with pytest.raises(SealError):
            open_sealed(key, CONTEXT, grafted)
    # Even chunks that do authenticate under a key are refused behind another key's commitment.
    with pytest.raises(SealError):
        open_sealed(bytes(32), CONTEXT, theirs[:25] + mine[25:57] + theirs[57:])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=40))
def test_hostile_bytes_raise_only_seal_errors(sealed: bytes, context: bytes) -> None:
    for data in (sealed, b"\x01" + sealed):
        with pytest.raises(SealError):
            open_sealed(KEY, context, data)


def _by_key_holder(body: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
    return b"\x01" + encryptor.update(body) + encryptor.finalize()


def test_a_frame_that_is_not_exactly_one_honest_frame_is_refused() -> None:
    frame = zstd.compress(b"z" * 1000)
    stream = zstd.ZstdCompressor()
    sizeless = stream.compress(b"z" * 1000) + stream.flush()
    dictionary = zstd.train_dict([os.urandom(40) * 3 for _ in range(200)], 1024)
    for body in (
        b"",
        b"\x03" + b"unknown form",
        b"\x01",
        b"\x01not zstd at all",
        b"\x01" + frame + b"x",
        b"\x01" + frame + frame,
        b"\x01" + frame[:-1],
        b"\x01" + sizeless,
        b"\x01" + zstd.compress(b"") + b"x",
        b"\x01" + zstd.compress(b"z" * 40).replace(b"\x20\x28", b"\x20\x00", 1),
        b"\x01" + zstd.compress(b"z" * 1000, zstd_dict=dictionary),
    ):
        with pytest.raises(SealError):
            open_sealed(KEY, CONTEXT, _by_key_holder(body))
    assert open_sealed(KEY, CONTEXT, _by_key_holder(b"\x01" + frame)) == b"z" * 1000
    assert open_sealed(KEY, CONTEXT, _by_key_holder(b"\x01" + zstd.compress(b""))) == b""


def test_a_bomb_is_refused_by_its_header() -> None:
    stream = zstd.ZstdCompressor()
    stream.set_pledged_input_size((1 << 30) + 1)
    header = stream.compress(b"\0" * 4096, zstd.ZstdCompressor.FLUSH_BLOCK)
    assert zstd.get_frame_info(header).decompressed_size == (1 << 30) + 1
    with pytest.raises(SealError, match="1 GiB"):
        open_sealed(KEY, CONTEXT, _by_key_holder(b"\x01" + header))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_hostile_frames_under_the_right_key_raise_only_seal_errors(noise: bytes, cut: int) -> None:
    body = b"\x01" + zstd.compress(b"mail " * 50)[:cut] + noise
    with contextlib.suppress(SealError):
        open_sealed(KEY, CONTEXT, _by_key_holder(body))


def test_a_key_of_another_length_is_refused() -> None:
    for key in (b"", bytes(16), bytes(33)):
        with pytest.raises(SealError):
            seal(key, CONTEXT, b"x")
        with pytest.raises(SealError):
            open_sealed(key, CONTEXT, seal(KEY, CONTEXT, b"x"))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("sealed-v1-stored.bin", b"Golden, stored.\r\n"),
        ("sealed-v1-zstd.bin", b"Golden, compressed.\r\n" * 40),
    ],
)
def test_golden_objects_open(name: str, plain: bytes) -> None:
    sealed = (GOLDEN / name).read_bytes()
    assert open_sealed(KEY, object_context("golden-archive", "golden-message", "raw"), sealed) == plain
