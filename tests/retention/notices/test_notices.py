"""Notices from the first mail to the release: real SMTP, a clock that is turned, and what is on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from archiver.capture.ports import Arrival
from archiver.errors import DestructionRefused
from archiver.store.schema import notice_mails, notices
from retention.refusals import BadCriteria, NotThere, WrongState
from search.access import AccessDenied
from tests.retention.notices.conftest import ANN, BOB, CAT, CONTACT, MANAGER, Office
from tests.retention.whole_house import House, held

SUBJECT = "Legal hold: please keep what you have, and confirm"


def test_a_notice_goes_out_and_is_confirmed(office: Office) -> None:
    house = office.house
    hold = office.hold(ANN, BOB)
    assert sorted(office.got()) == [(ANN, SUBJECT), (BOB, SUBJECT)]
    assert office.relay.encrypted == [True, True]
    assert office.states(hold) == {ANN: "sent", BOB: "sent"}
    mail = office.relay.mails()[0]
    assert mail["From"] == CONTACT
    assert mail["Auto-Submitted"] == "auto-generated"
    assert hold in mail.get_content()
    assert "https://archive.clinic.example/notices/" in mail.get_content()
    assert all(line.isascii() and len(line) < 999 for line in office.relay.taken[0].split(b"\r\n"))
    secret = office.link(0)
    assert house.notices.acknowledge(secret) == "acknowledged"
    first = house.notices.list(house.lawyer, hold=hold)
    assert house.notices.acknowledge(secret) == "acknowledged"
    assert house.notices.list(house.lawyer, hold=hold) == first
    who = str(mail["To"])
    assert office.states(hold) == {ANN: "sent", BOB: "sent"} | {who: "acknowledged"}
    assert house.notices.acknowledge("!" + secret[1:]) is None
    assert house.notices.acknowledge("\udcff") is None
    events = [event for event in house.audit() if event[0].startswith("notice.")]
    assert events.count(("notice.acknowledge", "success", "anonymous")) == 1
    assert events.count(("notice.queue", "success", "ulawyer")) == 2
    assert events.count(("notice.send", "success", "system")) == 2
    # Run again and again: nothing is sent twice.
    for _ in range(3):
        assert office.run() == {"queued": 0, "sent": 0}


def test_the_silent_are_reminded_and_their_manager_is_told_once(office: Office) -> None:
    hold = office.hold(ANN, BOB)
    office.house.notices.acknowledge(office.link([to for to, _ in office.got()].index(BOB)))
    secret = office.link([to for to, _ in office.got()].index(ANN))
    del office.relay.taken[:]
    assert office.run(days=6) == {"queued": 0, "sent": 0}
    office.run(days=1, minutes=1)
    assert office.got() == [(ANN, f"Reminder: {SUBJECT}")]
    # The same link, so that whichever mail somebody finds works.
    assert office.link() == secret
    assert office.states(hold)[ANN] == "reminded"
    office.run(days=7)
    office.run(days=7)
    assert office.got()[1:3] == [(ANN, f"Reminder: {SUBJECT}")] * 2
    (told,) = [m for m in office.relay.mails() if m["To"] == MANAGER]
    assert ANN in told.get_content()
    assert BOB not in told.get_content()
    assert secret not in told.get_content()
    assert office.states(hold) == {ANN: "escalated", BOB: "acknowledged"}
    office.run(days=7)
    assert [to for to, _ in office.got()].count(MANAGER) == 1
    office.house.notices.acknowledge(secret)
    office.run(days=30)
    assert [to for to, _ in office.got()].count(ANN) == 4


def test_downtime_makes_one_reminder_not_ten(office: Office) -> None:
    office.hold(ANN)
    office.run(days=70)
    assert [to for to, _ in office.got()] == [ANN, ANN, MANAGER]


def test_new_custodians_get_theirs_and_those_let_go_are_told(office: Office) -> None:
    house = office.house
    hold = office.hold(ANN)
    del office.relay.taken[:]
    house.holds.change(house.lawyer, hold, reason="Bob knew", custodians=[BOB], add=True)
    office.run()
    assert office.got() == [(BOB, SUBJECT)]
    house.holds.change(house.lawyer, hold, reason="Ann didn't", custodians=[BOB])
    office.run()
    house.holds.approve(house.officer, hold)
    office.run()
    # Until the cooling-off is over Ann is held, and isn't told otherwise.
    assert office.states(hold) == {ANN: "sent", BOB: "sent"}
    house.holds.finish_cooling()
    office.run()
    assert office.got()[1:] == [(ANN, "Legal hold: it has ended for you")]
    assert office.states(hold) == {ANN: "ended", BOB: "sent"}
    assert house.notices.acknowledge(office.link(0)) == "acknowledged"
    # Named again, she is told again and asked again.
    house.holds.change(house.lawyer, hold, reason="she did", custodians=[ANN], add=True)
    office.run()
    assert office.got()[2:] == [(ANN, SUBJECT)]


def test_the_end_of_a_hold_is_told_to_whoever_was_told_of_it(office: Office) -> None:
    house = office.house
    hold, other = office.hold(ANN, BOB), office.hold(BOB)
    secret = office.link(0)
    del office.relay.taken[:]
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    assert office.run() == {"queued": 0, "sent": 0}
    house.holds.finish_cooling()
    office.run()
    texts = {str(mail["To"]): mail.get_content() for mail in office.relay.mails()}
    assert texts.keys() == {ANN, BOB}
    assert "Another legal hold still concerns you" in texts[BOB]
    assert "Another legal hold" not in texts[ANN]
    assert house.notices.acknowledge(secret) == "ended"
    assert office.run(days=40)["queued"] == 2  # of the other hold: a reminder, and the manager is told
    assert office.states(other) == {BOB: "escalated"}
    with pytest.raises(WrongState):
        house.notices.send(house.lawyer, hold)


def test_whoever_was_never_told_gets_no_all_clear(office: Office) -> None:
    house = office.house
    office.relay.answer = "451 later"
    hold = office.hold(ANN)
    assert office.states(hold) == {ANN: "failing"}
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    house.holds.finish_cooling()
    office.relay.answer = "250 ok"
    office.run(days=1)
    assert office.relay.taken == []


def test_nobody_is_told_before_somebody_says_so(office: Office) -> None:
    hold = office.hold(ANN, send=False)
    assert office.run(days=30) == {"queued": 0, "sent": 0}
    assert office.states(hold) == {ANN: "not_told"}
    preview = office.house.notices.preview(office.house.lawyer, hold)
    assert preview["to"] == [ANN]
    assert "each custodian's own address" in preview["text"]
    assert office.relay.taken == []


def test_a_plan_of_ones_own(office: Office) -> None:
    house, matter = office.house, office.matter
    words = {
        "subject": "Halten Sie an – {hold}",
        "text": "Grüße {not a place}.\r\nBitte: {link}\n\nFragen an {contact}",
    }
    with pytest.raises(BadCriteria):
        house.notices.set_plan(house.lawyer, matter, **words)
    words["text"] = words["text"].replace(" {not a place}", "")
    plan = house.notices.set_plan(house.lawyer, matter, **words, remind_days=2, escalate_days=3)
    assert (plan["contact"], plan["remind_days"]) == (CONTACT, 2)
    hold = office.hold(ANN)
    mail = office.relay.mails()[0]
    assert mail["Subject"] == f"Halten Sie an – {hold}"
    assert mail.get_content().replace("\r", "").startswith("Grüße.\nBitte: https://")
    office.run(days=3, minutes=1)
    assert [to for to, _ in office.got()] == [ANN, ANN, MANAGER]


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "no address to confirm"},
        {"text": "{link} {subject}"},
        {"text": ""},
        {"subject": "two\nlines"},
        {"subject": "x" * 201},
        {"contact": "nobody"},
        {"manager": "a@b.example, c@d.example"},
        {"remind_days": 0},
        {"escalate_days": 1_000},
        {"release_text": "{link}"},
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_bad_plan_is_refused(office: Office, changes: dict[str, object]) -> None:
    before = office.house.notices.plan(office.house.lawyer, office.matter)
    with pytest.raises(BadCriteria):
        office.house.notices.set_plan(office.house.lawyer, office.matter, **changes)
    assert office.house.notices.plan(office.house.lawyer, office.matter) == before


def test_what_must_be_there_before_anything_is_sent(house: House, matter: str, office: Office) -> None:
    bare = house.matters.create(house.lawyer, "bare")["id"]
    hold = house.holds.create(house.lawyer, bare, custodians=[ANN])["id"]
    with pytest.raises(BadCriteria):  # no plan
        house.notices.send(house.lawyer, hold)
    named = house.holds.create(house.lawyer, matter, after="2001-01-01")["id"]
    with pytest.raises(BadCriteria):  # no custodian
        house.notices.send(house.lawyer, named)
    house.vault.settings = house.vault.settings.model_copy(update={"notice_relay": ""})
    ready = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    with pytest.raises(WrongState):  # no relay
        house.notices.send(house.lawyer, ready)
    for actor in (house.other_lawyer, house.manager, house.administrator):
        with pytest.raises(AccessDenied):
            house.notices.send(actor, ready)
    with pytest.raises(AccessDenied):
        house.notices.list(house.other_lawyer, hold=ready)
    with pytest.raises(AccessDenied):
        house.notices.plan(house.other_lawyer, matter)
    with pytest.raises(NotThere):
        house.notices.resend(house.lawyer, "nnothing")
    assert house.notices.list(house.other_lawyer) == []


def test_a_review_is_announced_and_then_overdue_but_nothing_ends(office: Office) -> None:
    house = office.house
    (one,) = house.old()
    day = house.clock.now().date() + timedelta(days=365)
    hold = house.holds.create(house.lawyer, office.matter, custodians=[ANN], review_on=day, remind=CONTACT)[
        "id"
    ]
    assert office.run() == {"queued": 0, "sent": 0}
    office.run(days=340)
    assert office.got() == [(CONTACT, f"Legal hold {hold}: a review is due")]
    assert "is to be reviewed by" in office.relay.mails()[0].get_content()
    assert house.holds.list(house.lawyer)[0]["overdue"] is False
    office.run(days=3)
    assert len(office.relay.taken) == 1
    office.run(days=30)
    assert "overdue" in office.relay.mails()[1].get_content()
    listed = house.holds.list(house.lawyer)[0]
    assert (listed["overdue"], listed["state"]) == (True, "active")
    assert house.holds.reviews.overdue() == 1
    assert held(house, hold) == {one.pk}
    moved = house.clock.now().date() + timedelta(days=365)
    house.holds.review(house.officer, hold, review_on=moved, reason="trial moved")
    office.run(days=30)
    assert len(office.relay.taken) == 2
    report = house.holds.report(house.officer, hold)
    assert report["review_set_by"] == "uofficer"
    assert [e["what"] for e in report["history"]].count("review_set") == 2
    for bad in ("yesterday", "2001-01-01"):
        with pytest.raises(BadCriteria):
            house.holds.review(house.officer, hold, review_on=bad)
    house.holds.review(house.officer, hold, review_on=None)
    assert house.holds.reviews.overdue() == 0


def test_our_own_notices_are_archived_and_held_like_any_mail(office: Office) -> None:
    """The organisation's server journals them too: nothing about them is left out of the archive."""
    house = office.house
    hold = office.hold(ANN)
    (one,) = house.capture(Arrival(office.relay.taken[0], house.source))
    assert one.receipt.outcome == "stored"
    assert one.pk in held(house, hold)


