"""Gaps: opened once however often a door says so, on both databases, by many at the same time."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from archiver.capture.ports import GapLog
from archiver.coverage.gaps import Gaps
from archiver.errors import CaptureError, NotFound
from archiver.store.schema import alerts
from archiver.vault import Vault
from tests.archiver.coverage.stage import StillClock


def queued(vault: Vault) -> list[str]:
    with vault.records.read() as connection:
        return list(connection.scalars(select(alerts.c.kind).order_by(alerts.c.id)))


def test_a_gap_is_opened_once_and_closed_once(vault: Vault, clock: StillClock) -> None:
    gaps: GapLog = Gaps(vault.records, clock, alert=True)
    look = Gaps(vault.records, clock, alert=True)
    source = vault.sources.add("imap", "box").id
    gaps.open(source, "uid_hole", "aa", 2)
    gaps.open(source, "uid_hole", "aa", 2)
    clock.pass_(minutes=1)
    gaps.open(source, "uid_hole", "aa", 3)
    gaps.open(source, "uid_hole", "bb", 1)
    found = look.find(source)
    assert [(gap.key, gap.count) for gap in found] == [("bb", 1), ("aa", 3)]
    assert found[1].to_json()["since"] == "2026-03-02T12:00:00Z"
    assert look.counts() == {(source, "uid_hole"): 2}
    gaps.close(source, "uid_hole", "aa")
    gaps.close(source, "uid_hole", "aa")
    gaps.close(source, "unreachable", "")
    assert [gap.key for gap in look.find(source)] == ["bb"]
    gaps.open(source, "uid_hole", "aa", 5)
    ended = look.find(source, ended=True)
    assert [(gap.key, gap.count, gap.closed_us is None) for gap in ended] == [
        ("aa", 5, True),
        ("bb", 1, True),
        ("aa", 3, False),
    ]
    assert queued(vault) == ["opened", "opened", "closed", "opened"]


def test_many_at_the_same_time_open_one(vault: Vault, clock: StillClock) -> None:
    gaps = Gaps(vault.records, clock, alert=True)
    source = vault.sources.add("imap", "box").id
    threads = [threading.Thread(target=lambda n=n: gaps.open(source, "unreachable", "", n)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(gaps.find(source)) == 1
    assert queued(vault) == ["opened"]


def test_a_reminder_comes_daily_and_once(vault: Vault, clock: StillClock) -> None:
    gaps = Gaps(vault.records, clock, alert=True)
    source = vault.sources.add("journal", "feed").id
    gaps.open(source, "silence", "", 9)
    assert gaps.remind() == 0
    clock.pass_(hours=24)
    assert (gaps.remind(), gaps.remind()) == (1, 0)
    clock.pass_(hours=24)
    assert gaps.remind() == 1
    gaps.close(source, "silence", "")
    clock.pass_(hours=48)
    assert gaps.remind() == 0
    assert queued(vault) == ["opened", "reminder", "reminder", "closed"]


def test_gaps_of_before_there_was_anybody_to_tell_are_told_later(vault: Vault, clock: StillClock) -> None:
    source = vault.sources.add("journal", "feed").id
    Gaps(vault.records, clock, alert=False).open(source, "silence", "", 9)
    assert queued(vault) == []
    assert Gaps(vault.records, clock, alert=True).remind() == 1
    assert queued(vault) == ["opened"]


def test_a_gap_that_ends_by_itself_at_once_is_on_record_and_tells_nobody(
    vault: Vault, clock: StillClock
) -> None:
    gaps = Gaps(vault.records, clock, alert=True)
    source = vault.sources.add("imap", "box").id
    gaps.open(source, "unreachable", "", 0)
    clock.pass_(minutes=3)
    gaps.close(source, "unreachable", "")
    assert queued(vault) == []
    assert len(gaps.find(source, ended=True)) == 1
    gaps.open(source, "unreachable", "", 0)
    with vault.records.read() as connection:
        row = connection.execute(select(alerts)).one()
    assert row.next_us - row.queued_us == 15 * 60 * 10**6


def test_what_can_never_be_filled_is_accepted_and_what_is_judged_is_not(
    vault: Vault, clock: StillClock
) -> None:
    gaps = Gaps(vault.records, clock, alert=True)
    source = vault.sources.add("imap", "box").id
    gaps.open(source, "uid_hole", "aa", 2)
    gaps.open(source, "silence", "", 2)
    silence, hole = gaps.find()
    assert gaps.accept(hole.id).to_json()["accepted"]
    for gap_id, error in ((hole.id, CaptureError), (silence.id, CaptureError), (99, NotFound)):
        with pytest.raises(error):
            gaps.accept(gap_id)
    assert [gap.kind for gap in gaps.find()] == ["silence"]
    assert [gap.accepted_us is None for gap in gaps.find(ended=True)] == [True, False]
    clock.pass_(hours=25)
    assert gaps.remind() == 1  # of the silence alone


def test_lists_are_bounded_and_say_how_many_there_are(vault: Vault, clock: StillClock) -> None:
    gaps = Gaps(vault.records, clock, alert=False)
    source, other = vault.sources.add("imap", "box").id, vault.sources.add("imap", "other").id
    for number in range(25):
        gaps.open(source, "uid_hole", f"{number:02}", 1)
    shown = gaps.shown([source, other])
    assert (len(shown[source][0]), shown[source][1]) == (20, 25)
    assert shown[other] == ([], 0)
    first = gaps.find(source, limit=20)
    rest = gaps.find(source, limit=20, before=first[-1].id)
    assert [gap.key for gap in [*first, *rest]] == [f"{n:02}" for n in reversed(range(25))]
    with vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(alerts)) == 0
