"""What a mailbox lost before we could read it, and servers that limit us: all of it is on record."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from archiver.capture.imap.budget import LARGE, ByteBudget
from archiver.capture.imap.errors import RateLimited, SignInRefused, meaning_of, wait_asked
from archiver.capture.imap.poller import PollResult
from archiver.capture.imap.source import ImapSource
from archiver.errors import SourceUnreachable
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_script import (
    Box,
    MemoryCheckpoints,
    MemoryGaps,
    ScriptedImap,
    poller,
    scripted,
)


class Reader:
    """A poller with its archive, checkpoints and gaps, all in memory."""

    def __init__(self, source: ImapSource, **options: Any) -> None:
        self.intake, self.checkpoints, self.gaps = MemoryIntake(), MemoryCheckpoints(), MemoryGaps()
        self.poller = poller(
            dataclasses.replace(source, **options), self.checkpoints, self.intake, self.gaps, ByteBudget()
        )

    def poll(self) -> PollResult:
        return asyncio.run(self.poller.poll_once())


def inbox(*uids: int, uidnext: int | None = None) -> ScriptedImap:
    last = max(uids, default=0)
    return ScriptedImap(
        {b"INBOX": Box({uid: b"mail %d\r\n" % uid for uid in uids}, uidnext=uidnext or last + 1)}
    )


def add(server: ScriptedImap, *uids: int) -> None:
    box = server.boxes[b"INBOX"]
    box.messages |= {uid: b"mail %d\r\n" % uid for uid in uids}
    box.uidnext = max(*uids, (box.uidnext or 1) - 1) + 1


# --- holes -----------------------------------------------------------------------------------------


def test_uids_that_came_and_went_between_two_polls_are_holes(tmp_path: Path) -> None:
    server = inbox(2, 5)
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        # What was deleted before we came is no gap.
        assert reader.poll().folders[0].holes == 0
        add(server, 8, 9, 12)
        result = reader.poll()
        assert (result.stored, result.folders[0].holes) == (3, 4)
        assert reader.gaps.counts("uid_hole") == [4]
        # Deleted after it was read: no hole. Nothing new: nothing said again.
        del server.boxes[b"INBOX"].messages[9]
        said = list(reader.gaps.said)
        assert reader.poll().folders[0].holes == 0
        assert reader.gaps.said == said
        # Nothing is left of what came.
        server.boxes[b"INBOX"].uidnext = 20
        assert reader.poll().folders[0].holes == 7
        assert sorted(reader.gaps.counts("uid_hole")) == [4, 7]
    assert "INBOX" not in str([key for _, _, key in reader.gaps.said if key == "INBOX"])


def test_a_hole_is_counted_once_though_the_poll_was_cut(tmp_path: Path) -> None:
    server = inbox(1)
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        reader.poll()
        add(server, *range(10, 80))

        def cut(line: str) -> None:
            if "BODY.PEEK" in line and "UID FETCH 35" in line:
                raise EOFError

        server.hook = cut
        with pytest.raises(SourceUnreachable):
            reader.poll()
        assert reader.checkpoints.now["INBOX"].last_uid == 34
        server.hook = lambda _: None
        reader.poll()
        assert reader.gaps.counts("uid_hole") == [8]
        assert len(reader.intake.raws) == 71


def test_a_message_expunged_before_it_could_be_read_is_a_hole(tmp_path: Path) -> None:
    server = inbox(1, 2, 3, 4)

    def expunge(line: str) -> None:
        if "BODY.PEEK" in line:
            server.boxes[b"INBOX"].messages.pop(3, None)

    server.hook = expunge
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        result = reader.poll()
    assert (result.read, result.stored, result.folders[0].vanished) == (3, 3, 1)
    assert reader.gaps.counts("uid_hole") == [1]
    assert reader.checkpoints.now["INBOX"].last_uid == 4


def test_a_hole_is_durable_before_the_checkpoint_passes_it(tmp_path: Path) -> None:
    server = inbox(1)
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        reader.poll()
        add(server, 5)

        def fail(source_id: str, kind: str, key: str, count: int) -> None:
            raise OSError("disk")

        reader.gaps.open = fail  # type: ignore[method-assign]
        with pytest.raises(Exception, match="archive"):
            reader.poll()
        assert reader.checkpoints.now["INBOX"].seen_uid == 1
        del reader.gaps.open  # type: ignore[method-assign]
        reader.poll()
        assert reader.gaps.counts("uid_hole") == [3]


def test_a_new_uidvalidity_is_a_gap_until_the_folder_was_read_again(tmp_path: Path) -> None:
    server = inbox(1, 2, 3)
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        reader.poll()
        server.boxes[b"INBOX"].uidvalidity = 8

        def cut(line: str) -> None:
            if "BODY.PEEK" in line:
                raise EOFError

        server.hook = cut
        with pytest.raises(SourceUnreachable):
            reader.poll()
        assert reader.gaps.counts("uidvalidity_changed") == [0]
        server.hook = lambda _: None
        # Another process goes on: what it doesn't remember, the checkpoint does.
        later = Reader(source)
        later.intake, later.checkpoints, later.gaps = reader.intake, reader.checkpoints, reader.gaps
        later.poller = poller(source, reader.checkpoints, reader.intake, reader.gaps)
        result = later.poll()
        assert (result.duplicates, result.stored) == (3, 0)
        assert reader.gaps.now == {}


def test_only_what_was_there_at_first_is_a_first_reading(tmp_path: Path) -> None:
    server = inbox(1, 2)
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        reader.poll()
        add(server, 3)
        server.boxes[b"Made later"] = Box({1: b"put there\r\n"}, uidnext=2)
        reader.poll()
        # Numbered anew: the old mail keeps what it had, the rest may have been put there.
        server.boxes[b"INBOX"].uidvalidity = 9
        add(server, 4)
        reader.poll()
    assert {a.raw: a.first_reading for a in reader.intake.arrivals} == {
        b"mail 1\r\n": True,
        b"mail 2\r\n": True,
        b"mail 3\r\n": False,
        b"put there\r\n": False,
        b"mail 4\r\n": False,
    }


def test_a_first_reading_that_was_cut_stays_one(tmp_path: Path) -> None:
    server = inbox(*range(1, 60))
    with scripted(tmp_path, server) as source:
        reader = Reader(source)

        def cut(line: str) -> None:
            if "UID FETCH 26" in line and "BODY" in line:
                raise EOFError

        server.hook = cut
        with pytest.raises(SourceUnreachable):
            reader.poll()
        server.hook = lambda _: None
        add(server, 60)
        reader.poll()
    assert [a.first_reading for a in reader.intake.arrivals] == [True] * 59 + [False]


# --- servers that want to be left alone ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (b"[THROTTLED] slow down", "limited"),
        (b"[LIMIT] no", "limited"),
        (b"[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", "limited"),
        (b"Request is throttled. Suggested Backoff Time: 299961 milliseconds", "limited"),
        (b"[ALERT] Too many simultaneous connections. (Failure)", "limited"),
        (b"Server Busy. Please try again later.", "limited"),
        (b"[INUSE] mailbox is locked", "busy"),
        (b"[UNAVAILABLE] backend is down", "busy"),
        (b"[EXPIRED] that password is no longer valid", "expired"),
        (b"Session invalidated - AccessTokenExpired", "expired"),
        (b"[SERVERBUG] internal", "no"),
        (b"", "no"),
    ],
)
def test_what_a_refusal_means(text: bytes, meaning: str) -> None:
    assert meaning_of(text) == meaning


def test_the_wait_a_server_asks_for() -> None:
    assert wait_asked(b"Suggested Backoff Time: 299961 milliseconds") == pytest.approx(299.961)
    assert wait_asked(b"Suggested Backoff Time: 999999999 milliseconds") == 6 * 3600
    assert wait_asked(b"[THROTTLED]") is None


@pytest.mark.parametrize("verb", ["LOGIN", "LIST", "EXAMINE", "RFC822.SIZE", "BODY.PEEK"])
@pytest.mark.parametrize(
    "answer", ["{} NO [THROTTLED] zebra\r\n", "{} BAD throttled zebra\r\n", "* BYE [LIMIT] zebra {}\r\n"]
)
def test_a_server_that_limits_us(tmp_path: Path, verb: str, answer: str) -> None:
    server = inbox(*range(1, 61))

    def limit(line: str) -> bytes | None:
        # Not the first group: what was read before the limit stays.
        if verb not in line or (verb == "BODY.PEEK" and "UID FETCH 1:" in line):
            return None
        return answer.format(line.split(" ")[0]).encode()

    server.hook = limit
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        with pytest.raises(RateLimited) as caught:
            reader.poll()
        assert "zebra" not in str(caught.value)
        assert reader.gaps.counts("rate_limited") == [0]
        assert len(reader.intake.raws) == (25 if verb == "BODY.PEEK" else 0)
        server.hook = lambda _: None
        reader.poll()
        assert len(reader.intake.raws) == reader.intake.submitted == 60
        assert reader.gaps.now == {}


def test_a_busy_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    server = inbox(1)
    server.boxes[b"Other"] = Box({1: b"other\r\n"}, uidnext=2)
    server.hook = lambda line: (
        f"{line.split(' ')[0]} NO [INUSE] locked\r\n".encode() if 'EXAMINE "INBOX"' in line else None
    )
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        result = reader.poll()
        assert {f.name: (f.stored, f.problem) for f in result.folders} == {
            "INBOX": (0, "busy"),
            "Other": (1, None),
        }
        assert reader.gaps.counts("rate_limited") == [0]
        server.hook = lambda _: None
        assert reader.poll().stored == 1
        assert reader.gaps.now == {}
    # Whoever couldn't be seen at first isn't a first reading later.
    assert {a.raw: a.first_reading for a in reader.intake.arrivals} == {
        b"other\r\n": True,
        b"mail 1\r\n": False,
    }


def test_bytes_a_day(tmp_path: Path) -> None:
    server = inbox(*range(1, 61))
    now = datetime(2026, 3, 1, 22, tzinfo=UTC)
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        limited = dataclasses.replace(source, bytes_per_day=25 * 10)
        reading = dataclasses.replace(reader.poller._reading, source=limited, today=lambda: now)
        reader.poller = type(reader.poller)(reading)
        stored = []
        for day in (1, 1, 2, 3, 4):
            now = now.replace(day=day)
            with suppress(RateLimited):
                reader.poll()
            stored.append(len(reader.intake.raws))
        add(server, *range(61, 121))
        with pytest.raises(RateLimited) as caught:
            reader.poll()
        assert caught.value.retry_after == 2 * 3600
        assert reader.gaps.counts("rate_limited") == [0]
        for day in (5, 6, 7):
            now = now.replace(day=day)
            with suppress(RateLimited):
                reader.poll()
        assert len(reader.intake.raws) == 120
        assert stored[0] == stored[1] < stored[2] <= stored[3] <= stored[4] == 60
        assert reader.gaps.now == {}
        assert max(reader.checkpoints.usage.values()) <= 25 * 10
        # One message that is larger than a day's allowance is read on a day of its own.
        add(server, 121)
        server.boxes[b"INBOX"].messages[121] = b"x" * 5000
        now = now.replace(day=9)
        assert reader.poll().stored == 1


def test_the_sign_in_is_refused_and_is_a_gap(tmp_path: Path) -> None:
    server = inbox(1)
    server.hook = lambda line: (
        f"{line.split(' ')[0]} NO [AUTHENTICATIONFAILED] no\r\n".encode() if "LOGIN" in line else None
    )
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        with pytest.raises(SignInRefused):
            reader.poll()
        assert reader.gaps.counts("unreachable") == [0]
        server.hook = lambda _: None
        reader.poll()
        assert reader.gaps.now == {}


def test_a_folder_that_cannot_be_read_is_a_gap_until_it_can(tmp_path: Path) -> None:
    server = inbox(1, 2)
    server.hook = lambda line: f"{line.split(' ')[0]} NO denied\r\n".encode() if "FETCH" in line else None
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        reader.poll()
        assert reader.gaps.counts("folder_unreadable") == [0]
        server.hook = lambda _: None
        reader.poll()
        assert reader.gaps.now == {}


# --- what servers say out of turn, and at length ---------------------------------------------------


def test_expunges_and_arrivals_told_out_of_turn(tmp_path: Path) -> None:
    server = inbox(*range(1, 11))
    box = server.boxes[b"INBOX"]
    gone: list[int] = []

    def out_of_turn(line: str) -> bytes | None:
        if " FETCH " not in line:
            return None
        hook, server.hook = server.hook, lambda _: None
        answer = server.answer(line)
        server.hook = hook
        # After each answer a low message goes and a new one comes: every number shifts.
        uid = box.uids()[10]
        del box.messages[uid]
        gone.append(uid)
        add(server, (box.uidnext or 0) + 1)
        tag = line.split(" ")[0].encode()
        body, _, done = answer.rpartition(tag + b" OK")
        exists = b"* 1 EXPUNGE\r\n* %d EXISTS\r\n* 1 RECENT\r\n" % len(box.messages)
        return exists + body + exists + tag + b" OK" + done

    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        reader.poll()
        add(server, *range(11, 501))
        server.hook = out_of_turn
        first = reader.poll().folders[0]
        server.hook = lambda _: None
        reader.poll()
    kept = set(reader.intake.raws)
    assert {raw for uid, raw in box.messages.items()} <= kept
    unread = [uid for uid in gone if b"mail %d\r\n" % uid not in kept and uid <= 500]
    assert first.holes + first.vanished == len(unread) > 3
    assert first.vanished > 0
    assert len(kept) == len(reader.intake.raws) == reader.intake.submitted


def test_a_literal_longer_than_announced_is_let_go_by(tmp_path: Path) -> None:
    server = inbox(1, 2, 3)
    server.boxes[b"INBOX"].messages[2] = b"y" * 300_000
    honest = server._fetch

    def lie(numbers: range | list[int], what: str) -> bytes:
        return honest(numbers, what).replace(b"RFC822.SIZE 300000", b"RFC822.SIZE 10")

    server._fetch = lie  # type: ignore[method-assign]
    with scripted(tmp_path, server) as source:
        reader = Reader(source, max_size=1000)
        result = reader.poll()
        assert (result.stored, result.refused) == (2, 1)
        assert reader.intake.refusals == [("imap-1", "too_large")]
        assert reader.checkpoints.now["INBOX"].last_uid == 3
        assert reader.poll().read == 0


@pytest.mark.parametrize("line", [b"* 1 FETCH (UID " + b"1" * 2_000_000, b"* OK " + b"x" * 2_000_000])
def test_a_line_without_end(tmp_path: Path, line: bytes) -> None:
    server = inbox(1)
    server.hook = lambda asked: line if "FETCH" in asked else None
    with scripted(tmp_path, server) as source, pytest.raises(SourceUnreachable):
        Reader(source).poll()


def test_odd_literals_and_labels(tmp_path: Path) -> None:
    server = inbox(1)

    def odd(line: str) -> bytes | None:
        tag = line.split(" ")[0].encode()
        if "CAPABILITY" in line:
            return b"* CAPABILITY IMAP4rev1 X-GM-EXT-1\r\n" + tag + b" OK done\r\n"
        if "BODY.PEEK" not in line:
            return None
        assert "X-GM-LABELS" in line
        return (
            b"* OK [ALERT] no literal follows {7}\r\n"
            b"* 1 FETCH (FLAGS (\\Recent))\r\n"
            b'* 1 FETCH (X-GM-LABELS (\\Inbox "a ( b" {6}\r\nx) UID FLAGS) FLAGS (\\Seen \\Recent) UID 1'
            b" BODY[] ~{5}\r\nmail!)\r\n" + tag + b" OK done {3}\r\n"
        )

    server.hook = odd
    with scripted(tmp_path, server) as source:
        reader = Reader(source)
        assert reader.poll().stored == 1
    (arrival,) = reader.intake.arrivals
    assert arrival.raw == b"mail!"
    assert dict(arrival.notes) == {"flags": "\\Seen", "labels": "\\Inbox\na ( b\nx) UID\nFLAGS"}


# --- folders that are wanted, and memory -----------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "exclude", "read"),
    [
        (("*",), (), {"INBOX", "All", "Spam", "Spam/old", "Bin"}),
        (("*",), ("\\All", "\\Junk", "\\Trash"), {"INBOX", "Spam/old"}),
        (("\\All", "Spam"), (), {"All", "Spam"}),
        (("inbox", "INBOX"), (), {"INBOX"}),
        (("*",), ("Spam*", "INBOX"), {"All", "Bin"}),
    ],
)
def test_folders_by_name_and_by_use(
    tmp_path: Path, folders: tuple[str, ...], exclude: tuple[str, ...], read: set[str]
) -> None:
    names = {b"INBOX": b"", b"All": b"\\All", b"Spam": b"\\Junk", b"Spam/old": b"", b"Bin": b"\\Trash"}
    server = ScriptedImap({name: Box() for name in names})
    server.list_lines = [b'* LIST (%s) "/" "%s"\r\n' % (use, name) for name, use in names.items()]
    with scripted(tmp_path, server) as source:
        result = Reader(source, folders=folders, exclude=exclude).poll()
    assert {folder.name for folder in result.folders} == read


def test_the_budget() -> None:
    async def run() -> None:
        budget = ByteBudget(100, LARGE)
        assert budget.try_take(60)
        assert budget.try_take(40)
        assert not budget.try_take(1)
        # Large messages don't wait for small ones, and one is let in though it fills more than the lane.
        assert budget.try_take(3 * LARGE)
        assert not budget.try_take(LARGE)
        waiting = asyncio.create_task(budget.take(50))
        await asyncio.sleep(0)
        budget.give(40)
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.give(60)
        await asyncio.wait_for(waiting, 30)
        budget.give(50)
        budget.give(3 * LARGE)
        assert budget.taken == 0

    asyncio.run(run())


def test_what_is_in_memory_is_bounded_over_all_mailboxes(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": Box({n: b"%04d" % n * 65_536 for n in range(1, 41)}, uidnext=41)})
    budget = ByteBudget(2 * 1024 * 1024, LARGE)
    most = 0

    class Watching(MemoryIntake):
        def submit(self, arrival: Any) -> Any:
            nonlocal most
            most = max(most, budget.taken)
            return super().submit(arrival)

    with scripted(tmp_path, server) as source:
        readers = []
        for number in range(4):
            one = dataclasses.replace(source, id=f"imap-{number}")
            readers.append(poller(one, MemoryCheckpoints(), Watching(lambda _: 0.01), MemoryGaps(), budget))

        async def run() -> list[PollResult]:
            return list(await asyncio.gather(*(reader.poll_once() for reader in readers)))

        results = asyncio.run(run())
    assert [result.stored for result in results] == [40] * 4
    assert budget.taken == 0
    assert 0 < most <= 4 * 1024 * 1024
