"""Whose mail it is says whose law it is under; a change is felt at once and frees nothing that was there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.errors import DestructionRefused
from archiver.message.model import Recipient
from retention.law.schedules import default_schedule
from retention.refusals import NameTaken, NotThere, WrongState
from retention.units.book import Said, UnitBook, UnitFacts
from retention.units.units import BadUnit, read_facts
from search.access import AccessDenied
from tests.retention.roster.test_matching import destroyable
from tests.retention.whole_house import House, mail


def facts_of(house: House, pk: int) -> tuple[set[str], set[str], tuple[str, ...]]:
    """The States and provider types that a message is judged by, and the units it is of."""
    verdict = house.explainer.verdicts.of([pk])[pk]
    (facts,) = verdict.facts
    provider = facts.provider_type
    providers = {provider} if isinstance(provider, str) else {p for p in provider or () if p}
    return set(facts.jurisdictions or ()), providers, verdict.units


def write(house: House, **rest: Any) -> int:
    return house.capture(house.arrival(mail(**rest)))[0].pk


def test_participants_bring_their_units_law(house: House) -> None:
    by_domain = house.units.add(None, "Dental", domains=["dental.example"], states=["va"], provider="dentist")
    by_person = house.units.add(None, "Ward 3", addresses=["Nurse@Clinic.example"], states=["TX"])
    plain = write(house)
    dental = write(house, to="someone@mail.dental.example")
    both = write(house, sender="x@dental.example", to="NURSE@clinic.example")
    look_alike = write(house, to="x@notdental.example")
    assert facts_of(house, plain) == facts_of(house, look_alike) == ({"NY"}, {"hospital"}, ())
    assert facts_of(house, dental) == ({"NY", "VA"}, {"hospital", "dentist"}, (by_domain["id"],))
    states, providers, units = facts_of(house, both)
    assert (states, providers) == ({"NY", "VA", "TX"}, {"hospital", "dentist"})
    assert set(units) == {by_domain["id"], by_person["id"]}


def test_envelopes_and_owners_count(house: House) -> None:
    unit = house.units.add(None, "Dental", domains=["dental.example"], states=["VA"])
    hidden = house.capture(
        house.arrival(mail(), smtp_recipients=(Recipient("quiet@dental.example", "recipient"),)),
        house.arrival(mail(), custodians=("owner@dental.example",)),
    )
    for one in hidden:
        assert facts_of(house, one.pk)[2] == (unit["id"],)


def test_a_change_is_felt_at_once(house: House) -> None:
    (old,) = house.old(1)
    house.index()
    house.runs.run(propose=False)
    assert destroyable(house, old.pk)
    house.units.add(None, "Everybody", domains=["clinic.example"], states=["NC"])
    assert not destroyable(house, old.pk)
    house.runs.refresh()
    assert destroyable(house, old.pk)
    house.units.remove(None, "Everybody")
    assert not destroyable(house, old.pk)


def test_what_was_said_holds_for_the_mail_of_its_time(house: House) -> None:
    house.units.add(None, "Ward", domains=["clinic.example"], states=["TX"], provider="physician")
    before = write(house)
    house.units.set(None, "Ward", states=["VA"])
    between = write(house)
    house.units.remove(None, "ward")
    after = write(house)
    assert facts_of(house, before)[:2] == ({"NY", "TX", "VA"}, {"hospital", "physician"})
    assert facts_of(house, between)[:2] == ({"NY", "VA"}, {"hospital", "physician"})
    assert facts_of(house, after)[:2] == ({"NY"}, {"hospital"})
    shown = house.units.show(house.manager, "Ward")
    assert not shown["active"]
    assert [one["states"] for one in shown["versions"]] == [["TX"], ["VA"]]
    with pytest.raises(WrongState):
        house.units.remove(None, "Ward")
    # It may come back; what was said once is not lost by it.
    house.units.set(None, "Ward", domains=["clinic.example"], states=["CA"])
    assert facts_of(house, before)[0] == {"NY", "TX", "VA", "CA"}
    assert facts_of(house, after)[0] == {"NY", "CA"}


def test_setting_the_same_again_says_nothing_new(house: House) -> None:
    house.units.add(None, "Ward", domains=["clinic.example"], states=["TX"])
    assert len(house.units.set(None, "Ward", states=["tx"])["versions"]) == 1


def test_no_statement_takes_it_back(house: House) -> None:
    house.units.add(None, "Ward", domains=["clinic.example"], states=["TX"])
    house.units.set(None, "Ward", states=["VA"])
    for statement in (
        "DELETE FROM unit_facts",
        "UPDATE unit_facts SET sealed = sealed",
        "UPDATE unit_facts SET until_us = NULL WHERE version = 1",
        "UPDATE unit_facts SET until_us = 1 WHERE version = 1",
        "UPDATE unit_facts SET from_us = 1",
    ):
        with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "given_",
    [
        {"states": ["NC"]},
        {"domains": ["clinic.example"]},
        {"domains": ["clinic"], "states": ["NC"]},
        {"domains": ["cli nic.example"], "states": ["NC"]},
        {"addresses": ["nobody"], "states": ["NC"]},
        {"domains": ["clinic.example"], "states": ["ZZ"]},
        {"domains": ["clinic.example"], "provider": "magician"},
        {"domains": ["clinic.example"], "provider": "any"},
    ],
)
def test_refusals(given_: dict[str, Any]) -> None:
    with pytest.raises(BadUnit):
        read_facts(default_schedule(), **given_)


def test_names_and_roles(house: House) -> None:
    house.units.add(house.manager, "Ward", domains=["clinic.example"], states=["TX"])
    with pytest.raises(NameTaken):
        house.units.add(house.officer, " ward ", domains=["x.example"], states=["TX"])
    with pytest.raises(NotThere, match="no such unit; `holdfast"):
        house.units.show(house.manager, "nothing")
    for near in ("Wart", "wrad"):
        with pytest.raises(NotThere, match=r"nearest in spelling is n[a-z2-7]{15,};") as caught:
            house.units.show(house.manager, near)
        assert "ward" not in str(caught.value).casefold()
    with pytest.raises(BadUnit):
        house.units.add(None, " ", domains=["x.example"], states=["TX"])
    with pytest.raises(AccessDenied):
        house.units.add(house.lawyer, "Mine", domains=["x.example"], states=["TX"])
    with pytest.raises(AccessDenied):
        house.units.list(house.lawyer)
    (listed,) = house.units.list(house.administrator)
    assert listed["name"] == "Ward"
    assert ("unit.add", "success", "umanager") in house.audit()


def test_at_rest_units_are_unreadable(house: House) -> None:
    house.units.add(
        None, "Quaggafield", domains=["quagga.example"], addresses=["zeb@x.example"], states=["TX"]
    )
    with house.vault.records.read() as connection:
        for table in ("units", "unit_facts"):
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                said = b"".join(v if isinstance(v, bytes) else str(v).encode() for v in row)
                assert not any(word in said.lower() for word in (b"quagga", b"zeb@"))


_unit = st.tuples(
    st.sampled_from(["a.example", "b.a.example"]), st.sampled_from(["NC", "TX", "VA"]), st.integers(0, 9)
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_unit, max_size=5), _unit, st.integers(0, 9))
def test_adding_a_unit_only_adds_law(units: list[Any], more: Any, captured: int) -> None:
    """Whatever is said besides, what applied applies: so dates move later only."""

    def said(one: Any, number: int) -> Said:
        domain, state, until = one
        return Said(f"n{number}", UnitFacts((domain,), (), (state,), ""), until or None)

    before = [said(one, n) for n, one in enumerate(units)]
    people = ["x@b.a.example", "y@elsewhere.example"]
    was = {one.unit for one in UnitBook(before).of(people, captured)}
    now = {one.unit for one in UnitBook([*before, said(more, 99)]).of(people, captured)}
    assert was <= now
