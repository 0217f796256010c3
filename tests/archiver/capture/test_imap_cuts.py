"""The line to the mailbox server breaks at every byte of every answer, and at every command.

Always: the next poll completes what is missing, each message is in the archive exactly once, and no
checkpoint was ever ahead of what is durable.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.capture.imap.source import FolderCheckpoint, ImapSource
from archiver.errors import SourceUnreachable
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_proxy import proxy
from tests.archiver.capture.imap_script import (
    Box,
    MemoryCheckpoints,
    MemoryGaps,
    ScriptedImap,
    poller,
    scripted,
)
from tests.servers.dovecot import dovecot_server, fill, give_to_dovecot


class Honest(MemoryCheckpoints):
    """Refuses a checkpoint that is ahead of what the archive has: `uids` says which UID a message has."""

    def __init__(self, intake: MemoryIntake, uids: dict[bytes, tuple[str, int]]) -> None:
        super().__init__()
        self._intake = intake
        self._uids = uids

    def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
        kept = set(self._intake.raws)
        for raw, (box, uid) in self._uids.items():
            assert box != folder or uid > checkpoint.last_uid or raw in kept, "ahead of what is durable"
        super().set(source_id, folder, checkpoint)


def mailbox() -> dict[bytes, Box]:
    def box(name: str, uids: list[int]) -> Box:
        return Box({uid: f"{name}{uid}\r\n".encode() for uid in uids}, uidnext=uids[-1] + 1)

    return {b"INBOX": box("i", [3, 4]), b"Sent &AOk-": box("s", [1])}


async def cut_and_complete(
    cut: Callable[[int | None], None], number: int, source: ImapSource, uids: dict[bytes, tuple[str, int]]
) -> None:
    intake, gaps = MemoryIntake(), MemoryGaps()
    checkpoints = Honest(intake, uids)
    reading = poller(source, checkpoints, intake, gaps)
    cut(number)
    try:
        await reading.poll_once()
    except SourceUnreachable:
        assert gaps.now == {("unreachable", "server"): 0}
    cut(None)
    result = await reading.poll_once()
    assert sorted(intake.raws) == sorted(uids), number
    assert intake.submitted == len(uids) + result.duplicates, number
    assert result.duplicates <= 2, number
    assert gaps.now == {}
    assert {name: c.last_uid for name, c in checkpoints.now.items()} == {
        name: max(uid for box, uid in uids.values() if box == name) for name, _ in uids.values()
    }


@pytest.mark.timeout(1_200)
def test_cut_after_every_byte(tmp_path: Path) -> None:
    server = ScriptedImap(mailbox())
    uids = {
        raw: (name.decode(), uid) for name, box in server.boxes.items() for uid, raw in box.messages.items()
    }

    def cut(after: int | None) -> None:
        server.cut_after = after

    async def run(source: ImapSource) -> None:
        await poller(source, MemoryCheckpoints(), MemoryIntake()).poll_once()
        total = server.sent
        assert total > 900
        for after in range(total):
            await cut_and_complete(cut, after, source, uids)
        assert server.cuts == total

    with scripted(tmp_path, server) as source:
        asyncio.run(run(source))


def test_cut_at_every_command(tmp_path: Path) -> None:
    server = ScriptedImap(mailbox())
    uids = {
        raw: (name.decode(), uid) for name, box in server.boxes.items() for uid, raw in box.messages.items()
    }
    left: int | None = None

    def hook(_: str) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise EOFError

    def cut(at: int | None) -> None:
        nonlocal left
        left = at

    async def run(source: ImapSource) -> None:
        await poller(source, MemoryCheckpoints(), MemoryIntake()).poll_once()
        commands = len(server.commands)
        assert commands >= 13
        server.hook = hook
        for at in range(commands):
            await cut_and_complete(cut, at, source, uids)

    with scripted(tmp_path, server) as source:
        asyncio.run(run(source))


def test_a_real_server_cut_at_every_command_and_here_and_there(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    raws = {
        "INBOX": [b"Subject: one\r\n\r\n1\r\n", b"Subject: two\r\n\r\n2\r\n"],
        "Deep/er": [b"Subject: 3\r\n\r\n"],
    }
    fill(maildir, raws["INBOX"])
    fill(maildir / ".Deep.er", raws["Deep/er"])
    (maildir / ".Deep.er" / "maildirfolder").touch()
    give_to_dovecot(maildir)
    uids = {raw: (box, uid) for box, mail in raws.items() for uid, raw in enumerate(mail, 1)}

    async def run(source: ImapSource, ca_file: Path) -> None:
        async with proxy(tmp_path, source.port, ca_file) as (cutter, port, proxy_ca):
            through = dataclasses.replace(source, port=port, ca_file=proxy_ca)
            await poller(through, MemoryCheckpoints(), MemoryIntake()).poll_once()
            total, commands = cutter.bytes, cutter.commands

            def at(number: int | None) -> None:
                cutter.at = number

            def after(number: int | None) -> None:
                cutter.after = number

            for number in range(1, commands + 1):
                await cut_and_complete(at, number, through, uids)
            assert cutter.cuts == commands
            # Up to where a poll comes to its end: how long each answer took is in it, so one may be shorter.
            number, cuts = 0, -1
            while cuts < cutter.cuts:
                cuts = cutter.cuts
                await cut_and_complete(after, number, through, uids)
                number += 97
            assert number > total * 0.9

    with dovecot_server(tmp_path, maildir) as server:
        source = ImapSource(
            "imap-1",
            "localhost",
            server.user,
            lambda _: server.password,
            port=server.port,
            ca_file=server.ca_file,
        )
        asyncio.run(run(source, server.ca_file))
