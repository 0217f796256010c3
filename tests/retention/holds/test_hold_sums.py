"""The sums of a preview and of a report are those that counting one message at a time gives."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from archiver.capture.ports import Arrival
from archiver.store import tokens
from tests.retention.whole_house import House, mail

ANN = "ann@xn--bcher-kva.example"
IN_LETTERS = "ann@b\u00fccher.example"
BOB = "bob@clinic.example"
SUMS = ("matched", "bytes", "custodians", "sources", "months", "also_held")


def sums(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in SUMS}


@pytest.fixture
def sizes(house: House) -> dict[str, int]:
    """Mail of three months that two sources brought, some of it again and again; sizes by name."""
    cellar = house.vault.sources.add("import", "cellar").id
    day = "Date: Mon, 10 Jan 2005 09:00:00 +0000"
    raw = {
        "both": f"From: {IN_LETTERS}\r\nTo: {ANN}\r\n{day}\r\n\r\nx".encode(),
        "bob": mail(sender=BOB, to=BOB, sent=date(2005, 2, 1)),
        "again": mail(sender=ANN, to=BOB, sent=date(2005, 2, 28)),
        "late": mail(sender=ANN, to=BOB, sent=date(2006, 12, 31)),
    }

    def by(source: str, *names: str) -> None:
        house.capture(*(Arrival(raw[name], source, attested_by="records office") for name in names))

    by(house.source, "both", "bob", "again", "again")
    assert tokens.file(house.vault.records, least=1) == 3
    # From here on nothing is filed by token: who looks for a name finds it all the same.
    by(cellar, "again", "again", "late")
    by(house.source, "bob", "late", "late")
    house.index()
    return {name: len(data) for name, data in raw.items()}


def test_every_sum_of_a_hold(house: House, matter: str, sizes: dict[str, int]) -> None:
    criteria: dict[str, Any] = {"custodians": [ANN, BOB], "after": "1990-01-01"}
    expected = {
        "matched": 4,
        "bytes": sum(sizes.values()),
        # One message bears both spellings of Ann's address and counts once.
        "custodians": {ANN: 3, BOB: 3},
        "sources": [
            ("house", 4, sum(sizes.values())),
            ("cellar", 2, sizes["again"] + sizes["late"]),
        ],
        "months": [
            {"month": "2005-01", "messages": 1, "bytes": sizes["both"]},
            {"month": "2005-02", "messages": 2, "bytes": sizes["bob"] + sizes["again"]},
            {"month": "2006-12", "messages": 1, "bytes": sizes["late"]},
        ],
        "also_held": 0,
    }
    preview = sums(house.holds.preview(house.lawyer, matter, **criteria))
    hold = house.holds.create(house.lawyer, matter, **criteria)
    report = sums(house.holds.report(house.lawyer, hold["id"]))
    assert preview == report
    by_source = [(one["id"], one["messages"], one["bytes"]) for one in report["sources"]]
    names = {house.source: "house"}
    assert [(names.get(one, "cellar"), *rest) for one, *rest in by_source] == expected["sources"]
    assert {**report, "sources": expected["sources"]} == expected


def test_a_narrower_hold_beside_a_wide_one(house: House, matter: str, sizes: dict[str, int]) -> None:
    wide = house.holds.create(house.lawyer, matter, after="1990-01-01")
    criteria: dict[str, Any] = {"custodians": [IN_LETTERS], "sources": ["cellar"]}
    preview = sums(house.holds.preview(house.lawyer, matter, **criteria))
    hold = house.holds.create(house.lawyer, matter, **criteria)
    report = sums(house.holds.report(house.lawyer, hold["id"]))
    assert preview == report
    assert (report["matched"], report["also_held"]) == (2, 2)
    assert report["custodians"] == {IN_LETTERS: 2}
    assert report["bytes"] == sizes["again"] + sizes["late"]
    every = sums(house.holds.report(house.lawyer, wide["id"]))
    assert (every["matched"], every["also_held"], every["custodians"]) == (4, 2, {})


def test_a_hold_that_covers_nothing(house: House, matter: str, sizes: dict[str, int]) -> None:
    criteria: dict[str, Any] = {"custodians": ["nobody@clinic.example"]}
    nothing = {"matched": 0, "bytes": 0, "sources": [], "months": [], "also_held": 0}
    expected = {**nothing, "custodians": {"nobody@clinic.example": 0}}
    assert sums(house.holds.preview(house.lawyer, matter, **criteria)) == expected
    hold = house.holds.create(house.lawyer, matter, **criteria)
    assert sums(house.holds.report(house.lawyer, hold["id"])) == expected
