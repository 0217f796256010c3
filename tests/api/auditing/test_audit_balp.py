"""What leaves, as IHE's profile of a privacy disclosure at its source has it: one event for each patient."""

from __future__ import annotations

import json
from typing import Any

from fhir.resources.R4B.auditevent import AuditEvent

from api.auditing.forms import fhir
from api.auditing.forms.kinds import DISCLOSING, Kind, kind_of
from retention.patients.whom import Whom
from search.access import Purpose
from search.disclosing import Recipient
from tests.api.auditing.stage import JANE, JOHN, Place
from tests.api.auditing.test_audit_forms import ABOUT, BALP, entry

SOURCE = f"{BALP}PrivacyDisclosure.Source"
COURT = Recipient("Superior Court", "1 Court Square")
ACT = "yaaaaaaaaaaaaaaaaaaa"


def exported(place: Place, **more: Any) -> list[dict[str, Any]]:
    lines = place.app.auditing.exports.stream(place.privacy, "fhir", **more)
    return [one for one in map(json.loads, lines) if one.get("meta", {}).get("profile") == [SOURCE]]


def download(place: Place, query: str) -> str:
    made = place.app.exports.create(
        place.officer, Purpose.LEGAL, query=query, recipient=COURT, basis="judicial"
    )
    for _ in place.app.exports.stream(place.officer, Purpose.LEGAL, made["id"]):
        pass
    return str(made["id"])


def profiled(event: dict[str, Any]) -> None:
    """Field by field what the profile's StructureDefinition asks (BALP, `PrivacyDisclosure.Source`)."""
    AuditEvent.model_validate(event)
    assert "modifierExtension" not in event
    assert event["type"]["code"] == "110106"
    assert event["type"]["system"] == "http://dicom.nema.org/resources/ontology/DCM"
    assert event["action"] == "R"
    assert event["recorded"].endswith("Z")
    assert event["outcome"] == "0"
    lifecycle = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
    assert [one["code"] for one in event["subtype"] if one["system"] == lifecycle] == ["disclose"]
    codes = [one["type"]["coding"][0]["code"] for one in event["agent"]]
    assert sorted(codes) == ["110152", "110153", "159541003"]
    agents = dict(zip(codes, event["agent"], strict=True))
    for role in ("110153", "110152"):
        assert agents[role]["who"]
        assert agents[role]["network"]["address"]
    # val-audit-source: the audit source is this agent too.
    assert agents["110153"]["who"] == event["source"]["observer"]
    assert agents["159541003"]["who"]
    assert [one["requestor"] for one in event["agent"]] == [True, False, False]
    types = [(one["type"]["code"], one["role"]["code"]) for one in event["entity"]]
    assert types.count(("1", "1")) == 1
    assert ("2", "3") in types
    (patient,) = [one for one in event["entity"] if one["type"]["code"] == "1"]
    assert patient["what"]["type"] == "Patient"


def test_a_download_is_a_disclosure_for_each_patient(place: Place) -> None:
    export = download(place, "zebrafinch to:home.example")
    events = exported(place)
    for one in events:
        profiled(one)
    token = place.app.auditing.projection.token
    people = [one["entity"][0]["what"]["identifier"]["value"] for one in events]
    assert sorted(people) == sorted(token(place.roster[one]).hex() for one in (JANE, JOHN))
    with place.app.vault.records.read() as connection:
        (act,) = place.app.cases.disclosures.book.about(connection, export)
    for one in events:
        ids = [each["what"]["identifier"]["value"] for each in one["entity"][1:]]
        assert sorted(ids) == sorted([act["id"], export])
        (recipient,) = [a for a in one["agent"] if a["type"]["coding"][0]["code"] == "110152"]
        assert recipient["who"] == {"identifier": {"system": "urn:holdfast:disclosure", "value": act["id"]}}
        assert one["entity"][1]["detail"] == [{"type": "count", "valueString": "5"}]
    assert "Superior" not in json.dumps(events)
    assert "judicial" not in json.dumps(events)
    told = exported(place, phi=True)
    recipients = [a["who"] for one in told for a in one["agent"] if "display" in a["who"]]
    assert "Superior Court" in {one["display"] for one in recipients}
    assert told[0]["agent"][0]["policy"] == ["urn:holdfast:legal-basis:judicial"]


def test_one_by_hand_is_one_and_a_refused_one_is_none(place: Place) -> None:
    place.app.cases.disclosures.record(
        place.privacy, Whom(JANE), basis="oversight", recipient=COURT, what="three letters, read out"
    )
    (event,) = exported(place)
    profiled(event)
    refused = entry(action="export.download", outcome="denied", objects=(ACT,), patients=("p1",))
    (event,) = fhir.events(refused, ABOUT)
    assert "meta" not in event
    assert [one["code"] for one in event["subtype"]] == ["export.download"]


def test_mail_of_nobody_on_the_roster_claims_no_profile_and_says_disclosed(place: Place) -> None:
    download(place, "zebrafinch to:bob@clinic.example")
    assert exported(place) == []
    events = map(json.loads, place.app.auditing.exports.stream(place.privacy, "fhir"))
    (event,) = [one for one in events if one["subtype"][-1]["code"] == "export.download"]
    AuditEvent.model_validate(event)
    assert [one["code"] for one in event["subtype"]] == ["disclose", "export.download"]


def test_whatever_discloses_is_an_export_in_every_form() -> None:
    for action in DISCLOSING:
        assert kind_of(entry(action=action, objects=(ACT,))) is Kind.EXPORT
    assert kind_of(entry(action="request.close", objects=("kaaa",))) is not Kind.EXPORT


def test_thousands_of_messages_for_hundreds_of_patients_stay_lines() -> None:
    objects = (ACT, *(f"m{n:019}" for n in range(5_000)))
    patients = tuple(f"p{n}" for n in range(300))
    for action in ("export.download", "disposition.opened"):
        events = list(
            fhir.events(entry(action=action, objects=objects, patients=patients, count=5_000), ABOUT)
        )
        assert len(events) == 300
        assert sum(len(one.get("entity", ())) for one in events) < 3 * 300 + len(objects)
