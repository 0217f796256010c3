"""Two persons over one hash: signed, checked by a stranger, void when anything changed, and no way round."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.clock import to_us
from archiver.store.schema import appointments, credentials, export_items
from config.settings import Settings
from retention.disposition.dispositions import Dispositions
from retention.holds.holds import Holds
from retention.refusals import SecondPersonNeeded
from search.access import Actor, Purpose, Role, StepUpNeeded
from search.approving import offline
from search.approving.errors import (
    ApprovalNeeded,
    ApprovalVoid,
    BadApprovalFile,
    NoSuchApproval,
    SecondPersonMissing,
    SignatureNeeded,
)
from search.approving.persons import appointed
from search.approving.request import Request, items_sha256, read
from search.disclosing import Recipient
from tests.retention.whole_house import open_house
from tests.search.access_house import AccessHouse, access_house

WHY = "the auditor asked for it"
USE = Purpose.OPERATIONS


@pytest.fixture
def access(settings: Settings) -> Iterator[AccessHouse]:
    with open_house(settings) as house:
        yield access_house(house)


def ask(access: AccessHouse, by: str = "second") -> str:
    house = access.house
    requester = {"second": house.second, "third": house.third}[by]
    made = access.grants.add(
        "lawyer", "add", cover={"custodians": "ann@clinic.example"}, reason=WHY, by=requester
    )
    return str(made["approval"])


def test_a_passkey_signs_exactly_what_is_approved(access: AccessHouse) -> None:
    house = access.house
    access.give_passkey(house.officer)
    approval = ask(access)
    payload = access.approvals.load(approval).request_hash
    # A plain token of somebody who has a passkey can't approve; nor can a session without the signature.
    with pytest.raises(StepUpNeeded):
        access.approvals.approve(house.officer, approval)
    fresh = _fresh(access, house.officer)
    with pytest.raises(SignatureNeeded):
        access.approvals.approve(fresh, approval)
    other = access.sign(house.officer, b"another request" + bytes(17))
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(fresh, approval, other)
    theirs = access.sign(house.officer, payload)
    theirs.user_id = house.third.user_id
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(fresh, approval, theirs)
    done = access.approvals.approve(fresh, approval, access.sign(house.officer, payload))
    assert done["state"] == "used"
    document = access.approvals.export(house.officer, approval)
    checked = offline.check(json.dumps(document).encode())
    assert checked.signed
    assert checked.request["requester"] == house.second.user_id
    assert checked.request["params"]["user"] == "ulawyer"
    assert checked.approver == house.officer.user_id


def _fresh(access: AccessHouse, actor: Actor) -> Actor:
    now = to_us(access.vault.clock.now())
    return replace(actor, method="passkey", client="desk", verified_us=now)


def test_a_stranger_finds_every_change_of_the_file(access: AccessHouse) -> None:
    house = access.house
    access.give_passkey(house.officer)
    approval = ask(access)
    payload = access.approvals.load(approval).request_hash
    access.approvals.approve(_fresh(access, house.officer), approval, access.sign(house.officer, payload))
    good = access.approvals.export(house.officer, approval)
    offline.check(json.dumps(good).encode())

    def bad(change: str, **values: object) -> None:
        document = json.loads(json.dumps(good))
        for name, value in values.items():
            if name in (document["assertion"] or {}):
                document["assertion"][name] = value
            else:
                document[name] = value
        try:
            offline.check(json.dumps(document).encode())
        except BadApprovalFile:
            return
        pytest.fail(change)

    request = json.loads(good["request"])
    bad("another reason", request=json.dumps({**request, "reason": "x"}, separators=(",", ":")))
    spaced = json.dumps(request)
    bad("another form", request=spaced)
    changed = good["request"].replace("ann@", "bob@")
    bad(
        "another request with its hash",
        request=changed,
        request_hash=hashlib.sha256(changed.encode()).hexdigest(),
    )
    bad("approver is requester", approver=request["requester"])
    bad("nobody", approver=None)
    bad("void", state="void")
    bad("other host", rp_id="evil.example")
    bad("other origin", origin="https://evil.example")
    for name in ("authenticator_data", "client_data", "signature", "nonce", "public_key"):
        raw = bytearray(base64.b64decode(good["assertion"][name]))
        for place in {0, len(raw) // 2, len(raw) - 1}:
            flipped = bytearray(raw)
            flipped[place] ^= 1
            bad(name, **{name: base64.b64encode(bytes(flipped)).decode()})
    bad("no approval", format="holdfast-export/1")
    stripped = {**good, "assertion": None}
    assert not offline.check(json.dumps(stripped).encode()).signed, "unsigned is told as unsigned"


@given(st.binary(max_size=300))
def test_hostile_files_raise_our_own_error(data: bytes) -> None:
    with pytest.raises(BadApprovalFile):
        offline.check(data)


@given(
    st.dictionaries(st.text(max_size=8), st.one_of(st.text(max_size=8), st.integers(-5, 5), st.booleans())),
    st.text(max_size=20),
)
def test_one_request_has_one_form(params: dict[str, object], reason: str) -> None:
    request = Request("grant.add", params, items_sha256(["b", "a"]), "ua", reason, 1_700_000, 2_700_000)
    assert read(request.canonical()) == request
    assert request.same(dict(reversed(params.items())), items_sha256(["a", "b", "a"]))
    assert request.hash() == read(request.canonical()).hash()
    assert not request.same({**params, "more": 1}, request.item_set_sha256)


def test_nobody_approves_by_any_detour(access: AccessHouse) -> None:
    house, vault = access.house, access.vault
    approval = ask(access)
    with pytest.raises(SecondPersonMissing):  # their own
        access.approvals.approve(house.second, approval)
    with pytest.raises(NoSuchApproval):  # about themselves
        access.approvals.approve(house.lawyer, approval)
    now = to_us(vault.clock.now())
    with vault.records.write() as connection:  # the asker made them an officer today
        appointed(
            connection, house.third.user_id, Role.COMPLIANCE_OFFICER, by=house.second.user_id, at_us=now
        )
    with pytest.raises(SecondPersonMissing):
        access.approvals.approve(house.third, approval)
    with vault.records.write() as connection:  # they made the asker one
        appointed(
            connection, house.second.user_id, Role.COMPLIANCE_OFFICER, by=house.officer.user_id, at_us=now
        )
    with pytest.raises(SecondPersonMissing):
        access.approvals.approve(house.officer, approval)
    # Who holds a token that the asker made may be the asker.
    with vault.records.write() as connection:
        connection.execute(
            credentials.insert().values(
                hash=b"h" * 32,
                user_id=access.privacy.user_id,
                kind="api",
                created_us=now,
                expires_us=now * 2,
                issued_by=house.second.user_id,
            )
        )
    with pytest.raises(SecondPersonMissing):
        access.approvals.approve(access.privacy, approval)
    # A week later the tie is gone: but so is the request, which is asked for anew.
    house.clock.ahead += timedelta(days=8)
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(house.third, approval)
    assert access.approvals.load(approval).state == "void"
    access.approvals.approve(house.third, ask(access))
    with vault.records.read() as connection:
        assert len(connection.execute(appointments.select()).all()) == 2


def test_what_does_not_concern_somebody_is_not_there(access: AccessHouse) -> None:
    house = access.house
    approval = ask(access)
    for who in (house.lawyer, house.manager):
        assert access.approvals.list(who) == []
        with pytest.raises(NoSuchApproval):
            access.approvals.show(who, approval)
        with pytest.raises(NoSuchApproval):
            access.approvals.approve(who, approval)
    with pytest.raises(NoSuchApproval):
        access.approvals.show(house.officer, "vzzzzzzzzzzzzzzz")
    assert [one["id"] for one in access.approvals.list(access.privacy)] == [approval]


def test_a_large_export_waits_for_a_second_person(access: AccessHouse, settings: Settings) -> None:
    house = access.house
    house.old(4, body="a walrus")
    house.index()
    access.vault.settings = settings.model_copy(update={"export_approval_messages": 3})
    made = access.exports.create(house.officer, USE, query="walrus")["id"]
    with pytest.raises(ApprovalNeeded):
        list(access.exports.stream(house.officer, USE, made))
    (asked,) = access.approvals.list(house.second)
    assert asked["params"]["messages"] == 4
    access.approvals.approve(house.second, asked["id"])
    assert len(list(access.exports.stream(house.officer, USE, made))) == 4 * 2 + 2
    assert access.approvals.load(asked["id"]).state == "used"
    assert list(access.exports.stream(house.officer, USE, made)), "the same export, once more"
    # Another set of messages than the approved one is refused, and the approval is void.
    other = access.exports.create(house.officer, USE, query="walrus")["id"]
    (asked,) = access.approvals.list(house.second)
    access.approvals.approve(house.second, asked["id"])
    (extra,) = house.old(body="a stoat")
    pk = access.vault.archive.find(extra.receipt.id)
    with access.vault.records.write() as connection:
        connection.execute(export_items.insert().values(export_id=other, position=99, message_pk=pk))
    with pytest.raises(ApprovalVoid):
        list(access.exports.stream(house.officer, USE, other))
    assert access.approvals.load(asked["id"]).state == "void"
    # Nor may it go to somebody else than the one for whom it was approved, by a passkey or without.
    moved = access.exports.create(house.officer, USE, query="walrus", recipient=Recipient("Counsel"))["id"]
    (asked,) = access.approvals.list(house.second)
    access.approvals.approve(house.second, asked["id"])
    access.exports.state(house.officer, moved, recipient=Recipient("A friend"))
    with pytest.raises(ApprovalVoid):
        list(access.exports.stream(house.officer, USE, moved))
    (asked,) = access.approvals.list(house.second)
    access.exports.state(house.officer, moved, recipient=Recipient("Another friend"))
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(house.second, asked["id"])
    for one in access.approvals.list(house.second):
        access.approvals.refuse(house.second, one["id"])
    # A day later it is void too.
    third = access.exports.create(house.officer, USE, query="walrus")["id"]
    (asked,) = access.approvals.list(house.second)
    access.approvals.approve(house.second, asked["id"])
    house.clock.ahead += timedelta(hours=25)
    with pytest.raises(ApprovalVoid):
        list(access.exports.stream(house.officer, USE, third))
    assert ("export.download", "denied", house.officer.user_id) in access.audited()


def test_a_disposal_is_approved_over_its_list_and_signed(access: AccessHouse) -> None:
    house = access.house
    dispositions = Dispositions(access.vault, access.gate, house.explainer, access.approvals)
    house.old(2)
    house.confirm_all()
    listed = house.due(approve=False)
    access.give_passkey(house.officer)
    with pytest.raises(SignatureNeeded) as needed:
        dispositions.approve(_fresh(access, house.officer), listed)
    asked = access.approvals.show(house.officer, needed.value.approval_id)
    assert asked["action"] == "disposition.execute"
    signed = access.sign(house.officer, bytes.fromhex(asked["request_hash"]))
    access.approvals.approve(_fresh(access, house.officer), asked["id"], signed)
    assert dispositions.show(house.officer, listed)["state"] == "approved"
    assert offline.check(json.dumps(access.approvals.export(house.second, asked["id"])).encode()).signed
    with pytest.raises(SecondPersonNeeded):
        dispositions.execute(_fresh(access, house.officer), listed)
    done = dispositions.execute(house.second, listed)
    assert done["state"] == "executed"
    assert access.approvals.load(asked["id"]).state == "used"


def test_an_old_approval_of_a_disposal_is_void(access: AccessHouse) -> None:
    house = access.house
    dispositions = Dispositions(access.vault, access.gate, house.explainer, access.approvals)
    house.old(1)
    house.confirm_all()
    listed = house.due(approve=False)
    dispositions.approve(house.officer, listed)
    house.clock.ahead += timedelta(days=31)
    with pytest.raises(ApprovalVoid):
        dispositions.execute(house.second, listed)
    assert house.living()


def test_the_proposer_of_a_list_approves_it_by_no_detour(access: AccessHouse) -> None:
    house = access.house
    house.old(2)
    house.confirm_all()
    listed = house.due(approve=False)
    now = to_us(access.vault.clock.now())
    items = house.dispositions.show(house.officer, listed)["items"]
    house.dispositions.exclude(house.officer, listed, [items[0]["id"]], WHY)
    with pytest.raises(SecondPersonNeeded):
        house.dispositions.approve(house.officer, listed)
    with access.vault.records.write() as connection:
        appointed(connection, house.third.user_id, Role.COMPLIANCE_OFFICER, by="uofficer", at_us=now)
    with pytest.raises(SecondPersonMissing):
        house.dispositions.approve(house.third, listed)
    house.dispositions.approve(house.second, listed)


def test_a_holds_release_is_signed(access: AccessHouse) -> None:
    house = access.house
    holds = Holds(access.vault, access.gate, house.reader, access.approvals)
    (one,) = house.old()
    house.index()
    matter = str(house.matters.create(house.officer, "Doe v. Clinic")["id"])
    hold = holds.create(house.officer, matter, message_ids=[one.receipt.id])["id"]
    holds.release(house.officer, hold, WHY)
    with pytest.raises(SecondPersonNeeded):
        holds.approve(house.officer, hold, WHY)
    access.give_passkey(house.second)
    with pytest.raises(SignatureNeeded) as needed:
        holds.approve(_fresh(access, house.second), hold, WHY)
    asked = access.approvals.load(needed.value.approval_id)
    signed = access.sign(house.second, asked.request_hash)
    access.approvals.approve(_fresh(access, house.second), asked.id, signed)
    assert holds.report(house.officer, hold)["state"] == "cooling"
    assert access.approvals.load(asked.id).state == "used"
