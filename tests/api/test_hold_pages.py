"""Holds and notices by the doors: the desk's pages, the page that custodians confirm by, and HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from archiver.ledger.note import parse_vkey
from retention.holds import receipts
from search.access import Actor, Role
from tests.api.chromium import Browser
from tests.api.house import House, open_house

LAWYER, OFFICER = "legal-person", "compliance_officer-person"
RELAY = {"notice_relay": "smtp://localhost:9", "notice_from": "counsel@clinic.example"}


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    with open_house(tmp_path, database_url, messages=5, **RELAY) as opened:
        yield opened


def as_(house: House, role: Role) -> Actor:
    return house.app.accounts.authenticate(house.tokens[role], "api")


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as this session's pages have it."""
    home = client.get("/")
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', home.text)
    assert found
    return client.post(path, data={"form_token": found[1], **fields})


def told(house: House) -> tuple[str, str]:
    """A hold whose custodians are told; its id and the secret of Ann's link."""
    app, lawyer = house.app, as_(house, Role.LEGAL)
    matter = app.matters.create(lawyer, "Doe v. Clinic")["id"]
    app.notices.set_plan(lawyer, matter, contact="c@clinic.example", manager="m@clinic.example")
    hold = app.holds.create(lawyer, matter, custodians=["ann@clinic.example"], query="zebrafinch")["id"]
    (notice,) = app.notices.send(lawyer, hold)
    return hold, app.notices.telling.link(notice["id"]).rpartition("/")[2]


# --- the custodian's page -------------------------------------------------------------------------


def test_opening_the_link_confirms_nothing_and_pressing_the_button_does(house: House) -> None:
    hold, secret = told(house)
    anyone = house.client()
    anyone.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
    for _ in range(3):  # mail scanners open links
        page = anyone.get(f"/notices/{secret}")
        assert page.status_code == 200
        assert anyone.get("/notices/" + "A" * 22).text == page.text
    for word in ("Doe", "ann@", "zebrafinch", hold, "clinic"):
        assert word not in page.text
    lawyer = as_(house, Role.LEGAL)
    assert house.app.notices.list(lawyer, hold=hold)[0]["state"] == "waiting"
    done = anyone.post(f"/notices/{secret}")
    assert done.status_code == 200
    assert "Thank you" in done.text
    assert "Thank you" in anyone.post(f"/notices/{secret}").text
    assert house.app.notices.list(lawyer, hold=hold)[0]["state"] == "acknowledged"
    assert done.headers["referrer-policy"] == "no-referrer"
    assert done.headers["cache-control"] == "no-store"


def test_a_foreign_page_cannot_confirm_and_guessing_is_bounded(house: House) -> None:
    _, secret = told(house)
    anyone = house.client()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert anyone.post(f"/notices/{secret}", headers=headers).status_code == 403
    own = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    house.app.attempts.forgive()
    start = house.audit_size()
    answers = [anyone.post("/notices/" + f"{n:022}", headers=own).status_code for n in range(30)]
    assert answers[0] == 404
    assert answers[-1] == 429
    failed = [e for e in house.entries_since(start) if e["action"] == "notice.acknowledge"]
    assert 1 <= len(failed) <= 12
    assert all(f"{n:022}" not in str(e) for e in failed for n in range(30))
    # Whoever has the right link isn't held up by them.
    assert anyone.post(f"/notices/{secret}", headers=own).status_code == 200


def test_a_link_in_the_log_is_a_template(house: House, caplog: pytest.LogCaptureFixture) -> None:
    _, secret = told(house)
    with caplog.at_level("INFO", logger="holdfast.access"):
        house.client().get(f"/notices/{secret}")
        deadline = time.monotonic() + 10
        while "/notices/{secret}" not in caplog.text:  # the line is written after the answer
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert secret not in caplog.text


# --- the desk -------------------------------------------------------------------------------------


