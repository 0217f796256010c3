"""The IMAP door against a real Dovecot: IDLE, flags left alone, first readings, and memory."""

from __future__ import annotations

import asyncio
import dataclasses
import imaplib
import ssl
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.demo.imap import mailbox_server
from archiver.capture.imap.errors import RateLimited
from archiver.capture.imap.poller import ImapPoller, PollResult
from archiver.capture.imap.source import ImapSource
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_script import (
    Box,
    MemoryCheckpoints,
    MemoryGaps,
    ScriptedImap,
    poller,
    scripted,
)
from tests.servers.dovecot import DovecotServer, dovecot_server, fill, give_to_dovecot


def source_of(server: DovecotServer) -> ImapSource:
    return ImapSource(
        "imap-1",
        "localhost",
        server.user,
        lambda _: server.password,
        port=server.port,
        ca_file=server.ca_file,
    )


@contextmanager
def signed_in(server: DovecotServer) -> Iterator[imaplib.IMAP4_SSL]:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context) as client:
        client.login(server.user, server.password)
        yield client


async def watching(
    reading: ImapPoller, every: float, work: Callable[[Callable[[int], None]], object]
) -> list[PollResult]:
    """Watch while `work` runs in a thread, which may wait until so many messages were read."""
    stop, told = asyncio.Event(), list[PollResult]()
    task = asyncio.create_task(reading.watch(stop, every, told.append))

    def until(count: int) -> None:
        began = time.monotonic()
        while sum(result.read for result in told) < count:
            assert time.monotonic() - began < 60, [result.read for result in told]
            assert not task.done(), task
            time.sleep(0.01)

    try:
        await asyncio.to_thread(work, until)
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)  # IDLE alone would go on for much longer
    return told


def test_new_mail_is_taken_seconds_after_it_came(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, [b"Subject: %d\r\n\r\n" % n for n in range(5)])
    intake, gaps = MemoryIntake(), MemoryGaps()
    with dovecot_server(tmp_path, maildir) as server, signed_in(server) as client:
        reading = poller(source_of(server), MemoryCheckpoints(), intake, gaps)

        def work(until: Callable[[int], None]) -> None:
            until(5)
            for number in range(6, 9):
                # The poll every hour takes no part in this.
                client.append("INBOX", "", "", b"Subject: new %d\r\n\r\n" % number)
                until(number)
            client.create("Other")
            client.append("Other", "", "", b"Subject: elsewhere\r\n\r\n")

        told = asyncio.run(watching(reading, 3600, work))
    assert [len(result.folders) for result in told] == [1] * len(told)
    assert len(intake.raws) == 8
    assert gaps.said == []


