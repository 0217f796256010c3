"""Saved searches, alerts, tags, notes and what wasn't searched, by HTTP and at the desk."""

from __future__ import annotations

from typing import Any

import httpx

from archiver.capture.ports import Arrival
from search.access import Role
from tests.api.house import House, mail
from tests.support.golden import store

OFFICER = Role.COMPLIANCE_OFFICER
PURPOSE = {"X-Purpose": "legal"}


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def arrive(house: House, *bodies: str) -> list[str]:
    source = house.app.vault.sources.all()[0].id
    raws = [mail("news", body, number=60 + n) + f"{n}".encode() for n, body in enumerate(bodies)]
    return store(house.app, [Arrival(raw, source) for raw in raws])


def test_a_saved_search_and_its_alert(house: House) -> None:
    client = house.client(OFFICER)
    made = ok(
        client.post(
            "/api/v1/searches",
            json={"name": "birds", "query": "zebrafinch", "purpose": "legal", "alert": True},
        ),
        201,
    )
    url = f"/api/v1/searches/{made['id']}"
    assert ok(client.get(url)) == made
    assert [one["id"] for one in ok(client.get("/api/v1/searches"))["items"]] == [made["id"]]
    page = ok(client.post(f"{url}/run", json={"limit": 2}))
    assert (page["total"], len(page["items"])) == (3, 2)
    assert page["unsearched"] == {"partly": 0, "waiting": 0, "unindexed": 0}
    rest = ok(client.post(f"{url}/run", json={"limit": 2, "cursor": page["next"]}))
    assert len(rest["items"]) == 1
    new = arrive(house, "a zebrafinch", "a zebrafinch", "an okapi")
    house.app.matcher.run()
    (alert,) = ok(client.get("/api/v1/alerts"))["items"]
    assert (alert["name"], alert["new"]) == ("birds", 2)
    shown = ok(client.get(f"/api/v1/alerts/{made['id']}?limit=1"))
    more = ok(client.get(f"/api/v1/alerts/{made['id']}?limit=1&cursor={shown['next']}"))
    assert {shown["items"][0]["id"], more["items"][0]["id"]} == set(new[:2])
    until = {"until": shown["as_of"]}
    assert ok(client.post(f"/api/v1/alerts/{made['id']}/acknowledge", json=until))["acknowledged"] == 2
    changed = ok(client.post(url, json={"name": "finches", "alert": False, "matter": None}))
    assert (changed["name"], changed["alert"]) == ("finches", False)
    for wrong in ({"sort": "loudest"}, {"purpose": "none"}, {"colour": "red"}, {"shared": "world"}):
        assert client.post(url, json=wrong).status_code == 422
    refused(client.post(url, json={"query": "nofield:x"}), 400, "bad_query")
    assert ok(client.post(f"{url}/delete")) == {"id": made["id"], "deleted": True}
    refused(client.get(url), 404, "not_found")
    refused(house.client(Role.LEGAL).get(url), 404, "not_found")


def test_tags_and_notes(house: House) -> None:
    client = house.client(OFFICER)
    tag = ok(client.post("/api/v1/tags", json={"name": "Privileged", "about": "counsel"}), 201)
    refused(client.post("/api/v1/tags", json={"name": "privileged"}), 409, "name_taken")
    url = f"/api/v1/tags/{tag['id']}/put"
    done = ok(client.post(url, json={"query": "zebrafinch"}, headers=PURPOSE))
    assert (done["matched"], done["changed"]) == (3, 3)
    assert ok(client.post(url, json={"messages": house.ids[:1], "on": False}))["changed"] == 1
    with house.app.indexing() as pair:
        assert pair is not None
        pair[0].drain_relabels()
    found = ok(client.post("/api/v1/search", json={"query": "tag:privileged", "purpose": "legal"}))
    assert found["total"] == 2
    for wrong in ({}, {"messages": [], "on": True}, {"messages": ["m"], "query": "x"}):
        assert client.post(url, json=wrong).status_code == 422
    assert client.post(url, json={"query": "zebrafinch"}).status_code == 422  # no purpose
    message = house.ids[0]
    told = ok(client.get(f"/api/v1/messages/{message}/tags"))
    assert (told["tags"], [one["put"] for one in told["history"]]) == ([], [False, True])
    notes = f"/api/v1/messages/{message}/notes"
    note = ok(client.post(notes, json={"text": "ask counsel"}), 201)
    ok(client.post(f"{notes}/{note['id']}", json={"text": "asked"}))
    assert client.get(notes).status_code == 422  # no purpose
    assert [one["text"] for one in ok(client.get(notes, headers=PURPOSE))["items"]] == ["asked"]
    ok(client.post(f"{notes}/{note['id']}/withdraw"))
    assert ok(client.get(notes, headers=PURPOSE))["items"] == []
    assert len(ok(client.get(notes, params={"history": True}, headers=PURPOSE))["items"]) == 3
    ok(client.post(f"/api/v1/tags/{tag['id']}/retire"))
    refused(client.post(url, json={"messages": house.ids[:1]}), 409, "tag_retired")


