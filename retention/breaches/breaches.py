"""Breaches: opened when discovered, worked out, assessed, decided by two persons, told of, closed.

45 CFR 164.400 to 164.414. A use or disclosure that the rule doesn't permit is presumed a breach unless the
four factors show a low probability of compromise; so every clock runs from the discovery until two persons
decide."""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, get_args

from sqlalchemy import Connection, RowMapping, delete, select

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.store.schema import breach_entries, breach_patients, breaches
from archiver.vault import Vault
from retention.acts import change, look
from retention.breaches.asked import Asked
from retention.breaches.entries import Progress
from retention.breaches.errors import BadBreach, BreachDecided, StepMissing
from retention.breaches.exposure import KINDS, Exposure, Exposures, described
from retention.breaches.rows import DECISIONS, FACTORS
from retention.breaches.telling import Telling, said_of
from retention.cases.agreeing import DECIDE, Agreement
from retention.cases.agreeing import Asked as ToApprove
from retention.cases.clock import HeldAs
from retention.refusals import WrongState
from search.access import Action, Actor, Gate, Purpose
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed
from search.approving.persons import check_second

RISKS: Final = ("low", "medium", "high")
NOTICE_FIELDS: Final = ("what_happened", "information", "protect", "doing", "contact")
EARLIEST: Final = datetime(1996, 8, 21, tzinfo=UTC)
"""The day of HIPAA: an earlier time was mistyped."""
_FOR: Final = Purpose.SECURITY_INCIDENT


class Breaches(Telling):
    """The breaches of one archive. Every call is permitted by the gate and on record when it returns."""

    def __init__(self, vault: Vault, gate: Gate, approvals: Approvals) -> None:
        super().__init__(vault, gate)
        self._exposures = Exposures(vault)

        def agree(actor: Actor, asked: Approval, signed: Signed | None) -> None:
            self.confirm(actor, asked.about_id, signed=signed)

        self._agreement = Agreement(approvals, DECIDE, self._waits, agree)

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
                "title": said_of("title", title, 200, needed=True),
                "what_happened": said_of("what_happened", what_happened, needed=True),
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
                answer = said_of("answer", one.get("answer", ""), needed=True)
                said["factors"][name] = {"answer": answer, "risk": one["risk"]}
            self._rows.change(act.connection, row, said)
            return self._rows.described(act.connection, self._rows.find(act, breach_id))

    def decide(self, actor: Actor, breach_id: str, decision: str, reason: str) -> dict[str, Any]:
        """Decide, as the first of two persons. A `low_probability` needs all four factors; it and `breach`
        need an exposure, since nothing of it changes any more and the notices go to whom it names.

        Raises StepMissing, BadBreach, BreachDecided.
        """
        with change(self._vault, self._gate, actor, Action.BREACH_DECIDE, "breach.decide") as act:
            act.purpose = _FOR
            act.detail |= {"decision": decision, "reason": reason}
            row = self._rows.find(act, breach_id)
            self._undecided(row)
            if decision not in DECISIONS:
                raise BadBreach(f"the decision is one of {', '.join(DECISIONS)}")
            said = self._rows.opened(row) | {"reason": said_of("reason", reason, needed=True)}
            lacking = []
            if decision == "low_probability":
                lacking = [name for name in FACTORS if name not in said["factors"]]
            if lacking:
                raise StepMissing(
                    "a low probability is shown by at least the four factors (164.402(2)); lacking: "
                    + ", ".join(lacking)
                )
            if decision != "exception" and row["sealed_exposure"] is None:
                raise StepMissing("work out first what was exposed, and whose: `holdfast breach expose`")
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

    def confirm(
        self,
        actor: Actor,
        breach_id: str,
        agree: bool = True,
        reason: str = "",
        signed: Signed | None = None,
    ) -> dict[str, Any]:
        """Confirm a decision as another person than who made it, signed by their passkey if they have one;
        or, not agreeing, open it again with a reason.

        Raises SecondPersonMissing, SignatureNeeded, ApprovalVoid, WrongState, BadBreach.
        """
        if agree:
            self._gate.require(actor, Action.BREACH_DECIDE)
            if (waiting := self._waits(breach_id)) is not None:
                self._agreement.ready(actor, waiting, signed)
        with change(self._vault, self._gate, actor, Action.BREACH_DECIDE, "breach.confirm") as act:
            act.purpose = _FOR
            act.reason = "agreed" if agree else "disagreed"
            act.detail["reason"] = reason
            row = self._rows.find(act, breach_id)
            if row["decision"] is None or row["confirmed_us"] is not None:
                raise WrongState("there is no decision that waits for a second person")
            said = None
            values: dict[str, Any] = {
                "state": "confirmed",
                "confirmed_us": to_us(self._vault.clock.now()),
                "confirmed_by": actor.user_id,
            }
            if agree:
                self._agreement.settle(act, actor, self._asked(row), signed)
            else:
                check_second(act.connection, self._vault.clock, row["decided_by"], actor.user_id)
                said = self._rows.opened(row)
                why = said_of("reason", reason, needed=True)
                said.setdefault("disagreed", []).append({"by": actor.user_id, "reason": why})
                values = {"state": "open", "decision": None, "decided_us": None, "decided_by": None}
            self._rows.change(act.connection, row, said, **values)
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

    def _waits(self, breach_id: str) -> ToApprove | None:
        """What waits for a second person."""
        row = self._rows.load(breach_id)
        return self._asked(row) if row is not None and row["state"] == "decided" else None

    def _asked(self, row: RowMapping) -> ToApprove:
        """What a second person confirms: the decision, and by its hash all that it rests on."""
        said = self._rows.opened(row)
        rests = json.dumps([row["decision"], said["reason"], said["factors"]], sort_keys=True).encode()
        # Of the exposure its sealed form; the rest keyed, since an approval's file is for strangers.
        keyed = self._vault.blind.token("breach-decision", hashlib.sha256(rests).hexdigest())
        digest = hashlib.sha256(keyed)
        digest.update(bytes(row["sealed_exposure"] or b""))
        params = {"breach": row["id"], "decision": row["decision"]}
        return ToApprove(row["id"], params, digest.hexdigest(), row["decided_by"])

    @staticmethod
    def _undecided(row: RowMapping) -> None:
        if row["decision"] is not None:
            raise BreachDecided("this breach is decided; what the decision rests on stays as it was")
