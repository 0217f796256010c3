"""What SQL can forge, `holdfast verify` names: who wrote a decision by hand can't write its audit entry."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, text, update

from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import (
    audit_details,
    corrections,
    data_keys,
    messages,
    policy_entries,
)
from archiver.verify import Scrubber
from retention.checking import dates, decisions
from retention.dating.corrections import Corrections
from retention.law.schedules import default_schedule
from search.verify_index import check_index
from tests.retention.lived import ANN, live
from tests.retention.whole_house import House, mail, tamper
from tests.support import disposing


def verify(house: House, *, full: bool = False) -> list[tuple[str, str]]:
    """What `holdfast verify` finds, as (kind, where)."""
    found = list(Scrubber(house.vault, full=full).run())
    found += check_index(house.vault, house.reader)
    found += decisions.faults(house.vault, lambda *_: None)
    if full:
        found += dates.faults(house.vault, house.explainer.verdicts)
    return [(one.kind, one.where) for one in found]


def sql(house: House, *statements: str, **values: object) -> None:
    """What somebody writes who has the application's own connection; the guards stand."""
    keys = "keys." if house.vault.records.dialect == "postgresql" else ""
    with house.vault.records.write() as connection:
        for statement in statements:
            done = connection.execute(text(statement.replace("{keys}", keys)), values)
            assert done.rowcount != 0, f"nothing was changed: {statement}"


@pytest.fixture
def lived(house: House, matter: str) -> House:
    """A house in which all that two persons decide was decided; two messages are left, none due."""
    live(house, matter)
    return house


def test_what_people_decided_is_no_fault(lived: House) -> None:
    assert verify(lived, full=True) == []


def test_a_disposal_forged_under_two_names_is_named(lived: House) -> None:
    (pk, other) = sorted(lived.living())
    sql(lived, "UPDATE extensions SET end_asked_by = 'uofficer', end_approved_by = 'usecond', ended_us = 1 "
        "WHERE ended_us IS NULL")  # fmt: skip
    # What waits for a name to be looked for, or to be dated again, is put out of the way; then comes every
    # step that the guards ask for, the log entries of the destruction itself among them.
    with lived.vault.records.write() as connection:
        connection.execute(text("DELETE FROM redates"))
        connection.execute(text("DELETE FROM outbox"))
    disposing.dispose(lived.vault, [pk, other])
    with lived.vault.records.read() as connection:
        named = set(connection.scalars(select(messages.c.id).where(messages.c.pk.in_([pk, other]))))
    found = verify(lived)
    assert named <= {where for kind, where in found if kind == "decision"}
    assert {kind for kind, where in found if where[:1] in ("d", "x")} == {"decision"}


def test_nor_does_an_audit_entry_written_by_hand_hide_it(lived: House) -> None:
    pk = max(lived.living())
    with lived.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        disposing.due(connection, pk)
        list_id = disposing.approved(connection, [pk])
        message_id = connection.scalar(select(messages.c.id).where(messages.c.pk == pk))
        leaf = {
            "v": 1, "at": 1, "outcome": "success", "role": "", "purpose": "", "client": "", "count": None,
            "reason": "", "detail": "0" * 64,
        }  # fmt: skip
        said = (
            ("disposition.approve", disposing.AGREES, [list_id]),
            ("disposition.execute", disposing.ASKS, [list_id, message_id]),
        )
        lines = [canonical.leaf({**leaf, "action": a, "user": u, "objects": o}) for a, u, o in said]
        first = log.append(connection, Log.AUDIT, lines)
        # A detail copied from a true entry doesn't open in another one's place.
        salt, sealed = connection.execute(select(audit_details.c.salt, audit_details.c.sealed)).first()  # type: ignore[misc]
        rows = [{"idx": first + n, "salt": salt, "sealed": sealed} for n in range(2)]
        connection.execute(audit_details.insert(), rows)
    found = verify(lived)
    assert found.count(("decision", list_id)) == 2
    assert ("seal_broken", f"audit/{first}") in verify(lived, full=True)


def test_a_key_that_went_by_itself_is_named_without_reading_all(lived: House) -> None:
    pk = max(lived.living())
    with lived.vault.records.read() as connection:
        message_id = connection.scalar(select(messages.c.id).where(messages.c.pk == pk))
    with lived.vault.records.write() as connection:
        disposing.due(connection, pk)
        disposing.approved(connection, [pk])
        connection.execute(delete(data_keys).where(data_keys.c.message_pk == pk))
    assert ("key", message_id) in verify(lived)
    assert ("key", message_id) in verify(lived, full=True)


def test_every_epoch_key_is_looked_for(lived: House) -> None:
    keys = "keys." if lived.vault.records.dialect == "postgresql" else ""
    tamper(lived.vault, f"DELETE FROM {keys}wrapped_keys WHERE kind = 'epoch'")
    assert "key_unavailable" in dict(verify(lived))


