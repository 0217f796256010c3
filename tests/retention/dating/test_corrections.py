"""Corrections: what adds counts at once, what takes away needs two; similar mail follows; all of it ends with
the message."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from sqlalchemy import select, update

from archiver import learning
from archiver.capture.ports import Arrival
from archiver.classify.learnt import Example, LearntModel
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store.schema import corrections, learnt_models, learnt_types, messages, outbox, redates
from archiver.vault import Vault
from retention.dating.corrections import Corrections
from retention.errors import FactsError, UnknownFact
from retention.jobs.learning import LearningJob
from retention.law.schedules import default_schedule
from retention.refusals import NotThere, SecondPersonNeeded, WrongState
from search.access import AccessDenied, Actor, Gate, Role
from tests.support import disposing

PUMP = "Please find enclosed the calibration sheet for infusion pump %d of ward %d, back from maintenance."
ONE = Actor("u1", "one", Role.RECORDS_MANAGER, "cli")
TWO = Actor("u2", "two", Role.COMPLIANCE_OFFICER, "cli")


@pytest.fixture
def people(vault: Vault) -> None:
    from archiver.store.schema import users

    with vault.records.write() as connection:
        for actor in (ONE, TWO):
            connection.execute(
                users.insert().values(id=actor.user_id, name=actor.name, role=actor.role, created_us=1)
            )


@pytest.fixture
def service(vault: Vault, people: None) -> Corrections:
    return Corrections(vault, Gate(vault.audit), default_schedule())


def store(vault: Vault, bodies: Sequence[str]) -> list[str]:
    known = {source.name: source.id for source in vault.sources.all()}
    source = known.get("desk") or vault.sources.add("import", "desk").id
    batch = [
        vault.preparer.prepare(
            Arrival(f"From: a@x.example\r\nSubject: note\r\n\r\n{body}\r\n".encode(), source)
        )
        for body in bodies
    ]
    return [done.receipt.id for done in vault.archive.commit(batch)]


def types_of(vault: Vault, message_id: str) -> set[str]:
    pk = vault.archive.find(message_id)
    return {name for name, _ in vault.archive.scan_records([pk])[pk].meta["record_types"]}


def test_what_adds_counts_at_once_and_what_takes_away_needs_a_second_person(
    vault: Vault, service: Corrections
) -> None:
    (message,) = store(vault, ["Lunch on Friday?"])
    made = service.make(ONE, message, ["billing", "treatment"], "an account is attached")
    assert (made["state"], made["types"]) == ("in_force", ["billing", "medical_record"])
    assert types_of(vault, message) == {"billing", "medical_record"}
    with vault.records.read() as connection:
        pk = vault.archive.find(message)
        assert connection.scalar(select(messages.c.verdict_version).where(messages.c.pk == pk)) is None
        assert connection.scalar(select(redates.c.message_pk)) == pk
        assert connection.scalar(select(outbox.c.message_pk).where(outbox.c.message_pk == pk)) == pk
    less = service.make(ONE, message, ["billing"], "no chart after all")
    assert less["state"] == "asked"
    assert types_of(vault, message) == {"billing", "medical_record"}
    with pytest.raises(WrongState):
        service.make(TWO, message, ["dental"], "another")
    with pytest.raises(SecondPersonNeeded):
        service.approve(ONE, less["n"])
    done = service.approve(TWO, less["n"], "agreed")
    assert (done["state"], done["decided_by"], done["decision_reason"]) == ("in_force", "u2", "agreed")
    assert types_of(vault, message) == {"billing"}
    shown = service.show(TWO, message)
    assert (shown["by"], [one["state"] for one in shown["corrections"]]) == ("person", ["in_force", "ended"])
    assert [one["n"] for one in service.page(TWO)] == [less["n"], made["n"]]


def test_a_refused_one_changes_nothing(vault: Vault, service: Corrections) -> None:
    (message,) = store(vault, ["The copay and claim of this patient account are due; see the remittance"])
    before = types_of(vault, message)
    assert "billing" in before
    asked = service.make(ONE, message, [], "a joke")
    assert [one["n"] for one in service.page(TWO, asked=True)] == [asked["n"]]
    assert service.refuse(TWO, asked["n"], "it is none")["state"] == "refused"
    assert types_of(vault, message) == before
    with pytest.raises(WrongState):
        service.approve(TWO, asked["n"])


def test_what_makes_no_sense_is_refused_and_on_record(vault: Vault, service: Corrections) -> None:
    (message,) = store(vault, ["Lunch?"])
    with pytest.raises(UnknownFact):
        service.make(ONE, message, ["nonsense"], "because")
    with pytest.raises(FactsError):
        service.make(ONE, message, ["billing"], "  ")
    with pytest.raises(NotThere):
        service.make(ONE, "m-nothing", ["billing"], "because")
    with pytest.raises(NotThere):
        service.approve(ONE, 99)
    with pytest.raises(AccessDenied):
        service.make(Actor("u3", "three", Role.LEGAL, "cli"), message, ["billing"], "because")
    with vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, 0, log.state(connection, Log.AUDIT).size)
        assert connection.scalar(select(corrections.c.id)) is None
    told = [canonical.loads(leaf) for leaf in leaves]
    assert [t["outcome"] for t in told] == ["failed"] * 4 + ["denied"]  # type: ignore[index,call-overload]


def test_similar_mail_follows_here_and_to_come_and_nothing_is_taken_away(
    vault: Vault, service: Corrections
) -> None:
    first, second, third = store(vault, [PUMP % (4431, 7), PUMP % (9982, 3), "Lunch on Friday?"])
    service.make(ONE, first, ["medical_record", "radiology_image"], "goes with the chart")
    job = LearningJob(vault)
    studied = job.run()
    assert studied is not None
    assert (studied.examples, studied.looked, studied.changed) == (1, 3, 1)
    assert types_of(vault, second) >= {"medical_record", "radiology_image"}
    assert types_of(vault, third) == {"correspondence"}
    assert service.show(ONE, second)["by"] == "learnt"
    assert job.run() is None  # nothing new
    (later,) = store(vault, [PUMP % (1, 2)])
    assert learning.due(vault)
    studied = learning.study(vault)
    assert (studied.looked, studied.changed) == (1, 1)
    assert "radiology_image" in types_of(vault, later)
    # Two persons say that it was no record at all: the rules' own types stay, what was learnt goes.
    asked = service.make(ONE, first, [], "it is about a machine")
    service.approve(TWO, asked["n"])
    learning.study(vault)
    assert types_of(vault, second) == set(service.show(ONE, second)["by_rules"])


def test_types_keep_the_names_that_searches_know(vault: Vault, service: Corrections) -> None:
    (message,) = store(vault, ["Lunch on Friday?"])
    made = service.make(ONE, message, ["patient_communication", "laboratory"], "her results")
    assert made["types"] == ["lab_report", "patient_communication"]
    assert types_of(vault, message) == {"lab_report", "patient_communication"}
    # By the schedules a patient's communication is a medical record: to say just that takes nothing away.
    assert service.make(ONE, message, ["medical_record", "lab_report"], "so it is")["alone"]
    asked = service.make(ONE, message, ["lab_report"], "only that")
    assert (asked["state"], asked["alone"], asked["takes_away"]) == ("asked", False, ["medical_record"])


def test_that_one_is_no_record_is_never_learnt(vault: Vault, service: Corrections) -> None:
    first, second = store(vault, [PUMP % (4431, 7), PUMP % (9982, 3)])
    service.make(ONE, first, ["not_a_record", "dental"], "both")
    learning.study(vault)
    assert types_of(vault, second) == {"correspondence", "dental"}


def test_no_person_alone_has_mail_go_sooner_by_correcting_other_mail(
    vault: Vault, service: Corrections
) -> None:
    chance = random.Random(7)
    ward = ["bedside", "drip", "dressing", "rounds", "gauze", "catheter", "trolley", "linen"]
    fleet = ["truck", "tyre", "garage", "diesel", "toll", "axle", "permit", "brake"]

    def letters(words: list[str], count: int) -> list[str]:
        return store(vault, [" ".join(chance.choices(words, k=5)) for _ in range(count)])

    for kind, words in (("dental", ward), ("billing", fleet)):
        for one in letters(words, 10):
            service.make(ONE, one, [kind], "so it is")
    others = letters(ward, 12)
    learning.study(vault)
    learnt = {one: types_of(vault, one) for one in others}
    assert sum("dental" in types for types in learnt.values()) > 8
    for one in letters(ward, 60):
        service.make(ONE, one, ["billing"], "now this")
    learning.study(vault)
    assert all(types_of(vault, one) >= types for one, types in learnt.items())


def test_a_damaged_model_is_learnt_anew(vault: Vault, service: Corrections) -> None:
    (first,) = store(vault, [PUMP % (4431, 7)])
    service.make(ONE, first, ["dental"], "so it is")
    learning.study(vault)
    with vault.records.write() as connection:
        sealed = bytearray(connection.scalar(select(learnt_models.c.sealed)) or b"")
        assert b"dental" not in sealed
        sealed[len(sealed) // 2] ^= 1
        connection.execute(update(learnt_models).values(sealed=bytes(sealed)))
    (second,) = store(vault, [PUMP % (9982, 3)])
    studied = learning.study(vault)
    assert (studied.examples, studied.looked) == (1, 2)
    assert "dental" in types_of(vault, second)


def test_a_study_killed_anywhere_goes_on_there(
    vault: Vault, service: Corrections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "CHUNK", 2)
    ids = store(vault, [PUMP % (n, n) for n in range(9)])
    service.make(ONE, ids[0], ["dental"], "so it is")

    class Killed(BaseException):
        pass

    def once(word: str, done: int, _: int) -> None:
        if word == "looking at mail" and done >= 3:
            raise Killed

    with pytest.raises(Killed):
        learning.study(vault, once)
    studied = learning.study(vault)
    assert (studied.looked, studied.changed) == (5, 5)
    assert all("dental" in types_of(vault, one) for one in ids)


def dispose(vault: Vault, message_id: str) -> None:
    pk = vault.archive.find(message_id)
    with vault.records.write(0x486F6C64) as connection:
        disposing.due(connection, pk)
        connection.execute(redates.delete())
        connection.execute(outbox.delete())
    with vault.records.write(0x486F6C64) as connection:
        vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))


def test_a_message_disposed_of_while_it_is_learnt_from_teaches_nothing(
    vault: Vault, service: Corrections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words, hashed, would have outlived it in a model."""
    gone, stays = store(vault, [PUMP % (1, 1), "the quarterly invoice of the dentist is enclosed"])
    service.make(ONE, gone, ["radiology_image"], "a reason")
    service.make(ONE, stays, ["dental"], "a reason")
    learn, taught = learning.learn, []

    def slowly(examples: Sequence[Example]) -> LearntModel:
        if not taught:
            dispose(vault, gone)
        taught.append(len(examples))
        return learn(examples)

    monkeypatch.setattr(learning, "learn", slowly)
    assert learning.study(vault).examples == 1
    assert taught == [2, 1]
    with vault.records.read() as connection:
        assert connection.scalars(select(learnt_models.c.examples)).all() == [1]


def test_what_is_said_ends_with_the_message(vault: Vault, service: Corrections) -> None:
    ids = store(vault, [PUMP % (1, 1), PUMP % (2, 2)])
    service.make(ONE, ids[0], ["dental"], "a reason that names Mrs Quill")
    learning.study(vault)
    dispose(vault, ids[0])
    with vault.records.read() as connection:
        assert connection.scalar(select(learnt_models.c.id)) is None
        left = connection.scalars(select(learnt_types.c.message_pk)).all()
        assert left == [vault.archive.find(ids[1])]
    (shown,) = service.page(TWO)
    assert (shown["types"], shown["reason"], shown["state"]) == (None, None, "in_force")
    learning.study(vault)
    assert "dental" not in types_of(vault, ids[1])
