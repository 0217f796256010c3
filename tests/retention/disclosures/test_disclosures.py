"""Every download is in the book by patient, and the account leaves out what the rule leaves out."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from archiver.errors import DestructionRefused
from archiver.store.schema import disclosure_acts
from retention.disclosures import paper
from retention.disclosures.errors import BadDisclosure
from retention.patients.whom import BadPatient, Whom
from retention.refusals import NotThere, WrongState
from retention.roster.patient import Patient
from search.access import AccessDenied, Purpose
from search.disclosing import LEFT_OUT, BadRecipient, Basis, Recipient, inferred, read_basis
from tests.retention.case_house import BOB, JANE, Office

HER, HIM = Whom("MRN-1001"), Whom("MRN-2002")
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Of what no database makes a difference to."""
COURT = Recipient("Superior Court", "1 Court Square\nRaleigh")


@pytest.fixture
def mailed(office: Office) -> Office:
    """The office with mail about each patient, about both, and about nobody."""
    for body in ("about MRN-1001", "MRN-1001 and MRN-2002", "about MRN-2002", "shall we have lunch"):
        office.put(f"zebra {body}")
    office.settle()
    return office


def export(office: Office, why: Purpose, query: str = "zebra", **more: str) -> str:
    made = office.exports.create(
        office.officer, why, query=query, recipient=COURT, basis=more.get("basis", "")
    )
    office.download(made["id"], why=why)
    return str(made["id"])


def account(office: Office, whom: Whom = HER, **more: date) -> dict:  # type: ignore[type-arg]
    return office.cases.disclosures.account(office.privacy, whom, **more)


def test_a_download_is_a_row_for_each_patient(mailed: Office) -> None:
    export_id = export(mailed, Purpose.LEGAL, basis="judicial")
    with mailed.house.vault.records.read() as connection:
        rows = mailed.book.of_about(connection, export_id)
        (act,) = mailed.book.acts(connection)
    assert [one.messages for one in rows] == [2, 2]
    assert {one.basis for one in rows} == {Basis.JUDICIAL}
    assert {one.recipient for one in rows} == {COURT}
    assert (act["messages"], act["unmatched"], act["patients"]) == (4, 1, 2)
    (line,) = account(mailed)["disclosures"]
    assert line["recipient"] == "Superior Court"
    assert "164.512(e)" in line["purpose"]
    assert line["what"] == "2 e-mail messages about the patient"
    # Downloaded again: the same line, twice (164.528(b)(3)).
    mailed.pass_(days=2)
    mailed.download(export_id, why=Purpose.LEGAL)
    (line,) = account(mailed)["disclosures"]
    assert line["times"] == 2
    assert date.fromisoformat(line["last"]) - date.fromisoformat(line["date"]) == timedelta(days=2)


@pytest.mark.parametrize("basis", sorted(set(Basis) - {Basis.UNSTATED}))
def test_what_the_rule_leaves_out(basis: Basis) -> None:
    assert read_basis(basis) is basis
    left_out = basis in LEFT_OUT
    assert left_out == (basis in ("treatment", "payment", "operations", "individual", "authorization"))


def test_the_account_has_the_rest_and_tells_staff_of_what_it_lacks(mailed: Office) -> None:
    for why in (Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.PATIENT_REQUEST, Purpose.PUBLIC_HEALTH):
        export(mailed, why)
    export(mailed, Purpose.LEGAL)
    found = account(mailed)
    assert sorted(one["legal_basis"] for one in found["disclosures"]) == ["public_health", "unstated"]
    assert found["for_staff"]["left_out"] == {"treatment": 1, "operations": 1, "individual": 1}
    assert found["for_staff"]["unstated"] == 1
    told = paper.told(found)
    assert "for_staff" not in told
    assert "acts" not in told["disclosures"][0]
    rows = list(csv.DictReader(io.StringIO(paper.as_csv(found))))
    assert [row["recipient"] for row in rows] == ["Superior Court"] * 2
    assert paper.pdf("a", found, "Clinic", "Pat", mailed.house.clock.now()).startswith(b"%PDF")


def test_a_basis_that_was_not_stated_is_stated_later_and_what_was_said_stays(mailed: Office) -> None:
    export(mailed, Purpose.LEGAL)
    assert mailed.cases.disclosures.counts() == {"unstated": 1}
    (act,) = mailed.cases.disclosures.list(mailed.privacy, unstated=True)
    with pytest.raises(BadRecipient):
        mailed.cases.disclosures.state(mailed.privacy, act["id"], basis="curiosity")
    with pytest.raises(BadDisclosure):
        mailed.cases.disclosures.state(mailed.privacy, act["id"])
    with pytest.raises(NotThere):
        mailed.cases.disclosures.state(mailed.privacy, "ynothing", basis="judicial")
    after = mailed.cases.disclosures.state(mailed.privacy, act["id"], basis="authorization", note="form 7")
    assert (after["legal_basis"], after["recipient"], after["note"]) == (
        "authorization",
        "Superior Court",
        "form 7",
    )
    assert account(mailed)["disclosures"] == []
    assert mailed.cases.disclosures.counts() == {"unstated": 0}
    with pytest.raises(DestructionRefused), mailed.house.vault.records.write() as connection:
        connection.execute(disclosure_acts.update().values(basis="treatment"))
    with pytest.raises(DestructionRefused), mailed.house.vault.records.write() as connection:
        connection.execute(disclosure_acts.delete())


