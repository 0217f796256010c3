"""The IMAP door against a real Dovecot."""

from __future__ import annotations

import asyncio
import dataclasses
import imaplib
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.capture.files.doors import open_items
from archiver.capture.imap.poller import PollResult
from archiver.capture.imap.source import ImapSource
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_script import MemoryCheckpoints, poller
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


def poll(server: DovecotServer, checkpoints: MemoryCheckpoints, intake: MemoryIntake) -> PollResult:
    return asyncio.run(poller(source_of(server), checkpoints, intake).poll_once())


def as_sent(raw: bytes) -> bytes:
    """Return a Maildir file as Dovecot sends it: every line end as CRLF."""
    return re.sub(rb"\r?\n", b"\r\n", raw)


def mail(count: int, start: int = 1) -> list[bytes]:
    return [f"Subject: {n}\n\nbody (of) {{{n}}}\n".encode() for n in range(start, start + count)]


@pytest.fixture
def other_client(tmp_path: Path) -> Iterator[list[imaplib.IMAP4_SSL]]:
    clients: list[imaplib.IMAP4_SSL] = []
    yield clients
    for client in clients:
        try:
            client.logout()
        except (imaplib.IMAP4.error, OSError):  # its server has ended already
            client.shutdown()


def sign_in(server: DovecotServer) -> imaplib.IMAP4_SSL:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    client = imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context)
    client.login(server.user, server.password)
    return client


def test_three_thousand_real_messages(tmp_path: Path, corpora: Path) -> None:
    paths = [corpora / "enron" / "part-01.mbox", corpora / "spamassassin-public"]
    messages = [item.raw for item in open_items(paths) if item.raw][:3000]
    assert len(messages) == 3000
    maildir = tmp_path / "Maildir"
    fill(maildir, messages)
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with dovecot_server(tmp_path, maildir) as server:
        result = poll(server, checkpoints, intake)
        assert (result.read, result.stored + result.duplicates) == (3000, 3000)
        again = poll(server, checkpoints, intake)
        assert again.read == 0
    assert set(intake.raws) == {as_sent(raw) for raw in messages}
    assert intake.arrivals[0].received_at == datetime.fromtimestamp(1_600_000_001, UTC)
    # Nothing was marked as seen: a flag would be a letter at the end of the file's name.
    assert {path.name.rpartition(":2,")[2] for path in (maildir / "cur").iterdir()} == {""}


def test_new_mail_expunged_mail_and_a_new_uidvalidity(
    tmp_path: Path, other_client: list[imaplib.IMAP4_SSL]
) -> None:
    maildir = tmp_path / "Maildir"
    first = mail(450)
    paths = fill(maildir, first)
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with dovecot_server(tmp_path, maildir) as server:
        assert poll(server, checkpoints, intake).stored == 450
        for path in paths[100:430]:
            path.unlink()
        fill(maildir, mail(60, 451), start=451)
        result = poll(server, checkpoints, intake)
        assert (result.read, result.stored) == (60, 60)
        # Another client expunges what this poll is about to read.
        fill(maildir, mail(50, 600), start=600)
        client = sign_in(server)
        other_client.append(client)
        client.select("INBOX")
        client.store("170:180", "+FLAGS", "\\Deleted")
        client.expunge()
        result = poll(server, checkpoints, intake)
        assert result.stored == 50 - sum(1 for n in range(600, 650) if not _there(maildir, n))
        # The server is rebuilt: same mail, other UIDVALIDITY.
        for path in maildir.glob("dovecot*"):
            path.unlink()
        (maildir / "dovecot-uidlist").write_text("3 V4242 N4000000000\n")
        give_to_dovecot(maildir)
        there = len(list((maildir / "cur").iterdir())) + len(list((maildir / "new").iterdir()))
        result = poll(server, checkpoints, intake)
        assert (result.read, result.stored, result.duplicates) == (there, 0, there)
        # Its UIDs begin at four billion: asking by UID ranges of 200 would never end.
        assert checkpoints.reached("INBOX") == (4242, 4_000_000_000 + there - 1)


def _there(maildir: Path, number: int) -> bool:
    return any(f".M{number:06d}P1." in path.name for path in maildir.rglob("*P1*"))


def test_expunged_while_reading(tmp_path: Path, other_client: list[imaplib.IMAP4_SSL]) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, mail(300))
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with dovecot_server(tmp_path, maildir) as server:
        client = sign_in(server)
        other_client.append(client)
        client.select("INBOX")

        def expunge_once(result: PollResult) -> None:
            if result.read and client.state == "SELECTED":
                client.store("1:10,100:110,290:300", "+FLAGS", "\\Deleted")
                client.close()

        reading = poller(source_of(server), checkpoints, intake)
        result = asyncio.run(reading.poll_once(expunge_once))
        assert result.read + result.folders[0].vanished == 300
        assert 11 <= result.folders[0].vanished <= 22
        assert result.folders[0].left == 0
        assert checkpoints.now["INBOX"].last_uid == 300


def test_folders_with_odd_names(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    names = {".Entw&APw-rfe": "Entwürfe", '.a "b" c\\d': 'a "b" c\\d', ".Deep.er *": "Deep/er *"}
    fill(maildir, mail(1))
    for number, directory in enumerate(names, 10):
        fill(maildir / directory, mail(2, number * 10))
        (maildir / directory / "maildirfolder").touch()
    give_to_dovecot(maildir)
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with dovecot_server(tmp_path, maildir) as server:
        result = poll(server, checkpoints, intake)
        assert {f.name: (f.stored, f.problem) for f in result.folders} == {
            "INBOX": (1, None),
            **dict.fromkeys(names.values(), (2, None)),
        }
        only = dataclasses.replace(source_of(server), folders=("inbox", "INBOX", "Deep/*"))
        some = asyncio.run(poller(only, MemoryCheckpoints(), MemoryIntake()).poll_once())
        assert {f.name for f in some.folders} == {"INBOX", "Deep/er *"}
