"""Before the approval: samples, exclusions, own terms, and the hash that binds the approval to one list."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from archiver.errors import DestructionRefused, StoreRefuses
from archiver.store.schema import messages
from retention.disposition import items as items_of
from retention.disposition.samples import choose
from retention.disposition.sums import add_up
from retention.refusals import (
    BadTerm,
    ItemsChanged,
    NotThere,
    ReviewMissing,
    SecondPersonNeeded,
    WrongState,
)
from search.access import AccessDenied, Purpose, PurposeMissing
from tests.retention.whole_house import House, mail, tamper


def shown(house: House, disposition: str) -> dict[str, Any]:
    return house.dispositions.show(house.manager, disposition)


def outcomes(house: House, disposition: str) -> dict[str, int]:
    return dict(house.dispositions.execute(house.second, disposition)["outcomes"])


def ids(house: House, disposition: str) -> list[str]:
    return [item["id"] for item in shown(house, disposition)["items"]]


# --- the list -------------------------------------------------------------------------------------


def test_a_list_says_why_and_adds_up(house: House) -> None:
    house.old(3)
    house.capture(house.arrival(mail(body="long " * 5_000)))
    disposition = house.due(approve=False)
    found = shown(house, disposition)
    assert found["messages"] == found["sums"]["messages"] == 4
    assert found["bytes"] == found["sums"]["bytes"] == sum(item["size"] for item in found["items"])
    for counts in found["sums"]["by"].values():
        assert sum(counts.values()) == 4
    assert found["sums"]["by"]["size"] == {"up to 10 kB": 3, "up to 100 kB": 1}
    assert found["sums"]["by"]["year"] == {"2005": 4}
    (rule,) = found["sums"]["rules"]
    assert rule["messages"] == 4
    assert rule["citation"]
    for item in found["items"]:
        assert item["anchor"] == "2005-03-01"
        assert item["anchor_basis"] == "attested"
        assert item["explanation"]
    second = house.dispositions.show(house.manager, disposition, found["items"][0]["size"], limit=1)
    assert "sums" not in second


def test_the_hash_is_one_of_the_list(house: House) -> None:
    house.old(5)
    disposition = house.due(approve=False)
    with house.vault.records.read() as connection:
        items = list(items_of.read_all(connection, house.dispositions._fields, disposition))
    assert add_up(items).sha256 == items_of.digest(items)
    assert shown(house, disposition)["list_sha256"] == items_of.digest(items).hex()


def test_approval_is_of_the_list_that_was_looked_at(house: House) -> None:
    house.old(3)
    disposition = house.due(approve=False)
    looked_at = shown(house, disposition)["list_sha256"]
    changed = house.dispositions.exclude(house.third, disposition, ids(house, disposition)[:1], "a lease")
    assert changed["list_sha256"] != looked_at
    with pytest.raises(ItemsChanged, match="looked at"):
        house.dispositions.approve(house.officer, disposition, looked_at)
    done = house.dispositions.approve(house.officer, disposition, changed["list_sha256"].upper())
    assert (done["state"], done["messages"], done["excluded_messages"]) == ("approved", 2, 1)
    assert outcomes(house, disposition) == {"destroyed": 2}
    assert len(house.living()) == 1


def test_a_changed_list_is_not_approved_any_more(house: House) -> None:
    house.old(3)
    disposition = house.due()
    (kept, *_) = ids(house, disposition)
    after = house.dispositions.exclude(house.third, disposition, [kept], "asked for by the board")
    assert (after["state"], after["decided_by"], after["messages"]) == ("proposed", None, 2)
    with pytest.raises(WrongState):
        house.dispositions.execute(house.second, disposition)
    assert len(house.living()) == 3
    (one,) = shown(house, disposition)["excluded"]
    assert (one["id"], one["reason"], one["by_name"]) == (kept, "asked for by the board", "third")
    # Who changed the list isn't the second person for it.
    with pytest.raises(SecondPersonNeeded):
        house.dispositions.approve(house.third, disposition)
    house.dispositions.approve(house.officer, disposition)
    assert outcomes(house, disposition) == {"destroyed": 2}
    certificate = house.dispositions.certificate(house.manager, disposition)
    assert certificate["document"]["excluded"] == {"messages": 1, "by": ["third"]}
    assert "board" not in str(certificate)


def test_what_was_excluded_may_be_listed_again_once_that_list_is_over(house: House) -> None:
    house.old(2)
    disposition = house.due(approve=False)
    kept = ids(house, disposition)[0]
    house.dispositions.exclude(house.third, disposition, [kept], "later")
    assert house.runs.run()["disposition"] is None
    house.dispositions.approve(house.officer, disposition)
    outcomes(house, disposition)
    again = house.runs.run()["disposition"]
    assert ids(house, again) == [kept]


def test_what_can_not_be_excluded(house: House) -> None:
    house.old(2)
    other = house.capture(house.arrival(mail(), attested=False))[0].receipt.id
    disposition = house.due(approve=False)
    mine = ids(house, disposition)
    for wrong, error in (
        (["mnothing"], NotThere),
        ([other], NotThere),
        ([mine[0], other], NotThere),
        ([], BadTerm),
    ):
        with pytest.raises(error):
            house.dispositions.exclude(house.third, disposition, wrong, "a reason")
    for reason in ("", "  ", "x" * 2_001):
        with pytest.raises(BadTerm):
            house.dispositions.exclude(house.third, disposition, mine[:1], reason)
    for actor in (house.lawyer, house.administrator):
        with pytest.raises(AccessDenied):
            house.dispositions.exclude(actor, disposition, mine[:1], "a reason")
    house.dispositions.exclude(house.third, disposition, mine[:1], "a reason")
    with pytest.raises(NotThere):
        house.dispositions.exclude(house.third, disposition, mine[:1], "twice")
    house.dispositions.reject(house.officer, disposition, "not now")
    with pytest.raises(WrongState):
        house.dispositions.exclude(house.third, disposition, mine[1:], "a reason")


def test_a_list_of_which_all_was_taken_off_destroys_nothing(house: House) -> None:
    house.old(2)
    disposition = house.due(approve=False)
    house.dispositions.exclude(house.third, disposition, ids(house, disposition), "all of them")
    house.dispositions.approve(house.officer, disposition)
    assert outcomes(house, disposition) == {}
    assert len(house.living()) == 2
    assert house.dispositions.certificate(house.manager, disposition)["items"] == []


def test_a_rejection_says_why(house: House) -> None:
    house.old(1)
    disposition = house.due(approve=False)
    assert house.dispositions.reject(house.officer, disposition, "the audit of 2019")["reason"] == (
        "the audit of 2019"
    )
    assert [d["state"] for d in house.dispositions.list(house.manager, state="rejected")] == ["rejected"]
    assert house.dispositions.list(house.manager, state="executed") == []


def test_long_backlogs_come_in_lists_of_bounded_length(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retention.disposition.proposing.MOST", 3)
    house.old(7)
    found = house.runs.run()
    assert found["proposed"] == 7
    assert found["disposition"] == found["dispositions"][0]
    lists = [ids(house, one) for one in found["dispositions"]]
    assert sorted(map(len, lists)) == [1, 3, 3]
    assert len({one for each in lists for one in each}) == 7
    assert house.runs.run()["dispositions"] == []


# --- guards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM extensions",
        "UPDATE extensions SET until = '2001-01-01'",
        "UPDATE extensions SET message_pk = message_pk + 1",
        "UPDATE extensions SET ended_us = 1",
        "UPDATE extensions SET ended_us = 1, end_asked_by = 'uofficer', end_approved_by = 'uofficer'",
        "UPDATE disposition_items SET excluded_us = NULL WHERE excluded_us IS NOT NULL",
        "DELETE FROM disposition_items",
        "UPDATE disposition_items SET disposal_date = '2001-01-01'",
        "UPDATE disposition_items SET sealed_rule = sealed_rule",
        "DELETE FROM dispositions",
        "UPDATE dispositions SET created_by = 'system'",
        "UPDATE dispositions SET state = 'executed'",
        "UPDATE dispositions SET state = 'approved'",
        "UPDATE dispositions SET state = 'approved', decided_by = 'operator', approved_sha256 = items_sha256",
        "UPDATE dispositions SET state = 'approved', decided_by = 'uofficer', approved_sha256 = NULL",
        "DELETE FROM disposition_draws",
        "UPDATE disposition_draws SET seed = 'x'",
        "DELETE FROM disposition_samples",
        "UPDATE disposition_samples SET message_pk = message_pk",
    ],
)
def test_no_sql_loosens_what_persons_decided(house: House, sql: str) -> None:
    (one, _) = house.old(2)
    disposition = house.due(approve=False)
    house.samples.draw(house.manager, disposition, 1, "s")
    house.dispositions.exclude(house.third, disposition, [one.receipt.id], "a reason")
    house.extensions.extend(house.third, [one.receipt.id], years=1, reason="a reason")
    with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
        connection.execute(text(sql))


def test_an_approved_list_does_not_change_under_its_approval(house: House) -> None:
    house.old(2)
    house.due()
    for sql in (
        "UPDATE disposition_items SET excluded_us = 1",
        "UPDATE dispositions SET items_sha256 = sealed_decision",
        "UPDATE dispositions SET items_sha256 = approved_sha256 || approved_sha256",
        "UPDATE dispositions SET state = 'executed'",
    ):
        # By a guard, or because a column may not be empty.
        with (
            pytest.raises((DestructionRefused, StoreRefuses)),
            house.vault.records.write() as connection,
        ):
            connection.execute(text(sql))


def test_items_slipped_onto_an_approved_list_stop_its_execution(house: House) -> None:
    house.old(2)
    disposition = house.due()
    (late,) = house.capture(house.arrival(mail()))
    tamper(
        house.vault,
        "INSERT INTO disposition_items (disposition_id, message_pk, disposal_date, sealed_rule) "
        f"SELECT disposition_id, {late.pk}, disposal_date, sealed_rule FROM disposition_items LIMIT 1",
    )
    with pytest.raises(Exception) as caught:
        house.dispositions.execute(house.second, disposition)
    # Its rule doesn't even open in another message's place.
    assert getattr(caught.value, "code", "") in ("items_changed", "seal_broken")
    assert len(house.living()) == 3


# --- samples --------------------------------------------------------------------------------------


@given(
    st.sets(st.text("abcdef234567", min_size=3, max_size=8), max_size=60), st.integers(1, 80), st.text("ab")
)
def test_a_sample_is_a_choice_that_anybody_can_make_again(names: set[str], size: int, seed: str) -> None:
    found = choose(dict.fromkeys(names), size, seed)
    assert found == choose(dict.fromkeys(sorted(names, reverse=True)), size, seed)
    assert len(found) == min(size, len(names))
    assert set(found) <= names
    ranks = {name: hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names}
    assert all(
        ranks[name] <= min((ranks[o] for o in names - set(found)), default=b"\xff" * 33) for name in found
    )


def test_a_sample_is_looked_at_before_the_approval(house: House) -> None:
    house.old(8)
    house.index()
    disposition = house.due(approve=False)
    sample = house.samples.draw(house.manager, disposition, 3, "court-2026")
    names = [one["id"] for one in sample["messages"]]
    assert names == choose(ids(house, disposition), 3, "court-2026")
    assert (sample["size"], sample["population"]) == (3, 8)
    with pytest.raises(ReviewMissing, match="look at the whole sample"):
        house.dispositions.approve(house.officer, disposition)
    # A word is that of who opened it.
    with pytest.raises(ReviewMissing, match="open"):
        house.samples.mark(house.third, disposition, names[0], good=True)
    for name in names:
        opened = house.samples.open(house.third, Purpose.OPERATIONS, disposition, name)
        assert b"Subject: lunch" in opened.raw
        with pytest.raises(ReviewMissing):
            house.samples.mark(house.officer, disposition, name, good=True)
        house.samples.mark(house.third, disposition, name, good=name != names[1], note="see the lease")
    with pytest.raises(ReviewMissing, match="must not go"):
        house.dispositions.approve(house.officer, disposition)
    house.dispositions.exclude(house.third, disposition, [names[1]], "the lease")
    house.dispositions.approve(house.officer, disposition)
    assert outcomes(house, disposition) == {"destroyed": 7}
    document = house.dispositions.certificate(house.manager, disposition)["document"]
    told = {name: document["sample"][name] for name in ("seed", "population", "size", "good", "bad")}
    assert told == {"seed": "court-2026", "population": 8, "size": 3, "good": 2, "bad": 1}
    assert document["sample"]["reviewed_by"] == ["third"]
    events = [action for action, outcome, _ in house.audit() if outcome == "success"]
    assert events.count("disposition.review") == events.count("disposition.opened") == 3
    assert events.count("disposition.mark") == 3


def test_who_may_look(house: House) -> None:
    house.old(3)
    disposition = house.due(approve=False)
    (first, *_) = house.samples.draw(house.manager, disposition, 2)["messages"]
    others = set(ids(house, disposition)) - {
        one["id"] for one in shown(house, disposition)["sample"]["messages"]
    }
    with pytest.raises(AccessDenied):
        house.samples.open(house.manager, Purpose.OPERATIONS, disposition, first["id"])
    with pytest.raises(PurposeMissing):
        house.samples.open(house.third, None, disposition, first["id"])
    with pytest.raises(NotThere):
        house.samples.open(house.third, Purpose.OPERATIONS, disposition, others.pop())
    for actor in (house.lawyer, house.administrator):
        with pytest.raises(AccessDenied):
            house.samples.draw(actor, disposition, 1)
        with pytest.raises(AccessDenied):
            house.samples.mark(actor, disposition, first["id"], good=True)


def test_a_new_sample_takes_the_place_of_the_old(house: House) -> None:
    house.old(9)
    disposition = house.due(approve=False)
    old = {one["id"] for one in house.samples.draw(house.manager, disposition, 4, "a")["messages"]}
    # Ids are others in each run, and one seed in 126 chooses the same messages.
    other = next(seed for seed in "bcdefghijk" if set(choose(ids(house, disposition), 4, seed)) != old)
    new = {one["id"] for one in house.samples.draw(house.manager, disposition, 4, other)["messages"]}
    assert old != new
    gone = (old - new).pop()
    with pytest.raises(NotThere):
        house.samples.open(house.third, Purpose.OPERATIONS, disposition, gone)
    for size, seed in ((0, None), (1_001, None), (1, "a b"), (1, "x" * 65)):
        with pytest.raises(BadTerm):
            house.samples.draw(house.manager, disposition, size, seed)
    assert house.samples.draw(house.manager, disposition, 50)["size"] == 9
    house.dispositions.reject(house.officer, disposition, "enough")
    with pytest.raises(WrongState):
        house.samples.draw(house.manager, disposition, 1)
    with pytest.raises(NotThere):
        house.samples.draw(house.manager, "dnothing", 1)


def test_a_new_sample_does_not_take_back_what_was_said(house: House) -> None:
    """Who doesn't like the answer draws again: what must not go stays in the way of the approval."""
    house.old(9)
    house.index()
    disposition = house.due(approve=False)

    def look_at(seed: str, good: bool) -> list[str]:
        drawn = house.samples.draw(house.manager, disposition, 1, seed)
        names = [one["id"] for one in drawn["messages"]]
        for name in names:
            house.samples.open(house.third, Purpose.OPERATIONS, disposition, name)
            house.samples.mark(house.third, disposition, name, good=good)
        return names

    (bad,) = look_at("a", good=False)
    other = next(seed for seed in "bcdefghijk" if choose(ids(house, disposition), 1, seed) != [bad])
    look_at(other, good=True)
    sample = shown(house, disposition)["sample"]
    assert (sample["draws"], sample["must_not"]) == (2, [bad])
    with pytest.raises(ReviewMissing, match=bad):
        house.dispositions.approve(house.officer, disposition)
    # The last word on it counts, wherever it was drawn.
    look_at("a", good=True)
    assert shown(house, disposition)["sample"]["must_not"] == []
    house.dispositions.approve(house.officer, disposition)
    assert outcomes(house, disposition) == {"destroyed": 9}
    document = house.dispositions.certificate(house.manager, disposition)["document"]
    assert document["sample"]["draws"] == 3


