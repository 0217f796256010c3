"""Deletion at the source: a real Dovecot, a real archive; only what was verified goes, and nothing else."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from archiver.capture.checkpoints import RecordsCheckpoints
from archiver.capture.imap.budget import ByteBudget
from archiver.capture.imap.delete import DeletionResult, ImapDeleter, VaultVerifier
from archiver.capture.imap.errors import NotAnsweredError
from archiver.capture.imap.folder import Reading
from archiver.capture.imap.poller import ImapPoller
from archiver.capture.imap.source import ImapSource
from archiver.capture.ports import Arrival, Receipt
from archiver.errors import CaptureError, StoreError
from archiver.store.schema import messages
from archiver.vault import Vault
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_script import (
    Box,
    MemoryCheckpoints,
    MemoryGaps,
    ScriptedImap,
    poller,
    scripted,
)
from tests.servers.dovecot import DovecotServer, dovecot_server, fill

DAYS = 30


@dataclass
class VaultIntake:
    """Commits each arrival at once."""

    vault: Vault

    def submit(self, arrival: Arrival) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        (done,) = self.vault.archive.commit([self.vault.preparer.prepare(arrival)])
        future.set_result(done.receipt)
        return future

    def refuse(self, source_id: str, reason: str) -> None:
        self.vault.sources.refuse(source_id, reason)


@dataclass
class Mailbox:
    """A mailbox being archived, with what deletion said to the audit log."""

    reading: Reading
    vault: Vault
    steps: list[tuple[str, int]] = field(default_factory=list)

    def poll(self) -> int:
        return asyncio.run(ImapPoller(self.reading).poll_once()).stored

    def delete(self, days: int = DAYS) -> DeletionResult:
        verifier = VaultVerifier(self.vault.records, self.vault.archive)
        return asyncio.run(ImapDeleter(self.reading, verifier, days, self.record).run())

    def record(self, outcome: str, count: int) -> None:
        self.steps.append((outcome, count))


@contextmanager
def archived(vault: Vault, server: DovecotServer, later: timedelta) -> Iterator[Mailbox]:
    source_id = vault.sources.add("imap", "box").id
    source = ImapSource(
        source_id,
        "localhost",
        server.user,
        lambda _: server.password,
        port=server.port,
        ca_file=server.ca_file,
    )
    reading = Reading(
        source,
        RecordsCheckpoints(vault.records, vault.blind),
        VaultIntake(vault),
        MemoryGaps(),
        ByteBudget(),
        lambda: vault.clock.now() + later,
    )
    yield Mailbox(reading, vault)


@contextmanager
def signed_in(server: DovecotServer) -> Iterator[imaplib.IMAP4_SSL]:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with imaplib.IMAP4_SSL("localhost", server.port, ssl_context=context) as client:
        client.login(server.user, server.password)
        client.select("INBOX")
        yield client


def subjects(server: DovecotServer) -> set[bytes]:
    with signed_in(server) as client:
        client.select("INBOX", readonly=True)
        _, found = client.fetch("1:*", "(BODY.PEEK[])")
        return {entry[1].split(b"\r\n")[0] for entry in found if isinstance(entry, tuple)}


def test_only_what_is_safely_archived_goes(tmp_path: Path, vault: Vault) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, [b"Subject: old %d\r\n\r\nbody\r\n" % n for n in range(6)])
    with dovecot_server(tmp_path, maildir) as server, archived(vault, server, timedelta(days=31)) as box:
        assert box.poll() == 6
        # Came after the last poll; its own date is old.
        fill(maildir, [b"Subject: not read yet\r\n\r\n"], start=50)
        with signed_in(server) as client:
            # Somebody else's wish to delete this one is theirs to carry out.
            client.store("4", "+FLAGS", "\\Deleted")
        # Its stored copy is damaged: the mailbox has the last good one.
        damage(vault, b"Subject: old 3")
        result = box.delete()
        assert (result.looked_at, result.deleted, result.kept) == (6, 5, 1)
        assert box.steps == [("begun", 5), ("success", 5)]
        assert subjects(server) == {b"Subject: old 3", b"Subject: not read yet"}
        # Nothing counts as lost, and what is left is read as ever.
        assert box.poll() == 1
        assert isinstance(box.reading.gaps, MemoryGaps)
        assert box.reading.gaps.now == {}
        assert box.delete().deleted == 1


def test_nothing_young_goes(tmp_path: Path, vault: Vault) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, [b"Subject: old at the server, new here\r\n\r\n"])
    with dovecot_server(tmp_path, maildir) as server, archived(vault, server, timedelta(days=29)) as box:
        box.poll()
        result = box.delete()
        assert (result.looked_at, result.deleted, result.kept) == (1, 0, 1)
        assert len(subjects(server)) == 1
        assert box.steps == []


def test_no_record_no_deletion(tmp_path: Path, vault: Vault) -> None:
    maildir = tmp_path / "Maildir"
    fill(maildir, [b"Subject: stays\r\n\r\n"])
    with dovecot_server(tmp_path, maildir) as server, archived(vault, server, timedelta(days=31)) as box:
        box.poll()

        def fail(outcome: str, count: int) -> None:
            raise StoreError("no record")

        box.record = fail  # type: ignore[method-assign]
        with pytest.raises(StoreError):
            box.delete()
        assert len(subjects(server)) == 1


def damage(vault: Vault, subject: bytes) -> None:
    """Flip a bit of the stored copy of the message of this subject."""
    with vault.records.read() as connection:
        rows = connection.execute(messages.select()).mappings().all()
    for row in rows:
        if vault.archive.scan(row["pk"]).raw.startswith(subject):
            path = next(
                p for p in vault.settings.packs.rglob("*") if p.is_file() and row["pack_id"] in p.name
            )
            data = bytearray(path.read_bytes())
            data[row["pack_offset"] + row["pack_length"] - 5] ^= 1
            path.chmod(0o600)
            path.write_bytes(data)
            return
    raise AssertionError("no such message")


class Always:
    """Says of everything that it has been archived long ago."""

    def captured(self, raw: bytes) -> datetime | None:
        return datetime.fromisoformat("2000-01-01T00:00:00Z")


def scripted_deleter(source: ImapSource, checkpoints: MemoryCheckpoints, steps: list[str]) -> ImapDeleter:
    reading = Reading(source, checkpoints, MemoryIntake(), MemoryGaps(), ByteBudget())
    return ImapDeleter(reading, Always(), 1, lambda outcome, _: steps.append(outcome))


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 UIDPLUS"])
def test_which_commands_are_sent(tmp_path: Path, capabilities: str) -> None:
    server = ScriptedImap({b"INBOX": Box({n: b"m%d\r\n" % n for n in (3, 4, 9)}, uidnext=10)})
    server.capabilities = capabilities
    changed = False

    def hook(line: str) -> bytes | None:
        if " SELECT " in line:
            server.boxes[b"INBOX"].uidvalidity += changed
            return server.answer(line.replace("SELECT", "EXAMINE"))
        if "UID STORE" in line or "UID EXPUNGE" in line:
            return f"{line.split(' ')[0]} OK done\r\n".encode()
        return None

    server.hook = hook
    checkpoints, steps = MemoryCheckpoints(), list[str]()
    with scripted(tmp_path, server) as source:
        asyncio.run(poller(source, checkpoints, MemoryIntake()).poll_once())
        assert not [c for c in server.commands if "SELECT" in c or "STORE" in c or "EXPUNGE" in c]
        deleter = scripted_deleter(source, checkpoints, steps)
        if "UIDPLUS" not in capabilities:
            with pytest.raises(NotAnsweredError, match="UIDPLUS"):
                asyncio.run(deleter.run())
            assert not [c for c in server.commands if "SELECT" in c or "STORE" in c or "EXPUNGE" in c]
            return
        assert asyncio.run(deleter.run()).deleted == 3
        written = [c.partition(" ")[2] for c in server.commands if "STORE" in c or "EXPUNGE" in c]
        assert written == ["UID STORE 3:4,9 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 3:4,9"]
        assert steps == ["begun", "success"]
        # Numbered anew between verification and SELECT: these UIDs are other messages now.
        changed = True
        server.commands.clear()
        assert asyncio.run(deleter.run()).deleted == 0
        assert not [c for c in server.commands if "STORE" in c or "EXPUNGE" in c]


def test_less_than_a_day_is_refused() -> None:
    source = ImapSource("s", "h", "u", lambda _: "p")
    with pytest.raises(CaptureError):
        ImapDeleter(
            Reading(source, MemoryCheckpoints(), MemoryIntake(), MemoryGaps(), ByteBudget()),
            Always(), 0, lambda *_: None,
        )  # fmt: skip
