"""What failed and was kept all the same: the second try must not count, open, tell or send twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy import Connection, select

from archiver.coverage.heartbeat import Plan
from archiver.coverage.watch import Watch
from archiver.errors import StoreError
from archiver.store.records import Records
from archiver.store.schema import alerts, coverage_reports, heartbeat_beats
from archiver.vault import Vault, open_vault
from tests.archiver.coverage.stage import Relay, StillClock, deliver, some
from tests.archiver.coverage.test_counts import check

Write = Callable[..., AbstractContextManager[Connection]]


class LostAnswers:
    """Every commit is done, and its answer lost, while `broken` is true."""

    def __init__(self, records: Records) -> None:
        self._write: Write = records.write
        self.broken = True

    @contextmanager
    def write(self, lock: int | None = None) -> Iterator[Connection]:
        with self._write(lock) as connection:
            yield connection
        if self.broken:
            raise StoreError("the answer was lost")


def test_counting_again_counts_nothing_twice(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(vault)
    source = vault.sources.add("journal", "feed").id
    deliver(vault, source, some(1), some(2))
    watch.run()
    deliver(vault, source, some(3), some(1))
    lost = LostAnswers(vault.records)
    monkeypatch.setattr(vault.records, "write", lost.write)
    with pytest.raises(StoreError):
        watch.arrivals.catch_up()
    with pytest.raises(StoreError):
        vault.sources.refuse(source, "too_large")
    lost.broken = False
    assert watch.arrivals.catch_up() == 0
    check(vault)
    assert vault.sources.get(source).received == 5


def test_a_gap_told_of_twice_is_one_gap_and_one_mail(
    vault: Vault, clock: StillClock, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = vault.settings.model_copy(
        update={
            "alert_to": ("it@clinic.example",),
            "alert_from": "archive@clinic.example",
            "alert_relay": f"smtp://localhost:{relay.port}",
        }
    )
    told = open_vault(settings, clock)
    try:
        watch = Watch(told)
        source = told.sources.add("imap", "box").id
        lost = LostAnswers(told.records)
        monkeypatch.setattr(told.records, "write", lost.write)
        with pytest.raises(StoreError):
            watch.gaps.open(source, "folder_unreadable", "", 0)
        watch.gaps.open(source, "folder_unreadable", "", 0)
        lost.broken = False
        watch.run()
        assert len(relay.taken) == 1
        lost.broken = True
        with pytest.raises(StoreError):
            watch.gaps.close(source, "folder_unreadable", "")
        watch.gaps.close(source, "folder_unreadable", "")
        with told.records.read() as connection:
            assert [row.kind for row in connection.execute(select(alerts))] == ["opened", "closed"]
    finally:
        told.close()


def test_a_mail_that_went_but_was_not_marked_goes_again_under_the_same_id(
    vault: Vault, clock: StillClock, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = {
        "alert_to": ("it@clinic.example",),
        "alert_from": "archive@clinic.example",
        "alert_relay": f"smtp://localhost:{relay.port}",
    }
    told = open_vault(vault.settings.model_copy(update=update), clock)
    try:
        watch = Watch(told)
        watch.gaps.open(told.sources.add("imap", "box").id, "folder_unreadable", "", 0)
        waiting = watch.alerts._claim()
        mail = watch.alerts._message(waiting)
        with monkeypatch.context() as broken:

            def refuse(_: int | None = None) -> AbstractContextManager[Connection]:
                raise StoreError("away")

            broken.setattr(told.records, "write", refuse)
            with pytest.raises(StoreError):
                watch.alerts._send(waiting)
        clock.pass_(minutes=11)
        watch.run()
        assert {m["Message-ID"] for m in relay.mails()} == {mail["Message-ID"]}
        assert len(relay.taken) == 2
        assert watch.alerts.waiting() == 0
    finally:
        told.close()


def test_a_heartbeat_whose_answer_was_lost_is_missed_and_not_sent_twice(
    vault: Vault, clock: StillClock, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(vault)
    source = vault.sources.add("journal", "feed").id
    plan = Plan("a@x.example", "a@x.example", f"smtp://localhost:{relay.port}", 3_600, 900)
    watch.heartbeats.set(source, plan)
    lost = LostAnswers(vault.records)
    monkeypatch.setattr(vault.records, "write", lost.write)
    with pytest.raises(StoreError):
        watch.heartbeats.send_due()
    lost.broken = False
    assert watch.heartbeats.send_due() == 0
    assert relay.taken == []
    clock.pass_(minutes=16)
    watch.heartbeats.look()
    assert [gap.kind for gap in watch.gaps.find()] == ["heartbeat_missed"]
    with vault.records.read() as connection:
        assert len(connection.execute(select(heartbeat_beats)).all()) == 1


def test_a_report_whose_answer_was_lost_is_there_once(
    vault: Vault, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(vault)
    deliver(vault, vault.sources.add("journal", "feed").id, some(1))
    watch.run()
    clock.pass_(hours=20)
    lost = LostAnswers(vault.records)
    monkeypatch.setattr(vault.records, "write", lost.write)
    with pytest.raises(StoreError):
        watch.reports.make_due()
    lost.broken = False
    assert watch.reports.make_due() == []
    with vault.records.read() as connection:
        assert len(connection.execute(select(coverage_reports)).all()) == 1
    assert len(watch.reports.get(None)["items"]) == 1
