"""The shared documents: what merges, what is made readable, what stays out of scope."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from api import views
from archiver.capture.ports import Arrival
from archiver.ledger.audit import OBJECTS_IN_LEAF
from search.access import Purpose, Role, Scope
from tests.api.house import House, journal_report, mail

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(
    st.recursive(
        ANY_TEXT | st.none() | st.integers() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    )
)
def test_whatever_a_header_held_becomes_valid_json(value: object) -> None:
    text = json.dumps(views.readable(value), ensure_ascii=False)
    text.encode()  # no lone surrogate is left


@given(st.text())
def test_what_is_readable_stays_as_it_is(value: str) -> None:
    assert views.readable(value) == value


def test_a_journal_report_beats_the_headers_of_an_earlier_copy(house: House) -> None:
    """One message, first from a mailbox, then journaled with its hidden recipient: one view of both."""
    app = house.app
    first, second = app.vault.sources.all()
    message = mail("twice", "A quokka.", number=901)
    with app.intake(None) as intake:
        stored = intake.submit(Arrival(message, first.id, "Sent")).result(30)
        repeated = intake.submit(Arrival(journal_report(message), second.id)).result(30)
    assert (stored.outcome, repeated.outcome, stored.id) == ("stored", "duplicate", repeated.id)
    officer = app.accounts.authenticate(house.tokens[Role.COMPLIANCE_OFFICER], "api")
    opened = app.room.open(officer, Purpose.LEGAL, stored.id)
    view = views.object_view(app.vault, opened, stored.id, Scope(everything=True), app.explainer.verdicts)
    assert view["envelope"]["origin"] == "journal"
    roles = {one["address"]: one["role"] for one in view["envelope"]["recipients"]}
    assert roles == {"bea@clinic.example": "to", "quiet@clinic.example": "bcc"}
    assert len(view["envelope"]["reports"]) == 1
    assert [(one["source"], one["folder"], one["outcome"]) for one in view["sources"]] == [
        ("shared mailbox", "Sent", "stored"),
        ("exchange", "", "duplicate"),
    ]
    assert (view["source"], view["folder"]) == ("shared mailbox", "Sent")
    assert view["retention"]["disposal_date"]
    assert view["retention"]["governing"]["rule_id"]
    assert "candidates" not in view["retention"]


def test_holds_of_other_peoples_matters_are_not_named(house: House) -> None:
    app = house.app
    officer = app.accounts.authenticate(house.tokens[Role.COMPLIANCE_OFFICER], "api")
    matter = app.matters.create(officer, "Roe v. Clinic")["id"]
    app.holds.create(officer, matter, message_ids=[house.ids[0]])
    opened = app.room.open(officer, Purpose.LEGAL, house.ids[0])

    def matters(scope: Scope) -> list[str]:
        shown = views.object_view(app.vault, opened, house.ids[0], scope)
        return [hold["matter"] for hold in shown["holds"]]

    assert matters(Scope(everything=True)) == [matter]
    assert matters(Scope(everything=False, matters=frozenset({matter}))) == [matter]
    assert matters(Scope(everything=False, matters=frozenset({"another"}))) == []


def test_every_document_is_json(house: House) -> None:
    app = house.app
    officer = app.accounts.authenticate(house.tokens[Role.COMPLIANCE_OFFICER], "api")
    page = views.search_page(app.room.search(officer, Purpose.LEGAL, "zebrafinch"))
    assert json.loads(json.dumps(page)) == page
    for message_id in house.ids:
        opened = app.room.open(officer, Purpose.LEGAL, message_id)
        view = views.object_view(app.vault, opened, message_id, Scope(everything=True))
        assert json.loads(json.dumps(view)) == view
    for source in app.vault.sources.all():
        view = views.source_view(source)
        assert view["reconciled"]
        assert json.loads(json.dumps(view)) == view


def test_an_audit_entry_of_very_many_objects_still_names_them() -> None:
    ids = [f"m{n}" for n in range(OBJECTS_IN_LEAF + 1)]
    leaf = {
        "at": 0,
        "action": "export.download",
        "outcome": "success",
        "user": "u1",
        "role": "legal",
        "purpose": "legal",
        "client": "api",
        "objects": [],
        "count": len(ids),
        "reason": "",
    }
    entry = views.audit_entry(7, leaf, {"objects": ids, "query": "x"}, "Lex")
    assert entry["objects"] == ids
    assert entry["detail"] == {"query": "x"}
    assert (entry["n"], entry["at"], entry["user_name"]) == (7, "1970-01-01T00:00:00Z", "Lex")
