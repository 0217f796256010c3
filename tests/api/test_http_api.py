"""The HTTP API does what it promises, on both databases."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from archiver.capture.ports import Arrival
from archiver.errors import StoreError
from archiver.ledger.audit import AuditEvent
from archiver.ledger.log import Log
from archiver.ledger.proof import parse_proof, verify_proof
from archiver.store import dialect
from archiver.store.schema import policy_baselines
from retention.policy.store import bump
from search.access import Role
from tests.api.house import HOSTILE_SUBJECT, House, mail

API = "/api/v1"
LEGAL = {"X-Purpose": "legal"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of a refused call, which is of the one form."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    assert {"type", "title", "detail", "code", "retry"} <= set(document)
    return document


# --- search and read -----------------------------------------------------------------------------


def test_search_prints_what_the_interface_says(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    answer = client.post(f"{API}/search", json={"query": "zebrafinch", "purpose": "operations"})
    assert answer.status_code == 200
    page = answer.json()
    assert {"query", "interpreted", "total", "items", "not_searchable", "next"} <= set(page)
    assert (page["query"], page["total"], page["next"]) == ("zebrafinch", 3, None)
    item = page["items"][0]
    assert {"id", "sha256", "sent_at", "from", "to", "subject", "snippet"} <= set(item)
    assert item["subject"] == "Appointment 3"
    assert item["sent_at"] == "2024-03-04T10:03:00Z"
    assert "<mark>zebrafinch</mark>" in item["snippet"]
    assert item["sha256"] == hashlib.sha256(house.originals[item["id"]]).hexdigest()


def test_the_purpose_may_come_by_header(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    start = house.audit_size()
    assert client.post(f"{API}/search", json={"query": "okapi"}, headers=LEGAL).status_code == 200
    begun, results = house.entries_since(start)
    assert (begun["purpose"], begun["client"], begun["opened"]["query"]) == ("legal", "api", "okapi")
    assert (results["action"], results["count"]) == ("search.results", 1)


def test_pages_follow_one_another_without_gap_or_repeat(shared_house: House) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        body = {"query": "zebrafinch", "purpose": "operations", "limit": 7, "cursor": cursor}
        page = client.post(f"{API}/search", json=body).json()
        assert page["total"] == 45
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 45


def test_a_search_without_purpose_is_refused_on_record(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    for body, reason in (({"query": "x"}, "no_purpose"), ({"query": "x", "purpose": "fun"}, "bad_purpose")):
        start = house.audit_size()
        answer = client.post(f"{API}/search", json=body)
        assert answer.status_code == 422
        assert problem(answer)["code"] == "purpose_missing"
        (entry,) = house.entries_since(start)
        assert (entry["action"], entry["outcome"], entry["reason"]) == ("search.query", "denied", reason)


def test_a_query_that_is_not_understood_is_refused_and_never_echoed(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    answer = client.post(f"{API}/search", json={"query": "diagnosis:syphilis", "purpose": "legal"})
    assert answer.status_code == 400
    assert problem(answer)["code"] == "bad_query"
    assert "syphilis" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"query": "syphilis", "purpose": "legal", "limit": 201},
        {"query": "syphilis", "purpose": "legal", "limit": 0},
        {"query": "syphilis", "purpose": "legal", "sort": "syphilis"},
        {"query": "x", "purpose": "legal", "syphilis patient": 1},
        {"query": ["syphilis"], "purpose": "legal"},
        {"purpose": "legal"},
        ["syphilis"],
    ],
)
def test_bad_input_names_the_field_and_never_the_value(shared_house: House, body: Any) -> None:
    start = shared_house.audit_size()
    answer = shared_house.client(Role.COMPLIANCE_OFFICER).post(f"{API}/search", json=body)
    assert answer.status_code == 422
    assert problem(answer)["code"] == "bad_input"
    assert problem(answer)["errors"]
    assert "syphilis" not in answer.text
    (entry,) = shared_house.entries_since(start)
    assert (entry["action"], entry["outcome"], entry["reason"]) == ("search.query", "failed", "bad_input")


def test_text_that_is_no_unicode_is_refused(shared_house: House) -> None:
    answer = shared_house.client(Role.COMPLIANCE_OFFICER).post(
        f"{API}/search",
        content=b'{"query": "\\ud800", "purpose": "legal"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    assert problem(answer)["code"] == "bad_input"


def test_show_merges_the_envelope_and_names_bcc(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    shown = client.get(f"{API}/messages/{house.ids[-1]}", headers=LEGAL).json()
    roles = {r["address"]: r["role"] for r in shown["envelope"]["recipients"]}
    assert roles == {"bea@clinic.example": "to", "quiet@clinic.example": "bcc"}
    assert shown["envelope"]["origin"] == "journal"
    assert shown["source"] == "exchange"
    assert shown["retention"]["disposal_date"]
    assert shown["holds"] == []
    (report_id,) = shown["envelope"]["reports"]

    report = client.get(f"{API}/messages/{report_id}", headers=LEGAL).json()
    assert (report["kind"], report["message"]) == ("report", house.ids[-1])
    raw = client.get(f"{API}/messages/{report_id}/raw", headers=LEGAL).content
    assert (report["size"], report["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert raw != house.originals[house.ids[-1]]


def test_raw_gives_the_exact_bytes(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    for message_id in house.ids:
        answer = client.get(f"{API}/messages/{message_id}/raw", headers=LEGAL)
        assert answer.content == house.originals[message_id]
        assert answer.headers["content-type"] == "message/rfc822"
        assert answer.headers["content-disposition"] == f'attachment; filename="{message_id}.eml"'


def test_what_cannot_be_recorded_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    client.get(f"{API}/session")  # the token's first use is written down before the disk fails

    def fail(_: AuditEvent) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(house.app.vault.audit, "record", fail, raising=False)
    for path in (f"/messages/{house.ids[0]}", f"/messages/{house.ids[0]}/raw"):
        answer = client.get(API + path, headers=LEGAL)
        assert answer.status_code == 503
        assert (problem(answer)["code"], problem(answer)["retry"]) == ("store_unavailable", True)
        assert answer.headers["retry-after"]
    answer = client.post(f"{API}/search", json={"query": "zebrafinch", "purpose": "legal"})
    assert answer.status_code == 503
    assert "zebrafinch" not in answer.text


def test_a_lawyer_sees_only_what_their_matters_hold(house: House) -> None:
    officer, lawyer = house.client(Role.COMPLIANCE_OFFICER), house.client(Role.LEGAL)
    body = {"query": "zebrafinch", "purpose": "legal"}
    assert lawyer.post(f"{API}/search", json=body).json()["total"] == 0
    assert lawyer.get(f"{API}/messages/{house.ids[0]}", headers=LEGAL).status_code == 404

    matter = officer.post(f"{API}/matters", json={"name": "Doe v. Clinic"}).json()["id"]
    hold = officer.post(f"{API}/holds", json={"matter": matter, "messages": [house.ids[0]]})
    assert hold.status_code == 201
    assert {"id", "state", "in_force_at", "matched"} <= set(hold.json())
    assert hold.json()["matched"] == 1
    assert officer.post(f"{API}/matters/{matter}/members", json={"user": "legal-person"}).status_code == 200
    with house.app.indexing() as pair:
        assert pair
        pair[0].drain()
    page = lawyer.post(f"{API}/search", json=body).json()
    assert [item["id"] for item in page["items"]] == [house.ids[0]]
    shown = lawyer.get(f"{API}/messages/{house.ids[0]}", headers=LEGAL).json()
    assert [one["matter"] for one in shown["holds"]] == [matter]
    assert lawyer.get(f"{API}/messages/{house.ids[1]}", headers=LEGAL).status_code == 404


# --- matters, holds, retention -------------------------------------------------------------------


def test_lists_come_in_pages(shared_house: House) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    made = []
    for number in range(5):
        shared_house.clock.pass_(seconds=1)
        made.append(client.post(f"{API}/matters", json={"name": f"matter {number}"}).json()["id"])
    first = client.get(f"{API}/matters", params={"limit": 3}).json()
    second = client.get(f"{API}/matters", params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["id"] for one in [*first["items"], *second["items"]]] == made[::-1]
    assert second["next"] is None


def test_a_hold_is_released_by_two(house: House) -> None:
    officer, lawyer = house.client(Role.COMPLIANCE_OFFICER), house.client(Role.LEGAL)
    matter = officer.post(f"{API}/matters", json={"name": "Roe v. Clinic"}).json()["id"]
    officer.post(f"{API}/matters/{matter}/members", json={"user": "legal-person"})
    preview = officer.post(f"{API}/holds/preview", json={"matter": matter, "query": "zebrafinch"}).json()
    assert preview["matched"] == 3
    hold = officer.post(
        f"{API}/holds", json={"matter": matter, "query": "zebrafinch", "reason": "suit"}
    ).json()
    assert (hold["state"], hold["matched"]) == ("active", 3)
    assert officer.post(f"{API}/holds/{hold['id']}/release").json()["state"] == "release_requested"
    again = officer.post(f"{API}/holds/{hold['id']}/release", json={"reason": "settled"})
    assert (again.status_code, problem(again)["code"]) == (403, "second_person_needed")
    assert lawyer.post(f"{API}/holds/{hold['id']}/release").json()["state"] == "cooling"
    assert officer.get(f"{API}/holds/{hold['id']}").json()["release"]["cooling_until"]
    assert officer.post(f"{API}/matters/{matter}/close").status_code == 409


def test_retention_is_explained_and_computed(house: House) -> None:
    client = house.client(Role.RECORDS_MANAGER)
    explained = client.get(f"{API}/retention/messages/{house.ids[0]}").json()
    assert explained["disposal_date"]
    assert explained["candidates"]
    facts = {"record_types": ["medical_record"], "jurisdictions": ["NC"], "provider_type": "hospital"}
    computed = client.post(f"{API}/retention/compute", json={**facts, "anchor": "2020-01-02"}).json()
    assert {"disposal_date", "permanent", "governing", "candidates"} <= set(computed)
    answer = client.post(f"{API}/retention/compute", json={"record_types": ["syphilis"]})
    assert (answer.status_code, problem(answer)["code"]) == (422, "unknown_fact")
    assert "syphilis" not in answer.text


def test_computing_goes_by_the_organisations_own_default(house: House) -> None:
    client = house.client(Role.RECORDS_MANAGER)
    letter = {"record_types": ["correspondence"], "anchor": "2010-01-02"}
    assert client.post(f"{API}/retention/compute", json=letter).json()["disposal_date"] == "2020-01-03"
    with house.app.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        row = {"kind": "default_years", "value": "15", "since_us": 1}
        connection.execute(policy_baselines.insert().values(**row))
        bump(connection)
    assert client.post(f"{API}/retention/compute", json=letter).json()["disposal_date"] == "2025-01-03"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"born": "2007-06-30", "born": "1950-01-01"}', "bad_facts"),
        ('{"born": "0001-01-01"}', "bad_facts"),
        ('{"born": NaN}', "bad_facts"),
        ("[]", "bad_facts"),
        ("[" * 100_000, "bad_input"),
        ("7", "bad_input"),
    ],
    ids=["twice", "year 1", "no number", "nothing", "deep", "no object"],
)
def test_what_are_no_facts_is_refused(shared_house: House, text: str, code: str) -> None:
    client = shared_house.client(Role.RECORDS_MANAGER)
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"{API}/retention/compute", content=text, headers=headers)
    assert (answer.status_code, problem(answer)["code"]) == (422, code)
    assert "2007" not in answer.text


def test_schedules_are_paged_and_of_one_state(shared_house: House) -> None:
    client = shared_house.client(Role.RECORDS_MANAGER)
    seen: list[str] = []
    after = None
    while True:
        params = {"limit": "100", **({"after": after} if after else {})}
        page = client.get(f"{API}/retention/schedules", params=params).json()
        seen += [rule["rule_id"] for rule in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == len(shared_house.app.schedule.to_json())
    page = client.get(f"{API}/retention/schedules", params={"state": "CA"}).json()
    assert page["items"]
    assert {rule["jurisdiction"] for rule in page["items"]} == {"CA"}


# --- audit, sources, users -----------------------------------------------------------------------


def test_the_audit_log_is_read_in_pages_and_proved(house: House) -> None:
    officer = house.client(Role.COMPLIANCE_OFFICER)
    officer.post(f"{API}/search", json={"query": "okapi", "purpose": "legal"})
    client = house.client(Role.PRIVACY_OFFICER)
    seen: list[dict[str, Any]] = []
    after = None
    for _ in range(100):
        params = {"limit": "5", **({"after": str(after)} if after is not None else {})}
        page = client.get(f"{API}/audit", params=params).json()
        seen += page["items"]
        after = page["next"]
        if after is None or len(seen) >= 15:
            break
    assert [entry["n"] for entry in seen] == list(range(len(seen)))
    query = next(entry for entry in seen if entry["action"] == "search.query")
    assert query["detail"]["query"] == "okapi"
    newest = client.get(f"{API}/audit", params={"order": "newest", "limit": 2}).json()
    assert [entry["action"] for entry in newest["items"]] == ["audit.read", "audit.read"]
    assert newest["items"][0]["n"] == newest["size"] - 1
    older = client.get(f"{API}/audit", params={"order": "newest", "limit": 2, "after": newest["next"]}).json()
    assert older["items"][0]["n"] == newest["items"][-1]["n"] - 1

    answer = client.get(f"{API}/audit/{query['n']}/proof")
    proof = parse_proof(answer.content)
    verify_proof(proof, house.app.vault.publisher.signer(Log.AUDIT).verifier)
    assert json.loads(proof.leaf or b"")["action"] == "search.query"
    assert b"okapi" not in (proof.leaf or b"")
    assert client.get(f"{API}/audit/999999/proof").status_code == 404


def test_sources_reconcile_and_are_added(house: House) -> None:
    client = house.client(Role.ADMINISTRATOR)
    made = client.post(
        f"{API}/sources", json={"kind": "journal", "name": "feed", "networks": ["192.0.2.0/24"]}
    )
    assert made.status_code == 201
    assert made.json()["address"].startswith("j-")
    again = client.post(f"{API}/sources", json={"kind": "journal", "name": "feed"})
    assert (again.status_code, problem(again)["code"]) == (400, "capture")
    listed = {one["name"]: one for one in client.get(f"{API}/sources").json()["items"]}
    assert listed["shared mailbox"]["received"] == listed["shared mailbox"]["stored"] == 4
    assert all(one["reconciled"] for one in listed.values())


def test_users_are_managed_and_disabling_works_at_once(house: House) -> None:
    admin = house.client(Role.ADMINISTRATOR)
    made = admin.post(f"{API}/users", json={"name": "Rita", "role": "records"})
    assert (made.status_code, made.json()["role"]) == (201, "records_manager")
    # A token that acts as somebody who sees content is no administrator's to have.
    refused = admin.post(f"{API}/users/{made.json()['id']}/token", json={"days": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_enrolment_needed")
    other = admin.post(f"{API}/users", json={"name": "Bob", "role": "admin"}).json()["id"]
    bob = house.client(admin.post(f"{API}/users/{other}/token", json={"days": 1}).json()["token"])
    assert bob.get(f"{API}/session").json()["role"] == "administrator"
    token = house.app.accounts.token("Rita", 1)
    link = admin.post(f"{API}/users/{made.json()['id']}/link").json()["link"]
    assert link.startswith(f"{house.base}/sign-in/hf_")
    rita = house.client(token)
    session = rita.get(f"{API}/session").json()
    assert (session["user"]["name"], session["role"], session["client"]) == ("Rita", "records_manager", "api")
    assert "disposition.decide" in session["may"]
    assert admin.post(f"{API}/users/{made.json()['id']}/disable").json()["disabled"]
    assert rita.get(f"{API}/session").status_code == 401
    names = {one["name"]: one["disabled"] for one in admin.get(f"{API}/users").json()["items"]}
    assert names["Rita"]
    assert admin.post(f"{API}/users/nobody/token").status_code == 404


def test_a_token_can_be_given_up(house: House) -> None:
    token = house.app.accounts.token("legal-person")
    client = house.client(token)
    assert client.delete(f"{API}/session").status_code == 204
    assert client.get(f"{API}/session").status_code == 401


def test_a_hostile_subject_is_data(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    page = client.post(f"{API}/search", json={"query": "okapi", "purpose": "legal"}).json()
    (item,) = page["items"]
    assert item["subject"] == HOSTILE_SUBJECT
    assert "<b>" not in item["snippet"]
    assert "&lt;b&gt;bold&lt;/b&gt;" in item["snippet"]


def test_a_disposition_is_approved_executed_and_certified(house: House) -> None:
    source = house.app.vault.sources.add("import", "old archive")
    old = mail("long ago", "A quagga.", number=950).replace(b"2024", b"2005").replace(b"Mon, ", b"")
    with house.app.intake(None) as intake:
        gone = intake.submit(Arrival(old, source.id, attested_by="records office")).result(30).id
    made = house.app.runs.run()["disposition"]
    assert made
    manager, officer = house.client(Role.RECORDS_MANAGER), house.client(Role.COMPLIANCE_OFFICER)
    assert [one["id"] for one in manager.get(f"{API}/dispositions").json()["items"]] == [made]
    shown = manager.get(f"{API}/dispositions/{made}", params={"limit": 1}).json()
    assert [item["id"] for item in shown["items"]] == [gone]
    assert isinstance(shown["next"], str | None)
    early = manager.get(f"{API}/dispositions/{made}/certificate")
    assert (early.status_code, problem(early)["code"]) == (409, "wrong_state")
    blind = manager.post(f"{API}/dispositions/{made}/approve", json={"list_sha256": "0" * 64})
    assert (blind.status_code, problem(blind)["code"]) == (409, "items_changed")
    seen = {"list_sha256": shown["list_sha256"]}
    assert manager.post(f"{API}/dispositions/{made}/approve", json=seen).json()["state"] == "approved"
    alone = manager.post(f"{API}/dispositions/{made}/execute")
    assert (alone.status_code, problem(alone)["code"]) == (403, "second_person_needed")
    assert officer.post(f"{API}/dispositions/{made}/execute").json()["outcomes"] == {"destroyed": 1}
    assert manager.get(f"{API}/dispositions/{made}/certificate").json()["note"]
    paper = manager.get(f"{API}/dispositions/{made}/certificate.pdf")
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    answer = officer.get(f"{API}/messages/{gone}", headers=LEGAL)
    assert (answer.status_code, problem(answer)["code"]) == (410, "disposed")
    assert manager.post(f"{API}/dispositions/{made}/reject", json={"reason": "late"}).status_code == 409
