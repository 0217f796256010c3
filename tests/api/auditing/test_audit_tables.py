"""Reports as tables: every row of them, whatever their length; and how the command line is asked for one."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.auditing.period import Period
from api.auditing.tables import table
from api.cli.audit import _asked, _limit
from api.cli.verb import UsageError
from search.access import AccessDenied, Purpose
from tests.api.auditing.stage import JANE, Place

ALL = Period()


def rows(lines: Iterator[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(lines))))


def test_a_table_has_every_page(place: Place) -> None:
    for _ in range(7):
        place.read(place.officer, place.jane[0], purpose=Purpose.TREATMENT)
    reports = place.app.auditing.reports
    for kind, ask in (
        ("user", lambda after: reports.of_user(place.privacy, "olga officer", ALL, limit=3, after=after)),
        ("patient", lambda after: reports.of_patient(place.privacy, JANE, ALL, limit=3, after=after)),
    ):
        found = rows(table(kind, ask))
        assert [one["action"] for one in found] == ["message.read"] * 7
        assert {one["purpose"] for one in found} == {"treatment"}
        numbers = [int(one["n"]) for one in found]
        assert numbers == sorted(set(numbers))
    assert json.loads(found[0]["messages"]) == [place.jane[0]]


def test_what_people_typed_is_no_formula(place: Place) -> None:
    place.app.room.search(place.officer, Purpose.OPERATIONS, "-zebrafinch")
    reports = place.app.auditing.reports
    found = rows(
        table("user", lambda after: reports.of_user(place.privacy, "olga officer", ALL, after=after))
    )
    assert {one["query"] for one in found if one["action"] == "search.query"} == {"'-zebrafinch"}


def test_a_table_is_refused_before_its_first_row(place: Place) -> None:
    with pytest.raises(AccessDenied):
        table("summary", lambda _: place.app.auditing.reports.summary(place.officer, ALL))


def test_the_summary_counts_what_the_log_holds(anywhere: Place) -> None:
    anywhere.read(anywhere.officer, anywhere.jane[0], anywhere.jane[1])
    found = anywhere.app.auditing.reports.summary(anywhere.privacy, ALL)
    leaves = anywhere.leaves()
    assert found["total"] == len(leaves)
    for one in found["items"]:
        same = [x for x in leaves if all(x[name] == one[name] for name in ("user", "action", "outcome"))]
        assert one["count"] == len(same)
    (seen,) = [one for one in found["items"] if one["action"] == "message.read"]
    assert (seen["user_name"], seen["count"]) == ("olga officer", 2)
    anywhere.clock.pass_(days=40)
    month = Period(0, 1)
    assert anywhere.app.auditing.reports.summary(anywhere.privacy, month)["items"] == []


@pytest.mark.parametrize(
    ("kind", "who", "user", "patient", "found"),
    [
        ("user", "olga", None, None, ("user", "olga")),
        ("user", None, "olga", None, ("user", "olga")),
        (None, None, "olga", None, ("user", "olga")),
        (None, None, None, "MRN-1", ("patient", "MRN-1")),
        ("disclosures", None, None, "MRN-1", ("disclosures", "MRN-1")),
        ("sign-ins", None, None, None, ("sign-ins", "")),
        (None, None, None, None, (None, "")),
        ("user", None, None, None, None),
        ("user", " ", None, None, None),
        ("user", "olga", "olga", None, None),
        ("user", None, None, "MRN-1", None),
        ("unusual", "olga", None, None, None),
        ("sign-ins", None, "olga", None, None),
        (None, None, "olga", "MRN-1", None),
    ],
)
def test_whom_a_report_is_about(
    kind: str | None, who: str | None, user: str | None, patient: str | None, found: Any
) -> None:
    args = argparse.Namespace(kind=kind, who=who, user=user, patient=patient)
    if found is not None:
        assert _asked(args) == found
        return
    with pytest.raises(UsageError):
        _asked(args)


@pytest.mark.parametrize("text", ["0", "501", "-1", "many", "³"])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    assert _limit("500") == 500
    with pytest.raises(argparse.ArgumentTypeError):
        _limit(text)
