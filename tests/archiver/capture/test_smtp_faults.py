"""Faults behind the SMTP door: 250 only for what is durable, and never a permanent reply for what is ours."""

from __future__ import annotations

import errno
import resource
import sys
from pathlib import Path

import pytest

from archiver.errors import KeyUnavailable, SealError, StoreError
from tests.archiver.capture.doors import FEED, Feeds, MemoryIntake, Wire, feed, smtp_served, stuffed, wait_for

MESSAGE = b"Subject: results\r\n\r\nAll is well.\r\n"


def full_disk() -> StoreError:
    error = StoreError("the pack can't be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("plan", "reply"),
    [
        (StoreError("down"), b"451 4.3.0"),
        (KeyUnavailable("down"), b"451 4.3.0"),
        (SealError("broken"), b"451 4.3.0"),
        (full_disk(), b"452 4.3.1"),
        (ValueError("a bug"), b"451 4.3.0"),
        (OSError(errno.ENOSPC, "full"), b"451 4.3.0"),
        (MemoryError(), b"451 4.3.0"),
        (StopIteration(), b"451 4.3.0"),
        (SystemExit(1), b"451 4.3.0"),
        (KeyboardInterrupt(), b"451 4.3.0"),
        ("lose", b"451 4.3.0"),
        ("hang", b"451 4.3.0"),
        ("block", b"451 4.3.0"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_fault_of_ours_is_a_temporary_reply(tmp_path: Path, plan: object, reply: bytes) -> None:
    intake = MemoryIntake(lambda _: plan)
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open()
        if plan in ("hang", "block"):
            served.change(commit_timeout=1.0)
        wire.send(stuffed(MESSAGE))
        assert wire.reply().startswith(reply)
        assert served.listener.in_flight == 0
        # The session lives on, and what failed can be sent again.
        served.change(commit_timeout=60.0)
        intake.plan = None
        intake.release.set()
        wire.envelope()
        wire.send(stuffed(MESSAGE))
        assert wire.reply().startswith(b"250 2.0.0")
    assert intake.raws == [MESSAGE]


@pytest.mark.parametrize("error", [StoreError("x"), RuntimeError("x"), SystemExit()], ids=repr)
def test_submit_itself_failing_is_temporary(tmp_path: Path, error: BaseException) -> None:
    def plan(_: object) -> object:
        raise error

    with smtp_served(tmp_path, MemoryIntake(plan)) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(stuffed(MESSAGE))
        assert wire.reply().startswith(b"451 4.3.0")


def test_a_directory_that_cannot_answer_is_temporary(tmp_path: Path) -> None:
    feeds = Feeds(feed())
    feeds.error = RuntimeError("database is locked")
    with smtp_served(tmp_path, MemoryIntake(), feeds) as served, Wire(served.port) as wire:
        wire.reply()
        wire.ask(b"EHLO x")
        wire.ask(b"MAIL FROM:<>")
        assert wire.ask(b"RCPT TO:<" + FEED.encode() + b">").startswith(b"451 4.3.0")


def test_failed_but_stored_is_a_duplicate_next_time(tmp_path: Path) -> None:
    intake = MemoryIntake()

    def keep_and_fail(arrival: object) -> object:
        intake._keep(arrival)  # type: ignore[arg-type]
        return StoreError("the answer was lost")

    intake.plan = keep_and_fail
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(stuffed(MESSAGE))
        assert wire.reply().startswith(b"451")
        intake.plan = None
        wire.envelope()
        wire.send(stuffed(MESSAGE))
        assert wire.reply() == b"250 2.0.0 stored m1\r\n"
    assert intake.raws == [MESSAGE]


def test_no_acknowledgement_before_the_archive_has_it(tmp_path: Path) -> None:
    intake = MemoryIntake(lambda _: "wait")
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(stuffed(MESSAGE))
        wait_for(lambda: intake.submitted == 1)
        wire.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.reply()
        assert intake.arrivals == []
        intake.release.set()
        wire.socket.settimeout(60)
        assert wire.reply().startswith(b"250 2.0.0")
    assert intake.raws == [MESSAGE]


def test_one_of_two_sources_failing_acknowledges_nothing(tmp_path: Path) -> None:
    intake = MemoryIntake(lambda arrival: StoreError("x") if arrival.source_id == "src-2" else None)
    feeds = Feeds(feed(), feed("two@journal.test", "src-2"))
    with smtp_served(tmp_path, intake, feeds) as served, Wire(served.port) as wire:
        wire.open(b"<a@b.test>", FEED.encode(), b"two@journal.test")
        wire.send(stuffed(MESSAGE))
        assert wire.reply().startswith(b"451")


def test_a_message_over_the_limit_is_read_to_its_end_and_counted(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with (
        smtp_served(tmp_path, intake, max_size=10_000, spool_above=1000) as served,
        Wire(served.port) as wire,
    ):
        wire.open()
        exactly = b"x" * 9_998 + b"\r\n"
        wire.send(stuffed(exactly))
        assert wire.reply().startswith(b"250 2.0.0")
        wire.envelope()
        wire.send(b"x" * 3_000_000 + b"\r\n.\r\n")
        assert wire.reply().startswith(b"552 5.3.4")
        assert served.listener.in_flight == 0
        assert wire.ask(b"NOOP").startswith(b"250")
    assert intake.refusals == [("src-1", "too_large")]
    assert intake.raws == [exactly]


def test_a_refusal_that_cannot_be_counted_is_temporary(tmp_path: Path) -> None:
    class Uncounting(MemoryIntake):
        def refuse(self, source_id: str, reason: str) -> None:
            raise StoreError("no counter")

    with smtp_served(tmp_path, Uncounting(), max_size=100) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(b"x" * 200 + b"\r\n.\r\n")
        assert wire.reply().startswith(b"451 4.3.0")


def test_the_budget_of_bytes_in_flight(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with smtp_served(tmp_path, intake, in_flight_limit=2_000_000) as served:
        with Wire(served.port) as slow, Wire(served.port) as other:
            slow.open()
            slow.send(b"x" * 1_500_000)
            wait_for(lambda: served.listener.in_flight == 1_500_000)
            other.open()
            other.send(b"y" * 600_000 + b"\r\n.\r\n")
            assert other.reply().startswith(b"452 4.3.1")
            assert other.ask(b"MAIL FROM:<> SIZE=600000").startswith(b"452 4.3.1")
            slow.send(b"\r\n.\r\n")
            assert slow.reply().startswith(b"250 2.0.0")
            other.envelope()
            other.send(b"y" * 600_000 + b"\r\n.\r\n")
            assert other.reply().startswith(b"250 2.0.0")
        assert served.listener.in_flight == 0
    assert [len(raw) for raw in intake.raws] == [1_500_002, 600_002]


def test_a_line_of_five_megabytes(tmp_path: Path) -> None:
    intake = MemoryIntake()
    raw = b"Subject: long\r\n\r\n" + b"0123456789" * 500_000 + b"\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(stuffed(raw))
        assert wire.reply().startswith(b"250 2.0.0")
    assert intake.raws == [raw]


def test_a_large_message_waits_sealed_and_leaves_no_file(tmp_path: Path) -> None:
    intake = MemoryIntake()
    raw = b"marker-zebra " * 400_000 + b"\r\n"
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(raw[:-2])
        wait_for(lambda: served.listener.in_flight == len(raw) - 2)
        assert (tmp_path / "spool").is_dir()
        assert list((tmp_path / "spool").iterdir()) == []
        if sys.platform == "linux":
            spooled = [
                link for link in Path("/proc/self/fd").iterdir() if str(tmp_path / "spool") in _target(link)
            ]
            assert spooled
            for link in spooled:
                assert b"zebra" not in link.read_bytes()
                assert link.stat().st_size > len(raw) // 2
        wire.send(b"\r\n.\r\n")
        assert wire.reply().startswith(b"250 2.0.0")
    assert intake.raws == [raw]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def test_a_spool_that_cannot_be_written_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"a file where the folder should be")
    with smtp_served(tmp_path, MemoryIntake(), spool_above=1000) as served, Wire(served.port) as wire:
        wire.open()
        wire.send(b"x" * 5000 + b"\r\n.\r\n")
        assert wire.reply().startswith(b"452 4.3.1")
        assert served.listener.in_flight == 0


def test_a_spool_that_fills_the_disk_is_temporary(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with smtp_served(tmp_path, MemoryIntake(), spool_above=1000) as served, Wire(served.port) as wire:
        wire.open()
        # A file-size limit stands in for a full disk: the write fails in the same place.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        try:
            wire.send(b"x" * 2_000_000 + b"\r\n.\r\n")
            reply = wire.reply()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert reply.startswith(b"452 4.3.1")


def test_stopping_lets_a_message_finish(tmp_path: Path) -> None:
    intake = MemoryIntake(lambda _: 0.5)
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as busy, Wire(served.port) as idle:
        idle.reply()
        busy.open()
        busy.send(stuffed(MESSAGE))
        wait_for(lambda: intake.submitted == 1)
        served.stop(30)
        assert idle.reply().startswith(b"421 4.3.2")
        assert busy.reply().startswith(b"250 2.0.0")
        assert busy.reply().startswith(b"421 4.3.2")
        with pytest.raises(ConnectionError):
            Wire(served.port)
    assert intake.raws == [MESSAGE]


def test_stopping_does_not_wait_for_ever(tmp_path: Path) -> None:
    intake = MemoryIntake(lambda _: "hang")
    with smtp_served(tmp_path, intake) as served, Wire(served.port) as waiting, Wire(served.port) as sending:
        waiting.open()
        waiting.send(stuffed(MESSAGE))
        sending.open()
        sending.send(b"half of it")
        wait_for(lambda: intake.submitted == 1)
        served.stop(0.3)  # in `Loop.run`'s time; nothing else would ever end it
        assert waiting.reply().startswith(b"421 4.3.2")
        assert sending.reply().startswith(b"421 4.3.2")
        assert served.listener.connections == 0
