"""Promise 4, page by page: as test_http_audit_walk.py, for the routes of the desk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from search.access import Role
from tests.api.walk_stage import open_stage
from tests.api.walking import Walker, routes


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walker]:
    with open_stage(tmp_path_factory.mktemp("walk")) as stage:
        yield Walker(stage)


@routes(desk=True)
def test_who_may_and_what_it_leaves(walker: Walker, method: str, path: str) -> None:
    walker.walk(method, path)


def test_sign_in_is_on_record(walker: Walker) -> None:
    walker.forgive()
    start = walker.house.audit_size()
    client = walker.house.client()
    client.headers["Sec-Fetch-Site"] = "same-origin"
    assert client.post("/sign-in/hf_" + "C" * 43).status_code == 401
    assert walker.seen(start) == [("session.use", "failed", "anonymous")]
    link = walker.house.app.accounts.link("legal-person")
    start = walker.house.audit_size()
    assert client.post(f"/sign-in/{link.rpartition('/')[2]}").status_code == 303
    assert walker.seen(start) == [("session.open", "success", walker.user(Role.LEGAL))]
