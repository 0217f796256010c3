"""Promise 4, route by route: every address is called without a sign-in, by every role that may not, without a
purpose, and by roles that may; each call must leave the audit entry that `api/http/routes.py` declares.

Here the API's; the desk's are in test_desk_audit_walk.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http import create_http_app
from api.http.app import walk
from api.http.auth import ENROLLING
from api.http.routes import API, ROUTES
from tests.api.house import House, open_house
from tests.api.walk_stage import open_stage
from tests.api.walking import GUARDED, OPEN, Walker, routes


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walker]:
    with open_stage(tmp_path_factory.mktemp("walk")) as stage:
        yield Walker(stage)


def test_every_route_is_in_the_table_and_the_table_has_no_other(shared_house: House) -> None:
    http = create_http_app(shared_house.app)
    assert set(walk(http.routes)) == set(ROUTES)
    for key, audited in ROUTES.items():
        assert audited.actions or audited.why, key


def test_a_route_that_declares_nothing_does_not_start(
    shared_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = {key: value for key, value in ROUTES.items() if key != ("GET", f"{API}/audit")}
    monkeypatch.setattr("api.http.app.ROUTES", fewer)
    with pytest.raises(LookupError):
        create_http_app(shared_house.app)


@routes(desk=False)
def test_who_may_and_what_it_leaves(walker: Walker, method: str, path: str) -> None:
    walker.walk(method, path)


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_open_routes_need_no_record(walker: Walker, method: str, path: str) -> None:
    house = walker.house
    start = house.audit_size()
    answer = walker.call_as_nobody(method, path)
    assert answer.status_code == 200, answer.text
    assert house.audit_size() == start
    text = answer.text
    for told in ("zebrafinch", "clinic.example", "shared mailbox", *house.ids):
        assert told not in text


def test_a_session_that_can_only_enrol_reaches_nothing_else(tmp_path: Path) -> None:
    """Every guarded route, with a session that an enrolment link began: refused, on record, no content."""
    with open_house(tmp_path, messages=1, passkeys="required") as house:
        desk = house.client()
        desk.headers.update({"Sec-Fetch-Site": "same-origin"})
        code = house.app.accounts.link("compliance_officer-person").rpartition("/")[2]
        assert desk.post(f"/sign-in/{code}").headers["location"] == "/account"
        for method, path in GUARDED:
            if path in ENROLLING:
                continue
            start = house.audit_size()
            answer = desk.request(method, re.sub(r"\{\w+\}", "a" * 16, path), json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "passkey_needed"), (method, path)
            (entry,) = house.entries_since(start)
            assert (entry["action"], entry["reason"]) == ("session.use", "enrol_first"), (method, path)
        assert desk.get("/account", headers={"Accept": "text/html"}).status_code == 200
        assert desk.get(f"{API}/session").status_code == 200
