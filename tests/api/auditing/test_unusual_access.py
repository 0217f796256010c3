"""Unusual access: each rule finds what it is for, says why, and leaves ordinary work alone."""

from __future__ import annotations

from typing import Any

import pytest

from api.auditing.period import Period
from archiver.errors import NotFound
from search.access import AccessDenied, Purpose
from tests.api.auditing.stage import JANE, STAFF, Place

LAST_WEEK = Period()


def findings(place: Place, **settings: Any) -> list[dict[str, Any]]:
    if settings:
        place.app.vault.settings = place.app.vault.settings.model_copy(update=settings)
    # The service reads the settings it was wired with.
    unusual = place.app.auditing.unusual
    unusual._settings = place.app.vault.settings
    items: list[dict[str, Any]] = unusual.report(place.privacy, LAST_WEEK)["items"]
    return items


def rules(found: list[dict[str, Any]]) -> list[str]:
    return [one["rule"] for one in found]


def test_a_day_of_many_messages(anywhere: Place) -> None:
    place = anywhere
    all_mail = [*place.jane, *place.john, *place.others]
    for _ in range(6):
        place.read(place.officer, place.others[0], place.others[1])
        place.read(place.second, *place.others)
        place.clock.pass_(days=1)
        if place.clock.moment.weekday() >= 5:
            place.clock.pass_(days=2)
    place.read(place.officer, *all_mail)
    place.read(place.second, *place.others)
    found = findings(place, unusual_volume_least=5, unusual_volume_factor=4.0)
    (one,) = [one for one in found if one["rule"] == "volume"]
    assert (one["user_name"], one["count"], one["day"]) == ("olga officer", 9, "2026-03-10")
    assert "usual day (the median of 6 days before) is 2" in one["why"]
    assert len(one["entries"]) == 9
    assert "volume" not in rules(findings(place, unusual_volume_factor=5.0))
    assert "volume" not in rules(findings(place, unusual_volume_factor=4.0, unusual_volume_least=10))


def test_hours_and_weekends(place: Place) -> None:
    place.read(place.officer, place.others[0])
    assert findings(place) == []
    place.clock.pass_(hours=13)
    place.read(place.officer, place.others[0])
    place.clock.pass_(days=4, hours=12)
    place.read(place.second, place.others[0], place.others[1])
    found = findings(place)
    assert [(one["rule"], one["user_name"], one["day"], one["count"]) for one in found] == [
        ("hours", "olga officer", "2026-03-02", 1),
        ("hours", "sam second", "2026-03-07", 2),
    ]
    assert "unusual_hours" in found[0]["why"]
    assert "Saturday" in found[1]["why"]
    assert findings(place, unusual_hours="", unusual_weekends=False) == []


def test_who_was_refused_saw_nothing(place: Place) -> None:
    """At night, twelve messages: unusual refusals, and no look at any mail."""
    place.clock.moment = place.clock.moment.replace(hour=3)
    for one in [*place.jane, *place.john, *place.others, *place.jane]:
        with pytest.raises(AccessDenied):
            place.app.room.open(place.privacy, Purpose.AUDIT, one)
    assert [(one["rule"], one["count"]) for one in findings(place)] == [("denials", 12)]
    report = place.app.auditing.reports.of_user(place.deputy, "petra privacy", Period())
    assert (report["messages"], report["patients"], report["denied"]) == (0, 0, 12)


def test_refusals(place: Place) -> None:
    for _ in range(4):
        with pytest.raises(AccessDenied):
            place.app.room.open(place.deputy, Purpose.AUDIT, place.jane[0])
    assert findings(place) == []
    (one,) = findings(place, unusual_denials=4)
    assert (one["rule"], one["user_name"], one["count"]) == ("denials", "dora deputy", 4)


def test_a_known_person(anywhere: Place) -> None:
    place = anywhere
    watched = place.app.auditing.watched
    place.read(place.officer, place.jane[0])
    assert findings(place) == []
    made = watched.add(place.privacy, "vip", JANE, reason="the mayor")
    place.app.room.search(place.officer, Purpose.OPERATIONS, "to:jane@home.example")
    (one,) = findings(place)
    assert (one["rule"], one["count"], one["patient"]) == ("vip", 2, place.roster[JANE])
    assert watched.list(place.privacy)[0]["reason"] == "the mayor"
    watched.end(place.privacy, made["id"])
    assert findings(place) == []
    with pytest.raises(NotFound):
        watched.end(place.privacy, made["id"])
    with pytest.raises(NotFound):
        watched.add(place.privacy, "vip", "MRN-0")


def test_co_workers_and_ones_own_record(place: Place) -> None:
    """By the name of a user, and by an address of the organisation's."""
    app = place.app
    about_sam = app.room.search(place.officer, Purpose.OPERATIONS, "zebrafinch").items
    assert about_sam
    source = app.vault.sources.all()[0].id
    from archiver.capture.ports import Arrival
    from tests.api.house import mail
    from tests.support.golden import store

    (letter,) = store(app, [Arrival(mail("Sam", "a result", to="sam@clinic.example", number=9), source)])
    place.read(place.officer, letter)
    place.read(place.second, letter)
    found = {(one["rule"], one["user_name"]) for one in findings(place)}
    assert found == {("coworker", "olga officer"), ("own_record", "sam second")}
    assert {one["patient"] for one in findings(place)} == {place.roster[STAFF]}
    # Jane has an address that becomes one of the organisation's.
    place.read(place.officer, place.jane[0])
    found = {
        (one["rule"], one["patient"]) for one in findings(place, unusual_staff_domains=("home.example",))
    }
    assert ("coworker", place.roster[JANE]) in found