def test_a_house_may_ask_for_a_sample_always(house: House) -> None:
    house.old(3)
    house.vault.settings = house.vault.settings.model_copy(update={"disposition_sample": 2})
    disposition = house.due(approve=False)
    with pytest.raises(ReviewMissing, match="sample of 2"):
        house.dispositions.approve(house.officer, disposition)
    for size in (1, 2):
        sample = house.samples.draw(house.manager, disposition, size)
        for one in sample["messages"]:
            house.samples.open(house.third, Purpose.OPERATIONS, disposition, one["id"])
            house.samples.mark(house.third, disposition, one["id"], good=True)
        if size == 1:
            with pytest.raises(ReviewMissing, match="2 must be"):
                house.dispositions.approve(house.officer, disposition)
    assert house.dispositions.approve(house.officer, disposition)["state"] == "approved"


def test_no_reason_and_no_note_is_readable_at_rest(house: House) -> None:
    house.old(2)
    disposition = house.due(approve=False)
    marker = "zyzzyvareason"
    (one, two) = ids(house, disposition)
    house.samples.draw(house.manager, disposition, 1, "s")
    (drawn,) = [m["id"] for m in shown(house, disposition)["sample"]["messages"]]
    house.samples.open(house.third, Purpose.OPERATIONS, disposition, drawn)
    house.samples.mark(house.third, disposition, drawn, good=True, note=marker)
    house.dispositions.exclude(house.third, disposition, [one], marker)
    (term,) = house.extensions.extend(house.third, [two], years=1, reason=marker)
    house.extensions.end(house.third, term["id"], marker)
    house.dispositions.reject(house.third, disposition, marker)
    with house.vault.records.read() as connection:
        for table in ("disposition_items", "extensions", "disposition_samples", "dispositions"):
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                assert marker not in str([bytes(v) if isinstance(v, memoryview) else v for v in row])
    for path in house.vault.settings.home.rglob("*"):
        assert not path.is_file() or marker.encode() not in path.read_bytes(), path.name
    with house.vault.records.read() as connection:
        assert len(connection.execute(select(messages.c.pk)).all()) == 2
