"""BDAT and BINARYMIME (RFC 3030): chunks make the same message as DATA, in any order of trouble."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.capture.smtp.delivery import Desk
from archiver.capture.smtp.ports import SmtpSettings
from archiver.capture.smtp.session import Door, SmtpSession
from archiver.capture.smtp.syntax import BadCommandError, read_chunk
from archiver.capture.smtp.tls import self_made_certificate, server_context
from archiver.errors import StoreError
from tests.archiver.capture.doors import (
    FEED,
    Feeds,
    MemoryIntake,
    Wire,
    feed,
    smtp_served,
    wait_for,
    wait_until_gone,
)

BINARY = b"Subject: x\n\nbare LF\n.\n\r\n.\r\n\x00\xff no line end"


def begun(wire: Wire, parameters: bytes = b"") -> None:
    wire.reply()
    wire.ask(b"EHLO x")
    assert wire.ask(b"MAIL FROM:<a@b.test>" + parameters).startswith(b"250")
    assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"250")


def bdat(data: bytes, last: bool = False) -> bytes:
    return b"BDAT %d%s\r\n" % (len(data), b" LAST" if last else b"") + data


@pytest.mark.parametrize("cut", [1, 7, 13, len(BINARY)])
def test_chunks_are_joined_byte_for_byte(tmp_path: Path, cut: int) -> None:
    intake = MemoryIntake()
    pieces = [BINARY[at : at + cut] for at in range(0, len(BINARY), cut)]
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        begun(wire, b" BODY=BINARYMIME")
        # All pipelined, the next transaction too: a chunk's length says where the next command begins.
        wire.send(b"".join(bdat(piece) for piece in pieces) + b"BDAT 0 LAST\r\nNOOP\r\n")
        assert [wire.reply()[:9] for _ in pieces] == [b"250 2.0.0"] * len(pieces)
        assert wire.reply() == b"250 2.0.0 stored m1\r\n"
        assert wire.reply() == b"250 2.0.0 ok\r\n"
        assert served.listener.in_flight == 0
    assert intake.raws == [BINARY]


def test_an_empty_message_and_a_single_last_chunk(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        begun(wire)
        assert wire.ask(b"BDAT 0 LAST").startswith(b"250 2.0.0 stored")
        wire.send(b"MAIL FROM:<>\r\nRCPT TO:<" + FEED.encode() + b">\r\n" + bdat(b"one", last=True))
        assert [wire.reply()[:3] for _ in range(3)] == [b"250"] * 3
    assert intake.raws == [b"", b"one"]


def test_data_after_bdat_or_binarymime_is_out_of_order(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        begun(wire, b" BODY=BINARYMIME")
        assert wire.ask(b"DATA").startswith(b"503 5.5.1")
        wire.send(bdat(b"first"))
        assert wire.reply().startswith(b"250")
        assert wire.ask(b"DATA").startswith(b"503 5.5.1")
        assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"503 5.5.1")
        assert wire.ask(b"MAIL FROM:<>").startswith(b"503 5.5.1")
        wire.send(bdat(b" second", last=True))
        assert wire.reply().startswith(b"250 2.0.0 stored")
    assert intake.raws == [b"first second"]


def test_a_chunk_without_a_transaction_is_read_away(tmp_path: Path) -> None:
    intake = MemoryIntake()
    smuggled = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<" + FEED.encode() + b">\r\nDATA\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO x")
        wire.send(bdat(smuggled) + bdat(smuggled, last=True) + b"NOOP\r\n")
        assert [wire.reply()[:9] for _ in range(3)] == [b"503 5.5.1", b"503 5.5.1", b"250 2.0.0"]
        wire.ask(b"MAIL FROM:<>")
        wire.ask(b"RCPT TO:<nobody@x.test>")
        wire.send(bdat(smuggled, last=True))
        assert wire.reply().startswith(b"503 5.5.1")
        assert wire.ask(b"NOOP").startswith(b"250")
    assert intake.submitted == 0


def test_rset_between_chunks_forgets_them(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        begun(wire)
        wire.send(bdat(b"x" * 5000))
        wire.reply()
        assert served.listener.in_flight == 5000
        assert wire.ask(b"RSET").startswith(b"250")
        assert served.listener.in_flight == 0
        wire.send(bdat(b"late", last=True))
        assert wire.reply().startswith(b"503")
        wire.ask(b"MAIL FROM:<>")
        wire.ask(b"RCPT TO:<" + FEED.encode() + b">")
        wire.send(bdat(b"anew", last=True))
        assert wire.reply().startswith(b"250")
    assert intake.raws == [b"anew"]


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"1 FIRST", b"1 LAST more", b"9" * 21, b"\xc2\xb2"])
def test_a_chunk_of_unknown_length_ends_the_connection(tmp_path: Path, argument: bytes) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        begun(wire)
        wire.send(b"BDAT " + argument + b"\r\nDATA\r\nevil\r\n.\r\n")
        assert wire.reply().startswith(b"501 5.5.4")
        assert wire.reply() == b""
    assert intake.submitted == 0


def test_too_large_in_chunks_is_told_at_once_and_counted_once(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake, max_size=1000) as served, Wire(served.port) as wire:
        begun(wire)
        wire.send(bdat(b"x" * 900) + bdat(b"x" * 900) + bdat(b"x" * 900, last=True))
        assert [wire.reply()[:9] for _ in range(3)] == [b"250 2.0.0", b"552 5.3.4", b"503 5.5.1"]
        assert wire.ask(b"RSET").startswith(b"250")
        assert served.listener.in_flight == 0
        wire.ask(b"MAIL FROM:<>")
        wire.ask(b"RCPT TO:<" + FEED.encode() + b">")
        wire.send(bdat(b"x" * 1000, last=True))
        assert wire.reply().startswith(b"250")
    assert intake.refusals == [("src-1", "too_large")]


def test_our_trouble_with_chunks_is_temporary(tmp_path: Path) -> None:
    intake = MemoryIntake(lambda _: StoreError("down"))
    with smtp_served(tmp_path, intake, in_flight_limit=2000) as served, Wire(served.port) as wire:
        begun(wire)
        wire.send(bdat(b"x" * 3000))
        assert wire.reply().startswith(b"452 4.3.1")
        assert wire.ask(b"RSET").startswith(b"250")
        wire.ask(b"MAIL FROM:<>")
        wire.ask(b"RCPT TO:<" + FEED.encode() + b">")
        wire.send(bdat(b"small", last=True))
        assert wire.reply().startswith(b"451 4.3.0")
        intake.plan = None
        wire.ask(b"MAIL FROM:<>")
        wire.ask(b"RCPT TO:<" + FEED.encode() + b">")
        wire.send(bdat(b"small", last=True))
        assert wire.reply().startswith(b"250")
    assert intake.raws == [b"small"]


def test_a_connection_lost_between_chunks_stores_nothing(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served:
        with Wire(served.port) as wire:
            begun(wire)
            wire.send(bdat(b"x" * 500) + b"BDAT 1000 LAST\r\nhalf")
            wire.reply()
            wait_for(lambda: served.listener.in_flight == 504)
        wait_until_gone(served)
        with Wire(served.port) as wire:
            begun(wire)
            served.change(idle_timeout=0.5)
            wire.send(b"BDAT 1000 LAST\r\nhalf")
            assert wire.reply().startswith(b"421 4.4.2")
        wait_until_gone(served)
    assert intake.submitted == 0


@given(st.text(max_size=30))
def test_reading_a_chunk_command_never_surprises(text: str) -> None:
    try:
        size, _ = read_chunk(text)
    except BadCommandError:
        return
    assert 0 <= size < 10**20


class _Transport(asyncio.Transport):
    """A transport whose other side is the test."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 9)})
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.fixture(scope="module")
def smtp_settings(tmp_path_factory: pytest.TempPathFactory) -> SmtpSettings:
    folder = tmp_path_factory.mktemp("smtp")
    pair = self_made_certificate(folder / "tls", "localhost")
    return SmtpSettings(tls=server_context(*pair), spool_directory=folder / "spool", spool_above=64)


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.binary(max_size=200), min_size=1, max_size=3),
    chunks=st.lists(st.integers(0, 60), max_size=8),
    reads=st.lists(st.integers(1, 40), max_size=60),
)
def test_any_chunking_and_any_reads_give_the_same_bytes(
    smtp_settings: SmtpSettings, messages: list[bytes], chunks: list[int], reads: list[int]
) -> None:
    stream = b"EHLO x\r\n"
    for message in messages:
        stream += b"MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<" + FEED.encode() + b">\r\n"
        at = 0
        for size in chunks:
            stream += bdat(message[at : at + size])
            at += size
        stream += bdat(message[at:], last=True)
    intake = MemoryIntake()

    async def converse() -> bytes:
        desk = Desk(smtp_settings, Feeds(feed()), intake)
        session = SmtpSession(desk, asyncio.get_running_loop(), Door())
        transport = _Transport()
        session.connection_made(transport)
        sent, sizes = stream + b"QUIT\r\n", list(reads)
        while sent:
            size = sizes.pop(0) if sizes else len(sent)
            session.data_received(sent[:size])
            sent = sent[size:]
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while not transport.closed:
                await asyncio.sleep(0.001)
        session.connection_lost(None)
        desk.close()
        return transport.sent

    said = asyncio.run(converse())
    assert said.count(b"250 2.0.0 stored ") == len(messages)
    assert said.endswith(b"221 2.0.0 bye\r\n")
    # MemoryIntake keeps equal messages once, as the archive does.
    assert intake.raws == list(dict.fromkeys(messages))
    assert desk_is_empty(smtp_settings)