def test_other_folders_are_looked_into_between(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with dovecot_server(tmp_path, tmp_path / "Maildir") as server, signed_in(server) as client:
        reading = poller(source_of(server), MemoryCheckpoints(), intake)

        def work(until: Callable[[int], None]) -> None:
            client.create("Sent")
            client.append("Sent", "", "", b"Subject: sent\r\n\r\n")
            until(1)

        asyncio.run(watching(reading, 0.5, work))
    assert [arrival.folder for arrival in intake.arrivals] == ["Sent"]


def test_without_idle_the_folder_is_polled(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with dovecot_server(tmp_path, tmp_path / "Maildir") as server, signed_in(server) as client:
        source = dataclasses.replace(source_of(server), idle=False)

        def work(until: Callable[[int], None]) -> None:
            client.append("INBOX", "", "", b"Subject: polled\r\n\r\n")
            until(1)

        asyncio.run(watching(poller(source, MemoryCheckpoints(), intake), 0.3, work))
    assert len(intake.raws) == 1


def test_mail_between_the_reading_and_idle_is_not_missed(tmp_path: Path) -> None:
    """A server says nothing in IDLE of what it told in EXAMINE already."""
    intake = MemoryIntake()
    with dovecot_server(tmp_path, tmp_path / "Maildir") as server, signed_in(server) as client:
        reading = poller(source_of(server), MemoryCheckpoints(), intake)
        stop, told = asyncio.Event(), list[PollResult]()

        def tell(result: PollResult) -> None:
            told.append(result)
            if len(told) == 1:
                client.append("INBOX", "", "", b"Subject: in between\r\n\r\n")
            else:
                stop.set()

        asyncio.run(asyncio.wait_for(reading.watch(stop, 3600, tell), 60))
    assert [result.read for result in told] == [0, 1]


def test_another_server_of_another_make(tmp_path: Path) -> None:
    """pymap: IDLE, folders and dates."""
    intake = MemoryIntake()
    with mailbox_server(tmp_path, "jane", "pass word") as server:
        context = ssl.create_default_context(cafile=str(server.ca_file))
        source = ImapSource(
            "imap-1", "localhost", "jane", lambda _: "pass word", port=server.port, ca_file=server.ca_file
        )
        with imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context) as client:
            client.login("jane", "pass word")
            client.create("Entw&APw-rfe")
            client.append(
                "Entw&APw-rfe", "(\\Flagged)", '"01-Feb-2020 03:04:05 +0000"', b"Subject: draft\r\n\r\n"
            )

            def work(until: Callable[[int], None]) -> None:
                until(1)
                client.append("INBOX", "", "", b"Subject: new\r\n\r\n")
                until(2)

            asyncio.run(watching(poller(source, MemoryCheckpoints(), intake), 3600, work))
    drafts, new = intake.arrivals
    assert (drafts.folder, drafts.first_reading, dict(drafts.notes)) == (
        "Entwürfe",
        True,
        {"flags": "\\Flagged"},
    )
    assert str(drafts.received_at) == "2020-02-01 03:04:05+00:00"
    assert (new.folder, new.first_reading) == ("INBOX", False)


def test_a_session_that_is_cut_in_idle_is_told(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": Box()})
    server.capabilities = "IMAP4rev1 IDLE"
    asked: list[str] = []

    def hook(line: str) -> bytes | None:
        if line.endswith(" IDLE"):
            asked.append(line)
            return b"+ idling\r\n* BYE [UNAVAILABLE] going down\r\n"
        return None

    server.hook = hook
    with scripted(tmp_path, server) as source, pytest.raises(RateLimited):
        asyncio.run(
            asyncio.wait_for(
                poller(source, MemoryCheckpoints(), MemoryIntake()).watch(asyncio.Event(), 3600), 60
            )
        )
    assert len(asked) == 1


def test_not_one_flag_changes(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    for number, flags in enumerate(["", "S", "FS", "DRT", "R"], 1):
        (path,) = fill(maildir, [b"Subject: %d\r\n\r\n" % number], start=number)
        path.rename(path.with_name(path.name + flags))
    new = maildir / "new"
    new.mkdir(exist_ok=True)
    (new / "1700000000.M1P1.test").write_bytes(b"Subject: recent\r\n\r\n")
    give_to_dovecot(maildir)

    def files() -> dict[str, bytes]:
        return {str(p.relative_to(maildir)): p.read_bytes() for p in maildir.rglob("*M*P1*")}

    before = files()
    intake = MemoryIntake()
    with dovecot_server(tmp_path, maildir) as server:
        asyncio.run(poller(source_of(server), MemoryCheckpoints(), intake).poll_once())
        assert {p.rpartition("/")[2] for p in files()} == {p.rpartition("/")[2] for p in before}
        with signed_in(server) as client:
            client.select("INBOX")
            _, [recent] = client.search(None, "RECENT")
            _, seen = client.fetch("1:*", "(FLAGS)")
    assert recent == b"1 2 3 4 5 6", "EXAMINE must leave messages recent for their owner"
    assert [b"\\Seen" in line for line in seen if isinstance(line, bytes)] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    notes = [dict(arrival.notes).get("flags", "") for arrival in intake.arrivals]
    assert [set(note.split()) for note in notes] == [
        set(), {"\\Seen"}, {"\\Flagged", "\\Seen"}, {"\\Draft", "\\Answered", "\\Deleted"}, {"\\Answered"},
        set(),
    ]  # fmt: skip
    assert all(arrival.first_reading and arrival.folder == "INBOX" for arrival in intake.arrivals)


def test_a_huge_message_and_many_large_ones(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    line = b"0123456789abcdef" * 4 + b"\r\n"
    fill(maildir, [b"Subject: %d\r\n\r\n" % n + line * 16_000 for n in range(100)])
    fill(maildir, [b"Subject: huge\r\n\r\n" + line * 1_600_000], start=200)
    sizes: list[int] = []

    class Forgetful(MemoryIntake):
        def _keep(self, arrival):  # type: ignore[no-untyped-def]
            sizes.append(len(arrival.raw))
            return super()._keep(dataclasses.replace(arrival, raw=arrival.raw[:40]))

    with dovecot_server(tmp_path, maildir) as server:
        reading = poller(source_of(server), MemoryCheckpoints(), Forgetful())
        tracemalloc.start()
        result = asyncio.run(reading.poll_once())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (result.stored, result.refused) == (101, 0)
    assert max(sizes) == 17 + 66 * 1_600_000
    assert sum(sizes) > 200_000_000
    # The huge one alone: what was received, its copy as bytes, and change.
    assert peak < 2.2 * max(sizes)
