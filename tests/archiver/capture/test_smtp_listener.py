"""The SMTP door seen from the wire: what it offers, whom it serves, what it answers."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import socket
import ssl
import threading
from ipaddress import ip_address
from pathlib import Path

import pytest

from archiver.capture.smtp import wire as smtp_wire
from archiver.capture.smtp.tls import self_made_certificate
from archiver.errors import CaptureError
from tests.archiver.capture.doors import (
    FEED,
    Feeds,
    MemoryIntake,
    Wire,
    feed,
    smtp_served,
    stuffed,
    wait_for,
    wait_until_gone,
)

MESSAGE = b"Subject: results\r\n\r\nAll is well.\r\n"


def test_greeting_and_offers(tmp_path: Path) -> None:
    with smtp_served(tmp_path, MemoryIntake()) as served, Wire(served.port) as wire:
        assert wire.reply() == b"220 localhost ESMTP Holdfast\r\n"
        offers = {line[4:] for line in wire.ask(b"EHLO client.test").splitlines()}
        assert offers == {
            b"localhost",
            b"SIZE 209715200",
            b"8BITMIME",
            b"SMTPUTF8",
            b"ENHANCEDSTATUSCODES",
            b"STARTTLS",
            b"PIPELINING",
            b"CHUNKING",
            b"BINARYMIME",
        }
        assert wire.ask(b"QUIT").startswith(b"221 ")
        assert wire.reply() == b""


def test_a_message_is_taken_byte_for_byte(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open(b"<>")
        raw = b"Subject: x\r\n\r\n.dot\r\n..\r\nbare\nLF\rCR\0\xff\r\n \r\n"
        wire.send(stuffed(raw))
        assert wire.reply() == b"250 2.0.0 stored m1\r\n"
    (arrival,) = intake.arrivals
    assert arrival.raw == raw
    assert arrival.source_id == "src-1"
    assert arrival.smtp_sender == ""
    assert [(r.address, r.role) for r in arrival.smtp_recipients] == [(FEED, "recipient")]


@pytest.mark.parametrize(
    ("before", "command", "reply"),
    [
        ([], b"MAIL FROM:<a@b.test>", b"503 5.5.1"),
        ([b"EHLO x"], b"RCPT TO:<" + FEED.encode() + b">", b"503 5.5.1"),
        ([b"EHLO x"], b"DATA", b"503 5.5.1"),
        ([b"EHLO x", b"MAIL FROM:<a@b.test>"], b"DATA", b"503 5.5.1"),
        ([b"EHLO x", b"MAIL FROM:<a@b.test>"], b"MAIL FROM:<a@b.test>", b"503 5.5.1"),
        ([b"EHLO x", b"MAIL FROM:<a@b.test>"], b"RCPT TO:<who@elsewhere.test>", b"550 5.1.1"),
        (
            [b"EHLO x", b"MAIL FROM:<a@b.test>"],
            b"RCPT TO:<" + FEED.encode() + b"> NOTIFY=NEVER",
            b"555 5.5.4",
        ),
        ([b"EHLO x"], b"MAIL FROM:<a@b.test> SIZE=209715201", b"552 5.3.4"),
        ([b"EHLO x"], b"MAIL FROM:<a@b.test> SIZE=209715200", b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL FROM:<a@b.test> SIZE=many", b"501 5.5.4"),
        ([b"EHLO x"], b"MAIL FROM:<a@b.test> BODY=BINARYMIME", b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL FROM:<a@b.test> BODY=8BITMIME SMTPUTF8 SIZE=5", b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL FROM:<a@b.test> RET=FULL", b"555 5.5.4"),
        ([b"EHLO x"], b"MAIL FROM:<a b@c.test>", b"501 5.5.4"),
        ([b"EHLO x"], b'MAIL FROM:<"a b"@c.test>', b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL FROM:<@relay.test:a@b.test>", b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL FROM: <a@b.test>", b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL FROM:<\xc3\xa9@b.test> SMTPUTF8", b"250 2.1.0"),
        ([b"EHLO x"], b"MAIL", b"501 5.5.4"),
        ([b"HELO x"], b"MAIL FROM:<a@b.test>", b"250 2.1.0"),
        ([b"EHLO x"], b"AUTH PLAIN AGEAYg==", b"502 5.5.1"),
        ([b"EHLO x"], b"EXPN all", b"502 5.5.1"),
        ([b"EHLO x"], b"VRFY " + FEED.encode(), b"252 2.5.0"),
        ([b"EHLO x"], b"\xff\xfe", b"502 5.5.1"),
        ([b"EHLO x"], b"", b"502 5.5.1"),
        ([b"EHLO x"], b"NOOP " + b"x" * 5000, b"500 5.5.2"),
        ([b"EHLO x"], b"NOOP " + b"x" * 500_000, b"500 5.5.2"),
        ([], b"EHLO", b"501 5.5.4"),
        ([], b"RSET", b"250 2.0.0"),
    ],
)
def test_replies(tmp_path: Path, before: list[bytes], command: bytes, reply: bytes) -> None:
    with smtp_served(tmp_path, MemoryIntake()) as served, Wire(served.port) as wire:
        wire.reply()
        for line in before:
            assert wire.ask(line).startswith(b"250")
        answer = wire.ask(command)
        assert answer.startswith(reply)
        assert b"elsewhere" not in answer
        assert b"journal.test" not in answer
        assert wire.ask(b"NOOP").startswith(b"250 ")


def test_a_peer_outside_the_feeds_networks_is_refused(tmp_path: Path) -> None:
    feeds = Feeds(feed(network="192.0.2.0/24"))
    with smtp_served(tmp_path, MemoryIntake(), feeds) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO x")
        wire.ask(b"MAIL FROM:<>")
        assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"550 5.7.1")


def test_a_remote_peer_must_use_tls_before_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests talk over loopback only, so the peer's address is the one thing that is made up here.
    monkeypatch.setattr(smtp_wire, "peer_address", lambda _: ip_address("192.0.2.7"))
    feeds = Feeds(feed(network="192.0.2.0/24"))
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake, feeds) as served:
        with Wire(served.port) as wire:
            wire.reply()
            wire.ask(b"EHLO x")
            assert wire.ask(b"MAIL FROM:<>").startswith(b"530 5.7.0")
        with smtplib.SMTP("localhost", served.port) as client:
            client.starttls(context=served.trusting_context())
            client.sendmail("a@b.test", [FEED], MESSAGE)
    assert intake.raws == [MESSAGE]


def test_starttls_is_verified_and_forgets_what_came_before(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake) as served:
        with Wire(served.port) as wire:
            wire.reply()
            wire.ask(b"EHLO x")
            # The line after STARTTLS is what a man in the middle would put in.
            wire.send(b"STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
            assert wire.reply().startswith(b"220 ")
            context = served.trusting_context()
            with context.wrap_socket(wire.socket, server_hostname="localhost") as tls:
                assert tls.version() in ("TLSv1.2", "TLSv1.3")
                wire.socket = tls
                assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"503")
                assert b"STARTTLS" not in wire.ask(b"EHLO x")
                assert wire.ask(b"STARTTLS").startswith(b"503")
                wire.envelope()
                wire.send(stuffed(MESSAGE))
                assert wire.reply().startswith(b"250 2.0.0")
        with smtplib.SMTP("localhost", served.port) as client, pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=ssl.create_default_context())
        with smtplib.SMTP("localhost", served.port) as client:
            assert client.noop()[0] == 250
    assert intake.raws == [MESSAGE]


def test_pipelined_commands_and_messages(tmp_path: Path) -> None:
    intake = MemoryIntake()
    envelope = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<" + FEED.encode() + b">\r\nDATA\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.reply()
        wire.send(b"EHLO x\r\n" + envelope)
        assert [wire.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        wire.send(stuffed(MESSAGE) + b"RSET\r\n" + envelope)
        assert [wire.reply()[:3] for _ in range(5)] == [b"250", b"250", b"250", b"250", b"354"]
        wire.send(stuffed(MESSAGE + b"2\r\n") + b"QUIT\r\n")
        assert [wire.reply()[:3] for _ in range(2)] == [b"250", b"221"]
    assert intake.raws == [MESSAGE, MESSAGE + b"2\r\n"]


@pytest.mark.parametrize("form", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"], ids=repr)
def test_a_smuggled_message_stays_inside_the_first(tmp_path: Path, form: bytes) -> None:
    intake = MemoryIntake()
    inner = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<" + FEED.encode() + b">\r\nDATA\r\nSubject: evil\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(b"Subject: a\r\n\r\nbody" + form + inner + b".\r\nQUIT\r\n")
        assert wire.reply().startswith(b"250 2.0.0")
        assert wire.reply().startswith(b"221 ")
    assert len(intake.arrivals) == 1
    assert b"Subject: evil" in intake.raws[0]


def test_one_arrival_a_source_with_its_own_recipients(tmp_path: Path) -> None:
    intake = MemoryIntake()
    feeds = Feeds(feed(), feed("two@journal.test", "src-2"), feed("three@journal.test", "src-2"))
    with smtp_served(tmp_path, intake, feeds) as served, Wire(served.port) as wire:
        wire.open(
            b"<a@b.test>", FEED.encode(), b"two@journal.test", b"three@journal.test", b"two@journal.test"
        )
        wire.send(stuffed(MESSAGE))
        assert wire.reply() == b"250 2.0.0 stored m1 m2\r\n"
    got = {a.source_id: [r.address for r in a.smtp_recipients] for a in intake.arrivals}
    assert got == {"src-1": [FEED], "src-2": ["two@journal.test", "three@journal.test"]}


def test_eight_ordinary_clients_at_once(tmp_path: Path) -> None:
    intake = MemoryIntake()
    sent = {
        (n, k): f"Subject: {n}-{k}\r\n\r\n.hidden dot {n} {k}\r\n".encode()
        for n in range(8)
        for k in range(25)
    }

    def client(number: int) -> None:
        with smtplib.SMTP("127.0.0.1", served.port) as smtp:
            for k in range(25):
                smtp.sendmail(f"a{number}@b.test", [FEED], sent[number, k])

    with smtp_served(tmp_path, intake) as served:
        threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(250)
    assert sorted(intake.raws) == sorted(sent.values())


def test_too_many_connections(tmp_path: Path) -> None:
    with smtp_served(tmp_path, MemoryIntake(), max_connections=2) as served, contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(Wire(served.port)) for _ in range(2))
        assert first.reply().startswith(b"220")
        assert second.reply().startswith(b"220")
        third = stack.enter_context(Wire(served.port))
        assert third.reply().startswith(b"421 4.7.0")
        assert third.reply() == b""
        first.ask(b"QUIT")
        wait_for(lambda: served.listener.connections < 2)
        assert stack.enter_context(Wire(served.port)).reply().startswith(b"220")


def test_a_client_that_guesses_addresses_is_dropped(tmp_path: Path) -> None:
    with smtp_served(tmp_path, MemoryIntake()) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO x")
        wire.ask(b"MAIL FROM:<>")
        replies = [wire.ask(b"RCPT TO:<guess%d@journal.test>" % n) for n in range(20)]
        assert {reply[:9] for reply in replies[:-1]} == {b"550 5.1.1"}
        assert replies[-1].startswith(b"421 4.7.0")
        assert wire.reply() == b""


def test_a_silent_client_is_dropped(tmp_path: Path) -> None:
    with smtp_served(tmp_path, MemoryIntake(), idle_timeout=0.3) as served, Wire(served.port) as wire:
        wire.reply()
        assert wire.reply().startswith(b"421 4.4.2")
    with smtp_served(tmp_path, MemoryIntake()) as served:
        with Wire(served.port) as wire:
            wire.open()
            served.change(idle_timeout=0.3)
            wire.send(b"Subject: never en")
            assert wire.reply().startswith(b"421 4.4.2")
        wait_until_gone(served)


def test_a_client_that_trickles_is_dropped(tmp_path: Path) -> None:
    with smtp_served(tmp_path, MemoryIntake(), data_timeout=0.5) as served, Wire(served.port) as wire:
        wire.open()
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                wire.send(b"x")
                threading.Event().wait(0.05)
        with contextlib.suppress(ConnectionError):
            assert wire.reply().startswith(b"421 4.4.2")
        wait_for(lambda: served.listener.connections == 0)


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_a_connection_lost_in_the_middle_stores_nothing(tmp_path: Path, how: str) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake, spool_above=1000) as served:
        with Wire(served.port) as wire:
            wire.open()
            wire.send(b"x" * 5000 + b"\r\n.\r")
            wait_for(lambda: served.listener.in_flight >= 5000)
            if how == "reset":
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            if how == "half":
                wire.socket.shutdown(socket.SHUT_WR)
                assert wire.reply() == b""
        wait_until_gone(served)
    assert intake.submitted == 0


def test_nothing_of_a_session_reaches_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    intake = MemoryIntake(lambda _: ValueError("marker-zebra in an exception"))
    with smtp_served(tmp_path, intake, debug=True) as served, Wire(served.port) as wire:
        wire.open(b"<marker-zebra@b.test>")
        wire.send(b"Subject: marker-zebra\r\n.\r\n")
        assert wire.reply().startswith(b"451 4.3.0")
        for line in (
            b"marker-zebra",
            b"MAIL FROM:<marker-zebra@x.test> MARKER-ZEBRA=1",
            b"VRFY marker-zebra",
        ):
            assert b"zebra" not in wire.ask(line).lower()
        wire.ask(b"MAIL FROM:<>")
        assert b"zebra" not in wire.ask(b"RCPT TO:<marker-zebra@x.test>")
    with smtp_served(tmp_path, intake, Feeds()) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO marker-zebra")
        wire.ask(b"STARTTLS")
        wire.send(b"marker-zebra is no TLS\r\n" * 10)
        with contextlib.suppress(ConnectionError):
            wire.reply()
    logging.getLogger("mail.log").error("%r marker-zebra", b"marker-zebra")
    formatter = logging.Formatter()
    text = "\n".join(formatter.format(record) for record in caplog.records)
    assert "a message was not stored: ValueError" in text
    assert "aiosmtpd reported a error" in text
    assert "zebra" not in text.lower()


def test_a_bound_address_is_a_typed_error(tmp_path: Path) -> None:
    with (
        smtp_served(tmp_path, MemoryIntake()) as served,
        pytest.raises(CaptureError),
        smtp_served(tmp_path, MemoryIntake(), port=served.port),
    ):
        raise AssertionError("two listeners on one port")


def test_the_self_made_certificate_is_private_and_kept(tmp_path: Path) -> None:
    certificate, key = self_made_certificate(tmp_path / "tls", "mail.clinic.test")
    assert key.stat().st_mode & 0o777 == 0o600
    before = certificate.read_bytes()
    assert self_made_certificate(tmp_path / "tls", "mail.clinic.test") == (certificate, key)
    assert certificate.read_bytes() == before
    self_made_certificate(tmp_path / "tls", "192.0.2.1")
    assert certificate.read_bytes() != before
    key.write_bytes(b"")
    self_made_certificate(tmp_path / "tls", "192.0.2.1")
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY")