def desk_is_empty(smtp_settings: SmtpSettings) -> bool:
    """No message's bytes are left in the spool folder."""
    folder = smtp_settings.spool_directory
    return not folder.exists() or not list(folder.iterdir())


words = st.sampled_from(
    [b"EHLO x\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<" + FEED.encode() + b">\r\n", b"DATA\r\n"]
) | st.sampled_from(
    [b"BDAT 3\r\nabc", b"BDAT 4 LAST\r\nabcd", b"RSET\r\n", b".\r\n", b"\r\n", b"\n.\n", b"BDAT \r\n"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(words | st.binary(max_size=12), max_size=25))
def test_no_dialogue_surprises_the_session(smtp_settings: SmtpSettings, said: list[bytes]) -> None:
    """Whatever is sent: replies in form, an end after the client's end, nothing left, no fault of ours."""
    intake = MemoryIntake()

    async def converse() -> tuple[bytes, int]:
        desk = Desk(smtp_settings, Feeds(feed()), intake)
        session = SmtpSession(desk, asyncio.get_running_loop(), Door())
        transport = _Transport()
        session.connection_made(transport)
        for piece in said:
            session.data_received(piece)
            await asyncio.sleep(0)
        session.eof_received()
        async with asyncio.timeout(60):
            while not transport.closed:
                await asyncio.sleep(0.001)
        session.connection_lost(None)
        await asyncio.sleep(0)
        desk.close()
        return transport.sent, desk.budget.used

    sent, used = asyncio.run(converse())
    assert used == 0
    assert re.fullmatch(rb"220 localhost ESMTP Holdfast\r\n([2-5]\d\d[ -][ -~]*\r\n)*", sent)
    assert b"451" not in sent
    assert len(intake.arrivals) <= sent.count(b"250 2.0.0 stored")
