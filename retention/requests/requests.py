"""Requests of patients: opened, timed, extended, and closed when they are answered (45 CFR 164.524,
164.528)."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, get_args

from sqlalchemy import select

from archiver.capture.ids import new_id
from archiver.clock import rfc3339, to_us
from archiver.store.schema import patient_requests
from archiver.vault import Vault
from retention.acts import change, look
from retention.cases.clock import ACT_DAYS, Kind, due, may_extend
from retention.cases.typed import typed
from retention.disclosures.book import Book
from retention.patients.whom import Whom
from retention.requests.errors import BadCase, NotReady, TooLate
from retention.requests.letters import ACKNOWLEDGEMENT, EXTENSION, WITHDRAWAL, Letters
from retention.requests.rows import Rows
from retention.roster.persons import members
from search.access import Action, Actor, Gate, Purpose
from search.disclosing import Basis, Told

ASKERS: Final = ("patient", "representative")
EARLIEST: Final = date(1996, 8, 21)
"""The day of HIPAA: an earlier one was mistyped."""
_LONGEST: Final[Mapping[str, int]] = {
    "name": 320,
    "address": 1_000,
    "email": 320,
    "relation": 500,
    "how": 2_000,
    "wanted": 5_000,
    "form": 500,
    "reason": 2_000,
    "fee_for": 500,
}


class Requests:
    """The requests of one archive. Every call is permitted by the gate and on record when it returns."""

    def __init__(self, vault: Vault, gate: Gate, book: Book, letters: Letters) -> None:
        self._vault = vault
        self._gate = gate
        self._book = book
        self._rows = Rows(vault)
        self._letters = letters

    def open(
        self,
        actor: Actor,
        *,
        asker: str = "patient",
        name: str,
        address: str = "",
        email: str = "",
        relation: str = "",
        identity: str = "",
        received: date | None = None,
        kind: str = "access",
        wanted: str = "",
        form: str = "",
        whom: Whom | None = None,
    ) -> dict[str, Any]:
        """Open a request as it came in, on the day `received` (today). The clock runs from that day.

        `asker` is `patient` or `representative`, who needs a `relation` (164.502(g)); `identity` says how it
        was checked who asks (164.514(h)), now or later by `change`; `whom` is the patient as the requester
        names her. Raises BadCase, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.open") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            said = {
                "requester": {
                    "asker": asker,
                    "name": _checked("name", name, needed=True),
                    "address": _checked("address", address),
                    "email": _checked("email", email),
                    "relation": _checked("relation", relation),
                },
                "wanted": _checked("wanted", wanted),
                "form": _checked("form", form),
                "whom": (whom or Whom()).detail(),
            }
            act.detail |= said
            if asker not in ASKERS:
                raise BadCase(f"who asks is one of {', '.join(ASKERS)}")
            if asker == "representative" and not relation.strip():
                raise BadCase("say by what a representative may act for the patient (45 CFR 164.502(g))")
            if kind not in get_args(Kind):
                raise BadCase(f"a request is one of {', '.join(get_args(Kind))}")
            today = self._rows.today()
            day = received or today
            if day < EARLIEST:
                raise BadCase("a request is opened on the day it came in")
            if day > today:
                raise BadCase("a request can't have been received on a day that is still to come")
            if identity:
                said["identity"] = self._identity(actor, identity)
            request_id = new_id("q")
            act.objects.append(request_id)
            act.connection.execute(
                patient_requests.insert().values(
                    id=request_id,
                    kind=kind,
                    state="open",
                    received_on=day,
                    due_on=due(_kind(kind), day),
                    sealed=self._rows.fields.seal(request_id, said),
                    created_us=to_us(self._vault.clock.now()),
                    created_by=actor.user_id,
                )
            )
            row = self._rows.find(act, request_id)
            self._letters.write(act, row, said, ACKNOWLEDGEMENT, actor)
            return self._rows.described(act.connection, row)

    def list(
        self, actor: Actor, state: str | None = "open", limit: int = 1_000
    ) -> builtins.list[dict[str, Any]]:
        """Requests of a state, or of all (None), the most urgent first."""
        with look(
            self._vault, self._gate, actor, Action.REQUEST_READ, "request.list", Purpose.PATIENT_REQUEST
        ) as act:
            query = select(patient_requests).order_by(
                patient_requests.c.state.desc(), patient_requests.c.due_on, patient_requests.c.id
            )
            if state is not None:
                query = query.where(patient_requests.c.state == state)
            rows = act.connection.execute(query.limit(max(1, limit))).mappings().all()
            act.objects += [row["id"] for row in rows]
            act.count = len(rows)
            return [self._rows.summary(row) for row in rows]

    def show(self, actor: Actor, request_id: str) -> dict[str, Any]:
        """A request with its clock, counts of marks, denial, letters, and what left for it."""
        with look(
            self._vault, self._gate, actor, Action.REQUEST_READ, "request.show", Purpose.PATIENT_REQUEST
        ) as act:
            row = self._rows.find(act, request_id)
            shown = self._rows.described(act.connection, row)
            about = {row["id"], row["export_id"]} - {None}
            shown["disclosures"] = [
                each for one in sorted(about) for each in self._book.about(act.connection, one)
            ]
            return shown

    def change(
        self,
        actor: Actor,
        request_id: str,
        *,
        identity: str = "",
        wanted: str = "",
        form: str = "",
        address: str = "",
        email: str = "",
        fee_cents: int | None = None,
        fee_for: str = "",
    ) -> dict[str, Any]:
        """Say more of a request; what isn't given stays. `identity` is how it was checked who asks; a fee is
        reasonable and based on cost (164.524(c)(4)), in cents. Raises BadCase, CaseClosed, NotThere."""
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.change") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            row = self._rows.find(act, request_id, open_=True)
            said = self._rows.opened(row)
            for field, value in (("wanted", wanted), ("form", form)):
                if value:
                    said[field] = _checked(field, value)
            for field, value in (("address", address), ("email", email)):
                if value:
                    said["requester"][field] = _checked(field, value)
            if identity:
                said["identity"] = self._identity(actor, identity)
            if fee_cents is not None:
                if not 0 <= fee_cents <= 10_000_000:
                    raise BadCase("a fee is given in cents, 0 to 10,000,000")
                said["fee"] = {"cents": fee_cents, "for": _checked("fee_for", fee_for)}
            act.detail |= {
                name: said.get(name) for name in ("identity", "wanted", "form", "fee", "requester")
            }
            self._rows.change(act.connection, row, said)
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def extend(self, actor: Actor, request_id: str, reason: str) -> dict[str, Any]:
        """Extend the time once, by 30 days, with a reason; the written statement of it is made in the same
        transaction and must go out within the first period (164.524(b)(2)(iii), 164.528(c)(1)(ii)).

        Raises TooLate once that period is over, NotReady when it was extended before, BadCase.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.extend") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            row = self._rows.find(act, request_id, open_=True)
            act.detail["reason"] = reason
            why = _checked("reason", reason, needed=True)
            if row["extended_us"] is not None:
                raise NotReady("a request is extended only once")
            kind = _kind(row["kind"])
            if not may_extend(kind, row["received_on"], self._rows.today()):
                raise TooLate(
                    f"the time to extend was the first {ACT_DAYS[kind]} days; answer the request now"
                )
            last = due(kind, row["received_on"], extended=True)
            said = self._rows.opened(row) | {"extension": {"reason": why, "due_on": last.isoformat()}}
            self._rows.change(
                act.connection,
                row,
                said,
                due_on=last,
                extended_us=to_us(self._vault.clock.now()),
                extended_by=actor.user_id,
                reminded=None,
            )
            row = self._rows.find(act, request_id)
            self._letters.write(act, row, said, EXTENSION, actor)
            return self._rows.described(act.connection, row)

    def close(self, actor: Actor, request_id: str) -> dict[str, Any]:
        """Close a request that was answered: produced, denied, or both in part. What was given is written
        into the book of disclosures in the same transaction. Raises NotReady saying what is lacking,
        CaseClosed."""
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.close") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            row = self._rows.find(act, request_id, open_=True)
            said = self._rows.opened(row)
            outcome = self._letters.outcome(act.connection, row, said)
            act.reason = outcome
            pks = self._rows.given(act.connection, request_id)
            if outcome == "produced":
                patients, unmatched = self._book.patients_in(pks)
                if row["patient_id"]:
                    patients = {row["patient_id"]: len(pks), **patients}
                told = Told(
                    kind="request",
                    about_id=request_id,
                    by_id=actor.user_id,
                    purpose=str(Purpose.PATIENT_REQUEST),
                    basis=Basis.INDIVIDUAL,
                    recipient=self._rows.recipient(said),
                    what="an account of disclosures"
                    if row["kind"] == "accounting"
                    else f"e-mail messages, {len(pks):,}, on a request for access",
                    messages=len(pks),
                )
                act.objects.append(self._book.write(act.connection, told, (patients, unmatched)))
                act.patients += sorted(members(act.connection, patients))
                act.detail |= told.sealed()
            act.count = len(pks)
            self._rows.change(
                act.connection,
                row,
                None,
                state="closed",
                outcome=outcome,
                closed_us=to_us(self._vault.clock.now()),
                closed_by=actor.user_id,
            )
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def withdraw(self, actor: Actor, request_id: str, reason: str) -> dict[str, Any]:
        """Close a request that its requester took back; `reason` says how they did, and the letter says so to
        them. What was found for it isn't kept from disposal any more. Raises BadCase, CaseClosed."""
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.withdraw") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            act.detail["reason"] = reason
            row = self._rows.find(act, request_id, open_=True)
            said = self._rows.opened(row)
            said["withdrawal"] = {"reason": _checked("reason", reason, needed=True)}
            self._letters.write(act, row, said, WITHDRAWAL, actor)
            self._rows.change(
                act.connection,
                row,
                said,
                state="closed",
                outcome="withdrawn",
                closed_us=to_us(self._vault.clock.now()),
                closed_by=actor.user_id,
            )
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def counts(self) -> dict[str, int]:
        """Open requests by urgency, for the metrics and doctor."""
        return self._rows.counts()

    def _identity(self, actor: Actor, how: str) -> dict[str, str]:
        return {
            "how": _checked("how", how, needed=True),
            "by": actor.name,
            "at": rfc3339(self._vault.clock.now()),
        }


def _kind(text: str) -> Kind:
    return "accounting" if text == "accounting" else "access"


def _checked(field: str, value: str, *, needed: bool = False) -> str:
    """What somebody typed, trimmed. Raises BadCase naming the field, never the value."""
    return typed(field.replace("_", " "), value, _LONGEST[field], BadCase, needed=needed)
