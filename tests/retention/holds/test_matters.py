"""Matters: who may see and change them, and that nothing happens off the record."""

from __future__ import annotations

import pytest

from retention.refusals import BadCriteria, MatterClosed, MatterHeld, NameTaken, NotThere
from search.access import AccessDenied
from tests.retention.whole_house import House


def test_a_matter_is_found_by_id_and_by_name(house: House) -> None:
    made = house.matters.create(house.lawyer, "  Doe   v. Clinic ")
    assert made["name"] == "Doe v. Clinic"
    assert made["members"] == [{"id": "ulawyer", "name": "lawyer", "role": "legal"}]
    for which in (made["id"], "Doe v. Clinic", "doe V. clinic"):
        assert house.matters.show(house.officer, which)["id"] == made["id"]
    assert [m["id"] for m in house.matters.list(house.officer)] == [made["id"]]


def test_a_lawyer_sees_only_their_own_matters(house: House) -> None:
    made = house.matters.create(house.lawyer, "Doe v. Clinic")
    assert house.matters.list(house.other_lawyer) == []
    for call in (house.matters.show, house.matters.close):
        with pytest.raises(AccessDenied):
            call(house.other_lawyer, made["id"])
    with pytest.raises(AccessDenied):
        house.matters.add_member(house.other_lawyer, made["id"], "uother")
    house.matters.add_member(house.lawyer, made["id"], "other")
    assert house.matters.show(house.other_lawyer, "Doe v. Clinic")["id"] == made["id"]


def test_other_roles_are_refused(house: House) -> None:
    for actor in (house.manager, house.administrator):
        with pytest.raises(AccessDenied):
            house.matters.create(actor, "Doe v. Clinic")
    assert ("matter.manage", "denied", "umanager") in house.audit()


def test_names_are_unique_and_not_blank(house: House) -> None:
    house.matters.create(house.lawyer, "Doe v. Clinic")
    with pytest.raises(NameTaken):
        house.matters.create(house.officer, "doe v. clinic")
    for name in ("", "  ", "x" * 201):
        with pytest.raises(BadCriteria):
            house.matters.create(house.officer, name)
    assert len(house.matters.list(house.officer)) == 1


def test_a_matter_with_a_hold_stays_open(house: House) -> None:
    made = house.matters.create(house.lawyer, "Doe v. Clinic")
    hold = house.holds.create(house.lawyer, made["id"], custodians=["ann@clinic.example"])
    with pytest.raises(MatterHeld):
        house.matters.close(house.lawyer, made["id"])
    house.holds.release(house.lawyer, hold["id"])
    house.holds.release(house.officer, hold["id"])
    with pytest.raises(MatterHeld):
        house.matters.close(house.lawyer, made["id"])
    assert house.holds.finish_cooling() == [hold["id"]]
    closed = house.matters.close(house.lawyer, made["id"])
    assert closed["state"] == "closed"
    assert closed["closed_at"] is not None
    with pytest.raises(MatterClosed):
        house.holds.create(house.lawyer, made["id"], custodians=["ann@clinic.example"])
    with pytest.raises(MatterClosed):
        house.matters.add_member(house.lawyer, made["id"], "uofficer")


def test_what_is_not_there_is_not_found(house: House) -> None:
    with pytest.raises(NotThere):
        house.matters.show(house.officer, "nothing")
    made = house.matters.create(house.lawyer, "Doe v. Clinic")
    with pytest.raises(NotThere):
        house.matters.add_member(house.lawyer, made["id"], "nobody")


def test_every_call_is_on_record(house: House) -> None:
    made = house.matters.create(house.lawyer, "Doe v. Clinic")
    house.matters.list(house.other_lawyer)
    house.matters.show(house.lawyer, made["id"])
    house.matters.add_member(house.lawyer, made["id"], "uofficer")
    with pytest.raises(AccessDenied):
        house.matters.show(house.other_lawyer, made["id"])
    with pytest.raises(NameTaken):
        house.matters.create(house.lawyer, "Doe v. Clinic")
    house.matters.close(house.officer, made["id"])
    assert [event for event in house.audit() if event[0].startswith("matter.")] == [
        ("matter.create", "success", "ulawyer"),
        ("matter.list", "empty", "uother"),
        ("matter.show", "success", "ulawyer"),
        ("matter.add_member", "success", "ulawyer"),
        ("matter.show", "denied", "uother"),
        ("matter.create", "failed", "ulawyer"),
        ("matter.close", "success", "uofficer"),
    ]


def test_a_change_that_cannot_be_recorded_does_not_happen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoRecord(Exception):
        pass

    def fail(*_: object) -> int:
        raise NoRecord

    with monkeypatch.context() as broken:
        broken.setattr(house.vault.audit, "record_in", fail)
        with pytest.raises(NoRecord):
            house.matters.create(house.lawyer, "Doe v. Clinic")
    assert house.matters.list(house.officer) == []


def test_names_are_sealed(house: House) -> None:
    house.matters.create(house.lawyer, "Zyzzyva v. Clinic")
    if house.vault.records.sqlite_path is not None:
        house.vault.records.close()
        for path in house.vault.settings.home.rglob("*"):
            assert not path.is_file() or b"zyzzyva" not in path.read_bytes().lower(), path.name
