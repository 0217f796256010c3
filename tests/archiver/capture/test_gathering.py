"""Messages that come together are prepared and committed together; none waits long for another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from archiver.archive import Archive
from archiver.capture.intake import Answer, GroupIntake
from archiver.capture.ports import Arrival, Receipt
from archiver.capture.prepare import Prepared
from archiver.capture.smtp import handover
from archiver.commit import Committed
from archiver.errors import StoreError
from archiver.sources import Sources
from tests.archiver.capture.doors import FEED, MemoryIntake, smtp_served
from tests.support.mail import numbered
from tests.support.smtp import Session

Told = Callable[[Receipt | Exception], None]


class ManyIntake(MemoryIntake):
    """Keeps what it is given at once, and remembers which came together; `prompt`: on the event loop."""

    def __init__(self, prompt: int = 0) -> None:
        super().__init__()
        self.prompt = prompt
        self.together: list[int] = []
        self.fault: BaseException | None = None

    def submit_all(self, items: Sequence[tuple[Arrival, Told]]) -> None:
        self.together.append(len(items))
        if self.fault is not None:
            raise self.fault
        for arrival, told in items:
            told(self.submit(arrival).result())

    def submit_at_once(self, items: Sequence[tuple[Arrival, Told]]) -> Sequence[tuple[Arrival, Told]]:
        assert asyncio.get_running_loop() is not None
        for arrival, told in items[: self.prompt]:
            told(self.submit(arrival).result())
        return items[self.prompt :]


@pytest.mark.parametrize("prompt", [1, 9])
def test_what_needs_no_waiting_is_taken_on_the_loop_and_the_rest_by_a_thread(
    tmp_path: Path, prompt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "GATHER_SECONDS", 300.0)
    intake = ManyIntake(prompt)
    mail = [numbered(n) for n in range(handover.TOGETHER)]
    with smtp_served(tmp_path, intake) as served:
        sessions = [Session(served.port) for _ in mail]
        all_in_data(sessions)
        for session, raw in zip(sessions, mail, strict=True):
            session.send_body(raw)
        assert all(session.reply().startswith("250 ") for session in sessions)
        for session in sessions:
            session.__exit__(None, None, None)
    assert intake.together == ([len(mail) - 1] if prompt == 1 else [])
    assert sorted(intake.raws) == sorted(mail)


def all_in_data(sessions: Sequence[Session]) -> None:
    """Every session has its 354 before any of them sends its message."""
    for session in sessions:
        assert session.begin(FEED).startswith("354")


def test_what_several_sessions_send_at_once_goes_together(tmp_path: Path, monkeypatch) -> None:
    # So long that only its number can have let the last chunk go.
    monkeypatch.setattr(handover, "GATHER_SECONDS", 300.0)
    intake = ManyIntake()
    mail = [numbered(n) for n in range(handover.TOGETHER + 2)]
    with smtp_served(tmp_path, intake) as served:
        sessions = [Session(served.port) for _ in mail]
        all_in_data(sessions)
        for session, raw in zip(sessions, mail, strict=True):
            session.send_body(raw)
        assert all(session.reply().startswith("250 ") for session in sessions)
        for session in sessions:
            session.__exit__(None, None, None)
    assert intake.together == [handover.TOGETHER, 2]
    assert sorted(intake.raws) == sorted(mail)


def test_nobody_is_waited_for_longer_than_a_moment(tmp_path: Path) -> None:
    intake = ManyIntake()
    with (
        smtp_served(tmp_path, intake) as served,
        Session(served.port) as slow,
        Session(served.port) as quick,
    ):
        all_in_data([slow, quick])
        quick.send_body(numbered(1))
        assert quick.reply().startswith("250 ")
        slow.send_body(numbered(2))
        assert slow.reply().startswith("250 ")
    assert intake.together == [1, 1]


def test_a_session_that_gives_up_keeps_nobody_waiting(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(handover, "GATHER_SECONDS", 300.0)
    intake = ManyIntake()
    with smtp_served(tmp_path, intake) as served, Session(served.port) as quick:
        with Session(served.port) as gone:
            all_in_data([gone, quick])
            quick.send_body(numbered(1))
            time.sleep(0.1)
            assert intake.together == []
        assert quick.reply().startswith("250 ")
    assert intake.together == [1]


def test_a_fault_in_one_chunk_is_told_to_its_sessions_and_the_next_one_goes_on(tmp_path: Path) -> None:
    intake = ManyIntake()
    with smtp_served(tmp_path, intake) as served, Session(served.port) as session:
        intake.fault = SystemExit()
        assert session.deliver(FEED, numbered(1)).startswith("451 ")
        intake.fault = None
        assert session.deliver(FEED, numbered(1)).startswith("250 ")
    assert intake.together == [1, 1]


def test_a_larger_message_goes_alone(tmp_path: Path) -> None:
    intake = ManyIntake()
    with smtp_served(tmp_path, intake) as served, Session(served.port) as session:
        raw = numbered(1, handover.TOGETHER_BYTES + 100)
        assert session.deliver(FEED, raw).startswith("250 ")
    assert intake.together == []
    assert intake.raws == [raw]


# --- the committing side ---------------------------------------------------------------------------


class _Archive:
    """Commits nothing, slowly if told so, and remembers which batches there were."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def commit(self, batch: Sequence[Prepared]) -> list[Committed]:
        self.batches.append(len(batch))
        assert self.go_on.wait(60)
        return [Committed(Receipt("m", "stored"), 1, fresh=True) for _ in batch]


