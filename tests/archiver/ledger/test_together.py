"""Group commit: what many threads record at once shares a transaction, and each is told its own fate."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import select

from archiver.errors import LedgerError, StoreError
from archiver.ledger import log, together
from archiver.ledger.audit import AuditEvent
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier, leaf_hash
from archiver.ledger.together import Together
from archiver.store.schema import audit_details
from archiver.vault import Vault


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """Call from so many threads; the results, or errors, in order."""

    def safe(number: int) -> Any:
        try:
            return call(number)
        except Exception as error:
            return error

    ready = threading.Barrier(count)

    def begun(number: int) -> Any:
        ready.wait(60)
        return safe(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begun, range(count)))


def event(number: int, **more: Any) -> AuditEvent:
    return AuditEvent("walk.step", "success", "system", count=number, detail={"number": number}, **more)


def test_pieces_that_come_meanwhile_are_one_batch() -> None:
    batches: list[int] = []

    def work(items: Sequence[int]) -> list[int | Exception]:
        batches.append(len(items))
        until = time.monotonic() + 60
        while sum(batches) + len(line._waiting) < 40 and time.monotonic() < until:
            time.sleep(0.002)
        return [one * 2 for one in items]

    line: Together[int, int] = Together(work)
    assert at_once(40, line) == [one * 2 for one in range(40)]
    assert sum(batches) == 40
    # The first has who came first; the others came while it was done.
    assert len(batches) == 2


def test_those_who_come_again_and_again_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in two halves that take turns: each of eight gets an eighth of every write, not of every second."""
    monkeypatch.setattr(together, "PAUSE", 1.0)
    sizes: list[int] = []

    def work(items: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(items))
        time.sleep(0.002)
        return list(items)

    one = Together(work)
    at_once(8, lambda number: [one(number) for _ in range(20)])
    assert sum(sizes) == 160
    assert median(sizes) > 4  # on a busy machine one or the other comes late; halves would be of four


def test_one_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PAUSE", 60.0)
    one: Together[int, int] = Together(lambda items: list(items))
    assert [one(number) for number in range(50)] == list(range(50))


def test_no_batch_is_over_the_limit_and_nobody_is_left_waiting() -> None:
    sizes: list[int] = []

    def work(items: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(items))
        return list(items)

    together = Together(work, most=3)
    for _ in range(20):
        assert at_once(16, together) == list(range(16))
    assert max(sizes) <= 3


def test_each_hears_its_own_error() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        time.sleep(0.02)
        return [ValueError(str(one)) if one % 2 else one for one in items]

    found = at_once(10, Together(work))
    assert [str(one) if isinstance(one, ValueError) else one for one in found] == [
        str(n) if n % 2 else n for n in range(10)
    ]


def test_all_hear_of_a_failure_and_the_next_goes_on() -> None:
    broken = threading.Event()
    broken.set()

    def work(items: Sequence[int]) -> list[int | Exception]:
        time.sleep(0.02)
        if broken.is_set():
            raise StoreError("away")
        return list(items)

    together = Together(work)
    found = at_once(12, together)
    assert all(isinstance(one, StoreError) for one in found)
    assert len({id(one) for one in found}) == 12
    broken.clear()
    assert at_once(12, together) == list(range(12))


def test_an_interrupt_is_for_the_one_it_came_to() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        time.sleep(0.02)
        if 0 in items:
            raise KeyboardInterrupt
        return list(items)

    together = Together(work)
    found: list[Any] = [None] * 8

    def call(number: int) -> None:
        try:
            found[number] = together(number)
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sum(isinstance(one, KeyboardInterrupt) for one in found) == 1
    assert all(isinstance(one, int | StoreError | KeyboardInterrupt) for one in found)


def test_entries_of_many_threads_share_commits(vault: Vault) -> None:
    commits = 0

    def counted(_: object) -> None:
        nonlocal commits
        commits += 1

    sql_event.listen(vault.records._engine, "commit", counted)
    each, threads = 25, 16
    indices = at_once(threads, lambda t: [vault.audit.record(event(t * each + n)) for n in range(each)])
    sql_event.remove(vault.records._engine, "commit", counted)
    flat = sorted(index for one in indices for index in one)
    assert flat == list(range(each * threads))
    assert commits < each * threads * 0.7
    frontier = Frontier()
    with vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, 0, len(flat))
        for leaf in leaves:
            frontier.append(leaf_hash(leaf))
        assert frontier.root() == log.state(connection, Log.AUDIT).root()
        entries = vault.audit.entries(connection, 0, len(flat))
    # Each caller was told the index of its own entry.
    by_index = {n: detail["number"] for n, _, detail in entries}
    for thread, mine in enumerate(indices):
        assert [by_index[index] for index in mine] == list(range(thread * each, thread * each + each))
        assert mine == sorted(mine)


def test_one_that_cannot_be_in_the_log_keeps_no_other_out(vault: Vault) -> None:
    bad = "x" * 70_000

    def record(number: int) -> int:
        return vault.audit.record(event(number) if number != 5 else AuditEvent(bad, "success", "system"))

    found = at_once(12, record)
    assert isinstance(found[5], LedgerError)
    assert sorted(one for one in found if isinstance(one, int)) == list(range(11))


def test_what_people_type_is_in_no_leaf(vault: Vault) -> None:
    """Reasons and sessions that are no codes of ours are sealed or left out; patients always are."""
    vault.audit.record(
        event(1, reason="Jane Roe's mother asked", session="Jane Roe", patients=("pabcdefghijklmno",))
    )
    vault.audit.record(event(2, reason="smtp_550", session="nabcdefghijklmno"))
    with vault.records.read() as connection:
        first, second = log.read(connection, Log.AUDIT, 0, 2)
        (_, _, detail), _ = vault.audit.entries(connection, 0, 2)
    for typed in (b"Jane", b"pabcdefghijklmno"):
        assert typed not in first
    assert json.loads(first)["reason"] == "other"
    assert "session" not in json.loads(first)
    assert (detail["said"], detail["patients"]) == ("Jane Roe's mother asked", ["pabcdefghijklmno"])
    assert (json.loads(second)["reason"], json.loads(second)["session"]) == ("smtp_550", "nabcdefghijklmno")


def test_a_detail_that_does_not_open_hides_no_entry(vault: Vault) -> None:
    vault.audit.record(event(1))
    vault.audit.record(event(2))
    with vault.records.read() as connection:
        sealed = connection.scalar(select(audit_details.c.sealed).where(audit_details.c.idx == 0))
        assert sealed
        vault.audit._key = bytes(32)
        found = list(vault.audit.recorded(connection, 0, 2))
    assert [(one.index, one.detail) for one in found] == [(0, None), (1, None)]
