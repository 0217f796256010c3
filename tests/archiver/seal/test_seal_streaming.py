"""Sealing in pieces gives objects of the one format, and opening in pieces tells whatever is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import SealError
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.seal.streaming import open_chunks, seal_chunks

KEY = bytes(range(32))
CONTEXT = object_context("archive", "a1", "part")
CHUNK = 16_384


def cut(data: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 2, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 262_144, 700_001])
@pytest.mark.parametrize("kind", ["words", "noise"])
def test_both_ways_open_what_either_sealed(size: int, kind: str) -> None:
    plain = (
        (b"lorem ipsum " * (size // 12 + 1))[:size]
        if kind == "words"
        else random.Random(size).randbytes(size)
    )
    streamed = b"".join(seal_chunks(KEY, CONTEXT, cut(plain, 9_999), size))
    assert open_sealed(KEY, CONTEXT, streamed) == plain
    for sealed in (streamed, seal(KEY, CONTEXT, plain)):
        assert b"".join(open_chunks(KEY, CONTEXT, cut(sealed, 7_777))) == plain
    if kind == "words" and size > CHUNK:
        assert len(streamed) < size / 10


@given(st.binary(max_size=80_000), st.integers(1, 50_000), st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_is_told(plain: bytes, step: int, draw: st.DataObject) -> None:
    sealed = bytearray(b"".join(seal_chunks(KEY, CONTEXT, [plain] if plain else [], len(plain))))
    at = draw.draw(st.integers(0, len(sealed) - 1))
    how = draw.draw(st.sampled_from(["flip", "cut", "more"]))
    if how == "flip":
        sealed[at] ^= 1 << draw.draw(st.integers(0, 7))
    elif how == "cut":
        del sealed[at:]
    else:
        sealed += b"\0"
    out: list[bytes] = []
    with pytest.raises(SealError):
        out.extend(open_chunks(KEY, CONTEXT, cut(bytes(sealed), step)))
    assert plain.startswith(b"".join(out))


def test_another_key_context_or_length() -> None:
    sealed = b"".join(seal_chunks(KEY, CONTEXT, [b"x" * 100], 100))
    for key, context in ((bytes(32), CONTEXT), (KEY, object_context("archive", "a2", "part"))):
        with pytest.raises(SealError):
            list(open_chunks(key, context, [sealed]))
    for wrong in (99, 101):
        with pytest.raises(SealError):
            list(seal_chunks(KEY, CONTEXT, [b"x" * 100], wrong))
    for short in (KEY[:31], b""):
        with pytest.raises(SealError):
            list(seal_chunks(short, CONTEXT, [], 0))
        with pytest.raises(SealError):
            list(open_chunks(short, CONTEXT, [sealed]))


def test_what_unfolds_to_very_much_comes_in_pieces() -> None:
    """A few bytes that unfold to very many: never more than a piece at a time."""
    size = 64 * 2**20
    piece = bytes(2**20)
    sealed = b"".join(seal_chunks(KEY, CONTEXT, (piece for _ in range(64)), size))
    assert len(sealed) < 64_000
    longest = total = 0
    for out in open_chunks(KEY, CONTEXT, [sealed]):
        longest, total = max(longest, len(out)), total + len(out)
    assert total == size
    assert longest <= 2**18