class _Answers:
    def __init__(self) -> None:
        self.told: dict[int, Answer] = {}

    def settle(self, settled: Sequence[tuple[int, Answer]]) -> None:
        self.told.update(settled)


class _Line:
    """An intake over an archive of nothing."""

    def __init__(self, depth: int = 16) -> None:
        self.archive = _Archive()
        self.answers = _Answers()
        self.stored = 0
        self.intake = GroupIntake(
            cast("Archive", self.archive),
            cast("Sources", None),
            lambda arrival, own: Future(),
            on_stored=self._count,
            wait_ms=20_000,
            depth=depth,
        )
        self.intake.start()

    def _count(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        self.stored += len(done)

    def hand_over(self, *tickets: int) -> None:
        prepared = Prepared.__new__(Prepared)
        self.intake.hand_over([(ticket, prepared) for ticket in tickets], self.answers)


@pytest.fixture
def line() -> Iterator[_Line]:
    made = _Line()
    yield made
    made.archive.go_on.set()
    made.intake.close()


def within(seconds: float, done: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.005)
    return done()


def test_what_was_gathered_elsewhere_is_committed_at_once(line: _Line) -> None:
    line.hand_over(1, 2, 3)
    assert within(30, lambda: len(line.answers.told) == 3)
    assert line.archive.batches == [3]


def test_what_comes_during_a_commit_is_the_next_batch(line: _Line) -> None:
    line.archive.go_on.clear()
    line.hand_over(1)
    assert within(30, lambda: line.archive.batches == [1])
    line.hand_over(2, 3)
    line.hand_over(4)
    assert line.answers.told == {}
    line.archive.go_on.set()
    assert within(30, lambda: len(line.answers.told) == 4)
    assert line.archive.batches == [1, 3]


def test_a_full_line_holds_back_whoever_hands_over_more() -> None:
    line = _Line(depth=2)
    line.archive.go_on.clear()
    with ThreadPoolExecutor(1) as thread:
        line.hand_over(1)
        assert within(30, lambda: line.archive.batches == [1])
        line.hand_over(2, 3)
        held = thread.submit(line.hand_over, 4)
        time.sleep(0.05)
        assert not held.done()
        line.archive.go_on.set()
        held.result(30)
    line.intake.close()
    assert sorted(line.answers.told) == [1, 2, 3, 4]


def test_closing_commits_what_is_there_and_refuses_the_rest() -> None:
    line = _Line(depth=1)
    line.archive.go_on.clear()
    with ThreadPoolExecutor(2) as thread:
        line.hand_over(1)
        assert within(30, lambda: line.archive.batches == [1])
        line.hand_over(2)
        held = thread.submit(line.hand_over, 3)
        time.sleep(0.05)
        closing = thread.submit(line.intake.close)
        with pytest.raises(StoreError, match="shutting down"):
            held.result(30)
        line.archive.go_on.set()
        closing.result(30)
    assert sorted(line.answers.told) == [1, 2]
    with pytest.raises(StoreError, match="shutting down"):
        line.hand_over(4)
