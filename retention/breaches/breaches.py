"""Breaches: opened when discovered, worked out, assessed, decided by two persons, told of, closed.

45 CFR 164.400 to 164.414. A use or disclosure that the rule doesn't permit is presumed a breach unless the
four factors show a low probability of compromise; so every clock runs from the discovery until two persons
decide."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, get_args

from sqlalchemy import Connection, RowMapping, delete, select

from archiver.capture.ids import new_id
from archiver.clock import from_us, to_us
from archiver.store.schema import breach_entries, breach_events, breach_patients, breaches
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.breaches.asked import Asked
from retention.breaches.entries import Progress
from retention.breaches.errors import BadBreach, BreachDecided, StepMissing
from retention.breaches.exposure import KINDS, Exposure, Exposures, described
from retention.breaches.rows import DECISIONS, FACTORS, Rows
from retention.cases.clock import ORAL_DELAY_DAYS, HeldAs
from retention.cases.typed import typed
from retention.refusals import WrongState
from search.access import Action, Actor, Gate, Purpose
from search.approving.persons import check_second

RISKS: Final = ("low", "medium", "high")
NOTICE_FIELDS: Final = ("what_happened", "information", "protect", "doing", "contact")
EARLIEST: Final = datetime(1996, 8, 21, tzinfo=UTC)
"""The day of HIPAA: an earlier time was mistyped."""
TOLD: Final = ("individuals", "media", "hhs", "covered_entity")
_FOR: Final = Purpose.SECURITY_INCIDENT
LONGEST: Final = 10_000


class Breaches:
    """The breaches of one archive. Every call is permitted by the gate and on record when it returns."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._rows = Rows(vault)
        self._exposures = Exposures(vault)

    def open(
        self,
        actor: Actor,
        *,
        title: str,
        what_happened: str,
        discovered: datetime | None = None,
        held_as: str = "covered_entity",
        contract_hours: int | None = None,
    ) -> dict[str, Any]:
        """Open a breach on the moment it was discovered (now): the first day on which anybody of the
        workforce knew of it, or would have by reasonable diligence (164.404(a)(2), 164.410(a)(2)).

        `held_as` is `covered_entity` or `business_associate`; the latter's contract may give it hours (the
        setting breach_contract_hours unless said). Raises BadBreach, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.open") as act:
            act.purpose = _FOR
            said = {
                "title": _text("title", title, 200, needed=True),
                "what_happened": _text("what_happened", what_happened, needed=True),
                "factors": {},
                "notice": {},
            }
            act.detail |= {"title": title, "what_happened": what_happened}
            if held_as not in get_args(HeldAs):
                raise BadBreach(f"the mail is held as {' or '.join(get_args(HeldAs))}")
            now = self._vault.clock.now()
            moment = discovered or now
            if moment < EARLIEST:
                raise BadBreach("a breach is opened on the time of its discovery")
            if moment > now + timedelta(minutes=5):
                raise BadBreach("a breach can't have been discovered at a time that is still to come")
            hours = self._vault.settings.breach_contract_hours if contract_hours is None else contract_hours
            if not 0 <= hours <= 1_440:
                raise BadBreach("the contract's hours are 0 (none) to 1,440")
            breach_id = new_id("b")
            act.objects.append(breach_id)
            act.connection.execute(
                breaches.insert().values(
                    id=breach_id,
                    state="open",
                    discovered_us=to_us(moment),
                    held_as=held_as,
                    contract_hours=hours if held_as == "business_associate" and hours else None,
                    sealed=self._rows.fields.seal(breach_id, said),
                    created_us=to_us(now),
                    created_by=actor.user_id,
                )
            )
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    def list(self, actor: Actor, limit: int = 1_000) -> builtins.list[dict[str, Any]]:
        """Breaches, those not closed first, the most urgent of them before the others."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.list", _FOR) as act:
            rows = (
                act.connection.execute(
                    select(breaches).order_by(breaches.c.created_us.desc(), breaches.c.id).limit(limit)
                )
                .mappings()
                .all()
            )
            found = [self._rows.summary(act.connection, row) for row in rows]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return sorted(found, key=lambda one: (one["state"] == "closed", one["next"] or "9999"))

    def show(self, actor: Actor, breach_id: str) -> dict[str, Any]:
        """A breach with its exposure in short, factors, decision, clocks and notices."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.show", _FOR) as act:
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    # --- what was exposed ---------------------------------------------------------------------

    def expose(
        self,
        actor: Actor,
        breach_id: str,
        asked: Asked,
        *,
        whole: bool = False,
        progress: Progress = lambda done, total: None,
    ) -> dict[str, Any]:
        """Work out what was exposed and keep it with the breach, in place of what was worked out before; the
        breach as `show` gives it. `whole` reads the whole audit log and trusts no derived table.

        Raises BadBreach, BreachDecided once it was decided, LedgerError where the log is damaged.
        """
        with look(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.expose", _FOR) as act:
            act.detail |= asked.to_json()
            self._undecided(self._rows.find(act, breach_id))
            asked.check()
            asked = self._exposures.named(act.connection, asked)
            found = self._exposures.of(act.connection, asked, whole=whole, progress=progress)
            told = self._exposures.users(act.connection, found.by_user)
            act.count = len(found.seen)
            act.patients += sorted(found.people)
        shown = described(found, told) | {"asked": asked.to_json(), "whole": whole}
        shown["made_at"] = self._vault.clock.now().astimezone(UTC).isoformat(timespec="seconds")
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.expose") as act:
            act.purpose = _FOR
            row = self._rows.find(act, breach_id)
            self._undecided(row)
            self._keep(act.connection, breach_id, found)
            listed = {
                **shown,
                "items": [
                    {"id": one, "how": sorted(seen.kinds), "first": seen.first, "last": seen.last}
                    for one, seen in found.seen.items()
                ],
            }
            sealed = self._rows.fields.seal(f"{breach_id}/exposure", listed)
            self._rows.change(act.connection, row, None, sealed_exposure=sealed)
            act.count = len(found.people)
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    # --- what it means ------------------------------------------------------------------------

    def assess(
        self, actor: Actor, breach_id: str, factors: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Any]:
        """Answer factors of 164.402(2), `{name: {answer, risk}}`, risk one of low, medium, high; what isn't
        given stays. Raises BadBreach, BreachDecided."""
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.assess") as act:
            act.purpose = _FOR
            act.detail["factors"] = {name: dict(one) for name, one in factors.items()}
            row = self._rows.find(act, breach_id)
            self._undecided(row)
            said = self._rows.opened(row)
            for name, one in factors.items():
                if name not in FACTORS or one.get("risk") not in RISKS:
                    raise BadBreach(
                        f"a factor is one of {', '.join(FACTORS)}, its risk one of {', '.join(RISKS)}"
                    )
                answer = _text("answer", one.get("answer", ""), needed=True)
                said["factors"][name] = {"answer": answer, "risk": one["risk"]}
            self._rows.change(act.connection, row, said)
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    def decide(self, actor: Actor, breach_id: str, decision: str, reason: str) -> dict[str, Any]:
        """Decide, as the first of two persons. Without all four factors and an exposure the only decision is
        `breach`. Raises StepMissing, BadBreach, BreachDecided."""
        with change(self._vault, self._gate, actor, Action.BREACH_DECIDE, "breach.decide") as act:
            act.purpose = _FOR
            act.detail |= {"decision": decision, "reason": reason}
            row = self._rows.find(act, breach_id)
            self._undecided(row)
            if decision not in DECISIONS:
                raise BadBreach(f"the decision is one of {', '.join(DECISIONS)}")
            said = self._rows.opened(row) | {"reason": _text("reason", reason, needed=True)}
            if decision == "low_probability":
                open_ = [name for name in FACTORS if name not in said["factors"]]
                if open_ or row["sealed_exposure"] is None:
                    raise StepMissing(
                        "a low probability is shown by at least the four factors (164.402(2)) and by "
                        "what was "
                        f"exposed; lacking: "
                        f"{', '.join([*open_, *(() if row['sealed_exposure'] else ('exposure',))])}"
                    )
            now_us = to_us(self._vault.clock.now())
            self._rows.change(
                act.connection,
                row,
                said,
                state="decided",
                decision=decision,
                decided_us=now_us,
                decided_by=actor.user_id,
            )
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    def confirm(self, actor: Actor, breach_id: str, agree: bool = True, reason: str = "") -> dict[str, Any]:
        """Confirm a decision as another person than who made it; or, not agreeing, open it again with a
        reason. Raises SecondPersonMissing, WrongState, BadBreach."""
        with change(self._vault, self._gate, actor, Action.BREACH_DECIDE, "breach.confirm") as act:
            act.purpose = _FOR
            act.reason = "agreed" if agree else "disagreed"
            act.detail["reason"] = reason
            row = self._rows.find(act, breach_id)
            if row["decision"] is None or row["confirmed_us"] is not None:
                raise WrongState("there is no decision that waits for a second person")
            check_second(act.connection, self._vault.clock, row["decided_by"], actor.user_id)
            said = None
            values: dict[str, Any] = {
                "state": "confirmed",
                "confirmed_us": to_us(self._vault.clock.now()),
                "confirmed_by": actor.user_id,
            }
            if not agree:
                said = self._rows.opened(row)
                why = _text("reason", reason, needed=True)
                said.setdefault("disagreed", []).append({"by": actor.user_id, "reason": why})
                values = {"state": "open", "decision": None, "decided_us": None, "decided_by": None}
            self._rows.change(act.connection, row, said, **values)
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    # --- telling ------------------------------------------------------------------------------

    def delay(
        self, actor: Actor, breach_id: str, *, until: date, written: bool, official: str, statement: str
    ) -> dict[str, Any]:
        """A law-enforcement official says that a notice would impede an investigation: nobody is told before
        the day `until` is over (164.412). An oral statement holds 30 days. Raises BadBreach."""
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.delay") as act:
            act.purpose = _FOR
            act.detail |= {"official": official, "statement": statement}
            row = self._rows.find(act, breach_id)
            self._unclosed(row)
            today = self._rows.today()
            if until < today:
                raise BadBreach("a delay ends today or later")
            if not written and until > today + timedelta(days=ORAL_DELAY_DAYS):
                raise BadBreach(
                    f"on an oral statement a delay lasts {ORAL_DELAY_DAYS} days at most (164.412(b))"
                )
            told = {
                "official": _text("official", official, 320, needed=True),
                "statement": _text("statement", statement, needed=True),
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
            self._unclosed(row)
            if who not in TOLD:
                raise BadBreach(f"who was told is one of {', '.join(TOLD)}")
            if row["decision"] != "breach" or row["confirmed_us"] is None:
                raise StepMissing("notices follow when two persons have decided that it is a breach")
            if on > self._rows.today():
                raise BadBreach("a notice can't have gone out on a day that is still to come")
            if on.isoformat() < discovered_day(row, self._rows):
                raise BadBreach("a notice can't have gone out before the breach was discovered")
            if any(
                one.not_before and on <= one.not_before for one in self._rows.deadlines(act.connection, row)
            ):
                raise BadBreach(
                    "law enforcement asked for a delay: nobody may be told before it is over (164.412)"
                )
            self._event(
                act, breach_id, actor, who, {"on": on.isoformat(), "how": _text("how", how, needed=True)}
            )
            return self._rows.described(act.connection, row)

    def close(self, actor: Actor, breach_id: str) -> dict[str, Any]:
        """Close a breach of which everybody was told, or that two persons found to be none. It is kept.

        Raises StepMissing naming who wasn't told, WrongState.
        """
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.close") as act:
            act.purpose = _FOR
            row = self._rows.find(act, breach_id)
            self._unclosed(row)
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

    def counts(self) -> dict[str, int]:
        """Breaches that aren't closed, by urgency, for the metrics and doctor."""
        return self._rows.counts()

    # --- inside -------------------------------------------------------------------------------

    def _keep(self, connection: Connection, breach_id: str, found: Exposure) -> None:
        for table in (breach_patients, breach_entries):
            connection.execute(delete(table).where(table.c.breach_id == breach_id))
        rows = [
            {
                "breach_id": breach_id,
                "patient_id": one,
                **{kind: hers.counts.get(kind, 0) for kind in KINDS},
                "first_us": hers.first,
                "last_us": hers.last,
                "sealed": self._rows.fields.seal(f"{breach_id}/{one}", {"states": list(hers.states)}),
            }
            for one, hers in sorted(found.people.items())
        ]
        entries = [{"breach_id": breach_id, "idx": index} for index in sorted(set(found.entries))]
        for table, values in ((breach_patients, rows), (breach_entries, entries)):
            for start in range(0, len(values), 2_000):
                connection.execute(table.insert(), values[start : start + 2_000])

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

    @staticmethod
    def _undecided(row: RowMapping) -> None:
        if row["decision"] is not None:
            raise BreachDecided("this breach is decided; what the decision rests on stays as it was")

    @staticmethod
    def _unclosed(row: RowMapping) -> None:
        if row["state"] == "closed":
            raise WrongState("this breach is closed")


def _text(field: str, value: str, most: int = LONGEST, *, needed: bool = False) -> str:
    """What somebody typed, trimmed. Raises BadBreach naming the field, never the value."""
    return typed(field.replace("_", " "), value, most, BadBreach, needed=needed)


def discovered_day(row: RowMapping, rows: Rows) -> str:
    """The day of a breach's discovery where the organisation is."""
    return from_us(row["discovered_us"]).astimezone(rows.zone).date().isoformat()
