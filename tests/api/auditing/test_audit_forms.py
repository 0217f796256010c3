"""The log in others' forms: each entry as its specification asks, and nothing sealed unless asked for."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from api.auditing import period as periods
from api.auditing import syslog
from api.auditing.entry import Entry
from api.auditing.exporting import FORMATS
from api.auditing.forms import cef, dicom, fhir, ocsf
from api.auditing.forms.about import About
from api.auditing.period import Period
from archiver.seal.blind import BlindIndex
from search.access import AccessDenied, Purpose
from tests.api.auditing.stage import JANE, JOHN, Place

MARKER = "zebrafinch"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
ABOUT = About(
    "a" * 32, "1.0", "https://archive.example", "host", lambda one: BlindIndex(b"k" * 32).token("x", one)
)


def busy(place: Place) -> None:
    """One of everything that the forms tell apart."""
    app = place.app
    app.room.search(place.officer, Purpose.TREATMENT, f"{MARKER} to:home.example")
    place.read(place.officer, place.jane[0], purpose=Purpose.TREATMENT)
    app.room.search(place.officer, Purpose.OPERATIONS, "nothingofthesort")
    app.matters.create(place.officer, "Roe v. Clinic")
    app.accounts.link(place.second.user_id)
    app.operator_event("archive.start")
    with pytest.raises(AccessDenied):
        app.room.open(place.privacy, Purpose.AUDIT, place.jane[0])


def exported(place: Place, form: str, **more: Any) -> list[str]:
    return list(place.app.auditing.exports.stream(place.privacy, form, **more))


def test_fhir_is_r4_and_follows_balp(place: Place) -> None:
    busy(place)
    events = [json.loads(line) for line in exported(place, "fhir")]
    for one in events:
        AuditEvent.model_validate(one)
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", one["id"])
    assert len({one["id"] for one in events}) == len(events)
    claimed = Counter(p.removeprefix(BALP) for e in events for p in e.get("meta", {}).get("profile", ()))
    # One for each of the two patients of the first answer; the empty answer is of nobody.
    assert (claimed["PatientQuery"], claimed["Query"], claimed["PatientRead"]) == (2, 1, 1)
    for one in events:
        for profile in one.get("meta", {}).get("profile", ()):
            _balp(one, profile.removeprefix(BALP))
    answers = [e for e in events if e["subtype"][-1]["code"] == "search.results"]
    people = {
        entity["what"]["identifier"]["value"] for e in answers for entity in e["entity"] if "what" in entity
    }
    tokens = {place.app.auditing.projection.token(place.roster[one]).hex() for one in (JANE, JOHN)}
    assert people == tokens
    assert MARKER not in json.dumps(events)


def _balp(event: dict[str, Any], profile: str) -> None:
    """What the profile's StructureDefinition asks (IHE ITI BALP 1.1)."""
    query = profile.endswith("Query")
    assert event["type"]["code"] == "rest"
    assert event["action"] == ("E" if query else "R")
    assert {one["code"] for one in event["subtype"]} & ({"search"} if query else {"read"})
    assert event["outcome"] == "0"
    by_type = {one["type"]["coding"][0]["code"]: one for one in event["agent"]}
    client, server = ("110153", "110152") if query else ("110152", "110153")
    for role in (client, server):
        assert by_type[role]["who"]
        assert by_type[role]["network"]["address"]
        assert "media" not in by_type[role]
    user = by_type["IRCP"]
    assert user["requestor"] is True
    assert user["who"]
    assert "network" not in user
    entities = [(one["type"]["code"], one["role"]["code"]) for one in event["entity"]]
    assert entities.count(("2", "24" if query else "4")) == 1
    assert entities.count(("1", "1")) == (1 if profile.startswith("Patient") else 0)
    if query:
        (entity,) = [one for one in event["entity"] if one["role"]["code"] == "24"]
        assert "what" not in entity
        assert "detail" not in entity
        assert base64.b64decode(entity["query"], validate=True)


