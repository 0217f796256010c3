"""LMTP, plus addresses, Python's own client and limits, seen from the wire."""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiver.capture.smtp.syntax import split_plus
from archiver.errors import CaptureError, StoreError
from tests.archiver.capture.doors import (
    FEED,
    Feeds,
    MemoryIntake,
    Wire,
    feed,
    smtp_served,
    stuffed,
    wait_for,
)

MESSAGE = b"Subject: results\r\n\r\nAll is well.\r\n"
LOCAL = ("127.0.0.1", 0)


# ---- LMTP


def lmtp_begin(wire: Wire, *recipients: bytes) -> None:
    assert wire.reply().startswith(b"220 localhost LMTP")
    assert b"PIPELINING" in wire.ask(b"LHLO client.test")
    assert wire.ask(b"MAIL FROM:<a@b.test>").startswith(b"250")
    for recipient in recipients:
        wire.ask(b"RCPT TO:<" + recipient + b">")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path fits a Unix socket's 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lmtp-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("unix", [False, True])
def test_lmtp_answers_each_recipient_its_own_truth(
    tmp_path: Path, short_path: Path, unix: bool, chunked: bool
) -> None:
    intake = MemoryIntake(lambda arrival: StoreError("x") if arrival.source_id == "src-2" else None)
    feeds = Feeds(feed(), feed("two@journal.test", "src-2"))
    where = short_path / "lmtp.sock" if unix else LOCAL
    with smtp_served(tmp_path, intake, feeds, lmtp=where) as served:
        door = served.listener.lmtp_port
        assert (door is None) == unix
        for _ in range(2):
            with Wire(door if door is not None else short_path / "lmtp.sock") as wire:
                lmtp_begin(wire, FEED.encode(), b"two@journal.test", b"nobody@x.test")
                wire.ask(b"RCPT TO:<" + FEED.replace("@", "+ann=clinic.test@").encode() + b">")
                if chunked:
                    wire.send(b"BDAT 4\r\nhalfBDAT 4 LAST\r\nmore")
                    assert wire.reply() == b"250 2.0.0 chunk received\r\n"
                else:
                    assert wire.ask(b"DATA").startswith(b"354")
                    wire.send(stuffed(MESSAGE))
                # Three accepted recipients, three replies; the refused one has had its own.
                assert wire.reply() == b"250 2.0.0 stored m1\r\n"
                assert wire.reply().startswith(b"451 4.3.0")
                assert wire.reply() == b"250 2.0.0 stored m1\r\n"
                assert wire.ask(b"DATA").startswith(b"503")
                assert wire.ask(b"QUIT").startswith(b"221 2.0.0")
    assert len(intake.arrivals) == 1


def test_lmtp_speaks_no_smtp_and_smtp_no_lmtp(tmp_path: Path) -> None:
    with smtp_served(tmp_path, MemoryIntake(), lmtp=LOCAL) as served:
        assert served.listener.lmtp_port
        with Wire(served.listener.lmtp_port) as wire:
            wire.reply()
            assert wire.ask(b"EHLO x").startswith(b"502 5.5.1")
            assert wire.ask(b"HELO x").startswith(b"502 5.5.1")
            assert wire.ask(b"MAIL FROM:<>").startswith(b"503 5.5.1 send LHLO")
        with Wire(served.port) as wire:
            wire.reply()
            assert wire.ask(b"LHLO x").startswith(b"502 5.5.1")


def test_lmtp_too_large_is_told_to_each_recipient(tmp_path: Path) -> None:
    intake = MemoryIntake()
    feeds = Feeds(feed(), feed("two@journal.test", "src-2"))
    with smtp_served(tmp_path, intake, feeds, lmtp=LOCAL, max_size=100) as served:
        assert served.listener.lmtp_port
        with Wire(served.listener.lmtp_port) as wire:
            lmtp_begin(wire, FEED.encode(), b"two@journal.test")
            wire.ask(b"DATA")
            wire.send(b"x" * 200 + b"\r\n.\r\n")
            assert [wire.reply()[:9] for _ in range(2)] == [b"552 5.3.4"] * 2
            assert wire.ask(b"NOOP").startswith(b"250")
    assert sorted(intake.refusals) == [("src-1", "too_large"), ("src-2", "too_large")]


