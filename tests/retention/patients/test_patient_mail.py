"""Everything about one patient: by every mark, across merges, in scope, on record, through time."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from retention.patients.finding import PatientMail
from retention.patients.whom import BadPatient, Whom
from retention.refusals import NotThere
from retention.roster.patient import Patient
from search.access import AccessDenied, Purpose, PurposeMissing
from search.errors import BadCursor, QueryError
from tests.retention.patients.rosters import encounter, ndjson, patient
from tests.retention.whole_house import House, found, mail

WHY = Purpose.TREATMENT
JANE = Patient(
    "MRN-1001",
    "Jane Roe",
    born=date(1950, 1, 2),
    email="jane@home.example",
    numbers=("B-7788",),
    ids=("ssn:512-34-6789", "health_plan_id:XYZ12345"),
)


def put(house: House, body: str, sent: date = date(2024, 3, 10), **fields: Any) -> str:
    (one,) = house.capture(house.arrival(mail(body=body, sent=sent, **fields)))
    return one.receipt.id


def settle(house: House) -> None:
    house.index()
    house.follower.run()
    house.index()


def ids(mail_of: PatientMail, house: House, whom: Whom, **more: Any) -> set[str]:
    page = mail_of.search(more.pop("actor", house.officer), WHY, whom, limit=200, **more).page
    shown = {item.id for item in page.items}
    assert page.total == len(shown)
    return shown


def test_every_mark_finds_all_of_her_mail(house: House, mail_of: PatientMail) -> None:
    house.patients.import_roster([JANE, Patient("MRN-2002", "Bob Poe")])
    mine = {
        put(house, "results of MRN-1001"),
        put(house, "chart number B-7788 is here"),
        put(house, "hello", sender="jane@home.example"),
        put(house, "patient Jane Roe, DOB 01/02/1950"),
        put(house, "SSN 512-34-6789 on file"),
    }
    put(house, "about MRN-2002")
    put(house, "nobody at all")
    settle(house)
    for mark in ("MRN-1001", "1001", "mrn 1001", "B-7788", "b7788", "512-34-6789", "512346789", "XYZ-12345"):
        assert ids(mail_of, house, Whom(mark)) == mine, mark
    assert ids(mail_of, house, Whom(name="Roe, Jane", born="1950-01-02")) == mine
    assert ids(mail_of, house, Whom(address="JANE@home.example")) == mine
    assert ids(mail_of, house, Whom("1001", name="Jane Roe", born="1950-01-02")) == mine
    (person,) = house.review.find(house.officer, WHY, number="B-7788")["items"]
    assert ids(mail_of, house, Whom(person["id"])) == mine
    assert ids(mail_of, house, Whom("1001"), query="subject:lunch chart") == mine & ids(
        mail_of, house, Whom("1001"), query="chart"
    )
    # The label finds the same, however the number is written.
    assert {
        len(found(house, f"patient:{n}")) for n in ("MRN-1001", "1001", "B-7788", "b7788", '"mrn b 7788"')
    } == {5}
    answer = mail_of.search(house.officer, WHY, Whom("B-7788"))
    (told,) = answer.patients
    assert (told["name"], told["numbers"], told["born"]) == ("Jane Roe", ["MRN-1001", "B-7788"], "1950-01-02")


def test_a_patient_without_a_number_and_two_of_one_number(
    house: House, mail_of: PatientMail, tmp_path: Path
) -> None:
    house.roster.run(
        ndjson(
            tmp_path / "r.ndjson",
            patient("p1", name="Ada Stone", birthDate="1960-05-05"),
            patient("p2", "900", name="Ben Wood"),
            patient("p3", "900", name="Cyd Hill"),
        )
    )
    stone = put(house, "patient Ada Stone, born 05/05/1960, was here")
    shared = put(house, "the record MRN-900 is missing")
    wood = put(house, "patient Ben Wood called")
    settle(house)
    assert ids(mail_of, house, Whom(name="Ada Stone", born="1960-05-05")) == {stone}
    with pytest.raises(BadPatient, match="several patients"):
        mail_of.search(house.officer, WHY, Whom("900"))
    listed = {one["name"]: one["id"] for one in house.review.find(house.officer, WHY, number="900")["items"]}
    assert ids(mail_of, house, Whom(listed["Wood, Ben"])) == {shared, wood}
    assert ids(mail_of, house, Whom(listed["Hill, Cyd"])) == {shared}
    assert len(found(house, "patient:900")) == 2


def test_a_merge_brings_the_mail_together_at_once_and_a_parting_takes_it_apart(
    house: House, mail_of: PatientMail, tmp_path: Path
) -> None:
    one, two = patient("p1", "111"), patient("p2", "222", name="Jane Doe")
    house.roster.run(ndjson(tmp_path / "a.ndjson", one, two))
    first, second = put(house, "MRN-111 called"), put(house, "MRN-222 called")
    settle(house)
    assert ids(mail_of, house, Whom("111")) == {first}
    link = [{"type": "replaces", "other": {"reference": "Patient/p1"}}]
    house.roster.run(ndjson(tmp_path / "b.ndjson", one, {**two, "link": link}))
    # Before the index was brought up to date by a single message.
    for number in ("111", "222"):
        assert ids(mail_of, house, Whom(number)) == {first, second}
    settle(house)
    for number in ("111", "222"):
        assert ids(mail_of, house, Whom(number)) == {first, second}
        assert len(found(house, f"patient:{number}")) == 2
    house.roster.run(ndjson(tmp_path / "c.ndjson", one, two))
    settle(house)
    assert ids(mail_of, house, Whom("111")) == {first}
    assert ids(mail_of, house, Whom("222")) == {second}


def test_pages_newest_first_with_an_exact_total(house: House, mail_of: PatientMail) -> None:
    house.patients.import_roster([JANE])
    for day in range(1, 8):
        put(house, "MRN-1001", date(2024, 3, day))
    settle(house)
    seen, cursor = [], None
    while True:
        page = mail_of.search(house.officer, WHY, Whom("1001"), limit=3, cursor=cursor).page
        assert page.total == 7
        seen += [item.sent_at for item in page.items]
        if (cursor := page.next) is None:
            break
        with pytest.raises(BadCursor):
            mail_of.search(house.officer, WHY, Whom("1001"), query="MRN", cursor=cursor)
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)


# --- episodes --------------------------------------------------------------------------------------


@pytest.fixture
def seen(house: House, tmp_path: Path) -> dict[str, str]:
    """A patient with two stays, a visit within the second, one not ended, one that nobody dates; and mail."""
    house.roster.run(
        ndjson(
            tmp_path / "r.ndjson",
            encounter("e1", "p1", "2023-01-10", "2023-01-20"),
            encounter("e2", "p1", "2023-06-01T10:00:00-05:00", "2023-06-30T23:30:00-05:00"),
            encounter("e3", "p1", "2023-06-15", "2023-06-15", kind="AMB"),
            encounter("e4", "p1", "2024-02-01", None),
            encounter("e5", "p1", None, None, status="unknown"),
            encounter("e6", "p1", "2022-01-01", "2022-01-02", status="cancelled"),
            patient("p1", "1001"),
        )
    )
    sent = {
        "early": date(2022, 12, 1),
        "before": date(2023, 1, 5),
        "in": date(2023, 1, 15),
        "after": date(2023, 1, 27),
        "later": date(2023, 3, 1),
        "both": date(2023, 6, 15),
        "zone": date(2023, 7, 1),
        "open": date(2024, 3, 3),
    }
    found = {name: put(house, "about MRN-1001", day) for name, day in sent.items()}
    put(house, "about nobody", date(2023, 1, 15))
    settle(house)
    return found


def test_episodes_with_their_margin_and_the_time_between(
    house: House, mail_of: PatientMail, seen: dict[str, str]
) -> None:
    line = mail_of.timeline(house.officer, WHY, Whom("1001"))
    assert (line["total"], line["undated"], line["margin_days"]) == (8, 1, 7)
    assert [(e["first"], e["last"], e["open"], e["stay"], e["messages"]) for e in line["episodes"]] == [
        ("2023-01-10", "2023-01-20", False, True, 3),
        ("2023-06-01", "2023-07-01", False, True, 2),
        ("2023-06-15", "2023-06-15", False, False, 1),
        ("2024-02-01", None, True, True, 1),
    ]
    gaps = [
        (g["from"] and g["from"][:10], g["until"] and g["until"][:10], g["messages"]) for g in line["between"]
    ]
    assert gaps == [
        (None, "2023-01-03", 1),
        ("2023-01-28", "2023-05-25", 1),
        ("2023-07-09", "2024-01-25", 0),
    ]
    assert line["months"][0] == {"month": "2022-12", "messages": 1}
    assert sum(one["messages"] for one in line["months"]) == 8
    first, second, visit, open_ = (one["id"] for one in line["episodes"])
    for episode, names in (
        (first, {"before", "in", "after"}),
        (second, {"both", "zone"}),
        (visit, {"both"}),
        (open_, {"open"}),
    ):
        assert ids(mail_of, house, Whom("1001"), episode=episode) == {seen[n] for n in names}
    assert ids(mail_of, house, Whom("1001"), apart=True) == {seen["early"], seen["later"]}
    assert ids(mail_of, house, Whom("1001"), episode=first, margin=0) == {seen["in"]}
    assert ids(mail_of, house, Whom("1001"), episode=first, margin=5) == {seen["in"], seen["before"]}
    narrow = mail_of.timeline(house.officer, WHY, Whom("1001"), margin=0)
    assert [one["messages"] for one in narrow["episodes"]] == [1, 2, 1, 1]


def test_what_is_asked_wrongly(house: House, mail_of: PatientMail, seen: dict[str, str]) -> None:
    for whom, kind in (
        (Whom(), BadPatient),
        (Whom(name="Jane Roe"), BadPatient),
        (Whom(name="Jane", born="1950-01-01"), BadPatient),
        (Whom(name="Jane Roe", born="1/1/1950"), BadPatient),
        (Whom("4711"), NotThere),
        (Whom("1001", address="other@x.example"), NotThere),
    ):
        for ask in (mail_of.search, mail_of.timeline):
            with pytest.raises(kind) as caught:
                ask(house.officer, WHY, whom)  # type: ignore[operator]
            assert not any(word in str(caught.value) for word in ("4711", "Roe", "1001", "x.example"))
    first = mail_of.timeline(house.officer, WHY, Whom("1001"))["episodes"][0]["id"]
    with pytest.raises(BadPatient):
        mail_of.search(house.officer, WHY, Whom("1001"), episode=first, apart=True)
    with pytest.raises(BadPatient):
        mail_of.timeline(house.officer, WHY, Whom("1001"), margin=366)
    with pytest.raises(NotThere):
        mail_of.search(house.officer, WHY, Whom("1001"), episode="enone")
    with pytest.raises(QueryError):
        mail_of.search(house.officer, WHY, Whom("1001"), query="nofield:x")
    # What is typed beside the patient can't reach beyond her.
    for query in ("* OR zebra", "*) OR (*", "NOT patient:1001", "patient:9 OR *"):
        try:
            assert ids(mail_of, house, Whom("1001"), query=query) <= set(seen.values())
        except QueryError:
            continue


def test_encounters_that_come_late_change_and_go(house: House, mail_of: PatientMail, tmp_path: Path) -> None:
    """Mail, then the patient, then the encounter; then it ends, and then it never was."""
    put(house, "about MRN-55", date(2024, 5, 5))
    house.roster.run(ndjson(tmp_path / "p.ndjson", patient("late", "55")))
    settle(house)
    assert mail_of.timeline(house.officer, WHY, Whom("55"))["episodes"] == []

    def episodes(*resources: dict[str, Any]) -> list[tuple[Any, ...]]:
        house.roster.run(ndjson(tmp_path / "e.ndjson", *resources))
        line = mail_of.timeline(house.officer, WHY, Whom("55"))
        return [(e["first"], e["last"], e["messages"]) for e in line["episodes"]]

    assert episodes(encounter("e1", "late", "2024-05-01", None)) == [("2024-05-01", None, 1)]
    assert episodes(encounter("e1", "late", "2024-05-01", None)) == [("2024-05-01", None, 1)]
    assert episodes(encounter("e1", "late", "2024-05-01", "2024-05-03")) == [("2024-05-01", "2024-05-03", 1)]
    by_number = {"subject": {"reference": "Patient?identifier=urn:x|55"}}
    assert len(episodes(encounter("e2", "-", "2024-09-01", "2024-09-02", **by_number))) == 2
    # Before the record of the patient it is of.
    unknown = encounter("e3", "later-still", "2020-01-01", "2020-01-02")
    assert len(episodes(unknown)) == 2
    link = {"link": [{"type": "seealso", "other": {"reference": "Patient/late"}}]}
    assert episodes(patient("later-still", "56", **link))[0] == ("2020-01-01", "2020-01-02", 0)
    assert len(episodes(encounter("e3", "later-still", None, None, status="entered-in-error"))) == 2


# --- scope and record ------------------------------------------------------------------------------


def test_a_lawyer_sees_their_matter_and_nothing_of_the_roster(
    house: House, mail_of: PatientMail, seen: dict[str, str], matter: str
) -> None:
    whom, nobody = Whom("1001"), Whom("999999")
    legal = Purpose.LEGAL
    for asked in (whom, nobody):
        answer = mail_of.search(house.lawyer, legal, asked)
        assert (answer.page.total, answer.patients, answer.episode) == (0, (), None)
    empty = mail_of.timeline(house.lawyer, legal, whom)
    assert empty == mail_of.timeline(house.lawyer, legal, nobody)
    assert (empty["episodes"], empty["undated"], empty["patients"]) == ([], 0, [])
    house.holds.create(house.lawyer, matter, message_ids=[seen["in"]])
    house.index()
    assert ids(mail_of, house, whom, actor=house.lawyer) == {seen["in"]}
    line = mail_of.timeline(house.lawyer, legal, whom, margin=365)
    assert line["total"] == 1
    (episode,) = line["episodes"]
    assert (episode["first"], episode["messages"]) == ("2023-01-10", 1)
    assert len(line["between"]) == 2
    (told,) = line["patients"]
    assert (told["name"], told["born"], told["records"]) == ("Roe, Jane", None, None)
    assert mail_of.search(house.lawyer, legal, whom, apart=True).page.total == 0
    others = [one["id"] for one in mail_of.timeline(house.officer, WHY, whom)["episodes"][1:]]
    for one in (*others, "enone"):
        asked_by = mail_of.search(house.lawyer, legal, whom, episode=one, margin=365)
        assert (asked_by.page.total, asked_by.episode) == (0, None)
    # For another purpose not even the name.
    (told,) = mail_of.timeline(house.lawyer, Purpose.OPERATIONS, whom)["patients"]
    assert (told["name"], told["numbers"]) == (None, None)
    assert ids(mail_of, house, whom, actor=house.other_lawyer) == set()


def test_every_look_is_on_record_with_the_patient(
    house: House, mail_of: PatientMail, seen: dict[str, str]
) -> None:
    (person,) = house.review.find(house.officer, WHY, number="1001")["items"]
    start = len(house.audit())
    mail_of.search(house.officer, WHY, Whom("1001"), query="about")
    mail_of.timeline(house.officer, WHY, Whom("1001"))
    with pytest.raises(NotThere):
        mail_of.timeline(house.officer, WHY, Whom("4711"))
    with pytest.raises(AccessDenied):
        mail_of.search(house.manager, WHY, Whom("1001"))
    with pytest.raises(PurposeMissing):
        mail_of.timeline(house.officer, None, Whom("1001"))
    with house.vault.records.read() as connection:
        entries = list(house.vault.audit.entries(connection, start, start + 7))
    assert [(leaf["action"], leaf["outcome"]) for _, leaf, _ in entries] == [
        ("patient.search", "success"),
        ("search.query", "begun"),
        ("search.results", "success"),
        ("patient.timeline", "success"),
        ("patient.timeline", "failed"),
        ("search.query", "denied"),
        ("search.query", "denied"),
    ]
    _, leaf, detail = entries[0]
    assert (leaf["objects"] or detail["objects"]) == [person["id"]]
    assert (detail["patient"], detail["query"]) == ("1001", "about")
    # What was typed is sealed, in no leaf of the log (whose times and hashes may hold any digits).
    told = [{**leaf, "at": 0, "detail": ""} for _, leaf, _ in entries]
    assert "1001" not in str(told)


def test_the_typed_number_is_no_news_to_who_typed_it(house: House, mail_of: PatientMail) -> None:
    house.patients.import_roster([JANE])
    put(house, "MRN-1001 has the SSN 512-34-6789", subject="MRN-1001 and B-7788")
    settle(house)
    (item,) = mail_of.search(house.officer, Purpose.OPERATIONS, Whom("1001")).page.items
    text = "".join(segment.text for segment in item.snippet)
    assert text.startswith("MRN-1001 has the SSN [SSN]")
    (item,) = mail_of.search(house.officer, Purpose.TREATMENT, Whom("1001")).page.items
    assert "512-34-6789" in "".join(segment.text for segment in item.snippet)
    assert item.masked == 0