def test_notices_are_sealed_and_only_hashes_of_their_links_stay(office: Office) -> None:
    house = office.house
    plan = {"text": "quokka {link}", "manager": "zyzzyva@clinic.example"}
    house.notices.set_plan(house.lawyer, office.matter, **plan)
    office.hold("kakapo@clinic.example")
    secret = office.link().encode()
    with house.vault.records.read() as connection:
        for table in (notices, notice_mails):
            for row in connection.execute(select(table)):
                told = b" ".join(str(v).encode() if not isinstance(v, bytes) else v for v in row)
                assert not any(word in told for word in (b"quokka", b"zyzzyva", b"kakapo", secret))
    if house.vault.records.sqlite_path is not None:
        house.vault.records.close()
        for path in house.vault.settings.home.rglob("*"):
            data = path.read_bytes().lower() if path.is_file() else b""
            assert not any(w in data for w in (b"quokka", b"zyzzyva", b"kakapo", secret.lower())), path.name


def test_what_was_confirmed_stays_confirmed(office: Office) -> None:
    office.hold(ANN)
    office.house.notices.acknowledge(office.link())
    for statement in (
        notices.update().values(acknowledged_us=None),
        notices.update().values(secret=b"another"),
        notices.delete(),
        notice_mails.delete(),
        notice_mails.update().values(sealed=b""),
    ):
        with pytest.raises(DestructionRefused), office.house.vault.records.write() as connection:
            connection.execute(statement)
    with office.house.vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(notices)) == 1


def test_cat_is_told_although_two_holds_name_her(office: Office) -> None:
    office.hold(CAT)
    office.hold(CAT)
    assert [to for to, _ in office.got()] == [CAT, CAT]
    assert office.link(0) != office.link(1)