def test_with_phi_where_it_is_asked_for_and_allowed(place: Place) -> None:
    busy(place)
    start = place.size()
    events = [json.loads(line) for line in exported(place, "fhir", phi=True)]
    queries = {
        base64.b64decode(entity["query"]).decode()
        for e in events
        for entity in e.get("entity", ())
        if "query" in entity
    }  # fmt: skip
    assert f"{MARKER} to:home.example" in queries
    assert place.roster[JANE] in json.dumps(events)
    (entry,) = place.leaves(start)
    assert (entry["reason"], entry["opened"]["phi"]) == ("export.fhir", True)
    place.app.vault.settings = place.app.vault.settings.model_copy(update={"audit_phi": "never"})
    start = place.size()
    with pytest.raises(AccessDenied):
        exported(place, "fhir", phi=True)
    assert [(one["outcome"], one["reason"]) for one in place.leaves(start)] == [("denied", "phi_never")]
    for form in FORMATS:
        assert MARKER not in "".join(exported(place, form))


def test_nothing_sealed_leaves_by_itself(place: Place) -> None:
    busy(place)
    for form in ("fhir", "dicom", "ocsf", "cef"):
        text = "".join(exported(place, form))
        for sealed in (MARKER, JANE, place.roster[JANE], "Roe v. Clinic", "home.example"):
            assert sealed not in text, (form, sealed)


def test_json_and_csv_as_audit_list_has_them(place: Place) -> None:
    busy(place)
    size = place.size()
    documents = [json.loads(line) for line in exported(place, "json")]
    assert [one["n"] for one in documents] == list(range(size + 1))
    (asked,) = [one for one in documents if one["detail"].get("query") == f"{MARKER} to:home.example"]
    assert asked["action"] == "search.query"
    rows = list(csv.DictReader(io.StringIO("".join(exported(place, "csv")))))
    assert [int(row["n"]) for row in rows] == list(range(size + 2))
    assert json.loads(rows[asked["n"]]["detail"])["query"] == f"{MARKER} to:home.example"
    assert rows[asked["n"]]["hash"] == asked["hash"]
    assert MARKER not in "".join(exported(place, "json", phi=False))


def test_a_period(place: Place) -> None:
    place.clock.pass_(days=2)
    start = place.size()
    busy(place)
    stop = place.size()
    place.clock.pass_(days=2)
    day = periods.parse(place.app.auditing.reports.zone, since="2026-03-04", until="2026-03-04")
    documents = [json.loads(line) for line in exported(place, "json", period=day)]
    assert [one["n"] for one in documents] == list(range(start, stop))
    assert exported(place, "ocsf", period=Period(0, 1)) == []


def test_ocsf_arithmetic_and_classes(place: Place) -> None:
    busy(place)
    events = {one["metadata"]["sequence"]: one for one in map(json.loads, exported(place, "ocsf"))}
    for one in events.values():
        assert one["type_uid"] == one["class_uid"] * 100 + one["activity_id"]
        assert one["category_uid"] == one["class_uid"] // 1_000
        assert one["metadata"]["version"] == "1.3.0"
        assert {"time", "severity_id", "actor", "status_id"} <= one.keys()
        needed = {3001: "user", 3002: "user", 6002: "app", 6003: "api", 6005: "database"}[one["class_uid"]]
        assert one[needed]
    actions = {leaf["n"]: (leaf["action"], leaf["outcome"]) for leaf in place.leaves()}
    kinds = {actions[n][0]: one["type_uid"] for n, one in events.items()}
    assert kinds["search.results"] == 600504
    assert kinds["message.read"] in (600501,)
    assert kinds["user.add"] == 300101
    assert kinds["archive.start"] == 600203
    assert kinds["matter.create"] == 600301
    (refused,) = [one for n, one in events.items() if actions[n] == ("message.read", "denied")]
    assert (refused["status_id"], refused["severity_id"]) == (2, 3)