def test_pythons_own_lmtp_client(tmp_path: Path, short_path: Path) -> None:
    intake = MemoryIntake()
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(str(short_path / "s"))
    stale.close()  # as a killed server leaves it
    with smtp_served(tmp_path, intake, lmtp=short_path / "s"):
        assert (short_path / "s").stat().st_mode & 0o777 == 0o660
        with smtplib.LMTP(str(short_path / "s")) as client:
            assert client.sendmail("a@b.test", [FEED], MESSAGE) == {}
        with (
            pytest.raises(CaptureError, match="in use"),
            smtp_served(tmp_path / "again", MemoryIntake(), lmtp=short_path / "s"),
        ):
            raise AssertionError("two listeners on one socket")
    assert intake.raws == [MESSAGE]


@pytest.mark.parametrize("turns", range(5))
def test_a_connection_that_comes_as_the_listener_stops_is_closed(
    tmp_path: Path, short_path: Path, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far its acceptance has come: no transport outlives the listener."""
    monkeypatch.setattr("archiver.capture.smtp.server._POLL", 0)
    with smtp_served(tmp_path, MemoryIntake(), lmtp=short_path / "s") as served:
        late = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

        async def stop() -> None:
            late.connect(str(short_path / "s"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await served.listener.stop(0)

        with late:
            served.loop.run(stop())
            assert served.listener.connections == 0
            late.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                while late.recv(1000):
                    pass


# ---- plus addresses


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("feed@h.test", ("feed@h.test", "")),
        ("feed+ann=clinic.example@h.test", ("feed@h.test", "ann@clinic.example")),
        ("feed+ann+tag=clinic.example@h.test", ("feed@h.test", "ann+tag@clinic.example")),
        ("feed+a=b=clinic.example@h.test", ("feed@h.test", "a=b@clinic.example")),
        ('"feed+a b=clinic.example"@h.test', ("feed@h.test", "a b@clinic.example")),
        ("feed+\u00e5sa=b\u00fccher.example@h.test", ("feed@h.test", "\u00e5sa@b\u00fccher.example")),
        ("feed+tag@h.test", ("feed@h.test", "")),
        ("feed+=@h.test", ("feed@h.test", "")),
        ("+ann=x.test@h.test", ("+ann=x.test@h.test", "")),
        ("feed+ann=x.test", ("feed+ann=x.test", "")),
    ],
)
def test_the_recipient_in_an_address(written: str, expected: tuple[str, str]) -> None:
    assert split_plus(written) == expected


def test_plus_addresses_reach_the_archive_as_recipients(tmp_path: Path) -> None:
    intake = MemoryIntake()
    local, _, host = FEED.partition("@")
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open(
            b"<a@b.test>",
            FEED.encode(),
            f"{local}+ann=clinic.test@{host}".encode(),
            f"{local.upper()}+bob=clinic.test@{host}".encode(),
        )
        wire.send(stuffed(MESSAGE))
        assert wire.reply().startswith(b"250")
        wire.ask(b"MAIL FROM:<>")
        assert wire.ask(b"RCPT TO:<nobody+ann=clinic.test@journal.test>").startswith(b"550 5.1.1")
    (arrival,) = intake.arrivals
    assert [r.address for r in arrival.smtp_recipients] == [FEED, "ann@clinic.test", "bob@clinic.test"]


# ---- Python's own client


def test_smtplib_with_utf8_addresses_and_eight_bits(tmp_path: Path) -> None:
    intake = MemoryIntake()
    local, _, host = FEED.partition("@")
    raw = "Subject: r\u00e9sultat\r\nTo: \u00e5sa@b\u00fccher.test\r\n\r\nr\u00e9sum\u00e9\r\n".encode()
    feeds = Feeds(feed(), feed("j@b\u00fccher.test", "src-2"))
    with smtp_served(tmp_path, intake, feeds) as served, smtplib.SMTP("localhost", served.port) as client:
        client.starttls(context=served.trusting_context())
        client.ehlo()
        options = ["SMTPUTF8", "BODY=8BITMIME", f"SIZE={len(raw)}"]
        to = [f"{local}+\u00e5sa=b\u00fccher.test@{host}", "j@b\u00fccher.test"]
        assert client.sendmail("\u00fc@b\u00fccher.test", to, raw, mail_options=options) == {}
    assert intake.raws == [raw, raw]
    # Each source's helper is one of several threads: either may come first.
    first, second = sorted(intake.arrivals, key=lambda arrival: arrival.source_id)
    assert first.smtp_sender == "\u00fc@b\u00fccher.test"
    assert [r.address for r in first.smtp_recipients] == ["\u00e5sa@b\u00fccher.test"]
    assert [r.address for r in second.smtp_recipients] == ["j@b\u00fccher.test"]


def test_smtplib_names_five_thousand_recipients(tmp_path: Path) -> None:
    intake = MemoryIntake()
    local, _, host = FEED.partition("@")
    people = [f"user{n}@clinic.test" for n in range(5_000)]
    encoded = [f"{local}+{person.replace('@', '=')}@{host}" for person in people]
    with smtp_served(tmp_path, intake) as served, smtplib.SMTP("localhost", served.port) as client:
        assert client.sendmail("a@b.test", encoded, MESSAGE) == {}
        client.mail("a@b.test")
        for address in encoded:
            client.putcmd("rcpt", f"TO:<{address}>")
        assert {client.getreply()[0] for _ in encoded} == {250}
        # One more must come by itself; the sender is told so for now, not for ever.
        assert client.rcpt(FEED)[0] == 452
    assert [r.address for r in intake.arrivals[0].smtp_recipients] == people


# ---- limits, and what is never done


def test_one_peer_cannot_take_all_connections(tmp_path: Path) -> None:
    feeds = Feeds(feed(network=""))
    with (
        smtp_served(tmp_path, MemoryIntake(), feeds, max_connections_per_peer=2, host="0.0.0.0") as served,
        contextlib.ExitStack() as stack,
    ):
        two = [stack.enter_context(Wire(served.port)) for _ in range(2)]
        assert all(wire.reply().startswith(b"220") for wire in two)
        third = stack.enter_context(Wire(served.port))
        assert third.reply().startswith(b"421 4.7.0")
        # Another address of this machine is another peer.
        other = socket.create_connection(("127.0.0.1", served.port), source_address=("127.0.0.9", 0))
        stack.callback(other.close)
        assert other.recv(100).startswith(b"220")
        two[0].ask(b"QUIT")
        wait_for(lambda: served.listener.connections < 3)
        assert stack.enter_context(Wire(served.port)).reply().startswith(b"220")


def test_a_client_that_only_chats_is_dropped(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake, max_commands=12) as served, Wire(served.port) as wire:
        wire.open()  # two of them
        for _ in range(3):
            wire.send(stuffed(MESSAGE))
            assert wire.reply().startswith(b"250")
            # A stored message starts the count anew, and recipients don't count.
            for _ in range(5):
                wire.ask(b"RSET")
            wire.ask(b"MAIL FROM:<>")
            for _ in range(15):
                assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"250")
            assert wire.ask(b"DATA").startswith(b"354")
        wire.send(b".\r\n")
        wire.reply()
        assert [wire.ask(b"NOOP")[:3] for _ in range(13)] == [b"250"] * 12 + [b"421"]
        assert wire.reply() == b""


def test_data_sent_before_it_was_asked_for_is_never_obeyed(tmp_path: Path) -> None:
    """All recipients refused, and the mail follows at once: none of its lines may become a command."""
    intake = MemoryIntake()
    inner = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<" + FEED.encode() + b">\r\nDATA\r\nSubject: evil\r\n.\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.reply()
        wire.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<who@x.test>\r\nDATA\r\n" + inner + b".\r\nQUIT\r\n")
        assert [wire.reply()[:3] for _ in range(5)] == [b"250", b"250", b"550", b"503", b"421"]
        assert wire.reply() == b""
    assert intake.submitted == 0


@pytest.mark.parametrize("form", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\n\0.\r\n"])
@pytest.mark.parametrize("early", [False, True])
def test_nothing_is_smuggled_in_one_packet(tmp_path: Path, form: bytes, early: bool) -> None:
    """The whole dialogue pipelined, with and without waiting for 354: one message, the rest inside it."""
    intake = MemoryIntake()
    head = b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<" + FEED.encode() + b">\r\nDATA\r\n"
    inner = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<" + FEED.encode() + b">\r\nDATA\r\nSubject: evil\r\n"
    body = b"Subject: a\r\n\r\nbody" + form + inner + b".\r\nQUIT\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        if early:
            wire.send(head + body)
        assert wire.reply().startswith(b"220")
        if not early:
            wire.send(head)
        assert [wire.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        if not early:
            wire.send(body)
        assert [wire.reply()[:3] for _ in range(2)] == [b"250", b"221"]
        assert wire.reply() == b""
    assert len(intake.arrivals) == 1
    # A dot after CRLF that isn't alone in its line is a stuffed one (RFC 5321 4.5.2).
    assert intake.raws[0] == body.removesuffix(b".\r\nQUIT\r\n").replace(b"\r\n.", b"\r\n")


def test_every_reply_has_an_enhanced_status_code_and_no_address(tmp_path: Path) -> None:
    """RFC 2034: on all 2yz, 4yz and 5yz replies but the greeting and the answer to EHLO."""
    secret = b"marker-zebra@clinic.test"
    commands = [b"HELP", b"HELP " + secret, b"NOOP", b"RSET", b"VRFY " + secret, b"EXPN " + secret]
    commands += [b"AUTH PLAIN " + secret, b"EHLO", b"RCPT TO:<" + secret + b">", b"DATA", b"DATA x"]
    commands += [b"MAIL FROM:<" + secret + b"> X=1", b"MAIL FROM:<a " + secret + b">", b"STARTTLS x"]
    commands += [b"MAIL FROM:<" + secret + b">", b"RCPT TO:<" + secret + b">", b"RCPT TO:" + secret + b" X=1"]
    commands += [b"\xff", b"", b"BDAT 0", b"ETRN x", b"STARTTLS"]
    with smtp_served(tmp_path, MemoryIntake(), max_errors=99) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO " + secret)
        for command in commands:
            answer = wire.ask(command)
            assert re.fullmatch(rb"([245])\d\d \1\.\d\.\d [ -~]*\r\n", answer), command
            assert b"zebra" not in answer


def test_the_archive_connects_to_nobody(tmp_path: Path) -> None:
    """Nothing is relayed and no notice is sent, whatever happens to a message: no socket is ever opened."""
    opened: list[str] = []
    test_thread = threading.get_ident()
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        # The test's own clients connect from this thread; the listener and its helpers run in others.
        outgoing = event in ("socket.connect", "socket.sendto", "subprocess.Popen", "os.exec")
        if outgoing and watching and threading.get_ident() != test_thread:
            opened.append(event)

    sys.addaudithook(hook)
    plans: Iterator[object] = iter([None, StoreError("x"), ValueError("x"), "lose", "hang"])
    intake = MemoryIntake(lambda _: next(plans))
    with (
        smtp_served(tmp_path, intake, max_size=5000) as served,
        Wire(served.port) as wire,
    ):
        wire.reply()
        wire.ask(b"EHLO x")
        for number in range(5):
            wire.envelope(b"<stranger@elsewhere.test>")
            if number == 4:
                served.change(commit_timeout=1.0)
            wire.send(stuffed(MESSAGE))
            wire.reply()
        served.change(commit_timeout=60.0)
        wire.envelope(b"<stranger@elsewhere.test>")
        wire.send(b"x" * 9000 + b"\r\n.\r\n")
        assert wire.reply().startswith(b"552")
        wire.ask(b"MAIL FROM:<stranger@elsewhere.test>")
        for stranger in (
            b"other@elsewhere.test",
            b"a%b@journal.test",
            b"@relay.test:a@b.test",
            b"postmaster",
        ):
            assert wire.ask(b"RCPT TO:<" + stranger + b">").startswith(b"550 5.1.1")
    watching = False
    assert opened == []
