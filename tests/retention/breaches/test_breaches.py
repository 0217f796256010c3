"""Breach help: what was exposed, to whom, whose; clocks, two persons, and evidence a stranger can check."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from archiver.capture.ids import new_id
from archiver.clock import rfc3339
from archiver.errors import DestructionRefused
from archiver.ledger import log
from archiver.ledger.audit import AuditEvent
from archiver.ledger.log import Log
from archiver.ledger.note import open_note, parse_vkey
from archiver.ledger.proof import parse_proof, verify_proof
from archiver.message.content import whole as bytes_of
from archiver.store.schema import breach_patients, breaches, data_keys
from retention.breaches.asked import Asked
from retention.breaches.errors import BadBreach, BreachDecided, StepMissing
from retention.patients.whom import Whom
from retention.refusals import NotThere, WrongState
from retention.roster.patient import Patient
from search.access import AccessDenied, Actor, Purpose
from search.approving.errors import SecondPersonMissing
from search.disclosing import Recipient
from tests.retention.case_house import Office
from tests.retention.whole_house import tamper

WHY = Purpose.TREATMENT
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Of what no database makes a difference to."""
FACTORS = {
    name: {"answer": f"answer to {name}", "risk": "low"}
    for name in ("nature", "who", "acquired", "mitigated")
}


def opened(office: Office, **more: Any) -> str:
    given = {"title": "A lost password", "what_happened": "Somebody used it.", **more}
    return str(office.cases.breaches.open(office.privacy, **given)["id"])


def exposed(office: Office, breach: str, **asked: Any) -> dict[str, Any]:
    shown = office.cases.breaches.expose(
        office.privacy, breach, Asked.of(**asked), whole=asked.pop("whole", False)
    )
    found: dict[str, Any] = shown["exposure"]
    return found


def names(office: Office, breach: str) -> dict[str, dict[str, Any]]:
    page = office.cases.papers.patients(office.privacy, breach)
    return {one["name"]: one for one in page["items"]}


@pytest.fixture
def looked(office: Office) -> tuple[Office, list[str], Actor]:
    """The second officer listed all, opened one of Jane's and exported Bob's."""
    ids = [office.put("zebra MRN-1001"), office.put("zebra MRN-2002"), office.put("zebra and nobody")]
    office.settle()
    thief = office.second
    office.room.search(thief, WHY, "zebra")
    office.room.open(thief, WHY, ids[0])
    export = office.exports.create(thief, WHY, query="zebra 2002")
    office.download(export["id"], thief, WHY)
    office.room.open(office.officer, WHY, ids[2])
    return office, ids, thief


def test_one_users_exposure(looked: tuple[Office, list[str], Actor]) -> None:
    office, _, thief = looked
    breach = opened(office)
    found = exposed(office, breach, users=[thief.name])
    assert (found["messages"], found["listed"], found["opened"], found["exported"]) == (3, 3, 1, 1)
    assert (found["patients"], found["unmatched"]) == (2, 1)
    assert found["by_state"] == {"NC": 1, "NY": 1}
    assert [(one["name"], one["opened"], one["exported"]) for one in found["to"]] == [("second", 1, 1)]
    people = names(office, breach)
    assert (people["Jane Roe"]["opened"], people["Jane Roe"]["exported"]) == (1, 0)
    assert (people["Bob Poe"]["opened"], people["Bob Poe"]["exported"]) == (0, 1)
    assert people["Jane Roe"]["states"] == ["NC"]
    assert people["Jane Roe"]["first"] <= people["Jane Roe"]["last"]
    assert "encryption at rest has no bearing" in " ".join(found["facts"])


@ONE_DATABASE
def test_an_oracle_of_the_log_counts_the_same(looked: tuple[Office, list[str], Actor]) -> None:
    """Read by other code: every entry of a user, once, whatever table it was found by."""
    office, ids, thief = looked
    breach = opened(office)
    vault = office.house.vault
    with vault.records.read() as connection:
        size = log.state(connection, Log.AUDIT).size
        entries = vault.audit.entries(connection, 0, size)
    seen = Counter(
        leaf["action"]
        for _, leaf, detail in entries
        if leaf["user"] == thief.user_id
        and leaf["outcome"] == "success"
        and set(ids) & set(leaf["objects"] or detail.get("objects", []))
    )
    for whole in (False, True):
        found = exposed(office, breach, users=[thief.user_id], whole=whole)
        assert found["entries"] == sum(seen.values())


