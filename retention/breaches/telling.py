"""Who was told of a breach and when, what law enforcement asked to wait for, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping

from archiver.clock import from_us, to_us
from archiver.store.schema import breach_events
from archiver.vault import Vault
from retention.acts import Act, change
from retention.breaches.errors import BadBreach, StepMissing
from retention.breaches.rows import Rows
from retention.cases.clock import ORAL_DELAY_DAYS, day_of
from retention.cases.typed import typed
from retention.refusals import WrongState
from search.access import Action, Actor, Gate, Purpose

TOLD: Final = ("individuals", "media", "hhs", "covered_entity")
LONGEST: Final = 10_000
_FOR: Final = Purpose.SECURITY_INCIDENT


class Telling:
    """What is noted of the notices of breaches. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._rows = Rows(vault)

    def delay(
        self, actor: Actor, breach_id: str, *, until: date, written: bool, official: str, statement: str
    ) -> dict[str, Any]:
        """A law-enforcement official says that a notice would impede an investigation: nobody is told before
        the day `until` is over (164.412). An oral statement holds 30 days. Raises BadBreach."""
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.delay") as act:
            act.purpose = _FOR
            act.detail |= {"official": official, "statement": statement}
            row = self._rows.find(act, breach_id)
            unclosed(row)
            today = self._rows.today()
            if until < today:
                raise BadBreach("a delay ends today or later")
            if not written and until > today + timedelta(days=ORAL_DELAY_DAYS):
                raise BadBreach(
                    f"on an oral statement a delay lasts {ORAL_DELAY_DAYS} days at most (164.412(b))"
                )
            told = {
                "official": said_of("official", official, 320, needed=True),
                "statement": said_of("statement", statement, needed=True),
                "written": written,
            }
            self._event(act, breach_id, actor, "delay", told, until)
            return self._rows.described(act.connection, row)

    def told(self, actor: Actor, breach_id: str, who: str, on: date, how: str) -> dict[str, Any]:
        """Note that somebody was told: individuals, media, hhs or covered_entity, on a day, by which way.

        Raises BadBreach for a day to come or while a law-enforcement delay runs, StepMissing before two
        persons decided that it is a breach.
        """
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.told") as act:
            act.purpose = _FOR
            act.detail |= {"who": who, "how": how}
            row = self._rows.find(act, breach_id)
            unclosed(row)
            if who not in TOLD:
                raise BadBreach(f"who was told is one of {', '.join(TOLD)}")
            if row["decision"] != "breach" or row["confirmed_us"] is None:
                raise StepMissing("notices follow when two persons have decided that it is a breach")
            if on > self._rows.today():
                raise BadBreach("a notice can't have gone out on a day that is still to come")
            if on < day_of(from_us(row["discovered_us"]), self._rows.zone):
                raise BadBreach("a notice can't have gone out before the breach was discovered")
            if any(
                one.not_before and on <= one.not_before for one in self._rows.deadlines(act.connection, row)
            ):
                raise BadBreach(
                    "law enforcement asked for a delay: nobody may be told before it is over (164.412)"
                )
            self._event(
                act, breach_id, actor, who, {"on": on.isoformat(), "how": said_of("how", how, needed=True)}
            )
            return self._rows.described(act.connection, row)

    def close(self, actor: Actor, breach_id: str) -> dict[str, Any]:
        """Close a breach of which everybody was told, or that two persons found to be none. It is kept.

        Raises StepMissing naming who wasn't told, WrongState.
        """
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.close") as act:
            act.purpose = _FOR
            row = self._rows.find(act, breach_id)
            unclosed(row)
            if row["confirmed_us"] is None:
                raise StepMissing("two persons must decide first what it is")
            told = {one["kind"] for one in self._rows.events(act.connection, breach_id)}
            lacking = [one.who for one in self._rows.deadlines(act.connection, row) if one.who not in told]
            if lacking:
                raise StepMissing(f"not told yet, as far as was noted: {', '.join(lacking)}")
            now_us = to_us(self._vault.clock.now())
            self._rows.change(
                act.connection, row, None, state="closed", closed_us=now_us, closed_by=actor.user_id
            )
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    def _event(
        self,
        act: Act,
        breach_id: str,
        actor: Actor,
        kind: str,
        said: Mapping[str, Any],
        until: date | None = None,
    ) -> None:
        act.reason = kind
        act.connection.execute(
            breach_events.insert().values(
                breach_id=breach_id,
                kind=kind,
                at_us=to_us(self._vault.clock.now()),
                by_id=actor.user_id,
                until_on=until,
                sealed=self._rows.fields.seal(f"{breach_id}/event", dict(said)),
            )
        )


def unclosed(row: RowMapping) -> None:
    """Raise WrongState where a breach is closed."""
    if row["state"] == "closed":
        raise WrongState("this breach is closed; what was said of it stays as it was")


def said_of(field: str, value: str, most: int = LONGEST, *, needed: bool = False) -> str:
    """What somebody typed, trimmed. Raises BadBreach naming the field, never the value."""
    return typed(field.replace("_", " "), value, most, BadBreach, needed=needed)
