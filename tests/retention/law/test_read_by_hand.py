"""Every row of the schedules against dates worked out by hand from the columns of the row and its note.

`read_by_hand_*.csv`, one line or more for each row of the schedules:

- `rule_id`: the row. Its State, provider type and record type are facts too, unless the facts name others.
- `facts`: `name=value` pairs of FACTS.json, apart by spaces. `?` is unknown, `A,B` is a list.
- `expected`: the first day of lawful disposal, `permanent`, or `missing` and the facts without which it
  can't be said, all rules of the State and the nation together.
- `row`: what the row itself gives where that is not `expected`: a date, `permanent`, or `nothing`.
- `reason`: why, in a few words.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from retention.clock.clock import compute
from retention.clock.facts import FLAGS, Facts
from retention.clock.result import Candidate, Result
from retention.law.schedules import default_schedule

COLUMNS = ("rule_id", "facts", "expected", "row", "reason")
PLACES = sorted({rule.jurisdiction for rule in default_schedule().rules})


class Line(NamedTuple):
    where: str
    rule_id: str
    facts: str
    expected: str
    row: str
    reason: str


def _lines() -> Iterator[Line]:
    for path in sorted(Path(__file__).parent.glob("read_by_hand_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            assert tuple(reader.fieldnames or ()) == COLUMNS, path.name
            for cells in reader:
                yield Line(f"{path.name}, line {reader.line_num}", **cells)


LINES = list(_lines())


def _facts(line: Line) -> Facts:
    rule = default_schedule().rule(line.rule_id)
    assert rule is not None, f"{line.where}: no such row"
    document: dict[str, object] = {
        "provider_type": rule.provider_type,
        "record_types": [rule.record_type],
        "jurisdictions": [rule.jurisdiction],
    }
    for pair in line.facts.split():
        name, _, text = pair.partition("=")
        values = [
            None if word == "?" else word == "true" if name in FLAGS else word for word in text.split(",")
        ]
        document[name] = values if len(values) > 1 else values[0]
    return Facts.from_json(document)


def _said(found: Candidate | None) -> str:
    if found is None:
        return "nothing"
    return "permanent" if found.date is None else found.date.isoformat()


def _whole(result: Result) -> str:
    if result.missing:
        return f"missing {' '.join(result.missing)}"
    return _said(result.governing)


def _of_row(result: Result, rule_id: str) -> str:
    found = [one for one in (*result.candidates, *result.advice) if one.rule_id == rule_id]
    return _said(found[0] if found else None)


@pytest.mark.parametrize("place", PLACES)
def test_as_read_by_hand(place: str) -> None:
    lines = [line for line in LINES if line.rule_id.split("-")[0] == place]
    wrong = []
    for line in lines:
        assert line.reason, f"{line.where}: no reason"
        result = compute(_facts(line), default_schedule())
        given = _whole(result), _of_row(result, line.rule_id)
        lacking = line.expected.startswith("missing") and not line.row
        wanted = line.expected, given[1] if lacking else line.row or line.expected
        if given != wanted:
            wrong.append(f"{line.where}: {line.rule_id} gives {given}, by hand {wanted} ({line.reason})")
    assert not wrong, "\n".join(wrong)
    rows = {rule.rule_id for rule in default_schedule().rules if rule.jurisdiction == place}
    assert rows - {line.rule_id for line in lines} == set(), "rows that nobody read"