def test_a_lawyer_opens_a_matter_previews_places_changes_and_ends_a_hold(house: House) -> None:
    client = house.sign_in(LAWYER)
    opened = post(client, "/matters", name="Doe v. Clinic")
    assert opened.status_code == 303
    matter = opened.headers["location"]
    fields = {"custodians": "ann@clinic.example\r\nzoe@clinic.example", "query": "zebrafinch"}
    preview = post(client, f"{matter}/preview", **fields, reason="complaint")
    assert "would cover 5 messages" in preview.text
    back = post(client, f"{matter}/holds", **fields, reason="complaint", change="1")
    assert "zoe@clinic.example</textarea>" in back.text
    assert house.app.holds.list(as_(house, Role.LEGAL)) == []
    placed = post(client, f"{matter}/holds", **fields, reason="complaint", review_on="2060-01-01")
    assert placed.status_code == 303
    hold = placed.headers["location"]
    page = client.get(hold)
    for shown in ("Doe v. Clinic", "zebrafinch", "complaint", "2060-01-01", "joins it", "not told"):
        assert shown in page.text
    assert 'method="get"' not in page.text.lower()
    narrowed = post(
        client, f"{hold}/change", custodians="ann@clinic.example", query="zebrafinch", reason="zoe"
    )
    assert narrowed.status_code == 303
    assert "waits for a second person" in client.get(hold).text
    own = post(client, f"{hold}/approve")
    assert own.status_code == 403
    assert "another person must approve" in own.text
    officer = house.sign_in(OFFICER)
    assert post(officer, f"{hold}/approve", reason="agreed").status_code == 303
    assert "narrower scope: cooling" in client.get(hold).text
    assert post(client, f"{hold}/release", reason="settled").status_code == 303
    assert post(officer, f"{hold}/release").status_code == 303
    assert "takes in no new mail" in client.get(hold).text
    assert post(client, f"{hold}/reinstate", reason="appeal").status_code == 303
    shown = client.get(hold).text
    assert 'class="state active"' in shown
    for event in ("placed", "changed", "narrowing approved", "release asked", "reinstated"):
        assert event in shown
    receipt = client.get(f"{hold}/receipt")
    assert receipt.headers["content-disposition"].startswith("attachment")
    document = receipts.verify(receipt.json(), parse_vkey(receipt.json()["key"]))
    assert (document["hold"], document["version"]) == (hold.rpartition("/")[2], 2)
    for path in (f"{hold}/report.pdf", f"/api/v1{hold}/report.pdf"):
        printed = client.get(path)
        assert printed.headers["content-type"] == "application/pdf"
        assert printed.headers["content-disposition"].startswith("attachment")
        assert printed.content.startswith(b"%PDF-")


def test_the_desk_approves_the_scope_that_its_page_showed(house: House) -> None:
    client = house.sign_in(LAWYER)
    matter = post(client, "/matters", name="Doe v. Clinic").headers["location"]
    both = "ann@clinic.example\nzoe@clinic.example\nbob@clinic.example"
    hold = post(client, f"{matter}/holds", custodians=both).headers["location"]
    post(client, f"{hold}/change", custodians="ann@clinic.example\nzoe@clinic.example", reason="bob")
    officer = house.sign_in(OFFICER)
    shown = re.search(r'name="version" value="(\d+)"', officer.get(hold).text)
    assert shown
    post(client, f"{hold}/change", custodians="ann@clinic.example", reason="zoe too")
    refused = post(officer, f"{hold}/approve", version=shown[1])
    assert (refused.status_code, "looked at" in refused.text) == (409, True)
    assert house.app.holds.list(as_(house, Role.LEGAL))[0]["narrowing"]["state"] == "requested"
    again = {"version": int(shown[1]) + 1}
    path = f"/api/v1{hold}/approve"
    api = house.client(Role.COMPLIANCE_OFFICER)
    assert api.post(path, json={"version": int(shown[1])}).status_code == 409
    assert api.post(path, json=again).json()["narrowing"]["state"] == "cooling"


def test_what_is_wrong_with_criteria_stands_beside_them(house: House) -> None:
    client = house.sign_in(LAWYER)
    matter = post(client, "/matters", name="Doe v. Clinic").headers["location"]
    for step in ("preview", "holds"):
        page = post(client, f"{matter}/{step}", query="from:( <b>", custodians="ann@clinic.example")
        assert 400 <= page.status_code < 500
        assert 'role="alert"' in page.text
        assert "from:( &lt;b&gt;" in page.text
        assert post(client, f"{matter}/{step}").status_code == 422
    assert post(client, "/matters", name="Doe v. Clinic").status_code == 409
    assert post(client, f"{matter}/members", user="nobody").status_code == 404
    assert post(client, f"{matter}/notice", contact="x", manager="y").status_code == 422


def test_notices_are_planned_previewed_sent_and_followed_on_the_desk(house: House) -> None:
    client = house.sign_in(LAWYER)
    matter = post(client, "/matters", name="Doe v. Clinic").headers["location"]
    hold = post(client, f"{matter}/holds", custodians="ann@clinic.example").headers["location"]
    assert post(client, f"{hold}/notices/preview").status_code == 422
    plan = {"contact": "c@clinic.example", "manager": "m@clinic.example", "remind_days": "3"}
    assert post(client, f"{matter}/notice", **plan).status_code == 303
    preview = post(client, f"{hold}/notices/preview")
    assert "1 custodian would be told" in preview.text
    assert "every 3 days" in preview.text
    assert post(client, f"{hold}/notices").status_code == 303
    house.app.notices.telling.run()  # the relay is away
    assert "unreachable" in client.get("/notices").text
    (resend,) = re.findall(r'action="(/notices/n\w+/resend)"', client.get(hold).text)
    assert post(client, resend).status_code == 303
    manager = house.sign_in("records_manager-person")
    assert "ann@clinic.example" in manager.get("/notices").text
    assert "Place a hold" not in manager.get(hold).text
    assert "What can be done" not in manager.get(hold).text
    assert manager.get("/matters").status_code == 403
    admin = house.sign_in("administrator-person")
    assert all(admin.get(path).status_code == 403 for path in ("/matters", "/holds", "/notices", hold))


