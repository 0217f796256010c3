"""Changes of a hold's scope: wider at once, narrower by two persons and a cooling-off, and never a gap."""

from __future__ import annotations

from datetime import date

import pytest

from archiver.capture.ports import Arrival
from retention.refusals import BadCriteria, MatterClosed, NotThere, SecondPersonNeeded, WrongState
from search.access import AccessDenied
from tests.retention.whole_house import House, found, mail, versions_hold

ANN, BOB, CAT = "ann@clinic.example", "bob@clinic.example", "cat@clinic.example"


def by(house: House, sender: str, subject: str = "lunch", sent: date = date(2005, 3, 1)) -> int:
    """The key of one new message of a sender, to nobody else of note."""
    (one,) = house.old(sender=sender, to="x@y.example", subject=subject, sent=sent)
    return one.pk


def test_a_wider_scope_is_in_force_at_once_for_old_mail_and_new(house: House, matter: str) -> None:
    a, b = by(house, ANN), by(house, BOB)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    assert versions_hold(house, hold) == {a}
    changed = house.holds.change(house.lawyer, hold, reason="Bob knew", custodians=[BOB], add=True)
    assert (changed["effect"], changed["version"], changed["state"]) == ("widened", 2, "active")
    assert changed["id"] == hold
    assert changed["matched"] == 2
    later = by(house, BOB)
    assert versions_hold(house, hold) == {a, b, later}
    # Known by one id wherever people meet it.
    house.index()
    assert found(house, f"hold:{hold}") == {a, b, later}
    assert [one["id"] for one in house.holds.list(house.lawyer)] == [hold]
    report = house.holds.report(house.lawyer, hold)
    assert report["custodians"] == {ANN: 1, BOB: 2}
    assert [(v["version"], v["criteria"]["custodians"]) for v in report["versions"]] == [
        (1, [ANN]),
        (2, [ANN, BOB]),
    ]
    assert [(e["what"], e["by"]) for e in report["history"]] == [
        ("placed", "ulawyer"),
        ("applied", "system"),
        ("changed", "ulawyer"),
        ("applied", "system"),
    ]
    assert report["versions"][1]["reason"] == "Bob knew"


def test_a_narrower_scope_needs_a_second_person_and_cools_off(house: House, matter: str) -> None:
    a, b = by(house, ANN), by(house, BOB)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN, BOB])["id"]
    changed = house.holds.change(house.lawyer, hold, reason="Bob is out", custodians=[ANN])
    assert (changed["effect"], changed["drops_out"], changed["matched"]) == ("narrowing_requested", 1, 2)
    assert changed["narrowing"] == {"state": "requested", "asked_by": "ulawyer"}
    # Nothing drops out, and new mail of both is taken in, until another person agrees.
    b2 = by(house, BOB)
    assert versions_hold(house, hold) == {a, b, b2}
    with pytest.raises(SecondPersonNeeded):
        house.holds.approve(house.lawyer, hold)
    approved = house.holds.approve(house.officer, hold, "agreed")
    assert approved["state"] == "active"
    assert approved["narrowing"]["state"] == "cooling"
    b3, a2 = by(house, BOB), by(house, ANN)
    assert versions_hold(house, hold) == {a, b, b2, a2}
    assert house.holds.finish_cooling() == [hold]
    assert versions_hold(house, hold) == {a, a2}
    assert b3 not in versions_hold(house, hold)
    report = house.holds.report(house.officer, hold)
    assert (report["state"], report["matched"]) == ("active", 2)
    assert [v["state"] for v in report["versions"]] == ["released", "active"]
    assert report["release"]["asked_by"] is None
    house.index()
    assert found(house, f"hold:{hold}") == {a, a2}


def test_a_narrowing_taken_back_leaves_the_old_scope(house: House, matter: str) -> None:
    a, b = by(house, ANN), by(house, BOB)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN, BOB])["id"]
    house.holds.change(house.lawyer, hold, reason="out", custodians=[ANN])
    house.holds.approve(house.officer, hold)
    missed = by(house, BOB)
    assert missed not in versions_hold(house, hold)
    # One person is enough to protect again, mail of the meantime included.
    assert "narrowing" not in house.holds.reinstate(house.lawyer, hold, "in again")
    assert versions_hold(house, hold) == {a, b, missed}
    assert house.holds.finish_cooling() == []
    with pytest.raises(WrongState):
        house.holds.reinstate(house.lawyer, hold)
    with pytest.raises(WrongState):
        house.holds.approve(house.officer, hold)


def test_a_release_is_of_all_versions_and_can_be_taken_back(house: House, matter: str) -> None:
    by(house, ANN)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    house.holds.change(house.lawyer, hold, reason="wider", custodians=[BOB], add=True)
    house.holds.release(house.lawyer, hold, "settled")
    with pytest.raises(WrongState):
        house.holds.change(house.lawyer, hold, reason="wider", custodians=[CAT], add=True)
    assert house.holds.reinstate(house.officer, hold)["state"] == "active"
    house.holds.release(house.lawyer, hold, "settled")
    assert house.holds.release(house.officer, hold)["state"] == "cooling"
    during = by(house, BOB)
    assert house.holds.reinstate(house.lawyer, hold, "appealed")["state"] == "active"
    assert during in versions_hold(house, hold)
    house.holds.release(house.officer, hold, "really settled")
    assert house.holds.approve(house.lawyer, hold)["state"] == "cooling"
    assert house.holds.finish_cooling() == [hold]
    report = house.holds.report(house.officer, hold)
    assert report["state"] == "released"
    assert [v["state"] for v in report["versions"]] == ["released", "released"]
    assert [r["reason"] for r in report["release"]["reasons"]] == ["really settled", ""]
    assert [e["what"] for e in report["history"]].count("reinstated") == 2
    with pytest.raises(WrongState):
        house.holds.reinstate(house.lawyer, hold)
    house.matters.close(house.lawyer, matter)


