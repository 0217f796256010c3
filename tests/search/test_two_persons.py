"""No detour makes two persons of one: puppets, tokens, second accounts, grants, requests that changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.clock import to_us
from archiver.store.schema import credentials, grants
from config.settings import Settings, load
from retention.dating.preview import Previews
from retention.disposition.dispositions import Dispositions
from retention.holds.holds import Holds
from retention.policy.decisions import Decisions
from retention.policy.errors import PreviewNeeded
from search.access import AccessDenied, Action, Actor, Purpose, Role
from search.approving import offline
from search.approving.errors import (
    ApprovalVoid,
    NoSuchApproval,
    SecondPersonMissing,
    SignatureNeeded,
)
from search.approving.persons import ADDED, appointed, check_second
from search.granting.errors import BadGrant
from search.policy import GRANTABLE
from search.scoping import HOLD_SIGHT
from tests.retention.whole_house import open_house
from tests.search.access_house import AccessHouse, access_house

WHY = "the auditor asked for it"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """On SQLite alone: what is asked of the database here are plain rows."""
    given = {"home": tmp_path / "home", "root_key": f"file:{tmp_path / 'keys' / 'root.key'}"}
    return load(given, environ={})


@pytest.fixture
def access(settings: Settings) -> Iterator[AccessHouse]:
    with open_house(settings) as house:
        yield access_house(house)


def made(access: AccessHouse, name: str, role: Role, by: str, approved_by: str | None = None) -> Actor:
    """Somebody new, appointed just now."""
    who = access.person(name, role)
    with access.vault.records.write() as connection:
        now = to_us(access.vault.clock.now())
        appointed(connection, who.user_id, role, by=by, at_us=now, approved_by=approved_by)
    return who


def given_token(access: AccessHouse, to: Actor, by: str) -> None:
    now = to_us(access.vault.clock.now())
    with access.vault.records.write() as connection:
        connection.execute(
            credentials.insert().values(
                hash=to.user_id.encode() + by.encode(),
                user_id=to.user_id,
                kind="api",
                created_us=now,
                expires_us=now * 2,
                issued_by=by,
            )
        )


def fresh(access: AccessHouse, actor: Actor) -> Actor:
    now = to_us(access.vault.clock.now())
    return replace(actor, method="passkey", client="desk", verified_us=now)


def may(
    access: AccessHouse, first: Actor | str, second: Actor, about: str = "", *, signed: bool = False
) -> bool:
    """Whether the second may approve what the first asks for."""
    asker = first if isinstance(first, str) else first.user_id
    with access.vault.records.read() as connection:
        try:
            check_second(connection, access.vault.clock, asker, second.user_id, about=about, signed=signed)
        except SecondPersonMissing:
            return False
    return True


def test_one_administrator_with_new_accounts_stays_one_person(access: AccessHouse) -> None:
    house = access.house
    admin = house.administrator
    one = made(access, "puppet", Role.ADMINISTRATOR, by=admin.user_id)
    two = made(access, "sockpuppet", Role.ADMINISTRATOR, by=admin.user_id)
    third = made(access, "grandchild", Role.ADMINISTRATOR, by=two.user_id)
    family = (admin, one, two, third)
    for first in family:
        for second in family:
            assert not may(access, first, second)
    # Nor do they vouch for one another: what is asked for is about one of them.
    assert not may(access, house.officer, one, about=third.user_id)
    assert not may(access, "operator", one, about=two.user_id)
    # By the services: a puppet asks that a lawyer become an officer, another one approves.
    asked = access.grants.add("lawyer", "add", reason=WHY, by=one)
    for second in (admin, two, third):
        with pytest.raises(SecondPersonMissing):
            access.approvals.approve(second, asked["approval"])
        assert ("approval.approve", "denied", second.user_id) in access.audited()
    access.approvals.approve(access.privacy, asked["approval"])
    # A week later they count as what they then are: each with a week of entries of their own.
    house.clock.ahead += timedelta(days=8)
    assert may(access, one, two)


def test_whom_two_persons_appointed_is_nobodys_puppet(access: AccessHouse) -> None:
    house = access.house
    admin, privacy = house.administrator, access.privacy
    one = made(access, "hired", Role.COMPLIANCE_OFFICER, by=admin.user_id, approved_by=privacy.user_id)
    two = made(access, "joined", Role.COMPLIANCE_OFFICER, by=admin.user_id, approved_by=privacy.user_id)
    assert may(access, one, two)
    assert not may(access, one, admin)
    assert not may(access, privacy, two), "who approved the appointment is tied as who asked for it"
    # The operator appoints everybody of a new archive.
    first = made(access, "founder", Role.COMPLIANCE_OFFICER, by="operator")
    second = made(access, "cofounder", Role.COMPLIANCE_OFFICER, by="operator")
    assert may(access, first, second)
    assert may(access, "operator", second)


def test_tokens_of_one_maker_are_one_person_unless_a_passkey_signs(access: AccessHouse) -> None:
    house = access.house
    admin = house.administrator
    for who in (house.second, house.third):
        given_token(access, who, admin.user_id)
    assert not may(access, house.second, house.third)
    assert not may(access, admin, house.third)
    assert may(access, house.second, house.third, signed=True)
    # One's own tokens, and the operator's, tie nobody.
    given_token(access, house.officer, house.officer.user_id)
    given_token(access, access.privacy, "operator")
    given_token(access, house.officer, "operator")
    assert may(access, house.officer, access.privacy)


def test_no_grant_gives_the_right_to_approve(access: AccessHouse, settings: Settings) -> None:
    house = access.house
    for action in set(Action) - GRANTABLE:
        with pytest.raises(BadGrant):
            access.grants.add("privacy", "add", names=[str(action)], reason=WHY, by=house.second)
    # Who may export by a grant is no second person for another's export.
    asked = access.grants.add("privacy", "add", names=["export.create"], reason=WHY, by=house.second)
    access.approvals.approve(house.third, asked["approval"])
    house.old(2, body="a walrus")
    house.index()
    access.vault.settings = settings.model_copy(update={"export_approval_messages": 1})
    access.exports.create(house.officer, Purpose.OPERATIONS, query="walrus")
    (waits,) = access.approvals.list(house.second)
    with pytest.raises(NoSuchApproval):
        access.approvals.approve(access.privacy, waits["id"])


def test_who_waits_for_their_own_approval_signs_nothing(access: AccessHouse) -> None:
    """A new account with a passkey of its own, before anybody agreed to it."""
    house = access.house
    new = access.person("newcomer", Role.COMPLIANCE_OFFICER)
    now = to_us(access.vault.clock.now())
    with access.vault.records.write() as connection:
        waits = access.approvals.kept.ask_in(
            connection, action=ADDED, requester=house.administrator.user_id, about_id=new.user_id
        )
        appointed(
            connection,
            new.user_id,
            new.role,
            by=house.administrator.user_id,
            at_us=now,
            approval_id=waits,
        )
    access.give_passkey(new)
    asked = access.grants.add("lawyer", "add", reason=WHY, by=house.second)["approval"]
    signed = access.sign(new, access.approvals.load(asked).request_hash)
    with pytest.raises(AccessDenied):
        access.approvals.approve(fresh(access, new), asked, signed)
    assert access.approvals.load(asked).state == "asked"
    assert ("approval.decide", "denied", new.user_id) in access.audited()


def test_a_grant_that_changed_or_waited_too_long_is_not_approved(access: AccessHouse) -> None:
    house = access.house
    asked = access.grants.add("lawyer", "add", reason=WHY, by=house.second)
    with access.vault.records.write() as connection:
        names = [
            row[0]
            for row in connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'grants'"
            )
        ]
        for name in names:
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.execute(grants.update().values(names="message.read export.create"))
    access.give_passkey(house.third)
    signed = access.sign(house.third, access.approvals.load(asked["approval"]).request_hash)
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(fresh(access, house.third), asked["approval"], signed)
    other = access.grants.add("privacy", "add", reason=WHY, by=house.second)
    house.clock.ahead += timedelta(hours=25)
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(house.officer, other["approval"])
    assert {one["state"] for one in access.grants.list(every=True)} == {"asked"}


# --- what is approved where it was made, and on the page of approvals --------------------------------


def policy_of(access: AccessHouse) -> tuple[Decisions, Previews]:
    verdicts = access.house.explainer.verdicts
    decisions = Decisions(access.vault, access.gate, verdicts.policies, access.approvals)
    return decisions, Previews(access.vault, access.gate, verdicts, decisions)


def test_a_change_of_policy_is_signed(access: AccessHouse) -> None:
    house = access.house
    decisions, previews = policy_of(access)

    def enact(who: Actor, change: dict[str, Any]) -> dict[str, Any]:
        preview = previews.ask(who, change)["id"]
        return decisions.enact(who, change, preview=preview, reason=WHY)

    term = enact(house.manager, {"do": "set", "says": {"scope": {"state": "CA"}, "years": 20}})["id"]
    assert enact(house.manager, {"do": "remove", "id": term})["state"] == "ending"
    access.give_passkey(house.officer)
    who = fresh(access, house.officer)
    with pytest.raises(SignatureNeeded) as needed:
        enact(who, {"do": "approve", "id": term})
    asked = access.approvals.show(who, needed.value.approval_id)
    assert (asked["action"], asked["requester"]) == ("policy.change", house.manager.user_id)
    # Another person looked at nothing: what they sign is not what this one previewed.
    access.give_passkey(house.second)
    theirs = access.sign(house.second, bytes.fromhex(asked["request_hash"]))
    with pytest.raises(PreviewNeeded):
        access.approvals.approve(fresh(access, house.second), asked["id"], theirs)
    with pytest.raises(PreviewNeeded):  # nor does somebody without a passkey approve it in silence
        access.approvals.approve(house.third, asked["id"])
    assert access.approvals.load(asked["id"]).state == "asked"
    done = access.approvals.approve(
        who, asked["id"], access.sign(house.officer, bytes.fromhex(asked["request_hash"]))
    )
    assert done["state"] == "used"
    (entry,) = [one for one in decisions.list(house.officer, everything=True) if one["id"] == term]
    assert entry["state"] == "ended"
    file = access.approvals.export(house.officer, asked["id"])
    assert offline.check(json.dumps(file).encode()).signed
    assert ("policy.change", "success", house.officer.user_id) in access.audited()


def test_what_is_approved_on_the_page_without_a_passkey_is_done(access: AccessHouse) -> None:
    """The request was made for somebody who has a passkey, and somebody without one approves it."""
    house = access.house
    access.give_passkey(house.officer)
    holds = Holds(access.vault, access.gate, house.reader, access.approvals)
    (one, *_) = house.old(2)
    house.index()
    matter = str(house.matters.create(house.officer, "Doe v. Clinic")["id"])
    hold = str(house.holds.create(house.officer, matter, message_ids=[one.receipt.id])["id"])
    holds.release(house.second, hold, WHY)
    with pytest.raises(SignatureNeeded) as needed:
        holds.approve(fresh(access, house.officer), hold, WHY)
    done = access.approvals.approve(house.third, needed.value.approval_id)
    assert (done["state"], done["decided_by"]) == ("used", house.third.user_id)
    assert holds.report(house.officer, hold)["state"] == "cooling"

    dispositions = Dispositions(access.vault, access.gate, house.explainer, access.approvals)
    house.confirm_all()
    listed = house.due(approve=False)
    with pytest.raises(SignatureNeeded) as needed:
        dispositions.approve(fresh(access, house.officer), listed)
    access.approvals.approve(house.third, needed.value.approval_id)
    assert dispositions.show(house.second, listed)["state"] == "approved"


def test_a_request_of_another_scope_than_was_signed_is_void(access: AccessHouse) -> None:
    """A hold's release is asked for, taken back, and asked for by somebody else: the old request counts no
    more."""
    house = access.house
    access.give_passkey(house.officer)
    who = fresh(access, house.officer)
    holds = Holds(access.vault, access.gate, house.reader, access.approvals)
    (one,) = house.old()
    house.index()
    matter = str(house.matters.create(house.officer, "Doe v. Clinic")["id"])
    hold = str(holds.create(house.second, matter, message_ids=[one.receipt.id])["id"])
    holds.release(house.second, hold, WHY)
    with pytest.raises(SignatureNeeded) as needed:
        holds.approve(who, hold, WHY)
    asked = access.approvals.load(needed.value.approval_id)
    holds.reinstate(house.second, hold, WHY)
    holds.release(house.third, hold, WHY)
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(who, asked.id, access.sign(house.officer, asked.request_hash))
    assert holds.report(house.officer, hold)["state"] == "release_requested"


# --- whose requests are whose ------------------------------------------------------------------------


def test_a_lawyer_sees_the_requests_of_their_own_matters(access: AccessHouse, settings: Settings) -> None:
    house = access.house
    access.vault.settings = settings.model_copy(
        update={"hold_sight": "approved", "export_approval_messages": 1}
    )
    holds = Holds(access.vault, access.gate, house.reader, access.approvals)
    messages = house.old(3, body="a walrus")
    house.index()
    matter = str(house.matters.create(house.lawyer, "Doe v. Clinic")["id"])
    hold = str(holds.create(house.lawyer, matter, message_ids=[one.receipt.id for one in messages])["id"])
    house.index()
    officers = str(
        holds.create(house.officer, matter, message_ids=[one.receipt.id for one in messages])["id"]
    )
    house.index()
    access.give_passkey(house.officer)
    holds.release(house.lawyer, officers, WHY)
    with pytest.raises(SignatureNeeded):
        holds.approve(fresh(access, house.officer), officers, WHY)
    access.exports.create(house.lawyer, Purpose.LEGAL, matter=matter)
    asked = {one["action"]: one["id"] for one in access.approvals.list(house.officer)}
    assert set(asked) == {HOLD_SIGHT, "hold.release", "export.create"}
    assert {one["id"] for one in access.approvals.list(house.lawyer)} == set(asked.values())
    other = house.other_lawyer
    assert access.approvals.list(other, every=True) == []
    for approval in asked.values():
        said = _refusals(access, other, approval)
        assert said == _refusals(access, other, "vzzzzzzzzzzzzzzz")
        assert len(said) == 1, "told as if it weren't there, whatever they try"
    # One who joins the matter may be its second person.
    house.matters.add_member(house.officer, matter, other.user_id)
    assert {one["id"] for one in access.approvals.list(other)} == set(asked.values())
    access.approvals.approve(other, asked[HOLD_SIGHT])
    assert hold


def _refusals(access: AccessHouse, who: Actor, approval: str) -> set[tuple[str, str, int]]:
    told = set()
    for ask in (
        access.approvals.show,
        access.approvals.export,
        access.approvals.approve,
        access.approvals.refuse,
    ):
        with pytest.raises(NoSuchApproval) as error:
            ask(who, approval)
        told.add((error.value.code, str(error.value), error.value.http_status))
    return told
