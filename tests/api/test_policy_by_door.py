"""Counsel's word, own terms, previews and the forecast by every door: HTTP, desk, command line, doctor."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from api.doctor import check_all
from api.http.forecast_picture import HEIGHT, picture
from search.access import Role
from tests.api.chromium import Browser
from tests.api.house import House
from tests.api.test_desk import token_of
from tests.support.holdfast import Home

MANAGER, OFFICER = "records_manager-person", "compliance_officer-person"
SET = {"do": "set", "says": {"scope": {"state": "NC"}, "years": 60}}


def previewed(client: httpx.Client, change: dict[str, Any]) -> str:
    answer = client.post("/api/v1/retention/policy/previews", json=change)
    assert answer.status_code == 201, answer.text
    assert answer.json()["result"]["examined"] == 5
    return str(answer.json()["id"])


def enacted(client: httpx.Client, change: dict[str, Any], reason: str = "") -> httpx.Response:
    body = {"change": change, "preview": previewed(client, change), "reason": reason}
    return client.post("/api/v1/retention/policy/changes", json=body)


def test_counsel_by_http(house: House) -> None:
    client = house.client(Role.RECORDS_MANAGER)
    rules = client.get("/api/v1/retention/schedules", params={"state": "nc"}).json()["items"]
    assert rules
    assert not any(rule["confirmed"] for rule in rules)
    body = {"state": "NC", "counsel": "Cora", "reason": "memo"}
    done = client.post("/api/v1/retention/confirmations", json=body)
    assert done.json()["confirmed"] == len(rules)
    rules = client.get("/api/v1/retention/schedules", params={"state": "nc"}).json()["items"]
    assert all(rule["confirmed"] for rule in rules)
    one = rules[0]["rule_id"]
    listed = client.get("/api/v1/retention/confirmations", params={"rule": one}).json()["items"]
    assert [(entry["rule_id"], entry["counsel"]) for entry in listed] == [(one, "Cora")]
    proof = house.client(Role.PRIVACY_OFFICER).get(f"/api/v1/audit/{listed[0]['audit_entry']}/proof")
    assert proof.status_code == 200
    body = {"rules": [one], "reason": "no", "revoke": True}
    assert client.post("/api/v1/retention/confirmations", json=body).json()["rules"] == [one]
    again = client.post("/api/v1/retention/confirmations", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    nothing = client.post("/api/v1/retention/confirmations", json={"counsel": "C", "reason": "r"})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "bad_policy")


def test_own_terms_by_http(house: House) -> None:
    manager, officer = house.client(Role.RECORDS_MANAGER), house.client(Role.COMPLIANCE_OFFICER)
    blind = manager.post("/api/v1/retention/policy/changes", json={"change": SET, "preview": "vnone"})
    assert (blind.status_code, blind.json()["code"]) == (409, "preview_needed")
    entry = enacted(manager, SET).json()
    assert entry["state"] == "in_force"
    remove = {"do": "remove", "id": entry["id"]}
    assert enacted(manager, remove).json()["code"] == "reason_needed"
    assert enacted(manager, remove, "no more").json()["state"] == "ending"
    approve = {"do": "approve", "id": entry["id"]}
    mine = enacted(manager, approve, "me again")
    assert (mine.status_code, mine.json()["code"]) == (403, "second_person_needed")
    assert enacted(officer, approve, "agreed").json()["state"] == "ended"
    items = manager.get("/api/v1/retention/policy/entries", params={"ended": True}).json()["items"]
    assert [step["did"] for step in items[0]["steps"]] == ["set", "end_asked", "end_approved"]
    assert manager.get("/api/v1/retention/policy").json()["default_years"] == 10
    assert manager.get("/api/v1/retention").json() == manager.get("/api/v1/retention/policy").json()


def test_forecast_and_simulation_by_http(house: House) -> None:
    client = house.client(Role.RECORDS_MANAGER)
    found = client.get("/api/v1/retention/forecast", params={"years": 2}).json()
    assert sum(row["messages"] for row in found["rows"]) == found["examined"] == 5
    day = client.get("/api/v1/retention/simulate", params={"on": "2060-01-01"}).json()
    assert day["examined"] == 5
    assert client.get("/api/v1/retention/forecast", params={"years": 99}).status_code == 422


def test_the_desk_shows_the_forecast_and_explains(house: House) -> None:
    client = house.sign_in(MANAGER)
    page = client.get("/retention")
    assert page.status_code == 200
    assert "<svg" in page.text
    assert "5 messages" in page.text
    data = {"form_token": token_of(page), "id": house.ids[0]}
    shown = client.post("/retention/explain", data=data)
    assert house.ids[0] in shown.text
    assert "ORG-default" in shown.text
    missing = client.post("/retention/explain", data={**data, "id": "mnothing"})
    assert missing.status_code == 404
    assert "Nothing to explain" in missing.text
    for one in (page, shown, missing):
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", one.text)


def test_counsel_on_the_desk(house: House) -> None:
    client = house.sign_in(MANAGER)
    page = client.get("/retention/schedules", params={"state": "OH"})
    assert "not confirmed" in page.text
    assert page.text.count("two years beyond their conclusion. (Ohio Admin. Code 4734-8-04(F)-(H))") == 1
    rule = re.search(r'name="rule" value="(OH-[^"]+)"', page.text)
    assert rule
    data = {"form_token": token_of(page), "state": "OH", "record_type": "", "rule": rule[1]}
    refused = client.post("/retention/schedules/confirm", data=data)
    assert refused.status_code == 400
    assert "counsel" in unescape(refused.text)
    data |= {"counsel": "Cora", "reason": "memo"}
    done = client.post("/retention/schedules/confirm", data=data, follow_redirects=True)
    assert done.text.count(">confirmed<") == 1
    everything = client.post("/retention/schedules/confirm", data={**data, "rule": ""}, follow_redirects=True)
    assert "not confirmed<" not in everything.text
    back = client.post("/retention/schedules/revoke", data=data, follow_redirects=True)
    assert back.text.count("not confirmed<") == 1
    # Who may only look has no buttons.
    assert "Confirm all" not in house.sign_in("administrator-person").get("/retention/schedules").text


def test_two_persons_on_the_desk(house: House) -> None:
    manager, officer = house.sign_in(MANAGER), house.sign_in(OFFICER)

    def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
        token = token_of(client.get("/retention/policy"))
        return client.post(path, data={"form_token": token, **fields}, follow_redirects=True)

    def decide(client: httpx.Client, reason: str = "", **fields: str) -> httpx.Response:
        page = post(client, "/retention/policy/preview", **fields)
        found = {
            name: unescape(value)
            for name, value in re.findall(r'name="(preview|change)" value="([^"]*)"', page.text)
        }
        assert len(found) == 2, page.text
        return post(client, "/retention/policy/change", reason=reason, **found)

    page = decide(manager, do="set", record_type="correspondence", kind="years", value="40")
    assert "correspondence: 40 years" in page.text
    (entry,) = _entries(house)
    assert "Waits for a second person" in decide(manager, "over", do="remove", id=entry).text
    own = decide(manager, "I approve myself", do="approve", id=entry)
    assert (own.status_code, "another person" in own.text) == (400, True)
    assert "Waits for a second person" not in decide(officer, "agreed", do="approve", id=entry).text
    wrong = post(manager, "/retention/policy/preview", do="set", kind="years", value="many")
    assert (wrong.status_code, "whole number" in wrong.text) == (400, True)


def _entries(house: House) -> list[str]:
    manager = house.app.accounts.authenticate(house.tokens[Role.RECORDS_MANAGER], "api")
    return [one["id"] for one in house.app.decisions.list(manager)]


def test_the_pages_of_retention_fit_a_telephone(shared_house: House, browser: Browser) -> None:
    browser.open(shared_house.app.accounts.link(MANAGER))
    browser.do("document.querySelector('form button.main').click()")
    for page in ("", "/schedules?state=WA", "/policy"):
        browser.open(f"{shared_house.base}/retention{page}")
        assert browser.overflows(1_200, 360) == [], page
    browser.read("document.querySelector('#s-value').value = '15'")
    browser.do("document.querySelector('#s-value').form.querySelector('button').click()")
    assert "stay longer" in browser.text()
    assert browser.overflows(360) == []
    assert [text for text in browser.complaints if text.startswith("error")] == []


def test_doctor_names_what_waits_for_counsel(house: House) -> None:
    found = {check["finding"]: check["ok"] for check in check_all(house.app)}
    assert found["the schedules of this version are in force"]
    assert found["the settings say what counts"]
    assert found["counsel has confirmed every rule that keeps mail here"]


def test_the_command_line_shows_before_it_does(tmp_path: Any) -> None:
    home = Home(tmp_path, extra={"HOLDFAST_JURISDICTIONS": "NY"})
    assert home.run("init").code == 0
    tokens = {}
    for name in ("rita", "sam"):
        ran = home.run("users", "add", name, "--role", "records_manager", "--token", "--json")
        tokens[name] = ran.document["token"]

    def policy(who: str, *args: str) -> Any:
        ran = home.run("retention", "policy", *args, "--json", token=tokens[who])
        assert ran.code == 0, ran
        return ran.document

    shown = policy("rita", "set", "--state", "NY", "--years", "15")
    assert shown["entry"] is None
    assert policy("rita", "show")["default_years"] == 10
    done = policy("rita", "set", "--state", "NY", "--years", "15", "--preview", shown["preview"]["id"])
    assert done["entry"]["state"] == "in_force"
    entry = done["entry"]["id"]
    assert policy("rita", "remove", entry, "--reason", "r", "--yes")["entry"]["state"] == "ending"
    ran = home.run("retention", "policy", "approve", entry, "--reason", "r", "--yes", token=tokens["rita"])
    assert (ran.code, b"another person" in ran.err) == (3, True)
    assert policy("sam", "approve", entry, "--reason", "r", "--yes")["entry"]["state"] == "ended"
    ran = home.run("retention", "policy", "preview", "option", "emancipation", "of", token=tokens["rita"])
    assert (ran.code, b"option NAME on|off" in ran.err) == (2, True)
    assert policy("rita", "preview", "option", "emancipation", "on")["two_persons"]
    ran = home.run("retention", "schedules", "--state", "NY", token=tokens["rita"])
    assert b"not confirmed by counsel" in ran.out
    args = ("retention", "schedules", "confirm", "--state", "NY", "--counsel", "C", "--reason", "r")
    assert home.run(*args, token=tokens["rita"]).code == 0
    ran = home.run("retention", "schedules", "--state", "NY", token=tokens["rita"])
    assert b"not confirmed by counsel" not in ran.out
    ran = home.run("retention", "forecast", "--years", "3", token=tokens["rita"])
    assert b"due by year" in ran.out
    ran = home.run("retention", "run")
    assert re.fullmatch(rb"as of [0-9-]{10}: examined 0, [a-z0-9, ]+ proposed 0", ran.out.strip()), ran


@pytest.mark.parametrize("counts", [[0, 0], [1, 0], [3, 7], [999, 123_456], [1, 1_000_000]])
def test_bars_stay_in_the_picture(counts: list[int]) -> None:
    months = [
        {
            "month": month,
            **{kind: {"messages": count, "bytes": 0} for kind in ("due", "held", "unconfirmed", "extended")},
        }
        for month, count in zip(("now", "2027-03"), counts, strict=True)
    ]
    drawn = picture(months)
    assert [bar.total for bar in drawn.bars] == [4 * count for count in counts]
    for bar in drawn.bars:
        for piece in bar.pieces:
            assert piece.y >= 0
            assert piece.y + piece.height <= drawn.base < HEIGHT
