"""Grants: two persons, an end, felt by the next request, and never more than they say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from archiver.errors import DestructionRefused
from config.settings import Settings
from search.access import AccessDenied, Actor, Purpose
from search.approving.errors import ApprovalEnded, SecondPersonMissing
from search.granting.errors import BadGrant, WrongGrantState
from tests.retention.whole_house import open_house
from tests.search.access_house import AccessHouse, access_house

WHY = "the auditor asked for it"
USE = Purpose.OPERATIONS
PSYCH = "psychotherapy note: suicidal ideation, psychotherapy goes on"


@pytest.fixture
def access(settings: Settings) -> Iterator[AccessHouse]:
    with open_house(settings) as house:
        yield access_house(house)


def filled(access: AccessHouse) -> dict[str, str]:
    """Mail of Ann's and of Cleo's, one of each sensitive; by name."""
    house = access.house
    named = {}
    for who in ("ann", "cleo"):
        for kind, body in (("plain", "a walrus"), ("psych", f"a walrus {PSYCH}")):
            (done,) = house.old(sender=f"{who}@clinic.example", to=f"{who}@lab.example", body=body)
            named[f"{who}-{kind}"] = done.receipt.id
    house.index()
    return named


def seen(access: AccessHouse, actor: Actor, names: dict[str, str]) -> set[str]:
    page = access.room.search(actor, USE, "walrus")
    ids = {item.id for item in page.items}
    assert page.total == len(ids)
    opened = set()
    for name, one in names.items():
        try:
            access.room.open(actor, USE, one)
            opened.add(name)
        except AccessDenied:
            pass
    assert opened == {name for name, one in names.items() if one in ids}
    return opened


def test_a_limit_narrows_an_officer_until_it_ends(access: AccessHouse) -> None:
    names, house = filled(access), access.house
    assert seen(access, house.officer, names) == set(names)
    asked = access.grants.add(
        "officer", "limit", cover={"custodians": "Ann@Clinic.example"}, days=3, reason=WHY, by=house.second
    )
    assert seen(access, house.officer, names) == set(names), "nothing counts before it is approved"
    access.approvals.approve(house.third, asked["approval"])
    assert seen(access, house.officer, names) == {"ann-plain", "ann-psych"}
    # A second limit shows what it covers too; what both narrow is never more than the role sees.
    more = access.grants.add(
        "officer", "limit", cover={"sent_before": "2001-01-01"}, reason=WHY, by=house.second
    )
    access.approvals.approve(house.third, more["approval"])
    assert seen(access, house.officer, names) == {"ann-plain", "ann-psych"}
    (told,) = [one for one in access.grants.list(user="officer") if one["id"] == asked["id"]]
    assert told["last_used_at"] is not None
    house.clock.ahead += timedelta(days=4)
    assert seen(access, house.officer, names) == set()
    first, *_ = access.grants.list(user="officer", every=True)
    assert first["state"] == "expired"


def test_the_end_of_a_limit_takes_two_persons_and_of_anything_else_one(access: AccessHouse) -> None:
    names, house = filled(access), access.house
    limit = access.grants.add("officer", "limit", cover={"sources": "attic"}, reason=WHY, by=house.second)
    add = access.grants.add("privacy", "add", cover={"custodians": ["ann@clinic.example"]}, reason=WHY)
    for one in (limit, add):
        access.approvals.approve(house.third, one["approval"])
    assert seen(access, access.privacy, names) == {"ann-plain", "ann-psych"}
    access.grants.revoke(add["id"], reason=WHY, by=house.second)
    with pytest.raises(AccessDenied):
        access.room.search(access.privacy, USE, "walrus")
    asked = access.grants.revoke(limit["id"], reason=WHY, by=house.second)
    assert asked["state"] == "granted"
    with pytest.raises(SecondPersonMissing):
        access.approvals.approve(house.second, asked["approval"])
    with pytest.raises(SecondPersonMissing):  # it is about them
        access.approvals.approve(house.officer, asked["approval"])
    access.approvals.approve(house.third, asked["approval"])
    assert access.grants.list(user="officer") == []
    with pytest.raises(WrongGrantState):
        access.grants.revoke(limit["id"], reason=WHY, by=house.second)


def test_a_lawyer_sees_by_a_grant_besides_their_matters(access: AccessHouse) -> None:
    names, house = filled(access), access.house
    matter = str(house.matters.create(house.lawyer, "Doe v. Clinic")["id"])
    house.holds.create(house.lawyer, matter, message_ids=[names["ann-plain"]])
    house.index()
    assert seen(access, house.lawyer, names) == {"ann-plain"}
    asked = access.grants.add(
        "lawyer", "add", cover={"custodians": "cleo@clinic.example"}, reason=WHY, by=house.officer
    )
    access.approvals.approve(house.second, asked["approval"])
    assert seen(access, house.lawyer, names) == {"ann-plain", "cleo-plain", "cleo-psych"}
    # Asking or approving is nothing that a lawyer can do for themselves.
    with pytest.raises(AccessDenied):
        access.grants.add("lawyer", "add", reason=WHY, by=house.lawyer)


def test_sensitive_mail_needs_a_grant_where_the_setting_says_so(
    access: AccessHouse, settings: Settings
) -> None:
    names, house = filled(access), access.house
    access.vault.settings = settings.model_copy(update={"sensitive_needs_grant": True})
    assert seen(access, house.officer, names) == {"ann-plain", "cleo-plain"}
    asked = access.grants.add(
        "officer",
        "release",
        names=["mental_health"],
        cover={"custodians": "ann@clinic.example"},
        reason=WHY,
        by=house.second,
    )
    access.approvals.approve(house.third, asked["approval"])
    assert seen(access, house.officer, names) == {"ann-plain", "ann-psych", "cleo-plain"}
    # Mail that the index doesn't know yet may be sensitive: it isn't shown.
    (fresh,) = house.old(body="a walrus, unread so far")
    with pytest.raises(AccessDenied):
        access.room.open(house.officer, USE, fresh.receipt.id)
    house.index()
    access.room.open(house.officer, USE, fresh.receipt.id)


def test_sensitive_mail_leaves_by_a_matter_a_basis_or_a_grant(access: AccessHouse) -> None:
    names, house = filled(access), access.house

    def exported(**how: str) -> tuple[set[str], set[str]]:
        made = access.exports.create(house.officer, USE, **how)  # type: ignore[arg-type]
        told = dict(access.exports.stream(house.officer, USE, made["id"]))
        left = {name for name, one in names.items() if f"natives/{one}.eml" in told}
        manifest = bytes(told["manifest.json"] if isinstance(told["manifest.json"], bytes) else b"")
        return left, {name for name, one in names.items() if one.encode() in manifest} - left

    assert exported(query="walrus") == ({"ann-plain", "cleo-plain"}, {"ann-psych", "cleo-psych"})
    assert exported(query="walrus", basis="judicial") == (set(names), set())
    matter = str(house.matters.create(house.officer, "Doe v. Clinic")["id"])
    house.holds.create(house.officer, matter, custodians=["cleo@clinic.example"])
    house.index()
    assert exported(matter=matter) == ({"cleo-plain", "cleo-psych"}, set())
    asked = access.grants.add("officer", "release", reason=WHY, by=house.second)
    access.approvals.approve(house.third, asked["approval"])
    assert exported(query="walrus") == (set(names), set())


def test_a_lawyers_own_hold_shows_nothing_before_another_person_agreed(
    access: AccessHouse, settings: Settings
) -> None:
    names, house = filled(access), access.house
    access.vault.settings = settings.model_copy(update={"hold_sight": "approved"})
    matter = str(house.matters.create(house.lawyer, "Doe v. Clinic")["id"])
    held = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])
    house.index()
    assert seen(access, house.lawyer, names) == set(), "the hold protects, and shows nothing yet"
    (asked,) = [one for one in access.approvals.list(house.officer) if one["action"] == "hold.sight"]
    assert asked["params"]["hold"] == held["id"]
    with pytest.raises(SecondPersonMissing):
        house.holds._agreeing._approvals.approve(house.lawyer, asked["id"])
    house.holds._agreeing._approvals.approve(house.officer, asked["id"])
    assert seen(access, house.lawyer, names) == {"ann-plain", "ann-psych"}
    # A wider scope of the lawyer's own is a hold of its own kind: it waits anew.
    house.holds.change(house.lawyer, held["id"], reason=WHY, add=True, custodians=["cleo@clinic.example"])
    house.index()
    assert seen(access, house.lawyer, names) == set()
    theirs = house.holds.create(house.officer, matter, message_ids=[names["cleo-plain"]])
    house.index()
    assert theirs["id"]
    assert seen(access, house.lawyer, names) == {"cleo-plain"}


UNGRANTABLE: list[dict[str, Any]] = [
    {"kind": "more"},
    {"kind": "limit"},
    {"kind": "limit", "names": ["message.read"], "cover": {"sources": "attic"}},
    {"kind": "add", "names": ["user.manage"]},
    {"kind": "add", "names": ["disposition.execute"]},
    {"kind": "release", "names": ["billing"]},
    {"kind": "add", "days": 400},
    {"kind": "add", "days": 0},
    {"kind": "add", "reason": "short"},
    {"kind": "add", "cover": {"custodians": "everybody"}},
    {"kind": "add", "cover": {"matters": "none such"}},
    {"kind": "add", "cover": {"patients": "pzzzzzzzzzzzzzzz"}},
    {"kind": "add", "cover": {"sources": "none such"}},
    {"kind": "add", "cover": {"sent_from": "yesterday"}},
    {"kind": "add", "cover": {"everything": "yes"}},
]


def test_what_can_not_be_granted_is_refused(access: AccessHouse) -> None:
    for given in UNGRANTABLE:
        with pytest.raises(BadGrant):
            access.grants.add("officer", **{"reason": WHY, **given})
    assert access.grants.list(every=True) == []


def test_a_unit_is_its_addresses_or_nothing(access: AccessHouse) -> None:
    names, house = filled(access), access.house
    house.units.add(house.administrator, "lab", addresses=["cleo@clinic.example"], states=["NC"])
    house.units.add(house.administrator, "all", domains=["clinic.example"], states=["NC"])
    asked = access.grants.add("officer", "limit", cover={"units": "lab"}, reason=WHY, by=house.second)
    access.approvals.approve(house.third, asked["approval"])
    assert seen(access, house.officer, names) == {"cleo-plain", "cleo-psych"}
    with pytest.raises(BadGrant, match="domains"):
        access.grants.add("second", "limit", cover={"units": "all"}, reason=WHY)


def test_what_was_decided_stays_decided_in_the_database(access: AccessHouse) -> None:
    house = access.house
    asked = access.grants.add("officer", "limit", cover={"sources": "attic"}, reason=WHY, by=house.second)
    access.approvals.refuse(house.third, asked["approval"], "no need")
    with pytest.raises(ApprovalEnded):
        access.approvals.approve(house.third, asked["approval"])
    for statement in (
        "DELETE FROM grants",
        "DELETE FROM approvals",
        "UPDATE grants SET state = 'granted', decided_by = 'usecond'",
        "UPDATE grants SET state = 'granted', decided_by = user_id",
        "UPDATE grants SET names = 'message.read'",
        "UPDATE approvals SET state = 'approved'",
        "UPDATE approvals SET request_hash = sealed",
        "UPDATE approvals SET decided_by = 'uthird'",
        "DELETE FROM appointments WHERE 1 = 1",
    ):
        if "appointments" in statement:
            continue
        with pytest.raises(DestructionRefused), access.vault.records.write() as connection:
            connection.execute(text(statement))


def test_the_access_review_names_who_sees_what(access: AccessHouse) -> None:
    names, house = filled(access), access.house
    asked = access.grants.add("officer", "limit", cover={"sources": "attic"}, reason=WHY, by=house.second)
    access.approvals.approve(house.third, asked["approval"])
    report = access.review.report(access.privacy)
    people = {one["name"]: one for one in report["people"]}
    assert people["officer"]["sees"] == "everything, within limits"
    assert people["admin"]["sees"] == "nothing"
    assert people["lawyer"]["sees"] == "matters"
    assert people["officer"]["grants"][0]["last_used_at"] is None, "never used"
    access.room.open(house.officer, USE, names["ann-plain"])
    again = access.review.report(access.privacy)
    assert again["sha256"] == report["sha256"], "reading changes nothing of what people may"
    assert {o["name"]: o for o in again["people"]}["officer"]["use"]["opened_in_30_days"] == 1
    signed = access.review.sign(access.privacy, report["sha256"], "as agreed")
    assert access.review.report(access.privacy)["unchanged_since"]
    access.grants.add("second", "limit", cover={"sources": "attic"}, reason=WHY)
    house.matters.create(house.lawyer, "another")
    assert not access.review.report(access.privacy)["unchanged_since"]
    with pytest.raises(BadGrant):
        access.review.sign(access.privacy, report["sha256"], "again")
    with pytest.raises(AccessDenied):
        access.review.report(house.officer)
    assert signed["sha256"] == report["sha256"]
