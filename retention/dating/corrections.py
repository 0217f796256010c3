"""Corrections: what people say a message is, where the classifier's rules are wrong.

A correction that names at least the present types counts at once, beside all that the clock went by before:
so it can only keep mail longer. Another person may approve it later; then it alone counts. One that takes a
type away could let mail go sooner, so it waits for that second person.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import RowMapping, select, update

from archiver.archive import Record
from archiver.classify.records import CORRESPONDENCE, classified_types
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import KeyDestroyed
from archiver.learning import changed_types
from archiver.record_types import IN_FORCE, correction_name
from archiver.store.schema import corrections, messages, users
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.errors import FactsError
from retention.law.schedules import Schedule
from retention.refusals import NotThere, SecondPersonNeeded, WrongState
from search.access import NO_SUCH_MESSAGE, Action, Actor, Gate
from search.actors import PASSKEY
from search.approving.persons import check_second

ASKED, ENDED, REFUSED = "asked", "ended", "refused"
LONGEST_REASON: Final = 2_000
_NO_SUCH: Final = "there is no such correction; `holdfast correction list` shows them"


class Corrections:
    """The corrections of one archive. Every call is permitted by the gate and on record when it returns."""

    def __init__(self, vault: Vault, gate: Gate, schedule: Schedule) -> None:
        self._vault = vault
        self._gate = gate
        self._schedule = schedule

    def make(self, actor: Actor, message_id: str, types: Iterable[str], reason: str) -> dict[str, Any]:
        """Say of which record types a message is; none at all means that it is no record.

        In force, durably, on return, in the place of any earlier one; or `asked`, where it takes a type
        away: then the present types go on counting until another person approves. Raises NotThere,
        WrongState while another one is asked for, UnknownFact for a type the schedules don't know,
        FactsError without a reason, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.CORRECTION_MAKE, "correction.make") as act:
            wanted = self._types(types)
            said = _reason(reason)
            act.detail |= {"types": wanted, "reason": said}
            record = self._record(act, actor, message_id)
            if self._open_one(act, record.row["pk"], ASKED) is not None:
                raise WrongState("a correction of this message waits for approval; decide on it first")
            lost = self._effective(record) - {self._schedule.canonical(name) for name in wanted}
            now = to_us(self._vault.clock.now())
            number = act.connection.scalar(
                corrections.insert()
                .values(
                    message_pk=record.row["pk"],
                    sealed=b"",
                    state=ASKED,
                    asked_by=actor.user_id,
                    asked_us=now,
                )
                .returning(corrections.c.id)
            )
            assert number is not None
            besides = {str(name) for name, _ in record.meta["record_types"]}
            besides |= set(record.meta.get("record_types_besides") or ())
            value = {"types": wanted, "reason": said, "decision": "", "besides": sorted(besides)}
            value["lost"] = sorted(lost)
            act.connection.execute(
                update(corrections)
                .where(corrections.c.id == number)
                .values(sealed=self._seal(act, record, number, value))
            )
            act.reason = "asked" if lost else "in_force"
            if not lost:
                self._put_in_force(act, record, number, actor, now)
            return self._shown(act, self._find(act, number))

    def approve(self, actor: Actor, number: int, reason: str = "") -> dict[str, Any]:
        """Put a correction in force that another person asked for; or agree with one that is in force on
        another person's word, so that nothing counts beside it. Raises SecondPersonNeeded, WrongState,
        NotThere, AccessDenied."""
        with change(self._vault, self._gate, actor, Action.CORRECTION_MAKE, "correction.approve") as act:
            row = self._asked(act, actor, number, or_alone=True)
            if row["asked_by"] == actor.user_id:
                raise SecondPersonNeeded("you asked for this correction yourself; another must approve it")
            signed = actor.method == PASSKEY
            check_second(act.connection, self._vault.clock, row["asked_by"], actor.user_id, signed=signed)
            record = self._record(act, actor, row["message_id"])
            self._decide(act, row, reason, agreed=True)
            self._put_in_force(act, record, number, actor, to_us(self._vault.clock.now()))
            return self._shown(act, self._find(act, number))

    def refuse(self, actor: Actor, number: int, reason: str = "") -> dict[str, Any]:
        """Refuse, or take back, a correction that is asked for. Raises WrongState, NotThere, AccessDenied."""
        with change(self._vault, self._gate, actor, Action.CORRECTION_MAKE, "correction.refuse") as act:
            row = self._asked(act, actor, number)
            self._decide(act, row, reason)
            self._end(act, number, REFUSED, actor)
            return self._shown(act, self._find(act, number))

    def page(
        self, actor: Actor, *, asked: bool = False, limit: int = 100, before: int | None = None
    ) -> list[dict[str, Any]]:
        """Corrections of mail in the actor's scope, newest first, or only those that wait for approval;
        `before` is the last `n` seen."""
        with look(self._vault, self._gate, actor, Action.CORRECTION_READ, "correction.list") as act:
            query = _rows().order_by(corrections.c.id.desc()).limit(limit)
            if asked:
                query = query.where(corrections.c.state == ASKED)
            rows: list[RowMapping] = []
            while True:
                page = query if before is None else query.where(corrections.c.id < before)
                some = act.connection.execute(page).mappings().all()
                seen = self._gate.visible(actor, {row["message_pk"] for row in some})
                rows += [row for row in some if seen is None or row["message_pk"] in seen]
                if len(rows) >= limit or len(some) < limit:
                    break
                before = some[-1]["id"]
            found = [self._shown(act, row) for row in rows[:limit]]
            act.objects += [one["message"] for one in found]
            act.count = len(found)
            return found

    def show(self, actor: Actor, message_id: str) -> dict[str, Any]:
        """A message's types: `{message, record_types, by, by_rules, corrections}`.

        `by` is rules, learnt or person: whom the types that count are by.
        """
        with look(self._vault, self._gate, actor, Action.CORRECTION_READ, "correction.show") as act:
            record = self._record(act, actor, message_id)
            rows = act.connection.execute(
                _rows()
                .where(corrections.c.message_pk == record.row["pk"])
                .order_by(corrections.c.id.desc())
                .limit(100)
            ).mappings()
            meta = record.meta
            return {
                "message": message_id,
                "record_types": [name for name, _ in meta["record_types"]],
                "by": meta.get("record_types_by", "rules"),
                "by_rules": [n for n, _ in meta.get("record_types_by_rules", meta["record_types"])],
                "corrections": [self._shown(act, row) for row in rows],
            }

    # --- inside -------------------------------------------------------------------------------

    def _types(self, types: Iterable[str]) -> list[str]:
        """By the classifier's names, which searches know, or else by the schedules'."""
        known = classified_types()
        by_name = {name: self._schedule.canonical(name) for name in types}
        return sorted({name if name in known else schedule for name, schedule in by_name.items()}) or [
            CORRESPONDENCE
        ]

    def _effective(self, record: Record) -> set[str]:
        """The types that count now, by the schedules' names; mail of no type loses nothing."""
        names = {self._schedule.canonical(str(name)) for name, _ in record.meta["record_types"]}
        return names - {CORRESPONDENCE}

    def _record(self, act: Act, actor: Actor, message_id: str) -> Record:
        row = act.connection.execute(
            select(messages.c.pk, messages.c.disposed_us).where(messages.c.id == message_id)
        ).first()
        if row is None:
            raise NotThere(NO_SUCH_MESSAGE)
        act.objects.append(message_id)
        self._gate.must_see(actor, [row.pk])
        record = self._vault.archive.scan_records([row.pk]).get(row.pk)
        if record is None:
            raise KeyDestroyed("this message was disposed of; nothing more can be said of it")
        return record

    def _open_one(self, act: Act, pk: int, state: str) -> int | None:
        return act.connection.scalar(
            select(corrections.c.id).where(corrections.c.message_pk == pk, corrections.c.state == state)
        )

    def _find(self, act: Act, number: int) -> RowMapping:
        row = act.connection.execute(_rows().where(corrections.c.id == number)).mappings().first()
        if row is None:
            raise NotThere(_NO_SUCH)
        return row

    def _asked(self, act: Act, actor: Actor, number: int, *, or_alone: bool = False) -> RowMapping:
        """One that is asked for; with `or_alone` also one in force on one person's word."""
        row = self._find(act, number)
        act.objects.append(row["message_id"])
        self._gate.must_see(actor, [row["message_pk"]], _NO_SUCH)
        if row["state"] != ASKED and not (or_alone and _alone(row)):
            raise WrongState("this correction is decided already; make another one")
        return row

    def _decide(self, act: Act, row: RowMapping, reason: str, *, agreed: bool = False) -> None:
        act.detail["reason"] = reason[:LONGEST_REASON]
        value = self._opened(act, row)
        if value is None:
            return
        value |= {"decision": reason[:LONGEST_REASON], "agreed": agreed}
        name = correction_name(row["message_id"], row["id"])
        sealed = self._vault.archive.seal_types(
            act.connection, row["message_pk"], row["message_id"], name, value
        )
        act.connection.execute(update(corrections).where(corrections.c.id == row["id"]).values(sealed=sealed))

    def _put_in_force(self, act: Act, record: Record, number: int, actor: Actor, now: int) -> None:
        pk = record.row["pk"]
        earlier = self._open_one(act, pk, IN_FORCE)
        if earlier is not None and earlier != number:
            self._end(act, earlier, ENDED, actor)
        act.connection.execute(
            update(corrections)
            .where(corrections.c.id == number)
            .values(state=IN_FORCE, decided_by=actor.user_id, decided_us=now)
        )
        changed_types(act.connection, [pk])

    def _end(self, act: Act, number: int, state: str, actor: Actor) -> None:
        values: dict[str, Any] = {"state": state}
        if state == REFUSED:
            values |= {"decided_by": actor.user_id, "decided_us": to_us(self._vault.clock.now())}
        act.connection.execute(update(corrections).where(corrections.c.id == number).values(**values))

    def _seal(self, act: Act, record: Record, number: int, value: Any) -> bytes:
        message_id = record.row["id"]
        name = correction_name(message_id, number)
        return self._vault.archive.seal_types(act.connection, record.row["pk"], message_id, name, value)

    def _opened(self, act: Act, row: RowMapping) -> Any:
        name = correction_name(row["message_id"], row["id"])
        return self._vault.archive.open_types(
            act.connection, row["message_pk"], row["message_id"], name, row["sealed"]
        )

    def _shown(self, act: Act, row: RowMapping) -> dict[str, Any]:
        """A correction; its types and reasons are None once the message was disposed of. `takes_away`: what
        the message would no longer be, by the schedules' names; `alone`: in force on one person's word."""
        value = self._opened(act, row) or {"types": None, "reason": None, "decision": None, "lost": None}
        return {
            "n": row["id"],
            "message": row["message_id"],
            "state": row["state"],
            "alone": _alone(row),
            "types": value["types"],
            "takes_away": value.get("lost", []),
            "reason": value["reason"],
            "asked_by": row["asked_by"],
            "asked_by_name": row["asked_by_name"],
            "asked_at": rfc3339(from_us(row["asked_us"])),
            "decided_by": row["decided_by"],
            "decided_at": rfc3339(from_us(row["decided_us"])) if row["decided_us"] is not None else None,
            "decision_reason": value["decision"],
        }


def _alone(row: RowMapping) -> bool:
    return bool(row["state"] == IN_FORCE and row["asked_by"] == row["decided_by"])


def _rows() -> Any:
    return (
        select(corrections, messages.c.id.label("message_id"), users.c.name.label("asked_by_name"))
        .join(messages, messages.c.pk == corrections.c.message_pk)
        .join(users, users.c.id == corrections.c.asked_by)
    )


def _reason(text: str) -> str:
    said = text.strip()
    if not said or len(said) > LONGEST_REASON:
        raise FactsError(f"reason: say why, in at most {LONGEST_REASON} characters")
    return said
