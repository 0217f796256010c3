"""Objects sealed with a dictionary: what goes in comes out, and nothing but that dictionary opens them."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import SealError
from archiver.seal import dictionary as shared
from archiver.seal.container import open_sealed, seal, zstd
from archiver.seal.context import object_context
from archiver.seal.dictionary import Dictionary, DictionaryLost, finalised

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
KEY = bytes(range(32))
CONTEXT = object_context("archive-1", "message-1", "raw")
LINES = [f"The {a} of the {b} is {c}.\r\n" for a in ("ward", "desk") for b in ("day", "week") for c in "xyz"]
TEXTS = [("".join(LINES[n % 12 :]) + f"From: nobody\r\nSubject: note {n}\r\n").encode() for n in range(200)]
CONTENT = b"".join(line.encode() for line in LINES) + b"Content-Type: text/plain; charset=us-ascii\r\n"


class Shelf:
    """Dictionaries by number, as a reader finds them."""

    def __init__(self, *dictionaries: Dictionary) -> None:
        self._dictionaries = {d.number: d for d in dictionaries}

    def find(self, number: int) -> Dictionary:
        if number not in self._dictionaries:
            raise DictionaryLost(f"dictionary {number} is missing")
        return self._dictionaries[number]


def made(number: int, content: bytes = CONTENT) -> Dictionary:
    data = finalised(content, TEXTS)
    assert data is not None
    return Dictionary(number, data)


FIRST = made(1)
OTHER = made(2, bytes(reversed(CONTENT)))


def sealed_body(body: bytes) -> bytes:
    """An authentic object with any body, as only who has the key can make it."""
    encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
    return b"\x01" + encryptor.update(body) + encryptor.finalize()


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=3000), st.lists(st.sampled_from(TEXTS), max_size=30).map(b"".join)))
def test_round_trip(plain: bytes) -> None:
    sealed = seal(KEY, CONTEXT, plain, dictionary=FIRST)
    assert open_sealed(KEY, CONTEXT, sealed, Shelf(FIRST)) == plain
    assert len(sealed) <= len(seal(KEY, CONTEXT, plain)) or len(plain) <= 8192


@pytest.mark.parametrize("size", [0, 1, 15, 16, 63, 64, 8192, 8193, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1])
def test_round_trip_at_the_edges(size: int) -> None:
    for plain in (os.urandom(size), (TEXTS[0] * (size // len(TEXTS[0]) + 1))[:size]):
        sealed = seal(KEY, CONTEXT, memoryview(plain), dictionary=FIRST)
        assert open_sealed(KEY, CONTEXT, sealed, Shelf(FIRST)) == plain


def test_small_objects_become_smaller_and_need_it() -> None:
    for plain in TEXTS:
        sealed = seal(KEY, CONTEXT, plain, dictionary=FIRST)
        assert len(sealed) - 58 < (len(seal(KEY, CONTEXT, plain)) - 58) * 0.8
        with pytest.raises(DictionaryLost):
            open_sealed(KEY, CONTEXT, sealed)
        with pytest.raises(DictionaryLost):
            open_sealed(KEY, CONTEXT, sealed, Shelf(OTHER))


def test_what_it_does_not_make_smaller_opens_without() -> None:
    large = os.urandom(100) + TEXTS[0] * 400
    assert len(large) > shared.LARGEST_OBJECT
    for plain in (large, os.urandom(5000), os.urandom(20), b""):
        assert open_sealed(KEY, CONTEXT, seal(KEY, CONTEXT, plain, dictionary=FIRST)) == plain


def test_another_dictionary_of_that_number_gives_an_error_or_other_bytes_never_a_crash() -> None:
    imposter = Dictionary(1, OTHER.data)
    for plain in TEXTS[:20]:
        sealed = seal(KEY, CONTEXT, plain, dictionary=FIRST)
        with contextlib.suppress(SealError):
            assert open_sealed(KEY, CONTEXT, sealed, Shelf(imposter)) != plain


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_hostile_bodies_raise_only_our_errors(data: st.DataObject) -> None:
    body = bytearray(FIRST.packed(TEXTS[0]))
    if data.draw(st.booleans()):
        body = bytearray(data.draw(st.binary(max_size=60)))
    elif body:
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        body = body[: data.draw(st.integers(0, len(body)))]
    with contextlib.suppress(SealError, DictionaryLost):
        open_sealed(KEY, CONTEXT, sealed_body(b"\x02" + bytes(body)), Shelf(FIRST))


def test_a_frame_must_not_name_a_dictionary_itself() -> None:
    frame = zstd.compress(TEXTS[0], 3, zstd_dict=zstd.ZstdDict(FIRST.data))
    assert zstd.get_frame_info(frame).dictionary_id
    with pytest.raises(SealError):
        open_sealed(KEY, CONTEXT, sealed_body(b"\x02\0\0\0\x01" + frame), Shelf(FIRST))
    assert zstd.get_frame_info(FIRST.packed(TEXTS[0])[4:]).dictionary_id == 0


def test_two_threads_use_one_dictionary() -> None:
    with ThreadPoolExecutor(4) as threads:
        sealed = list(threads.map(lambda t: seal(KEY, CONTEXT, t, dictionary=FIRST), TEXTS * 5))
    assert [open_sealed(KEY, CONTEXT, s, Shelf(FIRST)) for s in sealed] == TEXTS * 5


@pytest.mark.parametrize("number", [0, -1, 2**32])
def test_numbers_that_do_not_fit_are_refused(number: int) -> None:
    with pytest.raises(SealError):
        Dictionary(number, FIRST.data)


def test_bytes_that_are_no_dictionary_are_refused() -> None:
    for data in (b"", b"short", b"not in the form of zstd" * 20):
        with pytest.raises(SealError):
            Dictionary(1, data)
    assert finalised(b"", TEXTS) is None


def test_the_content_stands_unchanged_behind_the_tables() -> None:
    assert FIRST.data.endswith(CONTENT)


def test_golden_object_opens() -> None:
    golden = Dictionary(7, (GOLDEN / "dictionary-v1.zdict").read_bytes())
    sealed = (GOLDEN / "sealed-v1-dictionary.bin").read_bytes()
    context = object_context("golden-archive", "golden-message", "raw")
    assert (
        open_sealed(KEY, context, sealed, Shelf(golden)) == b"The golden ward of the week is shared.\r\n" * 3
    )
    with pytest.raises(DictionaryLost):
        open_sealed(KEY, context, sealed)