def test_a_time_a_message_and_nothing(looked: tuple[Office, list[str], Actor]) -> None:
    office, ids, _ = looked
    breach = opened(office)
    now = office.house.clock.now()
    hour = timedelta(hours=1)
    every = exposed(office, breach, since=rfc3339(now - hour), until=rfc3339(now + hour))
    assert {one["name"] for one in every["to"]} == {"second", "officer"}
    none = exposed(office, breach, since=rfc3339(now - 9 * hour), until=rfc3339(now - 8 * hour))
    assert (none["messages"], none["patients"], none["first"]) == (0, 0, None)
    one = exposed(office, breach, messages=[ids[1]])
    assert (one["messages"], one["exported"], one["listed"], one["opened"]) == (1, 1, 1, 0)
    assert list(names(office, breach)) == ["Bob Poe"]
    both = exposed(office, breach, messages=[ids[0]], users=[office.officer.user_id])
    assert both["messages"] == 0
    with pytest.raises(NotThere):
        exposed(office, breach, users=["nobody-of-that-name"])
    for bad in ({}, {"since": "yesterday"}, {"since": "2026-01-01T00:00"}, {"taken": ["all"]}):
        with pytest.raises(BadBreach):
            exposed(office, breach, **bad)


@ONE_DATABASE
def test_one_session(office: Office) -> None:
    """A session's own entries, and not those of the same user's other sessions."""
    ids = [office.put("zebra MRN-1001"), office.put("zebra MRN-2002")]
    office.settle()
    stolen, other = (replace(office.second, session="n" + letter * 15) for letter in "ab")
    office.room.open(stolen, WHY, ids[0])
    office.room.open(other, WHY, ids[1])
    breach = opened(office)
    assert exposed(office, breach, sessions=[stolen.session])["messages"] == 1
    assert list(names(office, breach)) == ["Jane Roe"]


@ONE_DATABASE
def test_what_lay_under_a_key_and_where_the_root_key_was(looked: tuple[Office, list[str], Actor]) -> None:
    office, ids, _ = looked
    with office.house.vault.records.read() as connection:
        (epoch,) = set(connection.scalars(select(data_keys.c.epoch_id)))
    breach = opened(office)
    found = exposed(office, breach, keys=[epoch], taken=["packs", "keys"])
    assert (found["messages"], found["sealed_with"], found["opened"]) == (3, 3, 0)
    assert found["keys_with_data"] is False
    said = " ".join(found["facts"])
    assert "AES-256-GCM" in said
    assert f"epoch key {epoch}" in said
    assert "not among what was taken" in said
    assert exposed(office, breach, keys=[ids[0]])["sealed_with"] == 1
    assert exposed(office, breach, keys=[epoch], taken=["packs", "root_key"])["keys_with_data"] is True


@ONE_DATABASE
def test_more_than_500_of_a_state(office: Office) -> None:
    many = [Patient(f"MRN-5{n:04}", f"Person {n}", state="CA") for n in range(501)]
    office.house.patients.import_roster([*many])
    ids = [office.put(" ".join(one.mrn for one in many[start : start + 60])) for start in range(0, 501, 60)]
    office.settle()
    for one in ids:
        office.room.open(office.second, WHY, one)
    breach = opened(office)
    found = exposed(office, breach, users=["second"])
    assert found["by_state"] == {"CA": 501}
    shown = office.cases.breaches.show(office.privacy, breach)
    told = {one["who"]: one for one in shown["clocks"]}
    assert set(told) == {"individuals", "media", "hhs"}
    assert "CA" in told["media"]["why"]
    assert told["hhs"]["last"] == told["individuals"]["last"]