FORGED: dict[str, tuple[str, ...]] = {
    "a hold's release": (
        "UPDATE holds SET state = 'cooling', release_asked_by = 'ulawyer', release_approved_by = 'uofficer', "
        "cooling_until_us = in_force_us + 7200000000 WHERE state = 'active'",
        "holds WHERE state = 'cooling'",
    ),
    "a correction": (
        "UPDATE corrections SET state = 'ended' WHERE state = 'in_force'",
        "UPDATE corrections SET state = 'in_force', decided_by = 'usecond' WHERE state = 'asked'",
        "messages WHERE pk = (SELECT max(message_pk) FROM corrections)",
    ),
    "an own term's end": (
        "UPDATE extensions SET end_asked_by = 'uofficer', end_approved_by = 'usecond', ended_us = 1 "
        "WHERE ended_us IS NULL",
        "extensions WHERE ended_us = 1",
    ),
    "a policy's end": (
        "UPDATE policy_entries SET state = 'ended', end_asked_by = 'uofficer', end_approved_by = 'usecond'",
        "policy_entries",
    ),
    "counsel's word": (
        "INSERT INTO rule_confirmations (id, rule_token, sealed, created_us, created_by, audit_index) "
        "SELECT 'kforged', rule_token, sealed, created_us, created_by, audit_index FROM rule_confirmations "
        "LIMIT 1",
        "rule_confirmations WHERE id = 'kforged'",
    ),
}


def test_a_forged_decision_is_named(lived: House, matter: str) -> None:
    lived.holds.create(lived.lawyer, matter, custodians=["zoe@clinic.example"])
    with lived.vault.records.write() as connection:
        taught = select(messages.c.id).join(corrections, corrections.c.message_pk == messages.c.pk)
        name = str(connection.scalar(taught))
        connection.execute(
            policy_entries.insert().values(
                id="eterm", kind="term", state="in_force", sealed=b"", sealed_steps=b"", created_us=0,
                asked_by="uofficer", in_force_us=0,
            )
        )  # fmt: skip
    # It takes types away: another person has to agree.
    Corrections(lived.vault, lived.gate, default_schedule()).make(lived.officer, name, [], "not a record")
    assert verify(lived) == []
    for what, (*statements, row) in FORGED.items():
        sql(lived, *statements)
        with lived.vault.records.read() as connection:
            where = str(connection.execute(text(f"SELECT id FROM {row}")).scalar_one())
        assert ("decision", where) in verify(lived), what


def test_a_hold_called_matched_by_hand_is_named(
    lived: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(lived.holds._applier), "apply", lambda *_, **__: None)
    hold = lived.holds.create(lived.lawyer, matter, custodians=[ANN])["id"]
    assert verify(lived) == []
    sql(
        lived,
        "INSERT INTO hold_events (hold_id, version, kind, at_us, by_id, sealed) "
        f"VALUES ('{hold}', 1, 'applied', 1, 'system', sealed_of_none)".replace(
            "sealed_of_none", "(SELECT sealed_scope FROM holds LIMIT 1)"
        ),
        f"UPDATE holds SET state = 'active' WHERE id = '{hold}'",
    )
    assert verify(lived) == [("decision", hold)]


def test_a_mark_that_was_left_and_the_dates_it_moved_are_named(lived: House) -> None:
    pk = max(lived.living())
    lived.runs.run(propose=False)
    assert verify(lived, full=True) == []
    with lived.vault.records.write() as connection:
        connection.execute(
            text("INSERT INTO meta (name, value) SELECT 'dating', sha256 FROM messages LIMIT 1")
        )
        connection.execute(
            update(messages).where(messages.c.pk == pk).values(disposal_date=disposing.LONG_AGO)
        )
        message_id = str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))
    assert verify(lived) == [("decision", "meta/dating")]
    assert verify(lived, full=True) == [("decision", "meta/dating"), ("date", message_id)]


def test_what_would_keep_a_hold_from_learning_of_mail_is_named(lived: House) -> None:
    (new,) = lived.capture(lived.arrival(mail(sender="new@clinic.example")))
    with lived.vault.records.read() as connection:
        message_id = str(connection.scalar(select(messages.c.id).where(messages.c.pk == new.pk)))
    assert verify(lived) == []
    sql(lived, "DELETE FROM outbox")
    assert verify(lived) == [("index", message_id)]
    with lived.vault.records.write() as connection:
        connection.execute(text("DELETE FROM filed_tokens WHERE id = 1"))
        connection.execute(text("INSERT INTO filed_tokens (id, until) VALUES (1, 1000000)"))
    assert ("tokens", "filed_tokens") in verify(lived)
