"""Receipts: issued with the hold, the same ever after, checked by a stranger who has nothing but a key."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import LedgerError
from archiver.ledger.log import Log
from archiver.ledger.note import Signer, parse_vkey
from archiver.ledger.proof import parse_proof
from retention.holds import receipts
from retention.refusals import HoldBeingApplied, NotThere
from search.access import AccessDenied
from search.engine.fts import FtsReader
from tests.retention.whole_house import House

ANN, BOB = "ann@clinic.example", "bob@clinic.example"


def placed(house: House, matter: str) -> tuple[str, dict[str, Any]]:
    house.old(3)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN], reason="zyzzyva")["id"]
    return hold, house.holds.receipt(house.lawyer, hold)


def test_a_receipt_says_who_when_what_and_how_much(house: House, matter: str) -> None:
    hold, receipt = placed(house, matter)
    verifier = house.vault.publisher.signer(Log.AUDIT).verifier
    document = receipts.verify(json.loads(json.dumps(receipt)), verifier)
    assert (document["hold"], document["version"], document["matter"]) == (hold, 1, matter)
    assert document["placed_by"] == {"id": "ulawyer", "name": "lawyer"}
    assert document["matched"]["matched"] == 3
    assert document["matched"]["bytes"] > 0
    assert document["in_force_at"] == house.holds.list(house.lawyer)[0]["in_force_at"]
    # No name of anybody the hold is about, and no reason: only a salted hash, opened by the report.
    assert ANN not in json.dumps(receipt)
    assert "zyzzyva" not in json.dumps(receipt)
    (version,) = house.holds.report(house.lawyer, hold)["versions"]
    opened = receipts.commitment(version["criteria"], version["criteria_salt"])
    assert opened == document["criteria_sha256"]
    assert version["receipt"] is True


def test_a_receipt_never_changes_and_each_version_has_one(house: House, matter: str) -> None:
    hold, first = placed(house, matter)
    house.holds.change(house.lawyer, hold, reason="wider", custodians=[BOB], add=True)
    house.holds.release(house.lawyer, hold)
    assert house.holds.receipt(house.officer, hold, 1) == first
    second = house.holds.receipt(house.officer, hold)
    assert second["receipt"]["version"] == 2
    assert second["receipt"]["hold"] == hold
    receipts.verify(second, parse_vkey(second["key"]))
    with pytest.raises(NotThere):
        house.holds.receipt(house.lawyer, hold, 3)
    with pytest.raises(AccessDenied):
        house.holds.receipt(house.other_lawyer, hold)


def test_a_receipt_lost_to_a_crash_is_issued_later(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(house.holds._receipts, "of", crash)
        with pytest.raises(Crash):
            house.holds.create(house.lawyer, matter, custodians=[ANN])
    (hold,) = house.holds.list(house.lawyer)
    assert hold["state"] == "active"
    receipt = house.holds.receipt(house.lawyer, hold["id"])
    receipts.verify(receipt, house.vault.publisher.signer(Log.AUDIT).verifier)


def test_no_receipt_before_the_hold_has_matched(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = FtsReader(house.vault.settings.home / "no-index", b"\1" * 32)
    with monkeypatch.context() as without:
        without.setattr(house.holds._applier, "_reader", absent)
        hold = house.holds.create(house.lawyer, matter, query="merger")["id"]
        with pytest.raises(HoldBeingApplied):
            house.holds.receipt(house.lawyer, hold)
    house.holds.resume()
    assert house.holds.receipt(house.lawyer, hold)["receipt"]["matched"]["matched"] == 0


TAMPERED: list[Callable[[dict[str, Any]], object]] = [
    lambda r: r["receipt"].update(hold="h" + "a" * 15),
    lambda r: r["receipt"].update(in_force_at="2001-01-01T00:00:00Z"),
    lambda r: r["receipt"]["matched"].update(matched=4),
    lambda r: r.update(note=r["note"].replace('"version":1', '"version":2')),
    lambda r: r.update(note="x"),
    lambda r: r.update(proof=r["proof"].replace("index ", "index 1", 1)),
    lambda r: r.update(proof="c2sp.org/tlog-proof@v1\n"),
    lambda r: r.pop("proof"),
    lambda r: r.update(note=7),
]


@pytest.mark.parametrize("tamper", TAMPERED)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_changed_receipt_is_refused(
    house: House, matter: str, tamper: Callable[[dict[str, Any]], object]
) -> None:
    _, receipt = placed(house, matter)
    verifier = house.vault.publisher.signer(Log.AUDIT).verifier
    changed = copy.deepcopy(receipt)
    tamper(changed)
    with pytest.raises(LedgerError):
        receipts.verify(changed, verifier)
    with pytest.raises(LedgerError):
        receipts.verify(receipt, house.vault.publisher.signer(Log.CAPTURES).verifier)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_proof_of_another_entry_does_not_fit(house: House, matter: str) -> None:
    _, one = placed(house, matter)
    other = house.holds.create(house.lawyer, matter, custodians=[BOB])["id"]
    two = house.holds.receipt(house.lawyer, other)
    verifier = house.vault.publisher.signer(Log.AUDIT).verifier
    for mixed in ({**one, "proof": two["proof"]}, {**one, "receipt": two["receipt"]}):
        with pytest.raises(LedgerError):
            receipts.verify(mixed, verifier)
    assert parse_proof(one["proof"].encode()).index == one["receipt"]["audit_entry"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
STRANGER = Signer("holdfast/test/audit", b"\7" * 32).verifier


@settings(max_examples=200)
@given(value=JSON | st.fixed_dictionaries({"note": st.text(), "proof": st.text(), "receipt": JSON}))
def test_anything_at_all_raises_our_own_error_only(value: object) -> None:
    with pytest.raises(LedgerError):
        receipts.verify(value, STRANGER)
