"""Dates follow from the facts that stand when they are written, however often these change meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from archiver.store.schema import messages
from retention.dating.computing import compute
from retention.dating.verdicts import Verdict, Verdicts
from retention.roster import stale
from retention.roster.patient import Patient
from tests.retention.whole_house import House, mail


def seen(day: date) -> Patient:
    return Patient("MRN-1001", "Jane Roe", born=date(1940, 1, 1), last_encounter=day, discharged=day)


def dates(house: House) -> set[date | None]:
    with house.vault.records.read() as connection:
        return set(connection.scalars(select(messages.c.disposal_date)))


def between(house: House, monkeypatch: pytest.MonkeyPatch, happens: Any) -> list[int]:
    """Have something happen when verdicts are computed and not yet written; of how many, each time."""
    asked: list[int] = []
    of = Verdicts.of

    def computed(self: Verdicts, pks: Sequence[int], policy: Any = None) -> dict[int, Verdict]:
        found = of(self, pks, policy)
        asked.append(len(pks))
        happens(len(pks), len(asked))
        return found

    monkeypatch.setattr(Verdicts, "of", computed)
    return asked


def test_facts_that_change_all_the_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pks = [house.capture(house.arrival(mail()))[0].pk for _ in range(5)]

    def happens(many: int, _: int) -> None:
        if many > 1:
            with house.vault.records.write() as connection:
                stale.next_version(connection)

    asked = between(house, monkeypatch, happens)
    assert compute(house.vault, house.explainer.verdicts, pks).keys() == set(pks)
    assert asked == [5, 3, 2, 1, 1, 1, 2, 1, 1]
    assert None not in dates(house)


def test_what_changed_meanwhile_is_not_overwritten(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.patients.import_roster([seen(date(2006, 1, 1))])
    pk = house.capture(house.arrival(mail(body="about MRN-1001")))[0].pk
    old = compute(house.vault, house.explainer.verdicts, [pk])[pk].disposal_date

    def happens(_: int, time: int) -> None:
        if time == 1:
            house.patients.import_roster([seen(date(2026, 1, 1))])

    asked = between(house, monkeypatch, happens)
    new = compute(house.vault, house.explainer.verdicts, [pk])[pk].disposal_date
    assert asked == [1, 1]
    assert old is not None
    assert new is not None
    assert new > old
    assert dates(house) == {new}
