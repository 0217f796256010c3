"""What the organisation chose reaches the dates of stored mail, by facts from the roster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from config.settings import Settings
from retention.refusals import WrongState
from retention.roster.csv_file import Patient
from tests.retention.policy.conftest import PolicyHouse, policy_house
from tests.retention.whole_house import OLD, mail, open_house

Make = Callable[[str], PolicyHouse]


@pytest.fixture
def physician(settings: Settings) -> Iterator[Make]:
    """The house of a physician in a State."""
    with ExitStack() as stack:

        def make(state: str) -> PolicyHouse:
            chosen = settings.model_copy(update={"provider_type": "physician", "jurisdictions": (state,)})
            return policy_house(stack.enter_context(open_house(chosen)))

        yield make


def turn_on(policy: PolicyHouse, option: str) -> None:
    house = policy.house
    asked = policy.enact(house.manager, {"do": "option", "option": option, "on": True})
    assert asked["state"] == "asked"
    policy.enact(house.officer, {"do": "approve", "id": asked["id"]})


def note(policy: PolicyHouse) -> int:
    (done,) = policy.house.capture(policy.house.arrival(mail(body="about MRN-00123")))
    return done.pk


MINOR = Patient(
    "MRN-00123",
    "Kim",
    born=date(1999, 1, 1),
    last_encounter=OLD,
    discharged=OLD,
    emancipated=date(2014, 6, 1),
)
DEAD = Patient(
    "MRN-00123", "Pat", born=date(1950, 1, 1), last_encounter=OLD, discharged=OLD, died=date(2005, 3, 1)
)


@pytest.mark.parametrize(
    ("state", "option", "patient", "before", "after"),
    [
        ("VA", "emancipation", MINOR, date(2017, 1, 2), date(2014, 6, 2)),
        ("CT", "death_alternative", DEAD, date(2012, 3, 2), date(2008, 3, 2)),
    ],
)
def test_an_option_counts_for_stored_mail_once_two_persons_agree(
    physician: Make, state: str, option: str, patient: Patient, before: date, after: date
) -> None:
    policy = physician(state)
    policy.house.patients.import_roster([patient])
    pk = note(policy)
    assert policy.dates()[pk] == before
    turn_on(policy, option)
    assert policy.dates()[pk] == after
    policy.enact(policy.house.manager, {"do": "option", "option": option, "on": False})
    assert policy.dates()[pk] == before


def test_an_option_asked_for_twice_is_on_once_and_off_when_it_is_turned_off(physician: Make) -> None:
    policy = physician("VA")
    house = policy.house
    on = {"do": "option", "option": "emancipation", "on": True}
    one, other = policy.enact(house.manager, on), policy.enact(house.second, on)
    policy.enact(house.officer, {"do": "approve", "id": one["id"]})
    with pytest.raises(WrongState):
        policy.enact(house.officer, {"do": "approve", "id": other["id"]})
    policy.enact(house.manager, {"do": "option", "option": "emancipation", "on": False})
    assert not policy.policies.current().options


def test_an_emancipation_that_a_roster_tells_later_dates_mail_anew(physician: Make, tmp_path: Path) -> None:
    policy = physician("VA")
    house = policy.house
    turn_on(policy, "emancipation")
    head = "mrn,name,born,last_encounter,discharged"
    row = "MRN-00123,Kim,1999-01-01,2005-03-01,2005-03-01"
    roster = tmp_path / "roster.csv"
    roster.write_text(f"{head}\n{row}\n")
    house.roster.run(roster)
    pk = note(policy)
    house.index()
    assert policy.dates()[pk] == date(2017, 1, 2)
    roster.write_text(f"{head},emancipated\n{row},2014-06-01\n")
    house.roster.run(roster)
    house.follower.run()
    assert policy.dates()[pk] == date(2014, 6, 2)
    (facts,) = house.explainer.verdicts.of([pk])[pk].facts
    assert facts.emancipated_on == date(2014, 6, 1)


def test_an_emancipation_that_not_every_record_knows_shortens_nothing(physician: Make) -> None:
    policy = physician("VA")
    house = policy.house
    turn_on(policy, "emancipation")
    # Two patients of one number: whichever it is, the longest counts.
    house.patients.import_roster([MINOR, Patient("X-9", "Kim", born=MINOR.born, numbers=("MRN-00123",))])
    pk = note(policy)
    assert policy.dates()[pk] in (None, date(2017, 1, 2))


def test_recommendations_count_for_stored_mail_and_what_they_lack_keeps_it(physician: Make) -> None:
    policy = physician("MI")
    house = policy.house
    pk = note(policy)
    assert policy.dates()[pk] == date(2012, 3, 2)
    policy.set(house.manager, scope={}, recommendations=True)
    assert policy.dates()[pk] is None
    assert house.explainer.verdicts.of([pk])[pk].result.missing == ("born",)
    house.patients.import_roster([DEAD])
    assert policy.dates()[pk] == date(2015, 3, 2)
