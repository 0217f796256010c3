"""What the log answers: whose mail was seen, one user's month, one patient's readers; derived and rebuilt."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from api.auditing import period as periods
from api.auditing.period import Period
from api.auditing.projection import Projection
from api.errors import BadInput
from api.jobs import work_of
from archiver.errors import NotFound
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.schema import audit_facts, audit_objects, audit_patients
from search.access import AccessDenied, Purpose
from tests.api.auditing.stage import JANE, JOHN, Place

ALL = Period()


@pytest.fixture
def place(anywhere: Place) -> Place:
    return anywhere


def derived(place: Place) -> tuple[object, ...]:
    """Everything in the derived tables."""
    with place.app.vault.records.read() as connection:
        return tuple(
            sorted(tuple(row) for row in connection.execute(select(table)))
            for table in (audit_facts, audit_objects, audit_patients)
        )


def test_each_look_names_the_patients_under_seal(place: Place) -> None:
    app, jane = place.app, place.roster[JANE]
    start = place.size()
    app.room.search(place.officer, Purpose.OPERATIONS, "to:jane@home.example")
    app.room.search(place.officer, Purpose.OPERATIONS, "zebrafinch")
    app.room.open(place.officer, Purpose.TREATMENT, place.jane[0])
    app.room.open(place.officer, Purpose.TREATMENT, place.jane[0], action="message.raw")
    app.room.open(place.officer, Purpose.TREATMENT, place.others[0])
    app.unsearchable.list(place.officer, Purpose.OPERATIONS, "zebrafinch")
    seen = [(one["action"], set(one["opened"].get("patients", ()))) for one in place.leaves(start)]
    both = {jane, place.roster[JOHN]}
    told = [one for one in seen if one[0] in ("search.results", "message.read", "message.raw")]
    assert told == [
        ("search.results", {jane}),
        ("search.results", both),
        ("message.read", {jane}),
        ("message.raw", {jane}),
        ("message.read", set()),
    ]
    with app.vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, start, place.size())
        tokens = b"".join(connection.scalars(select(audit_patients.c.token)))
    for leaf in leaves:
        assert jane.encode() not in leaf
    app.auditing.projection.follow()
    assert jane.encode() not in tokens


def test_a_download_names_them_too(place: Place) -> None:
    export = place.app.exports.create(place.officer, Purpose.LEGAL, query="zebrafinch")["id"]
    start = place.size()
    for _ in place.app.exports.stream(place.officer, Purpose.LEGAL, export):
        pass
    (entry,) = [one for one in place.leaves(start) if one["action"] == "export.download"]
    assert set(entry["opened"]["patients"]) == {place.roster[JANE], place.roster[JOHN]}
    found = place.app.auditing.reports.disclosures(place.privacy, JANE, ALL)
    assert [one["about"] for one in found["items"]] == [export]


def test_one_patients_readers_by_which_query(place: Place) -> None:
    app = place.app
    app.room.search(place.officer, Purpose.PAYMENT, "to:jane@home.example visit")
    place.clock.pass_(hours=1)
    place.read(place.second, place.jane[1], purpose=Purpose.TREATMENT)
    place.read(place.second, place.john[0])
    found = app.auditing.reports.of_patient(place.privacy, JANE, ALL)
    readers = {one["user_name"]: (one["looks"], one["purposes"]) for one in found["readers"]}
    assert readers == {"olga officer": (1, ["payment"]), "sam second": (1, ["treatment"])}
    first, second = found["looks"]
    assert (first["action"], first["query"], first["purpose"]) == (
        "search.results",
        "to:jane@home.example visit",
        "payment",
    )
    assert (second["action"], second["messages"], second["at"]) == (
        "message.read",
        [place.jane[1]],
        "2026-03-02T10:00:00Z",
    )
    # By the roster's own id as well, and for a period that leaves one of them out.
    late = periods.parse(app.auditing.reports.zone, since="2026-03-02T09:30:00Z")
    found = app.auditing.reports.of_patient(place.privacy, place.roster[JANE], late)
    assert [one["user_name"] for one in found["readers"]] == ["sam second"]
    for nobody in ("MRN-9999", "MRN\0-1001"):
        with pytest.raises(NotFound):
            app.auditing.reports.of_patient(place.privacy, nobody, ALL)
        with pytest.raises(NotFound):
            app.auditing.reports.of_user(place.privacy, nobody, ALL)
        with pytest.raises(NotFound):
            app.auditing.watched.add(place.privacy, "vip", nobody)


def test_one_users_month(place: Place) -> None:
    app = place.app
    place.read(place.officer, *place.jane, *place.others)
    place.clock.pass_(days=40)
    place.read(place.officer, place.john[0])
    march = periods.named(app.auditing.reports.zone, "2026-03")
    found = app.auditing.reports.of_user(place.privacy, "olga officer", march, limit=3)
    assert (found["total"], found["messages"], found["patients"], found["active_days"]) == (7, 7, 1, 1)
    assert found["actions"] == [{"action": "message.read", "outcome": "success", "count": 7}]
    pages = [found["entries"]]
    while found["next"] is not None:
        found = app.auditing.reports.of_user(
            place.privacy, "olga officer", march, limit=3, after=found["next"]
        )
        pages.append(found["entries"])
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one["objects"][0] for page in pages for one in page] == [*place.jane, *place.others]
    # The reports are themselves on record, before they were given.
    own = app.auditing.reports.of_user(place.privacy, place.privacy.user_id, ALL)
    assert [one["reason"] for one in own["entries"]] == ["report.user"] * 4


def test_failed_sign_ins(place: Place) -> None:
    app = place.app
    for token in ("hf_" + "A" * 43, "rubbish"):
        with pytest.raises(Exception, match="sign in"):
            app.accounts.authenticate(token, "api", address="192.0.2.7")
    found = app.auditing.reports.sign_ins(place.privacy, ALL)
    assert found["total"] == 2
    assert found["reasons"] == [{"reason": "unknown", "count": 2}]
    assert [one["user"] for one in found["users"]] == ["anonymous"]


def test_it_is_derived(place: Place) -> None:
    """Followed stretch by stretch, by two at once, or made anew: the same."""
    app, twin = place.app, Projection(place.app.vault)
    place.read(place.officer, *place.jane)
    app.auditing.projection.follow()
    app.room.search(place.officer, Purpose.OPERATIONS, "zebrafinch")
    assert twin.follow() > 0
    assert (app.auditing.projection.follow(), twin.behind()) == (0, 0)
    before = derived(place)
    assert len(before[0]) == place.size()  # type: ignore[arg-type]
    assert app.auditing.projection.rebuild() == place.size()
    assert derived(place) == before


def test_who_may_ask(place: Place) -> None:
    reports = place.app.auditing.reports
    for ask in (
        lambda: reports.of_user(place.officer, "sam second", ALL),
        lambda: reports.of_patient(place.officer, JANE, ALL),
        lambda: reports.sign_ins(place.officer, ALL),
        lambda: reports.disclosures(place.officer, JANE, ALL),
        lambda: place.app.auditing.unusual.report(place.officer, ALL),
        lambda: place.app.auditing.reviews.periods(place.officer),
        lambda: place.app.auditing.reviews.sign(place.officer, "2026-W09", ""),
        lambda: place.app.auditing.exports.stream(place.officer, "fhir"),
        lambda: place.app.auditing.watched.add(place.officer, "vip", JANE),
        lambda: place.app.auditing.expiries.ask(place.officer, "old"),
    ):
        start = place.size()
        with pytest.raises(AccessDenied):
            ask()
        (entry,) = place.leaves(start)
        assert (entry["outcome"], entry["user"]) == ("denied", place.officer.user_id)


@pytest.mark.parametrize(
    "asked",
    [
        {"month": "2026-13"},
        {"month": "9999-12"},
        {"since": "soon"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"since": "2026-02-02", "until": "2026-01-01"},
    ],
)
def test_periods_that_make_no_sense(asked: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        periods.parse(ZoneInfo("UTC"), **asked)


def test_ends_of_sessions_and_first_uses_of_tokens(place: Place) -> None:
    """On record within a minute, although nobody meets them again."""
    app = place.app
    token = app.accounts.token(place.officer.user_id)
    code = app.accounts.link(place.second.user_id).rpartition("/")[2]
    app.accounts.redeem(code, "desk")
    work = work_of(app)["audit.follow"]
    counts = work(None)  # type: ignore[arg-type]
    assert counts is not None
    assert (counts["sessions_ended"], counts["tokens_used"]) == (0, 0)
    app.accounts.authenticate(token, "api")
    place.clock.pass_(minutes=16)
    start = place.size()
    for expected in (1, 0):
        counts = work(None)  # type: ignore[arg-type]
        assert counts is not None
        assert (counts["sessions_ended"], counts["tokens_used"]) == (expected, expected)
    told = [(one["action"], one["user"], one["reason"]) for one in place.leaves(start)]
    assert told == [
        ("session.end", place.second.user_id, "idle"),
        ("token.first_use", place.officer.user_id, ""),
    ]


def test_changed_settings_are_on_record_at_the_start(place: Place) -> None:
    app = place.app
    assert app.auditing.starts.note() > 50
    assert app.auditing.starts.note() == 0
    app.vault.settings = app.vault.settings.model_copy(
        update={"token_days": 7, "notice_relay": "smtp://relay.clinic.example?starttls"}
    )
    start = place.size()
    assert app.auditing.starts.note() == 2
    (entry,) = place.leaves(start)
    assert (entry["action"], entry["count"]) == ("settings.change", 2)
    assert entry["opened"]["changed"]["token_days"] == {"from": 90, "to": 7}
    with app.vault.records.read() as connection:
        (leaf,) = log.read(connection, Log.AUDIT, start, start + 1)
    assert b"relay" not in leaf
    assert b"token_days" not in leaf