@ONE_DATABASE
def test_six_years_and_no_more(mailed: Office) -> None:
    export(mailed, Purpose.PUBLIC_HEALTH)
    mailed.pass_(days=365 * 6)
    assert len(account(mailed)["disclosures"]) == 1
    mailed.pass_(days=5)
    found = account(mailed)
    assert found["disclosures"] == []
    with pytest.raises(BadDisclosure, match="6 years"):
        account(mailed, since=date.fromisoformat(found["from"]) - timedelta(days=1))
    with pytest.raises(BadDisclosure, match="still to come"):
        account(mailed, until=date.max)
    with pytest.raises(BadDisclosure, match="before it begins"):
        account(mailed, since=date.fromisoformat(found["until"]), until=date.fromisoformat(found["from"]))


@ONE_DATABASE
def test_the_days_of_a_period_are_the_organisations(mailed: Office) -> None:
    noon = mailed.house.clock.now()
    mailed.pass_(hours=9)  # an evening there, the next day in UTC
    export(mailed, Purpose.PUBLIC_HEALTH)
    (line,) = account(mailed)["disclosures"]
    day = date.fromisoformat(line["date"])
    assert day == noon.date() < mailed.house.clock.now().date()
    assert len(account(mailed, since=day, until=day)["disclosures"]) == 1
    assert account(mailed, until=day - timedelta(days=1))["disclosures"] == []


def test_an_agency_may_have_its_disclosures_left_out_for_a_time(mailed: Office) -> None:
    export(mailed, Purpose.LEGAL, basis="law_enforcement")
    export(mailed, Purpose.LEGAL, basis="judicial")
    book, today = mailed.cases.disclosures, mailed.cases.disclosures.suspensions.today()
    said = {"statement": "it would impede the investigation", "agency": "Superior Court"}
    with pytest.raises(BadDisclosure, match="30 days"):
        book.suspend(
            mailed.privacy,
            HER,
            basis="law_enforcement",
            until=today + timedelta(days=31),
            written=False,
            **said,
        )
    with pytest.raises(BadDisclosure, match="can be suspended"):
        book.suspend(mailed.privacy, HER, basis="judicial", until=today, written=True, **said)
    until = today + timedelta(days=90)
    made = book.suspend(mailed.privacy, HER, basis="law_enforcement", until=until, written=True, **said)
    found = account(mailed)
    assert [one["legal_basis"] for one in found["disclosures"]] == ["judicial"]
    assert found["for_staff"]["suspended"] == 1
    # Of nobody else, and no longer than it says.
    assert len(account(mailed, HIM)["disclosures"]) == 2
    mailed.pass_(days=91)
    assert len(account(mailed)["disclosures"]) == 2
    mailed.pass_(days=-91)
    book.resume(mailed.privacy, made["id"])
    assert len(account(mailed)["disclosures"]) == 2
    with pytest.raises(WrongState):
        book.resume(mailed.privacy, made["id"])


@ONE_DATABASE
def test_what_left_on_another_way(mailed: Office) -> None:
    made = mailed.cases.disclosures.record(
        mailed.privacy,
        HER,
        basis="oversight",
        recipient=Recipient("State Board"),
        what="three letters, read out",
    )
    assert made["kind"] == "hand"
    (line,) = account(mailed)["disclosures"]
    assert (line["recipient"], line["what"]) == ("State Board", "three letters, read out")
    assert account(mailed, HIM)["disclosures"] == []
    with pytest.raises(BadPatient):
        mailed.cases.disclosures.record(
            mailed.privacy, Whom(), basis="oversight", recipient=Recipient("State Board"), what="x"
        )


def test_a_row_outlives_the_change_of_whose_record_it_is(mailed: Office) -> None:
    """Two records that become one person's: the account has what was written down for either."""
    export(mailed, Purpose.PUBLIC_HEALTH)
    assert len(account(mailed, HIM)["disclosures"]) == 1
    mailed.house.patients.import_roster(
        [Patient("MRN-1001", "Jane Roe", born=JANE.born, numbers=("MRN-2002",)), BOB]
    )
    mailed.settle()
    assert len(account(mailed)["disclosures"]) >= 1


def test_purposes_that_stand_for_a_basis() -> None:
    assert inferred(Purpose.LEGAL) is Basis.UNSTATED
    assert inferred(None) is Basis.UNSTATED
    assert {inferred(one) for one in Purpose} == {
        Basis.TREATMENT,
        Basis.PAYMENT,
        Basis.OPERATIONS,
        Basis.INDIVIDUAL,
        Basis.PUBLIC_HEALTH,
        Basis.UNSTATED,
    }


@ONE_DATABASE
def test_nobody_else_reads_the_book(mailed: Office) -> None:
    for actor in (mailed.house.lawyer, mailed.house.administrator, mailed.house.manager):
        with pytest.raises(AccessDenied):
            mailed.cases.disclosures.account(actor, HER)
        with pytest.raises(AccessDenied):
            mailed.cases.disclosures.list(actor)
    with mailed.house.vault.records.read() as connection:
        assert connection.execute(select(disclosure_acts)).all() == []


@ONE_DATABASE
def test_a_formula_in_a_recipient_is_no_formula_in_a_spreadsheet(mailed: Office) -> None:
    mailed.cases.disclosures.record(
        mailed.privacy, HER, basis="oversight", recipient=Recipient("=HYPERLINK(1)"), what="+1"
    )
    (row,) = csv.DictReader(io.StringIO(paper.as_csv(account(mailed))))
    assert row["recipient"] == "'=HYPERLINK(1)"
    assert row["what"] == "'+1"