def test_no_page_has_script_or_inline_style(house: House) -> None:
    hold, secret = told(house)
    client = house.sign_in(LAWYER)
    matter = house.app.matters.list(as_(house, Role.LEGAL))[0]["id"]
    for path in (
        "/matters",
        f"/matters/{matter}",
        "/holds",
        f"/holds/{hold}",
        "/notices",
        f"/notices/{secret}",
    ):
        page = client.get(path)
        assert page.status_code == 200, path
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:|<iframe|http://", page.text)
        assert "<form" not in re.sub(r'<form[^>]*method="post"', "", page.text)


# --- HTTP -----------------------------------------------------------------------------------------


def test_the_api_does_what_the_desk_does(house: House) -> None:
    lawyer, officer = house.client(Role.LEGAL), house.client(Role.COMPLIANCE_OFFICER)
    matter = lawyer.post("/api/v1/matters", json={"name": "Doe v. Clinic"}).json()["id"]
    new = {"matter": matter, "sources": ["shared mailbox"], "reason": "r", "review_on": "2060-01-01"}
    hold = lawyer.post("/api/v1/holds", json=new).json()
    assert (hold["state"], hold["matched"], hold["version"]) == ("active", 6, 1)
    path = f"/api/v1/holds/{hold['id']}"
    wider = lawyer.post(
        f"{path}/change", json={"reason": "both", "add": True, "sources": ["exchange"]}
    ).json()
    assert (wider["effect"], wider["matched"]) == ("widened", 7)
    narrower = lawyer.post(f"{path}/change", json={"reason": "one", "sources": ["exchange"]}).json()
    assert (narrower["effect"], narrower["drops_out"]) == ("narrowing_requested", 6)
    assert lawyer.post(f"{path}/approve").json()["code"] == "second_person_needed"
    assert officer.post(f"{path}/approve", json={"reason": "ok"}).json()["narrowing"]["state"] == "cooling"
    assert "narrowing" not in officer.post(f"{path}/reinstate").json()
    report = lawyer.get(path).json()
    assert [v["version"] for v in report["versions"]] == [1, 2, 3]
    assert report["review_on"] == "2060-01-01"
    assert lawyer.post(f"{path}/review", json={"review_on": None}).json().get("review_on") is None
    receipt = lawyer.get(f"{path}/receipt", params={"version": 1}).json()
    assert receipts.verify(receipt, parse_vkey(receipt["key"]))["hold"] == hold["id"]
    assert lawyer.get(f"{path}/receipt", params={"version": 9}).status_code == 404
    assert lawyer.post(f"{path}/change", json={"sources": ["exchange"]}).status_code == 422
    assert lawyer.post(f"{path}/notices").json()["code"] == "bad_criteria"
    plan = lawyer.post(
        f"/api/v1/matters/{matter}/notice", json={"contact": "c@x.example", "manager": "m@x.example"}
    ).json()
    assert lawyer.get(f"/api/v1/matters/{matter}/notice").json() == plan
    lawyer.post(f"{path}/change", json={"reason": "who", "sources": [], "custodians": ["ann@clinic.example"]})
    assert lawyer.get(f"{path}/notices/preview").json()["to"] == ["ann@clinic.example"]
    (notice,) = lawyer.post(f"{path}/notices").json()["items"]
    assert lawyer.post(f"/api/v1/notices/{notice['id']}/resend").json()["state"] == "waiting"
    listed = lawyer.get("/api/v1/notices", params={"matter": matter}).json()["items"]
    assert [one["custodian"] for one in listed] == ["ann@clinic.example"]


# --- a real browser -------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_custodian_confirms_and_a_lawyer_places_a_hold_in_a_browser(house: House, browser: Browser) -> None:
    hold, secret = told(house)
    link = house.app.accounts.link(LAWYER)
    browser.open(f"{house.base}/notices/{secret}")
    browser.do("document.querySelector('form button.main').click()")
    assert "Thank you" in browser.text()
    browser.open(link)
    browser.do("document.querySelector('form button.main').click()")
    browser.open(f"{house.base}/holds/{hold}")
    assert "acknowledged" in browser.text()
    assert browser.overflows(1_200, 360) == []
    assert [text for text in browser.complaints if text.startswith("error")] == []
