"""Mail, rosters, confirmations, holds, corrections, disposals, restarts and raw SQL in every order.

The model knows only what may never happen: it writes down, from the facts as they stand, a day before which
a message must live under any reading of the law, and what each hold covers. Whatever route is tried, no
message that is held or younger than its day may lose its key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from archiver.errors import DestructionRefused, StoreError
from archiver.store import dialect
from archiver.store.schema import disposition_items, dispositions, messages
from config.settings import Settings, load
from retention.dating.corrections import Corrections
from retention.disposition import execution
from retention.errors import RetentionError
from retention.law.schedules import default_schedule
from retention.policy.confirmations import Confirmations
from retention.policy.store import PolicyStore
from retention.roster.patient import Patient
from tests.retention.whole_house import House, mail, open_house
from tests.servers.postgres import migrated_database
from tests.support.checked import faults_of

TODAY = date.today()
MRNS = {"adult": "MRN-00111", "child": "MRN-00222"}
AGES = {"adult": 50, "child": 9}
OPENER = Callable[[bool], AbstractContextManager[House]]
NEVER = (
    "UPDATE {keys}data_keys SET wrapped = wrapped WHERE message_pk = {pk}",
    "DELETE FROM messages WHERE pk = {pk}",
    "UPDATE messages SET sealed_meta = NULL WHERE pk = {pk}",
    "UPDATE messages SET disposed_us = 1 WHERE pk = {pk}",
    "UPDATE messages SET anchor = '1990-01-01' WHERE pk = {pk}",
    "UPDATE messages SET disposal_date = '1990-01-01', permanent = false WHERE pk = {pk}",
    "INSERT INTO dispositions (id, state, as_of, created_us, created_by, items_sha256, decided_by, "
    "approved_sha256, begun_us, begun_by) SELECT 'dx', 'approved', anchor, 0, 'umanager', sha256, "
    "'uofficer', sha256, 1, 'usecond' FROM messages WHERE pk = {pk}",
)
"""Refused of living mail, however things stand."""
RAW = (
    *NEVER,
    "DELETE FROM {keys}data_keys WHERE message_pk = {pk}",
    "DELETE FROM {keys}data_keys WHERE message_pk = {pk}",
    "DELETE FROM hold_items WHERE message_pk = {pk}",
    "UPDATE holds SET state = 'active' WHERE state <> 'active'",
    "INSERT INTO disposition_items (disposition_id, message_pk, disposal_date, sealed_rule) "
    "SELECT id, {pk}, as_of, items_sha256 FROM dispositions WHERE state <> 'proposed'",
    # What a person may do a moment later: who forges it has destroyed nothing yet.
    "UPDATE dispositions SET begun_us = 1, begun_by = 'usecond' "
    "WHERE state = 'approved' AND begun_us IS NULL",
)


def years_ago(years: int) -> date:
    return TODAY.replace(year=TODAY.year - years, day=min(TODAY.day, 28))


@dataclass
class Message:
    sender: str
    anchor: date
    about: str | None
    extended: date | None = None
    alive: bool = True


@dataclass
class Known:
    """What the roster says of a patient."""

    last_encounter: date
    born: date


@dataclass
class Hold:
    covers: Callable[[Message], bool]
    released: bool = False
    items: set[int] = field(default_factory=set)


class Law(RuleBasedStateMachine):
    """The real house beside what must not happen to its mail."""

    opener: OPENER
    seen: Counter[str]
    """What happened in all runs: a machine in which nothing ever dies would prove nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[int, Message] = {}
        self.holds: dict[str, Hold] = {}
        self.known: dict[str, Known] = {}
        self.disposition: str | None = None

    @initialize()
    def open(self) -> None:
        self.entered = type(self).opener(True)
        self.enter()
        self.matter = self.house.matters.create(self.house.lawyer, "m")["id"]
        self.house.confirm_all()
        for who in MRNS:
            self.roster(who, 15, dead=False)
        # Hypothesis leaves rules out of some runs: there is something to lose in each.
        for sender, about in zip(
            ("ann", "bob", "cat", "dan", "eve", "cat"), (None, "adult", "child") * 2, strict=True
        ):
            self.take(sender, 20, about, attested=True)

    def enter(self) -> None:
        self.house = self.entered.__enter__()
        house = self.house
        self.corrections = Corrections(house.vault, house.gate, default_schedule())
        self.confirmations = Confirmations(
            house.vault, house.gate, PolicyStore(house.vault, default_schedule())
        )

    def teardown(self) -> None:
        if hasattr(self, "house"):
            # However it went, at the end there is mail that is due, and somebody disposes of all of it.
            for sender, about in (("dan", None), ("eve", None), ("cat", "adult"), ("ann", None)):
                self.take(sender, 20, about, attested=True)
            # Nor does every run come upon raw SQL by itself.
            for statement in NEVER:
                self.attempt(statement, [*self.messages][-1])
            self.dispose("dan", "ann")
            # What people did in any order, and what SQL was refused, is no fault.
            assert faults_of(self.house.vault, self.house.explainer.verdicts) == []
        if hasattr(self, "entered"):
            self.entered.__exit__(None, None, None)

    # --- what may never be ----------------------------------------------------------------------

    def earliest(self, message: Message) -> date:
        """A day before which the message may not go under any rule that can apply to it here.

        New York hospital, 8 NYCRR 405.10(a)(4): six years from discharge, and a minor's until three years
        after majority. Mail about nobody: the organisation's ten years.
        """
        if message.about is None:
            day = message.anchor.replace(year=message.anchor.year + 10)
        else:
            person = self.known.get(message.about)
            if person is None:
                return date.max
            last = max(message.anchor, person.last_encounter)
            day = last.replace(year=last.year + 6)
            if last < person.born.replace(year=person.born.year + 18):
                day = max(day, person.born.replace(year=person.born.year + 21))
        return max(day, message.extended or day)

    def held(self) -> set[int]:
        return {pk for hold in self.holds.values() if not hold.released for pk in hold.items}

    def protected(self, pk: int) -> bool:
        return pk in self.held() or self.earliest(self.messages[pk]) > TODAY

    def check_deaths(self) -> None:
        """Nothing died that was protected when it did; called right after whatever may destroy."""
        alive = self.house.living()
        for pk, message in self.messages.items():
            if message.alive and pk not in alive:
                assert not self.protected(pk), (message, self.known)
                message.alive = False
                self.seen["lawful deaths"] += 1

    # --- what happens ---------------------------------------------------------------------------

    @rule(
        who=st.sampled_from(("ann", "bob", "cat", "dan", "eve")),
        years=st.sampled_from((1, 8, 11, 20, 20)),
        about=st.sampled_from((None, "adult", "child")),
        attested=st.sampled_from((True, True, True, False)),
    )
    def capture(self, who: str, years: int, about: str | None, attested: bool) -> None:
        self.take(who, years, about, attested=attested)

    def take(self, who: str, years: int, about: str | None, *, attested: bool) -> None:
        body = f"patient {MRNS[about]}: diagnosis hypertension, seen in clinic" if about else "shall we meet"
        raw = mail(sender=f"{who}@clinic.example", to="x@y.example", body=body, sent=years_ago(years))
        (one,) = self.house.capture(self.house.arrival(raw, attested=attested))
        message = self.messages[one.pk] = Message(who, years_ago(years if attested else 0), about)
        for hold in self.holds.values():
            if not hold.released and hold.covers(message):
                hold.items.add(one.pk)

    @rule()
    def index(self) -> None:
        self.house.index()

    @rule(
        who=st.sampled_from(("adult", "child")),
        years=st.sampled_from((0, 3, 7, 15)),
        dead=st.booleans(),
    )
    def import_roster(self, who: str, years: int, dead: bool) -> None:
        self.roster(who, years, dead=dead)

    def roster(self, who: str, years: int, *, dead: bool) -> None:
        last, born = years_ago(years), years_ago(AGES[who])
        if last < born:
            last = born
        patient = Patient(
            mrn=MRNS[who],
            name=f"Pat {who.title()}",
            born=born,
            died=last if dead else None,
            state="NY",
            last_encounter=last,
            discharged=last,
        )
        self.house.patients.import_roster([patient])
        self.known[who] = Known(last, born)

    @rule()
    def confirm(self) -> None:
        self.house.confirm_all()

    @rule()
    def revoke(self) -> None:
        rules = self.confirmations.select(state="NY")
        try:
            self.confirmations.revoke(self.house.officer, rules, reason="counsel doubts it")
        except RetentionError:
            return  # none was confirmed

    @rule(who=st.sampled_from(("ann", "bob", "dan")))
    def hold_custodian(self, who: str) -> None:
        self.place(Hold(lambda m: m.sender == who), custodians=[f"{who}@clinic.example"])

    @rule(who=st.sampled_from(("adult", "child")))
    def hold_patient(self, who: str) -> None:
        self.place(Hold(lambda m: m.about == who), patients=[MRNS[who]])

    def place(self, hold: Hold, **criteria: object) -> None:
        made = self.house.holds.create(self.house.lawyer, self.matter, **criteria)
        hold.items = {pk for pk, m in self.messages.items() if m.alive and hold.covers(m)}
        self.holds[made["id"]] = hold

    @precondition(lambda self: any(not hold.released for hold in self.holds.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from([i for i, hold in self.holds.items() if not hold.released]))
        self.house.holds.release(self.house.lawyer, hold_id)
        self.house.holds.release(self.house.officer, hold_id)
        self.house.holds.finish_cooling()
        self.holds[hold_id].released = True

    @precondition(lambda self: any(m.alive for m in self.messages.values()))
    @rule(data=st.data(), years=st.sampled_from((1, 2)))
    def extend(self, data: st.DataObject, years: int) -> None:
        pk = data.draw(st.sampled_from([p for p, m in self.messages.items() if m.alive]))
        until = TODAY + timedelta(days=366 * years)
        try:
            self.house.extensions.extend(
                self.house.manager, [self.name(pk)], until=until, reason="the board wants to see it"
            )
        except RetentionError:
            return  # it is kept so long already
        message = self.messages[pk]
        message.extended = max(until, message.extended or until)

    @precondition(lambda self: any(m.alive for m in self.messages.values()))
    @rule(data=st.data(), types=st.sampled_from((["medical_record"], ["billing"], [])))
    def correct(self, data: st.DataObject, types: list[str]) -> None:
        pk = data.draw(st.sampled_from([p for p, m in self.messages.items() if m.alive and m.about]))
        # Of mail about a patient nothing is taken away by one person alone.
        try:
            self.corrections.make(self.house.officer, self.name(pk), types, "so it is")
        except RetentionError:
            return  # another one waits

    @rule()
    def follow(self) -> None:
        self.house.follower.run()

    @rule(settled=st.sampled_from((True, True, False)))
    def propose(self, settled: bool) -> None:
        """Make a list and approve it; much may happen before somebody executes it.

        Where nothing is `settled`, names may wait to be looked for, mail for the index, rules for counsel.
        """
        if settled:
            self.house.confirm_all()
            self.house.index()
            self.house.follower.run()
        self.disposition = self.house.runs.run()["disposition"] or self.disposition

    @precondition(lambda self: self.disposition is not None)
    @rule(until_killed=st.booleans())
    def execute(self, until_killed: bool) -> None:
        """The process may die behind the first of several transactions; the rest goes on later, or never."""
        assert self.disposition is not None

        def die(done: int, total: int) -> None:
            if until_killed:
                self.seen["killed in the middle"] += done < total
                raise KeyboardInterrupt

        dispositions_ = self.house.dispositions
        try:
            if dispositions_.show(self.house.officer, self.disposition)["state"] == "proposed":
                dispositions_.approve(self.house.officer, self.disposition)
            done = dispositions_.execute(self.house.second, self.disposition, progress=die)
            self.seen.update({f"outcome: {name}": count for name, count in done["outcomes"].items()})
            self.disposition = None
        except RetentionError:
            self.seen["execution refused"] += 1
        except KeyboardInterrupt:
            self.check_deaths()
            self.restart()
        self.check_deaths()

    @rule(
        before=st.sampled_from(("ann", "dan", "adult", "encounter", "dead", "revoke", None)),
        after=st.sampled_from(("ann", "dan", "encounter", None)),
    )
    def dispose(self, before: str | None, after: str | None) -> None:
        """From end to end, with what comes between the list and its execution, or in the middle of that."""
        self.propose(settled=True)
        self.surprise(before)
        if self.disposition is not None and after is not None:
            self.execute(until_killed=True)
            self.surprise(after)
        if self.disposition is not None:
            self.execute(until_killed=False)

    def surprise(self, what: str | None) -> None:
        if what in ("ann", "dan"):
            self.hold_custodian(what)
        elif what == "adult":
            self.hold_patient(what)
        elif what in ("encounter", "dead"):
            self.roster("adult", 0, dead=what == "dead")
        elif what == "revoke":
            self.revoke()

    @precondition(lambda self: any(m.alive for m in self.messages.values()))
    @rule(data=st.data(), statement=st.sampled_from(RAW))
    def raw_sql(self, data: st.DataObject, statement: str) -> None:
        self.attempt(statement, data.draw(st.sampled_from([p for p, m in self.messages.items() if m.alive])))

    def attempt(self, statement: str, pk: int) -> None:
        records = self.house.vault.records
        keys = "keys." if records.dialect == "postgresql" else ""
        before = self.house.living()
        try:
            with records.write(dialect.LOCK_ARCHIVE) as connection:
                executed = self.being_executed(connection, pk)
                connection.exec_driver_sql(statement.format(keys=keys, pk=pk))
                assert statement not in NEVER, statement
                if "data_keys" in statement:
                    # What the guards let through would have been lawful; it isn't done all the same.
                    assert not self.protected(pk)
                    assert executed
                    raise KeyboardInterrupt
        except (DestructionRefused, StoreError, DBAPIError):
            self.seen["refused"] += 1
        except KeyboardInterrupt:
            self.seen["let through"] += 1
        assert self.house.living() == before

    @rule(days=st.sampled_from((1, 400, 4_000)))
    def clock_jumps(self, days: int) -> None:
        """Our clock runs ahead, or is set so: the database's own clock is asked as well."""
        self.house.clock.ahead += timedelta(days=days)
        self.house.runs.run(propose=False)
        self.house.clock.ahead = timedelta()

    @rule()
    def restart(self) -> None:
        self.entered.__exit__(None, None, None)
        self.entered = type(self).opener(False)
        self.enter()

    def being_executed(self, connection: Connection, pk: int) -> bool:
        """Whether the message waits for its outcome on a list that was approved and whose execution began."""
        waiting = (
            select(dispositions.c.id)
            .join(disposition_items, disposition_items.c.disposition_id == dispositions.c.id)
            .where(
                disposition_items.c.message_pk == pk,
                disposition_items.c.outcome.is_(None),
                dispositions.c.state == "approved",
                dispositions.c.begun_us.is_not(None),
            )
        )
        return connection.execute(waiting).first() is not None

    def name(self, pk: int) -> str:
        with self.house.vault.records.read() as connection:
            return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))

    # --- what must always be so -----------------------------------------------------------------

    @invariant()
    def nobody_died_unseen(self) -> None:
        if hasattr(self, "house"):
            alive = self.house.living()
            assert alive == {pk for pk, m in self.messages.items() if m.alive}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_dies_before_its_time_by_any_route(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "CHUNK", 2)
    server = request.getfixturevalue("postgres") if kind == "postgresql" else ""
    numbers = count(1)
    chosen: list[Settings] = []

    def opener(fresh: bool) -> AbstractContextManager[House]:
        if fresh:
            home = tmp_path / f"home{next(numbers)}"
            url = migrated_database(server) if server else f"sqlite:///{home / 'records.db'}"
            chosen.append(
                load(
                    {
                        "home": home,
                        "database_url": url,
                        "root_key": f"file:{tmp_path / home.name}.key",
                        "provider_type": "hospital",
                        "jurisdictions": "NY",
                        "hold_cooling_days": 0,
                    },
                    environ={},
                )
            )
        return open_house(chosen[-1], again=not fresh)

    seen: Counter[str] = Counter()
    machine = type("OneArchive", (Law,), {"opener": staticmethod(opener), "seen": seen})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=6,
            phases=(Phase.generate,),
            derandomize=True,
            database=None,
            stateful_step_count=28,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # A machine in which nothing dies, or nothing is spared, would prove nothing.
    least = {"lawful deaths": 10, "outcome: held": 5, "killed in the middle": 3, "refused": 5}
    assert all(seen[what] >= count for what, count in least.items()), seen
