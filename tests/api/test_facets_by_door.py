"""Facets, histogram, orders, groups and related mail by the HTTP API."""

from __future__ import annotations

from search.access import Role
from search.engine.views import FACETS
from tests.api.house import House

API = "/api/v1"
LEGAL = {"X-Purpose": "legal"}


def test_an_answer_has_what_was_asked_besides_the_page(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    asked = {"query": "zebrafinch", "facets": True, "histogram": True, "group": "conversation"}
    page = client.post(f"{API}/search", json=asked, headers=LEGAL).json()
    assert list(page["facets"]) == list(FACETS)
    for facet in page["facets"].values():
        assert set(facet) == {"values", "others", "without"}
        for value in facet["values"]:
            narrowed = {"query": f"zebrafinch AND ({value['query']})"}
            found = client.post(f"{API}/search", json=narrowed, headers=LEGAL).json()
            assert found["total"] == value["count"] > 0
    bars = page["histogram"]
    assert bars["before"] + bars["after"] + sum(bar["count"] for bar in bars["bars"]) == page["total"]
    assert page["group"]["by"] == "conversation"
    assert sum(item["members"] for item in page["items"]) == page["total"]
    plain = client.post(f"{API}/search", json={"query": "zebrafinch"}, headers=LEGAL).json()
    assert plain["total"] == page["total"]
    assert (plain["facets"], plain["histogram"], plain["group"], plain["ranked_among"]) == (None,) * 4


def test_some_facets_by_name_and_every_order(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    for sort in ("newest", "oldest", "relevance", "largest", "smallest"):
        asked = {"query": "zebrafinch", "facets": ["sender"], "facet_limit": 1, "sort": sort}
        page = client.post(f"{API}/search", json=asked, headers=LEGAL).json()
        assert list(page["facets"]) == ["sender"]
        assert len(page["facets"]["sender"]["values"]) == 1
        assert page["ranked_among"] == (page["total"] if sort == "relevance" else None)
    sizes = [item["size"] for item in page["items"]]
    assert sizes == sorted(sizes)
    for wrong in ({"facets": ["bcc"]}, {"group": "sender"}, {"facet_limit": 0}, {"sort": "loudest"}):
        refused = client.post(f"{API}/search", json={"query": "x", **wrong}, headers=LEGAL)
        assert refused.status_code == 422


def test_related_mail_by_its_routes(house: House) -> None:
    client = house.client(Role.COMPLIANCE_OFFICER)
    found = client.post(f"{API}/search", json={"query": "zebrafinch"}, headers=LEGAL).json()["items"]
    for by in ("conversation", "similar"):
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            address = f"{API}/messages/{found[0]['id']}/{by}"
            page = client.get(address, params={"limit": "1", **after}, headers=LEGAL).json()
            assert (page["id"], page["by"]) == (found[0]["id"], by)
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert found[0]["id"] in seen
        assert len(seen) == len(set(seen)) == page["total"]
        assert client.get(address).status_code == 422
        assert client.get(f"{API}/messages/mnothing/{by}", headers=LEGAL).status_code == 404