def test_a_result_too_large_for_one_request_is_refused_whole(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr("api.http.api_tags.MOST", 2)
    client = house.client(OFFICER)
    tag = ok(client.post("/api/v1/tags", json={"name": "seen"}), 201)["id"]
    answer = client.post(f"/api/v1/tags/{tag}/put", json={"query": "zebrafinch", "purpose": "legal"})
    refused(answer, 413, "too_many_at_once")
    assert ok(client.get(f"/api/v1/messages/{house.ids[0]}/tags"))["history"] == []


def test_what_was_not_searched(house: House) -> None:
    client = house.client(OFFICER)
    source = house.app.vault.sources.all()[0].id
    with house.app.intake(None) as intake:  # and not indexed
        waits = intake.submit(Arrival(mail("late", "soon", number=77), source)).result(30).id
    asked = {"query": "zebrafinch date:2024", "purpose": "legal"}
    page = ok(client.post("/api/v1/search", json=asked))
    assert page["unsearched"] == {"partly": 0, "waiting": 1, "unindexed": 0}
    listed = ok(client.post("/api/v1/search/unsearchable", json=asked))
    assert [(one["id"], one["kind"]) for one in listed["items"]] == [(waits, "waiting")]
    elsewhere = {**asked, "query": "zebrafinch date:2023"}
    assert ok(client.post("/api/v1/search/unsearchable", json=elsewhere))["total"] == 0
    refused(client.post("/api/v1/search/unsearchable", json={**asked, "query": "a:b"}), 400, "bad_query")


def test_the_desk(house: House) -> None:
    desk = house.sign_in("compliance_officer-person")
    token = house.form_token(desk)

    def post(path: str, status: int = 200, **data: str) -> str:
        answer = desk.post(path, data={"form_token": token, **data})
        assert answer.status_code == status, answer.text
        return answer.text

    post("/searches", 303, name="<b>birds</b>", query="zebrafinch", purpose="legal", alert="on")
    listed = desk.get("/searches").text
    assert "&lt;b&gt;birds&lt;/b&gt;" in listed
    assert "<b>birds" not in listed
    (search,) = house.app.saved.list(house.app.accounts.authenticate(house.tokens[OFFICER], "api"))
    found = post(f"/searches/{search['id']}/run")
    assert "3 messages" in found
    broken = post("/searches", 400, name="x", query="nofield:x", purpose="legal")
    assert "nofield:x" in broken  # what was typed is kept in the form
    (new,) = arrive(house, "one more zebrafinch")
    house.app.matcher.run()
    assert search["id"] in desk.get("/alerts").text
    shown = desk.get(f"/alerts/{search['id']}").text
    assert new in shown
    until = shown.split('name="until" value="')[1].split('"')[0]
    post(f"/alerts/{search['id']}/acknowledge", 303, until=until)
    assert new not in desk.get(f"/alerts/{search['id']}").text
    post(f"/alerts/{search['id']}/acknowledge", 422, until="soon")

    post("/tags", 303, name="privileged")
    assert "privileged" in desk.get("/tags").text
    page = post(f"/messages/{new}", purpose="legal")
    assert "no tags" in page
    tagged = post(f"/messages/{new}/tags", tag="privileged", do="put", purpose="legal")
    assert "put on" in tagged
    noted = post(f"/messages/{new}/notes", text="<i>ask</i>", purpose="legal")
    assert "&lt;i&gt;ask&lt;/i&gt;" in noted
    page = post(f"/messages/{new}", purpose="legal")
    assert '<span class="tag">privileged</span>' in page
    assert "&lt;i&gt;ask" in page
    post(f"/messages/{new}/notes", 422, text="  ", purpose="legal")
    post(f"/messages/{new}/notes", 422, text="no purpose")
    (note,) = house.app.notes.of(
        house.app.accounts.authenticate(house.tokens[OFFICER], "api"),
        "legal",
        new,  # type: ignore[arg-type]
    )
    assert "withdrawn" in post(f"/messages/{new}/notes/{note['id']}", do="withdraw", purpose="legal")
    with house.app.intake(None) as intake:
        source = house.app.vault.sources.all()[0].id
        waits = intake.submit(Arrival(mail("late", "soon", number=78), source)).result(30).id
    result = post("/search", query="zebrafinch", purpose="legal")
    assert "Show which, and why" in result
    assert waits in post("/unsearchable", query="zebrafinch", purpose="legal")
    post(f"/searches/{search['id']}/change", 303, alert="off")
    post(f"/searches/{search['id']}/delete", 303)
    assert search["id"] not in desk.get("/searches").text