def test_query_and_dates_change_too(house: House, matter: str) -> None:
    m, n = by(house, ANN, "merger"), by(house, ANN, "lunch")
    house.index()
    hold = house.holds.create(house.lawyer, matter, query="subject:merger")["id"]
    assert versions_hold(house, hold) == {m}
    wider = house.holds.change(house.lawyer, hold, reason="all of hers", query="", custodians=[ANN])
    # Other criteria, not more of the same: nobody can say that nothing drops out, so it isn't let go alone.
    assert wider["effect"] == "narrowing_requested"
    assert wider["drops_out"] == 0
    assert versions_hold(house, hold) == {m, n}
    house.holds.approve(house.officer, hold)
    house.holds.finish_cooling()
    dated = house.holds.change(house.lawyer, hold, reason="dates", after="2005-01-01", before="2005-06-01")
    assert dated["effect"] == "narrowing_requested"
    undone = house.holds.change(house.lawyer, hold, reason="no dates", after="", before="")
    assert undone["effect"] == "widened"


def test_a_source_names_whatever_it_delivered_duplicates_too(house: House, matter: str) -> None:
    feed = house.vault.sources.add("journal", "the feed").id
    raw = mail(sender=ANN, to="x@y.example")
    (one,) = house.capture(house.arrival(raw))
    other = by(house, BOB)
    hold = house.holds.create(house.lawyer, matter, sources=["The Feed"])
    assert hold["matched"] == 0
    # The same message once more, by the source of the hold: it is held from this commit on.
    house.capture(Arrival(raw, feed))
    (new,) = house.capture(Arrival(mail(sender=CAT, to="x@y.example"), feed))
    assert versions_hold(house, hold["id"]) == {one.pk, new.pk}
    report = house.holds.report(house.lawyer, hold["id"])
    assert {s["name"]: s["messages"] for s in report["sources"]} == {"attic": 1, "the feed": 2}
    both = house.holds.create(house.lawyer, matter, sources=[house.source, feed], custodians=[BOB])["id"]
    assert versions_hold(house, both) == {other}
    query = house.holds.create(house.lawyer, matter, sources=[feed], query="lunch")["id"]
    house.index()
    assert versions_hold(house, query) == {one.pk, new.pk}
    with pytest.raises(NotThere):
        house.holds.create(house.lawyer, matter, sources=["no such feed"])


def test_what_is_refused(house: House, matter: str) -> None:
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    with pytest.raises(BadCriteria):
        house.holds.change(house.lawyer, hold, reason=" ", custodians=[BOB])
    with pytest.raises(BadCriteria):
        house.holds.change(house.lawyer, hold, reason="same", custodians=[ANN])
    with pytest.raises(BadCriteria):
        house.holds.change(house.lawyer, hold, reason="nothing left", custodians=[])
    with pytest.raises(BadCriteria):
        house.holds.change(house.lawyer, hold, reason="add a query", query="x", add=True)
    with pytest.raises(NotThere):
        house.holds.change(house.lawyer, "hnothing", reason="x", custodians=[BOB])
    for call in (house.holds.approve, house.holds.reinstate):
        with pytest.raises(AccessDenied):
            call(house.other_lawyer, hold)
        with pytest.raises(AccessDenied):
            call(house.manager, hold)
    with pytest.raises(AccessDenied):
        house.holds.change(house.other_lawyer, hold, reason="x", custodians=[BOB])
    assert [one["version"] for one in house.holds.list(house.lawyer)] == [1]
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    house.holds.finish_cooling()
    house.matters.close(house.lawyer, matter)
    with pytest.raises((WrongState, MatterClosed)):
        house.holds.change(house.lawyer, hold, reason="x", custodians=[BOB])


def test_a_setting_lowered_later_shortens_no_cooling_off(house: House, matter: str) -> None:
    house.vault.settings = house.vault.settings.model_copy(update={"hold_cooling_days": 30})
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    house.vault.settings = house.vault.settings.model_copy(update={"hold_cooling_days": 0})
    house.holds.release(house.lawyer, hold)
    assert house.holds.release(house.officer, hold)["state"] == "cooling"
    assert house.holds.finish_cooling() == []


def test_a_preview_says_what_else_holds_it_and_where_it_came_from(house: House, matter: str) -> None:
    by(house, ANN)
    by(house, BOB)
    house.holds.create(house.lawyer, matter, custodians=[ANN])
    preview = house.holds.preview(house.lawyer, matter, custodians=[ANN, BOB, CAT])
    assert preview["matched"] == 2
    assert preview["custodians"] == {ANN: 1, BOB: 1, CAT: 0}
    assert preview["also_held"] == 1
    assert [(s["name"], s["messages"]) for s in preview["sources"]] == [("attic", 2)]
    assert preview["sources"][0]["bytes"] == preview["bytes"] > 0
    assert preview["months"] == [{"month": "2005-03", "messages": 2, "bytes": preview["bytes"]}]
