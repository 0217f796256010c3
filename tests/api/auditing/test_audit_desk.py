"""The privacy officer's pages: what they show, by the real server and in a real browser if there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from retention.roster.patient import Patient
from search.access import Actor, Purpose, Role
from tests.api.chromium import Browser
from tests.api.house import House, open_house
from tests.api.walk_auditing import prepare

WEEK = "2026-W10"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("desk")) as opened:
        app = opened.app
        app.patients.import_roster([Patient("MRN-1", "Bea Beal", email="bea@clinic.example")])
        prepare(opened)
        found = app.accounts.find("compliance_officer-person")
        officer = Actor(found.id, found.name, found.role, "api")
        app.room.search(officer, Purpose.TREATMENT, '"<script>alert(1)</script>" OR zebrafinch')
        app.room.open(officer, Purpose.TREATMENT, opened.ids[0])
        yield opened


@pytest.fixture
def desk(house: House) -> httpx.Client:
    return house.sign_in("privacy_officer-person")


def post(desk: httpx.Client, path: str, **form: str) -> httpx.Response:
    return desk.post(path, data={"form_token": desk.headers["X-Test-Form-Token"], **form})


def test_one_patients_readers(desk: httpx.Client) -> None:
    page = post(desk, "/audit/patient", patient="MRN-1").text
    for shown in ("compliance_officer-person", "treatment", "message.read", "search.results"):
        assert shown in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    page = post(desk, "/audit/patient", patient="MRN-1", what="disclosures").text
    assert "Nothing of this patient was disclosed" in page
    answer = post(desk, "/audit/patient", patient="MRN-77")
    assert answer.status_code == 400
    assert "no such patient" in answer.text


def test_one_user_and_failed_sign_ins(desk: httpx.Client) -> None:
    page = post(desk, "/audit/user", user="compliance_officer-person").text
    assert "Messages seen" in page
    assert "message.read" in page
    assert post(desk, "/audit/user", user="compliance_officer-person", month="never").status_code == 400
    assert post(desk, "/audit/user", user="nobody").status_code == 400
    assert "Failed or refused" in post(desk, "/audit/sign-ins").text
    assert "compliance_officer-person" in post(desk, "/audit/summary").text


def test_each_report_is_saved_as_a_table(house: House, desk: httpx.Client) -> None:
    """By the button of its page, and by the API."""
    asked = {"user": "compliance_officer-person", "patient": "MRN-1"}
    for path in ("summary", "user", "patient", "sign-ins", "unusual"):
        page = post(desk, f"/audit/{path}", **asked)
        assert 'name="format" value="csv"' in page.text
        answer = post(desk, f"/audit/{path}", **asked, format="csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["cache-control"] == "no-store"
    client = house.client(Role.PRIVACY_OFFICER)
    for kind in ("disclosures", "user"):
        answer = client.post(f"/api/v1/audit/reports/{kind}", json={**asked, "format": "csv"})
        assert answer.headers["content-type"].startswith("text/csv")
    assert "message.read" in answer.text
    assert (
        client.post("/api/v1/audit/reports/user", json={"user": "nobody", "format": "csv"}).status_code == 404
    )


def test_a_review_is_signed(house: House, desk: httpx.Client) -> None:
    page = desk.get("/audit/reviews").text
    assert "overdue" in page
    periods = house.app.auditing.reviews._all()
    oldest = periods[-1]["period"]
    assert "Sign as reviewed" in desk.get(f"/audit/reviews/{oldest}").text
    assert post(desk, f"/audit/reviews/{oldest}/sign", note="All <b>well</b>.").status_code == 303
    page = desk.get(f"/audit/reviews/{oldest}").text
    assert "Signed by <bdi>privacy_officer-person</bdi>" in page
    assert "All &lt;b&gt;well&lt;/b&gt;." in page
    assert post(desk, f"/audit/reviews/{oldest}/sign").status_code == 409
    assert post(desk, f"/audit/reviews/{periods[0]['period']}/sign").status_code == 409


def test_the_watch_list_and_what_is_unusual(desk: httpx.Client, house: House) -> None:
    assert post(desk, "/audit/watched", patient="MRN-1", kind="vip", reason="<i>").status_code == 303
    assert "&lt;i&gt;" in desk.get("/audit/watched").text
    page = desk.get("/audit/unusual").text
    assert "patient on the watch list" in page
    assert post(desk, "/audit/watched", patient="MRN-77", kind="vip").status_code == 400
    assert "vip" in post(desk, "/audit/unusual", **{"from": "2020-01-01"}).text


def test_the_api_streams_an_export(house: House) -> None:
    client = house.client(Role.PRIVACY_OFFICER)
    answer = client.get("/api/v1/audit/export", params={"format": "fhir"})
    assert answer.headers["content-type"] == "application/fhir+ndjson"
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert len(events) >= house.audit_size() - 1
    assert "zebrafinch" not in answer.text
    assert "zebrafinch" in client.get("/api/v1/audit/export", params={"phi": True}).text
    assert client.get("/api/v1/audit/export", params={"from": "soon"}).status_code == 422
    assert client.get("/api/v1/audit/export", params={"format": "xml"}).status_code == 422
    found = client.post("/api/v1/audit/reports/patient", json={"patient": "MRN-1"}).json()
    assert [one["role"] for one in found["readers"]] == ["compliance_officer"]
    assert client.post("/api/v1/audit/reports/user", json={}).status_code == 422
    samples = client.get("/metrics").text
    assert "holdfast_audit_entries_behind" in samples


def test_the_pages_fit_a_screen(house: House, browser: Browser, tmp_path: Path) -> None:
    link = house.app.accounts.link("privacy_officer-person")
    browser.open(link)
    browser.do("document.querySelector('form button.main').click()")
    for path in ("/audit", "/audit/reviews", "/audit/unusual", "/audit/watched"):
        browser.open(f"{house.base}{path}")
        assert browser.overflows(1_200, 360) == [], path
        browser.size(1_200, 900)
        browser.screenshot(tmp_path / f"{path.replace('/', '-')}.png")
    browser.open(f"{house.base}/audit")
    browser.read("document.querySelector('#patient').value = 'MRN-1'")
    browser.do("document.querySelector('form[action=\"/audit/patient\"] button').click()")
    assert "readers" in browser.text()
    browser.screenshot(tmp_path / "readers.png")
    assert [text for text in browser.complaints if text.startswith("error")] == []