def entry(**given: Any) -> Entry:
    base = Entry(
        n=7, at_us=1_772_442_000_123_456, action="message.read", outcome="success", user="uabc", role="legal",
        purpose="legal", client="api", session="", objects=(), count=None, reason="", commitment="c" * 64,
        hash="h" * 64,
    )  # fmt: skip
    return replace(base, **given)


HOSTILE = st.text(alphabet=st.sampled_from('ab|\\=\n\r\u2028\x00\x1b ]"ü<>&\ud800'), max_size=20)


@given(HOSTILE, HOSTILE)
def test_cef_can_be_read_back(name: str, query: str) -> None:
    """Split at pipes and equals signs that aren't escaped, as every reader of CEF does."""
    line = cef.line(entry(user_name=name, detail={"query": query}), replace(ABOUT, phi=True))
    assert not re.search(r"[\x00-\x1f\x7f\u2028]", line)
    head = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    assert head[0] == "CEF:0"
    assert len(head) == 8
    fields = _extension(head[7])
    assert fields["cn1"] == "7"
    assert json.loads(fields["msg"]) == {"query": query}


def _extension(text: str) -> dict[str, str]:
    found = {}
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", text))
    keys = [one for one in keys if text[: one.end() - 1][-1:] != "\\"]
    for one, after in zip(keys, [*keys[1:], None], strict=True):
        value = text[one.end() : after.start() if after else len(text)]
        found[one[1]] = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), value)
    return found


@given(HOSTILE)
def test_dicom_is_xml_whatever_was_typed(name: str) -> None:
    one = entry(
        user_name=name, patients=tuple(f"p{n}" for n in range(230)), objects=("mabc",), session="nabc"
    )
    texts = list(dicom.messages(one, ABOUT))
    assert len(texts) == 3
    people = []
    for text in texts:
        root = ElementTree.fromstring(text.encode("utf-8", "replace"))
        assert [child.tag for child in root][:4] == [
            "EventIdentification",
            "ActiveParticipant",
            "ActiveParticipant",
            "AuditSourceIdentification",
        ]
        event = root[0]
        assert event.attrib["EventActionCode"] == "R"
        assert event[0].attrib == {
            "csd-code": "110110",
            "codeSystemName": "DCM",
            "originalText": "Patient Record",
        }
        assert {a.attrib["UserIsRequestor"] for a in root.iter("ActiveParticipant")} == {"true", "false"}
        people += [
            o.attrib["ParticipantObjectID"]
            for o in root.iter("ParticipantObjectIdentification")
            if o.attrib["ParticipantObjectTypeCodeRole"] == "1"
        ]
    assert people == [ABOUT.patient(f"p{n}") for n in range(230)]


def test_syslog_by_the_letter() -> None:
    """RFC 5424, 6: PRI, version, time, host, application, process, message id, structured data, BOM, text."""
    message = syslog.message(entry(), "<AuditMessage/>", "dicom", "höst name")
    head = (
        rb'<85>1 2026-03-02T09:00:00\.123456Z h-st-name holdfast \d+ DICOM\+RFC3881 \[meta sequenceId="8"\] '
    )
    assert re.fullmatch(head + b"\xef\xbb\xbf<AuditMessage/>", message), message
    assert syslog.framed(b"12345") == b"5 12345"
    assert b'sequenceId="1"' in syslog.message(entry(n=2_147_483_647), "x", "cef", "h")


def test_fhir_of_what_nobody_signed_in_for() -> None:
    for user in ("system", "operator", "anonymous"):
        for one in fhir.events(entry(user=user, role="", purpose="", client=""), ABOUT):
            AuditEvent.model_validate(one)
            assert sum(agent["requestor"] for agent in one["agent"]) == 1
    assert ocsf.event(entry(action="something.new"), ABOUT)["type_uid"] == 600399