def test_two_persons_decide_and_then_it_stays(looked: tuple[Office, list[str], Actor]) -> None:
    office, _, thief = looked
    service, privacy, officer = office.cases.breaches, office.privacy, office.officer
    breach = opened(office)
    with pytest.raises(StepMissing, match="four factors"):
        service.decide(privacy, breach, "low_probability", "nothing was read")
    exposed(office, breach, users=[thief.name])
    service.assess(privacy, breach, {"nature": FACTORS["nature"]})
    with pytest.raises(StepMissing, match="who, acquired, mitigated"):
        service.decide(privacy, breach, "low_probability", "nothing was read")
    with pytest.raises(BadBreach):
        service.assess(privacy, breach, {"nature": {"answer": "x", "risk": "tiny"}})
    service.assess(privacy, breach, FACTORS)
    service.decide(privacy, breach, "low_probability", "nothing was read")
    with pytest.raises(SecondPersonMissing):
        service.confirm(privacy, breach)
    with pytest.raises(BreachDecided):
        exposed(office, breach, users=[thief.name])
    with pytest.raises(BadBreach, match="reason"):
        service.confirm(officer, breach, agree=False)
    assert service.confirm(officer, breach, agree=False, reason="it was exported")["state"] == "open"
    service.decide(privacy, breach, "breach", "it was exported")
    done = service.confirm(officer, breach)
    assert (done["state"], done["confirmed_by"]) == ("confirmed", "officer")
    records = office.house.vault.records
    for change in (
        breaches.update().values(decision="low_probability"),
        breaches.update().values(sealed_exposure=b""),
        breaches.delete(),
        breach_patients.delete(),
    ):
        with pytest.raises(DestructionRefused), records.write() as connection:
            connection.execute(change)
    kept = date.fromisoformat(done["kept_at_least_until"])
    assert kept >= date.fromisoformat(done["created_at"][:10]) + timedelta(days=6 * 365)


def test_the_database_wants_two_persons_too(looked: tuple[Office, list[str], Actor]) -> None:
    office, _, _ = looked
    breach = opened(office)
    with pytest.raises(StepMissing, match="what was exposed"):
        office.cases.breaches.decide(office.privacy, breach, "breach", "so it is")
    office.cases.breaches.decide(office.privacy, breach, "exception", "so it is")
    with pytest.raises(DestructionRefused), office.house.vault.records.write() as connection:
        connection.execute(
            breaches.update().values(confirmed_by=office.privacy.user_id, confirmed_us=1, state="confirmed")
        )


def test_everybody_is_told_before_it_closes(looked: tuple[Office, list[str], Actor]) -> None:
    office, _, thief = looked
    service, privacy = office.cases.breaches, office.privacy
    today = office.house.clock.now().date()
    office.pass_(hours=9)  # an evening there, the next day in UTC
    breach = opened(office)
    exposed(office, breach, users=[thief.name])
    assert date.fromisoformat(service.show(privacy, breach)["discovered_at"][:10]) > today
    with pytest.raises(StepMissing, match="two persons"):
        service.told(privacy, breach, "individuals", today, "by post")
    service.decide(privacy, breach, "breach", "it was exported")
    service.confirm(office.officer, breach)
    with pytest.raises(BadBreach, match="30 days"):
        service.delay(
            privacy,
            breach,
            until=today + timedelta(days=40),
            written=False,
            official="Sgt Hill",
            statement="it would impede us",
        )
    until = today + timedelta(days=80)
    shown = service.delay(
        privacy, breach, until=until, written=True, official="Sgt Hill", statement="it would impede us"
    )
    day = until + timedelta(days=1)
    assert {one["last"] for one in shown["clocks"] if one["who"] == "individuals"} == {day.isoformat()}
    with pytest.raises(BadBreach, match="delay"):
        service.told(privacy, breach, "individuals", today, "by post")
    office.pass_(days=82)
    assert service.counts()["overdue"] == 1
    with pytest.raises(BadBreach, match="before the breach"):
        service.told(privacy, breach, "individuals", today - timedelta(days=1), "first-class mail")
    service.told(privacy, breach, "individuals", day, "first-class mail")
    with pytest.raises(StepMissing, match="hhs"):
        service.close(privacy, breach)
    service.told(privacy, breach, "hhs", day, "the portal")
    assert service.close(privacy, breach)["state"] == "closed"
    with pytest.raises(WrongState, match="closed"):
        office.cases.papers.word(privacy, breach, {"doing": "Nothing."})
    assert service.counts() == {"in_time": 0, "soon": 0, "overdue": 0}


@ONE_DATABASE
def test_an_associate_tells_the_covered_entity_within_its_contract(office: Office) -> None:
    breach = opened(office, held_as="business_associate", contract_hours=48)
    (clock,) = office.cases.breaches.show(office.privacy, breach)["clocks"]
    assert clock["who"] == "covered_entity"
    assert clock["citation"] == "45 CFR 164.410"
    assert clock["days_left"] <= 2


