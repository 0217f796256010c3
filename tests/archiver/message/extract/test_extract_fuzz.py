"""Our own readers under damage: cut, flipped and spliced bytes raise only `Unreadable`, in bounded time.

They run in this process, so that an error of another kind, which the child would take for damage, is seen.
"""

from __future__ import annotations

import base64
import contextlib
import struct
import time
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.message.extract.context import Context
from archiver.message.extract.faults import Unreadable
from archiver.message.extract.limits import Limits
from archiver.message.extract.lzfu import decompress_rtf
from archiver.message.extract.msg import open_msg
from archiver.message.extract.readers import READERS
from archiver.message.extract.sniff import sniff
from archiver.message.extract.tnef import open_tnef
from archiver.message.extract.word import _pieces
from archiver.message.extract.xmltext import xml_text
from archiver.message.rtf import rtf_text
from tests.archiver.message.extract.test_readers import SEVEN_ZIPS
from tests.support.documents import doc, docx, msg, odt, pdf, ppt, pptx, tarred, tnef, xls, xlsx, zipped

LIMITS = Limits(text=100_000, unpacked=4 * 2**20)
LZFU = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
LZFU_OF_ITSELF = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
SEEDS: Mapping[str, bytes] = {
    "doc": doc("quill"),
    "ppt": ppt("quill"),
    "xls": xls("quill"),
    "msg": msg("s", "quill", {"a.txt": b"quill"}),
    "tnef": tnef("quill", {"a.txt": b"quill", "b.txt": b"ink"}),
    "7z": base64.b64decode(SEVEN_ZIPS["lzma"]),
    "7z bzip2": base64.b64decode(SEVEN_ZIPS["bzip2"]),
    "docx": docx("quill"),
    "xlsx": xlsx("quill"),
    "pptx": pptx("quill"),
    "odt": odt("quill"),
    "zip": zipped({"a.txt": "quill"}),
    "tar": tarred({"a.txt": b"quill"}),
    "pdf": pdf("quill", attached=b"ink"),
    "rtf": rb"{\rtf1\ansi\fromhtml1 {\*\htmltag84 &eacute;}quill\u233?\'e9\par}",
}


class Strict(Context):
    """Lets errors through that `read` would take for damage."""

    def nested(self, name: str, kind: str, data: bytes, content_type: str = "") -> str:  # type: ignore[override]
        return "indexed"


def run(data: bytes, kind: str) -> None:
    """As the child does it: what a library raises counts as damage."""
    started = time.process_time()
    context = Context(LIMITS, READERS)
    assert context.read(kind, data)
    context.text().encode()
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", sorted(SEEDS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_documents(name: str, data: st.DataObject) -> None:
    seed = SEEDS[name]
    kind = sniff(seed, "a.tar" if name == "tar" else "")
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 40)))
    patch = data.draw(st.one_of(st.binary(max_size=12), st.just(b"\xff" * 8), st.just(bytes(8))))
    damaged = seed[:start] + patch + seed[end:]
    run(damaged, kind)
    if data.draw(st.booleans()):
        run(seed[:start], kind)


PARSERS: Mapping[str, tuple[Callable[[bytes], object], bytes]] = {
    "tnef": (open_tnef, SEEDS["tnef"]),
    "msg": (open_msg, SEEDS["msg"]),
    "lzfu": (decompress_rtf, LZFU),
    "rtf": (rtf_text, SEEDS["rtf"]),
    "xml": (xml_text, b"<?xml version='1.0' encoding='koi8-r'?><a><b>quill</b><c t='s'><v>1</v></c></a>"),
    "7z": (lambda d: READERS["7z"](d, Strict(LIMITS, READERS)), SEEDS["7z"]),
    "7z bzip2": (lambda d: READERS["7z"](d, Strict(LIMITS, READERS)), SEEDS["7z bzip2"]),
}


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_own_parsers_raise_only_ours(name: str, data: st.DataObject) -> None:
    parser, seed = PARSERS[name]
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 20)))
    piece = data.draw(st.one_of(st.binary(max_size=12), st.just(b"\xff" * 8)))
    for damaged in (seed[:start] + piece + seed[end:], seed[:start], piece):
        with contextlib.suppress(Unreadable):
            parser(damaged)


def test_every_bit_of_the_short_ones() -> None:
    for name in ("tnef", "7z", "7z bzip2", "lzfu"):
        parser, seed = PARSERS[name]
        for position in range(len(seed)):
            for bit in (0, 7):
                damaged = bytearray(seed)
                damaged[position] ^= 1 << bit
                with contextlib.suppress(Unreadable):
                    parser(bytes(damaged))


def test_lzfu_gives_what_the_specification_says() -> None:
    # MS-OXRTFCP 4.1.1 and 4.1.2: a reference that reads what it writes, and the end mark.
    assert decompress_rtf(LZFU) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompress_rtf(LZFU_OF_ITSELF) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert decompress_rtf(struct.pack("<II4sI", 17, 5, b"MELA", 0) + b"{\\rtf") == b"{\\rtf"


def test_a_piece_table_of_nonsense() -> None:
    for clx in (b"", b"\x02", b"\x02\xff\xff\xff\xff", b"\x01\xff\xff"):
        with pytest.raises((Unreadable, struct.error)):
            _pieces(b"main", clx)
