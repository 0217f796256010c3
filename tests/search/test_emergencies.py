"""Break-glass, and the circumstances that the policy is told of: place, hour, volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from archiver.errors import DestructionRefused
from archiver.store.schema import access_hours, account_notices, emergencies
from config.access import in_hours, in_networks
from config.errors import ConfigError
from config.settings import Settings, load
from search.access import AccessDenied, Action, Purpose
from search.approving.errors import SecondPersonMissing
from search.emergencies import next_business_day
from search.granting.errors import BadGrant, WrongGrantState
from tests.retention.whole_house import open_house
from tests.search.access_house import AccessHouse, access_house

WHY = "an unconscious patient in the emergency room"
USE = Purpose.TREATMENT


@pytest.fixture
def access(settings: Settings) -> Iterator[AccessHouse]:
    with open_house(settings) as house:
        yield access_house(house)


def notices(access: AccessHouse) -> list[tuple[str, str]]:
    with access.vault.records.read() as connection:
        rows = connection.execute(select(account_notices).order_by(account_notices.c.made_us)).all()
    return [(row.user_id, row.kind) for row in rows]


def test_break_glass_from_beginning_to_review(access: AccessHouse) -> None:
    house, lawyer = access.house, access.house.lawyer
    (ann,) = house.old(sender="ann@clinic.example", to="x@lab.example", body="a walrus")
    (cleo,) = house.old(sender="cleo@clinic.example", to="x@lab.example", body="a walrus")
    house.index()
    with pytest.raises(AccessDenied):
        access.room.open(lawyer, USE, ann.receipt.id)
    with pytest.raises(BadGrant):  # whose mail isn't said
        access.emergencies.begin(lawyer, reason=WHY)
    with pytest.raises(BadGrant):
        access.emergencies.begin(lawyer, reason="soon", everything=True)
    with pytest.raises(AccessDenied):  # administrators see no mail, in no emergency
        access.emergencies.begin(house.administrator, reason=WHY, everything=True)
    begun = access.emergencies.begin(
        lawyer, reason=WHY, cover={"custodians": "ann@clinic.example"}, minutes=30
    )
    # The alarm is durable with it: no later than the first look.
    assert notices(access) == [(access.privacy.user_id, "emergency_begun")]
    assert access.audited()[-1] == ("emergency.begin", "success", lawyer.user_id)
    page = access.room.search(lawyer, USE, "walrus")
    assert [item.id for item in page.items] == [ann.receipt.id]
    access.room.open(lawyer, USE, ann.receipt.id)
    with pytest.raises(AccessDenied):
        access.room.open(lawyer, USE, cleo.receipt.id)
    # Read-only: nothing that their role could do otherwise.
    for action in (Action.EXPORT, Action.MATTER_MANAGE, Action.HOLD_MANAGE, Action.HOLD_RELEASE):
        with pytest.raises(AccessDenied):
            access.gate.require(lawyer, action, USE)
    with pytest.raises(WrongGrantState):
        access.emergencies.begin(lawyer, reason=WHY, everything=True)
    with pytest.raises(WrongGrantState):  # not over yet
        access.emergencies.review(access.privacy, begun["id"], "justified", "looked at it all")
    house.clock.ahead += timedelta(minutes=31)
    with pytest.raises(AccessDenied):
        access.room.open(lawyer, USE, ann.receipt.id)
    (listed,) = access.emergencies.list(access.privacy)
    assert (listed["on"], listed["messages_opened"]) == (False, 2), "tries count too"
    reviewed = access.emergencies.review(access.privacy, begun["id"], "justified", "looked at it all")
    assert reviewed["verdict"] == "justified"
    with pytest.raises(WrongGrantState):
        access.emergencies.review(access.privacy, begun["id"], "unjustified", "looked at it all")
    with pytest.raises(DestructionRefused), access.vault.records.write() as connection:
        connection.execute(update(emergencies).values(verdict="unjustified"))
    with pytest.raises(DestructionRefused), access.vault.records.write() as connection:
        connection.execute(text("DELETE FROM emergencies"))


def test_without_a_review_it_can_not_be_used_again(access: AccessHouse) -> None:
    house, officer = access.house, access.house.officer
    begun = access.emergencies.begin(officer, reason=WHY, everything=True)
    access.emergencies.end(officer)
    access.emergencies.begin(officer, reason=WHY, everything=True)
    access.emergencies.end(officer)
    with pytest.raises(SecondPersonMissing):
        access.emergencies.review(officer, begun["id"], "justified", "I looked at it all")
    assert ("emergency.review", "denied", officer.user_id) in access.audited()
    house.clock.ahead += timedelta(days=4)
    with pytest.raises(AccessDenied, match="reviewed"):
        access.emergencies.begin(officer, reason=WHY, everything=True)
    assert access.emergencies.counts() == {"on": 0, "unreviewed": 2, "late": 2}
    assert [access.emergencies.remind() for _ in range(3)] == [1, 0, 0], "once"
    assert notices(access)[-1] == (access.privacy.user_id, "emergency_late")
    for one in access.emergencies.list(house.second):
        access.emergencies.review(house.second, one["id"], "unjustified", "there was no emergency")
    assert access.emergencies.begin(officer, reason=WHY, everything=True)["on"]


def test_the_review_is_due_on_the_next_business_day() -> None:
    friday = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert next_business_day(friday) == datetime(2026, 11, 23, 15, tzinfo=UTC)
    assert next_business_day(friday - timedelta(days=1)) == friday


def test_networks_and_hours(access: AccessHouse, settings: Settings) -> None:
    house = access.house
    house.old(body="a walrus")
    house.index()
    access.vault.settings = settings.model_copy(
        update={"access_networks": ("legal=10.1.0.0/16",), "access_networks_then": "limit"}
    )
    inside = replace(house.lawyer, network="10.1.2.3")
    outside = replace(house.lawyer, network="192.0.2.7")
    assert access.gate.require(inside, Action.READ, USE).outcome == "allow"
    assert access.gate.require(outside, Action.SEARCH, USE).outcome == "limit"
    with pytest.raises(AccessDenied, match="network"):
        access.gate.require(outside, Action.READ, USE)
    # Nobody else is bound by it, and neither is a command at the home, which has no network.
    assert access.gate.require(replace(house.officer, network="192.0.2.7"), Action.READ, USE).allowed
    assert access.gate.require(house.lawyer, Action.READ, USE).outcome == "allow"
    kinds = [one for one in notices(access) if one[1] == "access_unusual"]
    assert len(kinds) == 1 + 1, "one for the network, one for the new place; the second time is too soon"
    detail = [one for one in access.audited() if one[0] == "access.alert"]
    assert len(detail) == 2


def test_a_new_place_is_told_of_once(access: AccessHouse) -> None:
    officer = access.house.officer
    home, cafe = replace(officer, network="10.1.2.3"), replace(officer, network="198.51.100.9")
    near = replace(officer, network="10.1.2.200")
    for who in (home, near, home):
        access.gate.require(who, Action.SEARCH, USE)
    assert notices(access) == []
    for _ in range(2):
        access.gate.require(cafe, Action.SEARCH, USE)
    access.house.clock.ahead += timedelta(hours=3)
    access.gate.require(cafe, Action.SEARCH, USE)
    assert [kind for _, kind in notices(access)] == ["access_unusual"]


def test_unusual_volume(access: AccessHouse, settings: Settings) -> None:
    house, officer = access.house, access.house.officer
    # Early in an hour: one that ends meanwhile would be followed by an empty one.
    house.clock.ahead = timedelta(seconds=-house.clock.now().timestamp() % 3_600 + 60)
    hour = int(access.vault.clock.now().timestamp()) // 3_600
    access.vault.settings = settings.model_copy(
        update={"access_views_per_hour": 130, "access_ceiling_then": "deny", "access_volume_then": "alert"}
    )
    with access.vault.records.write() as connection:
        connection.execute(
            access_hours.insert(),
            [
                {"user_id": officer.user_id, "hour": hour - 30, "views": 22},
                {"user_id": officer.user_id, "hour": hour, "views": 109},
            ],
        )
    assert access.gate.require(officer, Action.READ, USE).alerts == ()
    assert access.gate.require(officer, Action.READ, USE).alerts == ("volume",), "five times their busiest"
    with access.vault.records.write() as connection:
        connection.execute(update(access_hours).where(access_hours.c.hour == hour).values(views=130))
    with pytest.raises(AccessDenied, match="hour"):
        access.gate.require(officer, Action.READ, USE)
    # Break-glass opens what circumstances shut, and says so to everybody.
    access.emergencies.begin(officer, reason=WHY, everything=True)
    assert access.gate.require(officer, Action.READ, USE).reason == "emergency"
    assert {kind for _, kind in notices(access)} == {"access_unusual", "emergency_begun"}


def test_the_settings_are_read_strictly(tmp_path: object) -> None:
    for name, value in (
        ("access_networks", "legal"),
        ("access_networks", "legal=10.0.0.1/8"),
        ("access_hours", "*=mon-fri 9-17"),
        ("access_hours", "*=mon-fri 17:00-09:00"),
        ("access_hours_zone", "Mars/Olympus"),
        ("access_new_place_then", "deny"),
        ("break_glass_minutes", "61"),
    ):
        with pytest.raises(ConfigError):
            load({"home": tmp_path, name: value}, {})
    assert in_networks(("legal=10.0.0.0/8", "*=fd00::/8"), "legal", "::ffff:10.9.9.9")
    assert not in_networks(("legal=10.0.0.0/8",), "legal", "11.0.0.1")
    assert in_networks(("legal=10.0.0.0/8",), "privacy_officer", "11.0.0.1")
    weekend = datetime(2026, 11, 22, 10)
    assert in_hours(("*=fri-mon 07:00-24:00",), "legal", weekend)
    assert not in_hours(("*=mon-fri 07:00-19:00",), "legal", weekend)
    assert in_hours(("legal=mon-fri 07:00-19:00",), "records_manager", weekend)