@ONE_DATABASE
def test_the_notice_says_what_it_lacks(looked: tuple[Office, list[str], Actor]) -> None:
    office, _, thief = looked
    breach = opened(office)
    exposed(office, breach, users=[thief.name])
    papers = office.cases.papers
    draft = papers.notice(office.privacy, breach)
    assert len(draft["missing"]) == 5
    assert "[to be said:" in draft["text"]
    words = {
        "what_happened": "A password was used by somebody else.",
        "information": "Names and record numbers.",
        "protect": "Watch your statements.",
        "doing": "All passwords were changed.",
        "contact": "1-800-555-0100",
    }
    done = papers.word(office.privacy, breach, words)
    assert done["missing"] == []
    for one in words.values():
        assert one in done["text"]
    assert "We discovered it on" in done["text"]
    assert papers.notice_pdf(office.privacy, breach).startswith(b"%PDF")


def test_a_stranger_can_check_the_package(looked: tuple[Office, list[str], Actor]) -> None:
    office, _, thief = looked
    breach = opened(office)
    with pytest.raises(StepMissing):
        list(office.cases.papers.package(office.privacy, breach))
    found = exposed(office, breach, users=[thief.name])
    files = {
        name: bytes_of(content)
        for name, content in office.cases.papers.package(
            office.privacy, breach, recipient=Recipient("Counsel"), basis="operations"
        )
    }
    manifest = json.loads(files["manifest.json"])
    for name, digest in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == digest
    assert set(manifest["files"]) | {"manifest.json", "manifest.note"} == set(files)
    note = open_note(files["manifest.note"], [parse_vkey(manifest["vkey"])])
    assert note.signed_by
    proofs = [name for name in files if name.startswith("proofs/")]
    assert len(proofs) == found["entries"] == manifest["entries"]
    audit = parse_vkey(manifest["audit_vkey"])
    users = set()
    for name in proofs:
        proof = parse_proof(files[name])
        verify_proof(proof, audit)
        assert proof.leaf is not None
        users.add(json.loads(proof.leaf)["user"])
    assert users == {thief.user_id}
    people = [json.loads(line) for line in files["patients.jsonl"].decode().splitlines()]
    assert {one["name"] for one in people} == {"Jane Roe", "Bob Poe"}
    assert b"Jane Roe" in files["patients.csv"]
    sealed = office.sealed("breach.package")
    assert (sealed["legal_basis"], sealed["recipient"], len(sealed["patients"])) == (
        "operations",
        "Counsel",
        2,
    )
    # It names patients and leaves: it is in the book, and not in her account (operations).
    her = office.cases.disclosures.account(office.privacy, Whom("MRN-1001"))
    assert her["for_staff"]["left_out"]["operations"] == 1


@ONE_DATABASE
def test_rights(office: Office) -> None:
    breach = opened(office)
    service = office.cases.breaches
    assert service.show(office.officer, breach)["id"] == breach
    for step in (
        lambda: service.open(office.officer, title="x", what_happened="y"),
        lambda: service.expose(office.officer, breach, Asked.of(users=["second"])),
        lambda: service.show(office.house.lawyer, breach),
        lambda: service.list(office.house.administrator),
        lambda: list(office.cases.papers.package(office.officer, breach)),
    ):
        with pytest.raises(AccessDenied):
            step()


def test_what_an_expired_detail_no_longer_names_is_said(office: Office) -> None:
    """A list of more messages than a leaf names, whose detail is gone: counted, and not passed over."""
    ids = [office.put("zebra MRN-1001")]
    office.settle()
    event = AuditEvent("search.results", "success", office.second.user_id, objects=tuple(ids * 1), count=1)
    many = replace(event, objects=tuple(new_id("m") for _ in range(201)), count=201)
    for one in (event, many):
        office.house.vault.audit.record(one)
    with office.house.vault.records.read() as connection:
        last = log.state(connection, Log.AUDIT).size - 1
    tamper(office.house.vault, f"DELETE FROM audit_details WHERE idx = {last}")
    breach = opened(office)
    found = exposed(office, breach, users=["second"])
    assert found["messages"] == 1
    assert any(fact.startswith("1 entries say how many messages") for fact in found["facts"])
