"""The watch on a real archive: silence, pauses of our own, rising refusals; the clock is moved by hand."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from archiver.coverage.arrivals import SLOT_US
from archiver.coverage.gaps import REFUSED, SILENCE
from archiver.coverage.watch import Watch
from archiver.errors import StoreError
from archiver.store.schema import arrival_slots, watch_pauses
from archiver.vault import Vault
from tests.archiver.coverage.stage import StillClock, deliver, some

WEEKS = 4


def remember(vault: Vault, clock: StillClock, source_id: str, each: int = 12) -> None:
    """Four weeks of a source that gets `each` mails a quarter of an hour, day and night."""
    now = int(clock.now().timestamp() * 1e6) // SLOT_US
    rows = [
        {"source_id": source_id, "slot": slot, "arrived": each}
        for slot in range(now - WEEKS * 7 * 96, now)
        if slot % 97  # not too regular
    ]
    with vault.records.write() as connection:
        connection.execute(arrival_slots.insert(), rows)


def tick(watch: Watch, clock: StillClock, minutes: int) -> None:
    for _ in range(minutes // 5):
        clock.pass_(minutes=5)
        watch.run()


def kinds(watch: Watch) -> list[str]:
    return [gap.kind for gap in watch.gaps.find()]


def test_a_feed_that_falls_silent_is_a_gap_until_mail_comes(
    vault: Vault, clock: StillClock, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    source = vault.sources.add("journal", "feed of Dr Secretname").id
    other = vault.sources.add("import", "old mail").id
    for known in (source, other):
        remember(vault, clock, known)
        deliver(vault, known, some(1))
    watch.run()
    tick(watch, clock, 10)
    assert kinds(watch) == []
    with caplog.at_level(logging.INFO, "holdfast.coverage"):
        tick(watch, clock, 50)
        (gap,) = watch.gaps.find()  # an import is done when it is done
        assert (gap.source_id, gap.kind) == (source, SILENCE)
        assert 15 <= gap.count <= 60
        tick(watch, clock, 60)
        assert len(watch.gaps.find(ended=True)) == 1
        deliver(vault, source, some(2))
        watch.run()
    assert kinds(watch) == []
    text = caplog.text
    assert f"gap opened: source {source}, silence" in text
    assert f"gap closed: source {source}, silence" in text
    assert "Secretname" not in text


def test_a_source_that_was_disabled_is_silent_by_right(vault: Vault, clock: StillClock, watch: Watch) -> None:
    source = vault.sources.add("journal", "feed")
    assert source.address is not None
    remember(vault, clock, source.id)
    deliver(vault, source.id, some(1))
    watch.run()
    tick(watch, clock, 60)
    assert kinds(watch) == [SILENCE]
    vault.sources.disable(source.id)
    tick(watch, clock, 60)
    assert kinds(watch) == []
    assert vault.sources.get(source.id).disabled
    assert vault.sources.journal_source_for(source.address) is None


def test_another_process_learns_the_same(vault: Vault, clock: StillClock, watch: Watch) -> None:
    source = vault.sources.add("imap", "box").id
    remember(vault, clock, source)
    deliver(vault, source, some(1))
    watch.run()
    tick(watch, clock, 60)
    Watch(vault).run()
    assert kinds(watch) == [SILENCE]


def test_after_a_pause_of_ours_the_senders_get_time_to_come_back(vault: Vault, clock: StillClock) -> None:
    watch = Watch(vault)
    source = vault.sources.add("journal", "feed").id
    remember(vault, clock, source)
    deliver(vault, source, some(1))
    watch.run()
    clock.pass_(hours=8)
    after = Watch(vault)
    after.run()
    assert kinds(after) == []
    with vault.records.read() as connection:
        (pause,) = connection.execute(select(watch_pauses)).all()
    began = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1e6
    assert (pause.from_us, pause.until_us) == (began, began + 8 * 3600e6)
    tick(after, clock, 10)
    assert kinds(after) == []
    tick(after, clock, 10)
    assert kinds(after) == [SILENCE]


def test_a_new_source_and_one_without_mail_are_left_alone(
    vault: Vault, clock: StillClock, watch: Watch
) -> None:
    vault.sources.add("journal", "never used")
    deliver(vault, vault.sources.add("journal", "used once").id, some(1))
    for _ in range(20):
        clock.pass_(hours=12)
        watch.run()
    assert kinds(watch) == []


def test_rising_refusals_are_a_gap_and_usual_ones_are_not(
    vault: Vault, clock: StillClock, watch: Watch
) -> None:
    source = vault.sources.add("journal", "feed").id
    for _ in range(4):
        vault.sources.refuse(source, "too_large")
    watch.run()
    assert kinds(watch) == []
    for _ in range(3):
        vault.sources.refuse(source, "too_large")
    watch.run()
    (gap,) = watch.gaps.find()
    assert (gap.kind, gap.count) == (REFUSED, 7)
    clock.pass_(hours=25)
    watch.run()
    assert kinds(watch) == []
    for _ in range(28):  # four weeks of six a day: so it is with this source
        for _ in range(6):
            vault.sources.refuse(source, "too_large")
        clock.pass_(hours=24)
        watch.run()
    for _ in range(6):
        vault.sources.refuse(source, "too_large")
    watch.run()
    assert kinds(watch) == []


def test_trouble_in_one_step_keeps_none_of_the_others_from_its_work(
    vault: Vault, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = vault.sources.add("journal", "feed").id
    for _ in range(9):
        vault.sources.refuse(source, "too_large")

    def fails() -> None:
        raise StoreError("away")

    monkeypatch.setattr(watch.arrivals, "catch_up", fails)
    with pytest.raises(StoreError):
        watch.run()
    assert kinds(watch) == [REFUSED]
