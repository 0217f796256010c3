"""The ways a request may go besides being answered: withdrawn, of somebody unknown, by a representative, and
a denial that another professional reviews."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from retention.patients.whom import BadPatient, Whom
from retention.requests.errors import BadCase, CaseClosed, NotReady
from retention.roster.patient import Patient
from tests.retention.case_house import ASKING, Office, open_small_office

TIM = Patient("MRN-3003", "Tim Poe", born=date(2020, 5, 6), state="NY")
TWINS = (
    Patient("MRN-4004", "Ann Lee", born=date(1980, 1, 1)),
    Patient("MRN-5005", "Ann Lee", born=date(1980, 1, 1)),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_small_office(tmp_path_factory.mktemp("ways")) as office:
        office.house.patients.import_roster([TIM, *TWINS])
        office.put("results of MRN-1001")
        office.put("what Dr Hall found of MRN-1001")
        office.put("results of MRN-3003")
        office.put("an offer", sender="stranger@far.example")
        office.settle()
        yield office


def opened(office: Office, **more: Any) -> str:
    return str(
        office.cases.requests.open(office.officer, **{**ASKING, "whom": Whom("MRN-1001"), **more})["id"]
    )


def text_of(office: Office, case: str, kind: str) -> str:
    shown = office.cases.requests.show(office.officer, case)["letters"]
    one = next(one for one in reversed(shown) if one["kind"] == kind)
    return " ".join(office.cases.letters.read(office.officer, case, one["id"])["text"].split())


def denied(office: Office, **more: Any) -> str:
    """A request of which one message is given and the other withheld on a reviewable ground, denied, open."""
    case = opened(office, **more)
    cases, officer = office.cases, office.officer
    cases.finding.search(officer, case)
    first, second = (one["id"] for one in cases.review.items(officer, case)["items"])
    cases.review.mark(officer, case, "given", [first])
    cases.review.mark(officer, case, "endangers", [second], reason="Dr Hall found so")
    cases.review.deny(officer, case, "It could endanger you.")
    cases.review.approve(office.second, case)
    cases.letters.make(officer, case, "denial")
    return case


def answered(office: Office, case: str) -> dict[str, Any]:
    cases, officer = office.cases, office.officer
    office.download(cases.review.produce(officer, case)["export"])
    cases.letters.make(officer, case, "fulfilment")
    return cases.requests.close(officer, case)


def test_what_matches_is_marked_at_once(desk: Office) -> None:
    review, officer = desk.cases.review, desk.officer
    case = opened(desk)
    desk.cases.finding.search(officer, case)
    with pytest.raises(BadCase, match="--unmarked"):
        review.mark(officer, case, "given", query="results")
    done = review.mark(officer, case, "given", unmarked=True, query="results")
    assert (done["items"]["marks"], done["items"]["unmarked"]) == ({"given": 1}, 1)
    review.mark(officer, case, "outside", unmarked=True, query="results", reason="a bill")
    assert desk.cases.requests.show(officer, case)["items"]["marks"] == {"given": 1}


def test_a_request_taken_back(desk: Office) -> None:
    case = opened(desk)
    requests, officer = desk.cases.requests, desk.officer
    with pytest.raises(BadCase, match="reason"):
        requests.withdraw(officer, case, " ")
    done = requests.withdraw(officer, case, "You told us so by telephone on Monday.")
    assert (done["state"], done["outcome"]) == ("closed", "withdrawn")
    said = text_of(desk, case, "withdrawal")
    assert "by telephone on Monday" in said
    assert "You may ask again at any time" in said
    with pytest.raises(CaseClosed):
        requests.withdraw(officer, case, "again")
    with pytest.raises(CaseClosed):
        desk.cases.finding.search(officer, case)


def test_somebody_whom_nobody_knows(desk: Office) -> None:
    """Who isn't on the roster is searched for by words and addresses, and answered."""
    cases, officer = desk.cases, desk.officer
    case = opened(desk, name="A Stranger", whom=Whom(name="A Stranger"))
    with pytest.raises(BadPatient):
        cases.finding.search(officer, case)
    with pytest.raises(BadCase, match="by which words"):
        cases.finding.search(officer, case, roster=False)
    found = cases.finding.search(officer, case, query="from:stranger@far.example", roster=False)
    assert (found["found"], found["patient"], found["search"]["roster"]) == (1, None, False)
    cases.review.mark(officer, case, "given", unmarked=True)
    assert answered(desk, case)["outcome"] == "produced"
    assert "We don’t know you as a patient" in text_of(desk, case, "fulfilment")
    nothing = opened(desk, name="Nobody Atall", whom=Whom())
    cases.finding.search(officer, nothing, query='"Nobody Atall"', roster=False)
    cases.letters.make(officer, nothing, "fulfilment")
    assert "found no message about you" in text_of(desk, nothing, "fulfilment")
    assert cases.requests.close(officer, nothing)["outcome"] == "produced"
    account = opened(desk, name="A Stranger", kind="accounting", whom=Whom())
    with pytest.raises(BadPatient):
        cases.review.account(officer, account)
    cases.review.account(officer, account, roster=False)
    assert "doesn’t know you as a patient" in text_of(desk, account, "account")
    assert cases.requests.close(officer, account)["outcome"] == "produced"


