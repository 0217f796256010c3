"""A gap of the logs is explained by one and approved by another, whose passkey signs just what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from archiver.clock import to_us
from archiver.errors import NotFound, ReadOnly
from archiver.ledger import canonical, log
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from archiver.verify import Scrubber
from archiver.witnessing import statement
from archiver.witnessing.heads import Head, explained, unexplained
from config.settings import Settings
from search.access import AccessDenied, Action, Actor, Gate
from search.approving import offline
from search.approving.errors import ApprovalVoid, SignatureNeeded
from search.circumstances import Circumstances
from search.gaps import LONGEST_REASON, Gaps, NoGap
from tests.retention.whole_house import open_house
from tests.search.access_house import AccessHouse, access_house

WHY = "the disk died; Sunday's backup"


@pytest.fixture
def access(settings: Settings) -> Iterator[AccessHouse]:
    with open_house(settings) as house:
        yield access_house(house)


@pytest.fixture
def gaps(access: AccessHouse) -> Gaps:
    """With a log that others have seen more of."""
    seen_more(access)
    gate = Gate(access.vault.audit, Circumstances(access.vault, access.house.reader), access.vault.standing)
    return Gaps(access.vault, gate, access.approvals)


def seen_more(access: AccessHouse, which: Log = Log.CAPTURES, size: int = 500) -> None:
    publisher = access.vault.publisher
    for log_ in Log:
        publisher.publish(log_)
    signer = publisher.signer(which)
    ahead = sign_checkpoint(Checkpoint(signer.verifier.name, size, b"r" * 32), [signer])
    (publisher.folder(which) / "checkpoint").write_bytes(ahead)
    assert not access.vault.witnessing.look()


def fresh(access: AccessHouse, actor: Actor) -> Actor:
    return replace(actor, method="passkey", client="desk", verified_us=to_us(access.vault.clock.now()))


def test_a_passkey_signs_what_was_found_and_the_log_goes_on(access: AccessHouse, gaps: Gaps) -> None:
    vault, officer = access.vault, access.house.officer
    access.give_passkey(officer)
    gap = gaps.explain(WHY, {})["id"]
    with pytest.raises(SignatureNeeded) as needed:
        gaps.approve(fresh(access, officer), gap)
    assert vault.standing.closed
    approval = needed.value.approval_id
    payload = access.approvals.load(approval).request_hash
    with pytest.raises(ApprovalVoid):
        access.approvals.approve(
            fresh(access, officer), approval, access.sign(officer, b"something else" + bytes(18))
        )
    done = access.approvals.approve(fresh(access, officer), approval, access.sign(officer, payload))
    assert done["state"] == "used"
    assert not vault.standing.closed
    checked = offline.check(json.dumps(access.approvals.export(officer, approval)).encode())
    assert checked.signed
    assert checked.request["params"]["gap"] == gap

    # The captures log alone had a gap: it alone goes on under a new origin.
    assert [vault.publisher.generation(which) for which in Log] == [2, 1]
    (gone,) = explained(vault.records, Log.CAPTURES)
    assert gone.seen == {1: 500}
    with vault.records.read() as connection:
        size = log.state(connection, Log.CAPTURES).size
        leaf = canonical.loads(log.read(connection, Log.CAPTURES, size - 1, size)[0])
    note = (vault.settings.ledger_dir / "gaps" / f"{gap}.note").read_bytes()
    assert isinstance(leaf, dict)
    assert (leaf["type"], leaf["sha256"]) == ("gap", statement.digest(note))
    document = statement.read(note, [vault.publisher.signer(Log.CAPTURES, 1).verifier])
    assert (document["approved_by"], document["approval"]) == (officer.user_id, approval)
    assert WHY not in note.decode()
    assert list(Scrubber(vault, full=False).run()) == []


def test_what_was_explained_stays_so_and_nothing_beyond(access: AccessHouse, gaps: Gaps) -> None:
    vault = access.vault
    gaps.approve(access.house.officer, gaps.explain(WHY, {})["id"])
    assert vault.witnessing.look()  # the old folder still shows the 500

    def found(generation: int, size: int) -> bool:
        head = Head(Log.CAPTURES, generation, size, b"x" * 32, "somebody")
        return unexplained(vault.records, vault.publisher, [head]) == [head]

    assert not found(1, 500)
    assert found(1, 501)
    assert found(2, 1)  # of the present generation each root counts
    assert found(3, 1)
    # A second restore: the generation after all that anybody has seen.
    seen_more(access, size=900)
    done = gaps.approve(access.house.officer, gaps.explain("again", {})["id"])
    assert done["logs"]["captures"]["origin"].endswith("/captures/3")
    assert list(Scrubber(vault, full=False).run()) == []


def test_who_may_and_when(access: AccessHouse, gaps: Gaps) -> None:
    house, vault = access.house, access.vault
    for reason in ("", " ", "x" * (LONGEST_REASON + 1)):
        with pytest.raises(NoGap):
            gaps.explain(reason, {})
    gap = gaps.explain(WHY, {})["id"]
    with pytest.raises(AccessDenied):
        gaps.approve(house.lawyer, gap)
    with pytest.raises(NotFound):
        gaps.approve(house.officer, "znothing")
    gate = Gate(vault.audit, None, vault.standing)
    for action in (Action.MATTER_READ, Action.HOLD_MANAGE, Action.DISPOSITION_DECIDE):
        with pytest.raises(ReadOnly):
            gate.require(house.officer, action)
    assert gate.require(house.officer, Action.LEDGER_READ).allowed
    with pytest.raises(ReadOnly):
        vault.archive.destroy_many(None, [1], "d")  # type: ignore[arg-type]
    gaps.approve(access.privacy, gap)
    with pytest.raises(NoGap):
        gaps.approve(house.officer, gap)
    with pytest.raises(NoGap):
        gaps.explain(WHY, {})
