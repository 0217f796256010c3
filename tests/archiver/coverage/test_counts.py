"""received = stored + duplicates + refused, to the last message, and whatever says otherwise is named."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from archiver.coverage import arrivals as arrivals_module
from archiver.coverage.arrivals import SLOT_US, Arrivals
from archiver.coverage.counts import differences, recounted, wrong_days
from archiver.coverage.gaps import COUNTS_DIFFER
from archiver.coverage.watch import Watch
from archiver.errors import DestructionRefused
from archiver.store.schema import arrival_days, arrival_slots, coverage_marks, refusals, sources
from archiver.vault import Vault
from archiver.verify import Scrubber
from tests.archiver.coverage.stage import StillClock, deliver, some


def check(vault: Vault) -> None:
    """The law, by every way of counting."""
    for source in vault.sources.all():
        assert source.received == source.stored + source.duplicates + source.refused
    with vault.records.read() as connection:
        assert differences(connection) == []
        assert recounted(connection) == []
        assert list(wrong_days(connection)) == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["mail", "refuse", "count", "day"]), st.integers(0, 5), st.booleans()),
        max_size=14,
    )
)
def test_the_law_holds_whatever_comes_in_whatever_order(
    vault: Vault, clock: StillClock, acts: list[tuple[str, int, bool]]
) -> None:
    watch = Watch(vault)
    known = vault.sources.all() or [vault.sources.add("journal", "a"), vault.sources.add("imap", "b")]
    for act, number, first in acts:
        source = known[0 if first else 1].id
        if act == "mail":
            deliver(vault, source, some(number), some(number + 1))
        elif act == "refuse":
            vault.sources.refuse(source, "too_large")
        elif act == "count":
            watch.arrivals.catch_up()
        else:
            clock.pass_(hours=13)
        check(vault)


def test_arrivals_are_counted_once_by_many_at_the_same_time(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals_module, "CHUNK", 3)
    source = vault.sources.add("journal", "feed").id
    deliver(vault, source, *(some(n) for n in range(20)), some(1))
    counted: list[int] = []
    threads = [
        threading.Thread(target=lambda: counted.append(Arrivals(vault.records, vault.clock).catch_up()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counted) == 21
    with vault.records.read() as connection:
        day = connection.execute(select(arrival_days)).one()
        assert (day.stored, day.duplicates) == (20, 1)
        assert connection.scalar(select(arrival_slots.c.arrived)) == 21
    check(vault)


def test_a_kill_between_counting_and_the_mark_counts_nothing_twice(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = vault.sources.add("journal", "feed").id
    deliver(vault, source, some(1), some(2))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("_add_slots", "_add_days"):
        with monkeypatch.context() as broken:
            broken.setattr(arrivals_module, name, die)
            with pytest.raises(KeyboardInterrupt):
                Arrivals(vault.records, vault.clock).catch_up()
        check(vault)
    assert Arrivals(vault.records, vault.clock).catch_up() == 2
    assert Arrivals(vault.records, vault.clock).catch_up() == 0
    check(vault)


def test_slots_are_quarters_of_an_hour_and_old_ones_are_forgotten(vault: Vault, clock: StillClock) -> None:
    source = vault.sources.add("journal", "feed").id
    arrivals = Arrivals(vault.records, clock)
    deliver(vault, source, some(1), some(2))
    clock.pass_(minutes=15)
    deliver(vault, source, some(3))
    arrivals.catch_up()
    slot = int(clock.now().timestamp() * 1e6) // SLOT_US
    assert arrivals.slots(source, 0) == {slot - 1: 2, slot: 1}
    clock.pass_(days=71)
    arrivals.forget_old_slots()
    assert arrivals.slots(source, 0) == {}
    check(vault)  # days stay


def test_a_counter_that_was_changed_is_named_everywhere(vault: Vault, watch: Watch) -> None:
    source = vault.sources.add("journal", "feed").id
    deliver(vault, source, some(1), some(2), some(1))
    watch.run()
    assert list(Scrubber(vault, full=False).run()) == []
    with vault.records.write() as connection:
        connection.execute(update(sources).where(sources.c.id == source).values(stored=3, received=4))
    (found,) = watch.differing().items()
    assert (found[0], found[1].stored, found[1].received) == (source, 2, 3)
    assert [fault.kind for fault in Scrubber(vault, full=False).run()] == ["reconciliation"]
    Watch(vault).run()
    (gap,) = watch.gaps.find(source)
    assert (gap.kind, gap.count) == (COUNTS_DIFFER, 1)
    with vault.records.write() as connection:
        connection.execute(update(sources).where(sources.c.id == source).values(stored=2, received=3))
    Watch(vault).run()
    assert watch.gaps.find(source) == []


def test_sums_that_were_changed_are_named_by_verify(vault: Vault, watch: Watch) -> None:
    source = vault.sources.add("journal", "feed").id
    deliver(vault, source, some(1))
    watch.run()
    with vault.records.write() as connection:
        connection.execute(update(arrival_days).values(stored=7))
    (fault,) = Scrubber(vault, full=False).run()
    assert (fault.kind, fault.where) == ("reconciliation", source)
    assert set(watch.differing()) == {source}
    with vault.records.write() as connection:
        connection.execute(delete(arrival_days))
        connection.execute(delete(arrival_slots))
        connection.execute(delete(coverage_marks))
    watch.arrivals.catch_up()  # derived: what was lost is made again
    check(vault)


def test_what_was_refused_is_kept_item_by_item_and_for_good(vault: Vault, clock: StillClock) -> None:
    source = vault.sources.add("imap", "box").id
    for reason in ("too_large", "unreadable", "too_large"):
        vault.sources.refuse(source, reason)
        clock.pass_(seconds=1)
    assert vault.sources.refused_by_reason(source) == {"too_large": 2, "unreadable": 1}
    page = vault.sources.refusals(source, limit=2)
    assert [item.reason for item in page] == ["too_large", "unreadable"]
    (last,) = vault.sources.refusals(source, limit=2, before=page[-1].n)
    assert (last.reason, last.at) == ("too_large", "2026-03-02T12:00:00Z")
    for statement in (delete(refusals), update(refusals).values(reason="x")):
        with pytest.raises(DestructionRefused), vault.records.write() as connection:
            connection.execute(statement)