def test_two_of_one_name_and_birth_date(desk: Office) -> None:
    case = opened(desk, whom=Whom(name="Ann Lee", born="1980-01-01"))
    with pytest.raises(BadPatient, match="several patients"):
        desk.cases.finding.search(desk.officer, case)
    assert desk.cases.finding.search(desk.officer, case, Whom("MRN-5005"))["patient_name"] == "Ann Lee"


def test_a_childs_father_reads_of_the_child(desk: Office) -> None:
    cases, officer = desk.cases, desk.officer
    case = opened(
        desk, asker="representative", name="Bob Poe", relation="father of a minor", whom=Whom("MRN-3003")
    )
    cases.finding.search(officer, case)
    cases.review.mark(officer, case, "given", unmarked=True)
    answered(desk, case)
    said = text_of(desk, case, "fulfilment")
    assert "the health information of Tim Poe" in said
    assert "1 message about Tim Poe" in said
    assert "about you" not in said


def test_a_letter_of_before_doesnt_close_it(desk: Office) -> None:
    """It would say a number that isn't the one she got."""
    cases, officer = desk.cases, desk.officer
    case = opened(desk)
    cases.finding.search(officer, case, query="results")
    cases.review.mark(officer, case, "given", unmarked=True)
    desk.download(cases.review.produce(officer, case)["export"])
    cases.letters.make(officer, case, "fulfilment")
    assert "1 message about you among what you asked for" in text_of(desk, case, "fulfilment")
    cases.finding.search(officer, case)
    cases.review.mark(officer, case, "given", unmarked=True)
    desk.download(cases.review.produce(officer, case)["export"])
    with pytest.raises(NotReady, match="fulfilment"):
        cases.requests.close(officer, case)
    cases.letters.make(officer, case, "fulfilment")
    assert "2 messages about you" in text_of(desk, case, "fulfilment")
    assert cases.requests.close(officer, case)["outcome"] == "produced"


def test_a_denial_is_reviewed_and_stands(desk: Office) -> None:
    appeals, officer = desk.cases.appeals, desk.officer
    with pytest.raises(NotReady, match="may be reviewed"):
        appeals.refer(officer, opened(desk), "Dr Reed, MD")
    case = denied(desk)
    with pytest.raises(NotReady, match="no review"):
        appeals.decided(officer, case, False, "as before")
    with pytest.raises(BadCase, match="a day to come"):
        appeals.refer(officer, case, "Dr Reed, MD", date.today() + timedelta(days=9))
    assert appeals.refer(officer, case, "Dr Reed, MD")["under_review"]
    with pytest.raises(NotReady, match="under way"):
        appeals.refer(officer, case, "Dr Reed, MD")
    assert "Dr Reed, MD, a licensed health care professional" in text_of(desk, case, "referral")
    done = appeals.decided(officer, case, False, "The danger is real.")
    assert (done["under_review"], done["follow_up"]) == (False, None)
    said = text_of(desk, case, "review")
    assert "that the denial stands" in said
    assert "The danger is real." in said


def test_a_review_that_grants_what_was_withheld(desk: Office) -> None:
    """After it was closed: by a request that follows, with what was withheld on its list."""
    cases, officer = desk.cases, desk.officer
    case = denied(desk)
    answered(desk, case)
    cases.appeals.refer(officer, case, "Dr Reed, MD")
    done = cases.appeals.decided(officer, case, True, "There is no danger.")
    assert (done["state"], done["outcome"]) == ("closed", "produced")
    after = cases.requests.show(officer, done["follow_up"])
    assert (after["follows"], after["items"]["total"], after["items"]["unmarked"]) == (case, 1, 1)
    assert after["identity"]
    assert after["state"] == "open"
    cases.review.mark(officer, after["id"], "given", unmarked=True)
    assert answered(desk, after["id"])["outcome"] == "produced"
    # While it is open still, the marks say it.
    case = denied(desk)
    cases.appeals.refer(officer, case, "Dr Reed, MD")
    assert cases.appeals.decided(officer, case, True, "There is no danger.")["follow_up"] is None


def test_an_account_goes_to_who_asked(desk: Office) -> None:
    cases, officer = desk.cases, desk.officer
    father = {"asker": "representative", "name": "Bob Poe", "relation": "father"}
    case = opened(desk, kind="accounting", whom=Whom("MRN-3003"), **father)
    cases.review.account(officer, case)
    said = text_of(desk, case, "account")
    assert "Bob Poe 1 Elm Street Raleigh, NC 27601" in said
    assert "the health information of Tim Poe" in said
    assert case in said
