"""Alerts: every new message that matches is told of, once, in the owner's scope of that moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from archiver.clock import from_us
from archiver.store import dialect
from archiver.store.schema import alert_items, messages, outbox, saved_searches, unindexed, users
from search.access import Purpose
from search.errors import QueryTooBroad
from search.keeping.errors import KeepingError, NotKept
from search.language.tree import Query
from tests.retention.whole_house import mail, tamper
from tests.search.keeping.conftest import Keeping

LEGAL = Purpose.LEGAL


def alert_of(kept: Keeping, query: str = "zebra", **more: object) -> str:
    made = kept.saved.add(kept.house.officer, "striped", query, purpose="legal", alert=True, **more)  # type: ignore[arg-type]
    return str(made["id"])


def told(kept: Keeping, search_id: str, actor: object = None) -> set[str]:
    who = actor or kept.house.officer
    page = kept.alerts.show(who, search_id, every=True, limit=500)  # type: ignore[arg-type]
    return {one["id"] for one in page["items"]}


def stored(kept: Keeping, number: int = 1, body: str = "a zebra", **more: str) -> set[str]:
    return {one.receipt.id for one in kept.house.old(number, body=body, **more)}


def requeue(kept: Keeping) -> None:
    with kept.house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        alive = select(messages.c.pk, messages.c.seq).where(messages.c.disposed_us.is_(None))
        connection.execute(
            dialect.insert_or_ignore(connection, outbox).from_select(["message_pk", "seq"], alive)
        )


def mark(kept: Keeping, search_id: str) -> int:
    with kept.house.vault.records.read() as connection:
        found = connection.scalar(select(saved_searches.c.alert_seq).where(saved_searches.c.id == search_id))
        assert found is not None
        return int(found)


def test_new_mail_that_matches_is_told_of_once(kept: Keeping) -> None:
    stored(kept)
    kept.house.index()
    search = alert_of(kept)
    kept.house.index()
    assert kept.matcher.run() == {"searches": 1, "looked": 0, "found": 0, "failing": 0}
    new = stored(kept, 3)
    stored(kept, 2, body="a lion")
    # What isn't indexed isn't judged yet.
    assert kept.matcher.run()["looked"] == 0
    kept.house.index()
    assert kept.matcher.run() == {"searches": 1, "looked": 5, "found": 3, "failing": 0}
    assert kept.house.audit()[-1] == ("alert.match", "success", "system")
    assert kept.matcher.run()["looked"] == 0
    (listed,) = kept.alerts.list(kept.house.officer)
    assert (listed["id"], listed["new"], listed["error"]) == (search, 3, None)
    assert told(kept, search) == new
    assert kept.alerts.list(kept.house.second) == []
    with pytest.raises(NotKept):
        kept.alerts.show(kept.house.second, search)


def test_the_very_first_message_of_an_archive_is_told_of(kept: Keeping) -> None:
    search = alert_of(kept, "*")
    new = stored(kept)
    kept.house.index()
    kept.matcher.run()
    assert told(kept, search) == new


def test_indexing_anew_and_a_second_copy_tell_nothing_twice(kept: Keeping) -> None:
    search = alert_of(kept)
    house = kept.house
    raw = mail(body="a zebra")
    (first,) = house.capture(house.arrival(raw))
    house.index()
    kept.matcher.run()
    house.capture(house.arrival(raw))
    house.index()
    requeue(kept)
    house.index()
    house.writer.clear()
    requeue(kept)
    house.index()
    kept.matcher.run()
    assert told(kept, search) == {first.receipt.id}
    with house.vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(alert_items)) == 1


def test_the_mark_never_passes_what_the_index_does_not_know(kept: Keeping) -> None:
    """An index that lost mail without anybody queueing it: nothing is skipped, all is told in the end."""
    search = alert_of(kept)
    before = mark(kept, search)
    new = stored(kept, 3)
    kept.house.index()
    kept.house.writer.clear()
    assert kept.matcher.run()["looked"] == 0
    assert mark(kept, search) == before
    requeue(kept)
    kept.house.index()
    kept.matcher.run()
    assert told(kept, search) == new


def test_an_index_lost_and_made_anew_between_two_questions_hides_nothing(
    kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = alert_of(kept)
    new = stored(kept, 3)
    kept.house.index()
    real = kept.house.reader.matching
    calls = 0

    def matching(query: Query, rowids: Iterable[int]) -> set[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            return set()  # just then the index was empty
        return real(query, rowids)

    monkeypatch.setattr(kept.house.reader, "matching", matching)
    kept.matcher.run()
    assert told(kept, search) == set()
    kept.matcher.run()
    assert told(kept, search) == new


def test_what_can_not_be_indexed_keeps_nothing_waiting(kept: Keeping) -> None:
    search = alert_of(kept)
    stored(kept)
    later = stored(kept, 2)
    with kept.house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        first = connection.scalar(select(func.min(messages.c.seq)))
        pk = connection.scalar(select(messages.c.pk).where(messages.c.seq == first))
        connection.execute(unindexed.insert().values(message_pk=pk, reason="seal_damaged"))
        connection.execute(text("DELETE FROM outbox WHERE message_pk = :pk"), {"pk": pk})
    kept.house.index()
    kept.matcher.run()
    assert told(kept, search) == later


def test_a_disabled_owner_is_told_nothing_until_they_are_back(kept: Keeping) -> None:
    search = alert_of(kept)
    switch = update(users).where(users.c.id == kept.house.officer.user_id)
    with kept.house.vault.records.write() as connection:
        connection.execute(switch.values(disabled_us=1))
    new = stored(kept)
    kept.house.index()
    for _ in range(2):
        assert kept.matcher.run()["found"] == 0
    assert kept.house.audit().count(("alert.match", "failed", "system")) == 1
    with kept.house.vault.records.write() as connection:
        connection.execute(switch.values(disabled_us=None, role="records_manager"))
    assert kept.matcher.run()["found"] == 0
    with kept.house.vault.records.write() as connection:
        connection.execute(switch.values(role="compliance_officer"))
    assert kept.matcher.run()["found"] == 1
    assert told(kept, search) == new
    assert kept.saved.show(kept.house.officer, search)["alert_error"] is None


def test_a_lawyer_is_told_of_what_their_matters_hold_and_of_no_more(kept: Keeping) -> None:
    house = kept.house
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])
    house.holds.create(house.lawyer, matter, query="subject:quagga")
    search = kept.saved.add(house.lawyer, "n", "zebra", purpose="legal", alert=True, matter=matter)["id"]
    mine = stored(kept, to="counsel@law.example") | stored(kept, subject="quagga")
    stored(kept)
    house.index()
    assert kept.matcher.run()["found"] == 2
    assert told(kept, search, house.lawyer) == mine
    # The holds go: so does what the lawyer sees of the alert, its count included.
    with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        connection.execute(text("DELETE FROM matter_members"))
    with pytest.raises(NotKept):
        kept.alerts.show(house.lawyer, search)
    assert kept.alerts.list(house.lawyer) == []
    stored(kept, to="counsel@law.example")
    house.index()
    assert kept.matcher.run()["found"] == 0


def test_a_label_that_is_on_its_way_is_waited_for(kept: Keeping) -> None:
    """A hold by query takes new mail in as it is indexed; the index learns of the label a moment later."""
    house = kept.house
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    house.holds.create(house.lawyer, matter, query="subject:quagga")
    search = kept.saved.add(house.lawyer, "n", "zebra", purpose="legal", alert=True, matter=matter)["id"]
    mine = stored(kept, subject="quagga")
    house.indexer.run_once()
    assert kept.matcher.run()["looked"] == 0
    house.indexer.drain_relabels()
    assert kept.matcher.run()["found"] == 1
    assert told(kept, search, house.lawyer) == mine


def test_counts_tell_nothing_of_what_left_the_scope(kept: Keeping) -> None:
    house = kept.house
    matter = house.matters.create(house.lawyer, "Striped v. Clinic")["id"]
    hold = house.holds.create(house.lawyer, matter, custodians=["counsel@law.example"])["id"]
    search = kept.saved.add(house.lawyer, "n", "zebra", purpose="legal", alert=True, matter=matter)["id"]
    stored(kept, 3, to="counsel@law.example")
    house.index()
    kept.matcher.run()
    assert kept.alerts.list(house.lawyer)[0]["new"] == 3
    house.holds.release(house.lawyer, hold)
    house.holds.approve(house.officer, hold)
    house.clock.ahead = timedelta(days=60)
    tamper(house.vault, f"UPDATE holds SET state = 'released' WHERE id = '{hold}'")
    assert kept.alerts.list(house.lawyer)[0]["new"] == 0
    assert kept.alerts.show(house.lawyer, search, every=True)["items"] == []


def test_taking_note(kept: Keeping) -> None:
    search, officer = alert_of(kept), kept.house.officer
    first = stored(kept, 3)
    kept.house.index()
    kept.matcher.run()
    page = kept.alerts.show(officer, search, limit=2)
    assert (len(page["items"]), page["new"]) == (2, 3)
    rest = kept.alerts.show(officer, search, limit=2, after=page["next"])
    assert {one["id"] for one in page["items"] + rest["items"]} == first
    assert rest["next"] is None
    kept.house.clock.ahead = timedelta(minutes=5)
    later = stored(kept, 2)
    kept.house.index()
    kept.matcher.run()
    assert kept.alerts.acknowledge(officer, search, until=datetime.fromisoformat(page["as_of"])) == {
        "id": search,
        "acknowledged": 3,
    }
    shown = kept.alerts.show(officer, search)
    assert {one["id"] for one in shown["items"]} == later
    one = min(later)
    assert kept.alerts.acknowledge(officer, search, messages_=[one])["acknowledged"] == 1
    assert kept.alerts.acknowledge(officer, search, messages_=[one])["acknowledged"] == 0
    assert kept.alerts.acknowledge(officer, search)["acknowledged"] == 1
    assert kept.alerts.list(officer)[0]["new"] == 0
    assert len(told(kept, search)) == 5
    with pytest.raises(KeepingError):
        kept.alerts.acknowledge(officer, search, messages_=["m"] * 501)


def test_turning_an_alert_off_and_on_begins_with_later_mail(kept: Keeping) -> None:
    search, officer = alert_of(kept), kept.house.officer
    kept.saved.change(officer, search, alert=False)
    stored(kept)
    kept.house.index()
    kept.matcher.run()
    kept.saved.change(officer, search, alert=True)
    new = stored(kept)
    kept.house.index()
    kept.matcher.run()
    assert told(kept, search) == new


def test_a_query_that_has_become_too_broad_stops_itself_alone(
    kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = alert_of(kept, "zeb*ra OR *zebra"), alert_of(kept)
    new = stored(kept)
    kept.house.index()
    real = kept.house.reader.matching

    def matching(query: Query, rowids: Iterable[int]) -> set[int]:
        if "Or" in type(query).__name__ or "zeb*" in repr(query) or "Suffix" in repr(query):
            raise QueryTooBroad("too_broad", "too many words")
        return real(query, rowids)

    monkeypatch.setattr(kept.house.reader, "matching", matching)
    before = mark(kept, broken)
    assert kept.matcher.run()["failing"] == 1
    assert told(kept, sound) == new
    assert mark(kept, broken) == before
    assert kept.saved.show(kept.house.officer, broken)["alert_error"] == "query_too_broad"
    monkeypatch.undo()
    kept.matcher.run()
    assert told(kept, broken) == new


def test_what_is_disposed_of_leaves_the_alerts(kept: Keeping) -> None:
    search = alert_of(kept)
    stored(kept)
    kept.house.index()
    kept.matcher.run()
    kept.house.dispositions.execute(kept.house.second, kept.house.due())
    assert told(kept, search) == set()
    assert kept.alerts.list(kept.house.officer)[0]["new"] == 0


def test_the_moment_of_an_alert_is_when_it_was_found(kept: Keeping) -> None:
    alert_of(kept)
    stored(kept)
    kept.house.index()
    kept.house.clock.ahead = timedelta(hours=1)
    before = kept.house.clock.now()
    kept.matcher.run()
    after = kept.house.clock.now()
    with kept.house.vault.records.read() as connection:
        found = from_us(int(connection.scalar(select(alert_items.c.found_us)) or 0))
    assert before <= found <= after
