"""FHIR R4 read strictly: what it says, what it leaves open, and what it refuses without repeating a value."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.errors import RosterError
from retention.roster import json_stream
from retention.roster.fhir import Meeting, Reader, reference_of
from retention.roster.json_stream import bundle
from retention.roster.names import key_of
from retention.roster.patient import Patient

MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", **more}


def read(resource: dict[str, Any], *systems: str) -> Patient:
    found = Reader(systems).read(resource, "line 1")
    assert isinstance(found, Patient)
    return found


def meet(**more: Any) -> Meeting:
    base = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2024-02-27T10:00:00Z", "end": "2024-02-28T23:30:00-05:00"},
    }
    found = Reader().read(base | more, "line 1")
    assert isinstance(found, Meeting)
    return found


def test_a_whole_patient() -> None:
    found = read(
        patient(
            identifier=[
                {"system": "urn:x", "value": "no number"},
                {"type": MR, "value": "00123", "use": "usual"},
                {"type": MR, "value": "00077", "use": "old"},
                {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6789"},
                {"type": {"coding": [{"code": "MB"}]}, "value": "xyz-12345"},
            ],
            name=[
                {"use": "official", "family": "Roe", "given": ["Jane", "Mary"], "prefix": ["Ms."]},
                {"use": "maiden", "family": "Doe", "given": ["Jane"]},
                {"use": "nickname", "text": "Janey Roe"},
            ],
            birthDate="1970-01-02",
            deceasedDateTime="2020-02-29T23:30:00-05:00",
            address=[
                {"state": "North Carolina"},
                {"state": "VA", "use": "old"},
                {"state": "Bayern", "country": "DE"},
            ],
            telecom=[
                {"system": "phone", "value": "919-555-0101"},
                {"system": "email", "value": "jane@home.example"},
                {"system": "url", "value": "https://x.example"},
            ],
            link=[
                {"other": {"reference": "Patient/p0"}, "type": "replaces"},
                {"other": {"reference": "RelatedPerson/r1"}, "type": "seealso"},
            ],
        )
    )
    assert found == Patient(
        mrn="00123",
        name="Roe, Jane Mary",
        born=date(1970, 1, 2),
        died=(date(2020, 2, 29), date(2020, 3, 1)),
        state="NC",
        email="jane@home.example",
        numbers=("00077",),
        names=("Doe, Jane",),
        states=("VA",),
        phones=("919-555-0101",),
        deceased=True,
        fhir=("p1",),
        links=("p0",),
        ids=("health_plan_id:XYZ12345", "ssn:123-45-6789"),
    )
    assert Patient.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_record_numbers_by_type_or_by_system() -> None:
    ids = [
        {"type": {"coding": [{"code": "PI"}]}, "value": "77"},
        {"system": "urn:ours", "value": "88"},
    ]
    assert read(patient(identifier=ids)).all_numbers == ("77",)
    assert read(patient(identifier=ids), "urn:ours").all_numbers == ("88",)
    assert read(patient()).mrn == ""


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2004-02-29", date(2004, 2, 29)),
        ("2004-02", (date(2004, 2, 1), date(2004, 2, 29))),
        ("2004", (date(2004, 1, 1), date(2004, 12, 31))),
    ],
)
def test_partial_dates_are_possibilities(text: str, days: object) -> None:
    assert read(patient(birthDate=text)).born == days
    assert read(patient(deceasedDateTime=text)).died == days


def test_dead_since_nobody_knows_when() -> None:
    assert read(patient(deceasedBoolean=True)).deceased
    assert read(patient(deceasedBoolean=True)).died is None
    assert not read(patient(deceasedBoolean=False)).deceased


def test_encounters() -> None:
    # The latest day that it may have been: here or in UTC.
    assert meet() == Meeting("e1", "p1", date(2024, 2, 29), stay=False, first=date(2024, 2, 27), kind="AMB")
    assert meet(**{"class": {"code": "IMP"}}).stay
    assert not meet(**{"class": {"code": "EMER"}}).stay
    assert meet(period={"start": "2024-02"}).last == date(2024, 2, 29)
    assert meet(status="in-progress").open_since == "2024-02-27"
    assert meet(status="in-progress").last is None
    assert meet(period=None).open_since == "-"
    for status in ("planned", "cancelled", "entered-in-error"):
        assert meet(status=status).void
    assert Reader().read({"resourceType": "Encounter", "id": "e", "status": "finished"}, "line 1") is None
    group = {"subject": {"reference": "Group/g"}}
    assert Reader().read({"resourceType": "Encounter", "id": "e", "status": "finished", **group}, "x") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Patient/a-1", "a-1"),
        ("https://ehr.example/fhir/Patient/a-1/_history/3", "a-1"),
        ("urn:uuid:0f-1", "0f-1"),
        ("Patient?identifier=urn:x|00123", "mrn:MRN-00123"),
        ("Group/9", ""),
        ("Patient/", None),
        ("not a reference", None),
    ],
)
def test_references(text: str, found: str | None) -> None:
    assert reference_of(text) == found


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        (patient(birthDate="Secret"), "Patient.birthDate"),
        (patient(birthDate="1970-13-01"), "Patient.birthDate"),
        (patient(birthDate="0970-01-01"), "Patient.birthDate"),
        (patient(birthDate=1970), "Patient.birthDate"),
        (patient(birthDate="1970-01-01", deceasedDateTime="1969"), "Patient.deceasedDateTime"),
        (patient(deceasedDateTime="1969-02-30T10:00:00Z"), "Patient.deceasedDateTime"),
        (patient(deceasedBoolean="Secret"), "Patient.deceasedBoolean"),
        (patient(id="Secret id"), "Patient.id"),
        (patient(id=None), "Patient.id"),
        (patient(name="Secret"), "Patient.name"),
        (patient(name=[{"family": "Sec\x07ret"}]), "Patient.name[0].family"),
        (patient(identifier=[{"value": ["Secret"]}]), "Patient.identifier[0].value"),
        (patient(link=[{"type": "Secret", "other": {}}]), "Patient.link[0].type"),
        (
            patient(link=[{"type": "refer", "other": {"reference": "Secret it is"}}]),
            "link[0].other.reference",
        ),
        (patient(modifierExtension=[{"url": "Secret"}]), "modifierExtension"),
        ({"resourceType": "Encounter", "id": "e", "status": "Secret"}, "Encounter.status"),
        (
            {
                "resourceType": "Encounter",
                "id": "e",
                "status": "finished",
                "subject": {"reference": "#Secret"},
            },
            "Encounter.subject.reference",
        ),
        ({"id": "Secret"}, "resourceType"),
        (["Secret"], "must be a JSON object"),
    ],
)
def test_refusals(resource: Any, says: str) -> None:
    with pytest.raises(RosterError) as caught:
        Reader().read(resource, "line 7")
    assert "line 7" in str(caught.value)
    assert says in str(caught.value)
    assert "Secret" not in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_FIELDS = (
    "identifier name birthDate deceasedDateTime deceasedBoolean address telecom link period subject class "
    "status"
)


@settings(max_examples=150)
@given(st.sampled_from(["Patient", "Encounter"]), st.dictionaries(st.sampled_from(_FIELDS.split()), _json))
def test_hostile_resources_raise_only_our_error(kind: str, given_: dict[str, Any]) -> None:
    try:
        Reader().read({"resourceType": kind, "id": "x", **given_}, "line 1")
    except RosterError as error:
        assert "\n" not in str(error)  # noqa: PT017


# --- the stream -----------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    st.lists(st.dictionaries(st.text(max_size=6), _json, max_size=4), max_size=6),
    st.dictionaries(st.text(max_size=5).filter(lambda key: key != "entry"), _json, max_size=3),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_a_bundle_comes_out_as_it_is(
    entries: list[Any], more: dict[str, Any], size: int, first: bool, indent: int | None
) -> None:
    document: dict[str, Any] = {"entry": entries} if first else {}
    document |= {**more, "resourceType": "Bundle", "entry": entries}
    raw = json.dumps(document, ensure_ascii=False, indent=indent).encode("utf-8", "replace")
    stream = io.BytesIO(raw)
    found = list(bundle(lambda _: stream.read(size)))
    assert [number for number, _ in found] == list(range(1, len(entries) + 1))
    assert [entry for _, entry in found] == json.loads(raw)["entry"]


@settings(max_examples=200)
@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]",:entry \\a1', max_size=60).map(str.encode),
    st.integers(1, 9),
)
def test_hostile_documents_raise_only_our_error(raw: bytes, size: int) -> None:
    stream = io.BytesIO(raw)
    with contextlib.suppress(RosterError):
        list(bundle(lambda _: stream.read(size)))


def test_a_long_bundle_takes_the_memory_of_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on a piece is far below the document's length."""
    monkeypatch.setattr(json_stream, "CHUNK", 256)
    monkeypatch.setattr(json_stream, "MAX_PIECE", 2_048)
    entry = json.dumps({"resource": {"resourceType": "Observation", "note": "x" * 500}})
    raw = ('{"resourceType":"Bundle","entry":[' + ",".join([entry] * 400) + "]}").encode()
    stream = io.BytesIO(raw)
    assert sum(1 for _ in bundle(stream.read)) == 400
    stream = io.BytesIO(b'{"entry":[{"a":"' + b"x" * 5_000 + b'"}]}')
    with pytest.raises(RosterError, match="larger than"):
        list(bundle(lambda _: stream.read(256)))


def test_synthea(corpora: Path) -> None:
    path = corpora / "synthea-100" / "patients_fhir.jsonl"
    lines = path.read_bytes().splitlines()
    found = [read({"resourceType": "Patient", **json.loads(line)}) for line in lines]
    assert len(found) == 35
    assert all(one.mrn and one.birthday and key_of(one.name) and one.state for one in found)
    assert all(one.phones and one.ids for one in found)
    assert all(one.deceased == bool(one.died) for one in found)
