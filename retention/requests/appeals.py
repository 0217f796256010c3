"""The review of a denial by another licensed professional, which a patient may ask for (45 CFR 164.524(a)(4),
(d)(4)). What was denied stays on record; where the reviewer grants it, a request that was closed is followed
by a new one, with what was withheld on its list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, literal, select

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.store.schema import patient_requests, request_items, request_letters
from archiver.vault import Vault
from retention.acts import Act, change
from retention.cases.clock import due
from retention.cases.typed import typed
from retention.requests.errors import BadCase, NotReady
from retention.requests.letters import ACKNOWLEDGEMENT, DENIAL, REFERRAL, REVIEW, Letters
from retention.requests.marks import REVIEWABLE
from retention.requests.rows import Rows
from search.access import Action, Actor, Gate, Purpose

_FOR = Purpose.PATIENT_REQUEST


class Appeals:
    """The reviews of one archive's denials. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate, letters: Letters) -> None:
        self._vault = vault
        self._gate = gate
        self._letters = letters
        self._rows = Rows(vault)

    def refer(
        self, actor: Actor, request_id: str, reviewer: str, asked_on: date | None = None
    ) -> dict[str, Any]:
        """The patient asked for a review, on a day (today), and `reviewer`, a licensed professional who had
        no part in the denial, now does it; the letter that says so is written.

        Raises NotReady unless a denial was written on a ground that may be reviewed, and where a review is
        under way; BadCase, NotThere.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.appeal") as act:
            act.purpose = _FOR
            act.detail |= {"reviewer": reviewer}
            row = self._rows.find(act, request_id)
            who = typed("reviewer", reviewer, 320, BadCase, needed=True, lines=False)
            today = self._rows.today()
            day = asked_on or today
            if not row["received_on"] <= day <= today:
                raise BadCase("a review was asked for after the request came in, and not on a day to come")
            if not any(self._rows.tally(act.connection, request_id).marks.get(one, 0) for one in REVIEWABLE):
                raise NotReady(
                    "no ground of this denial may be reviewed (45 CFR 164.524(a)(2)): only a licensed "
                    "professional's finding may"
                )
            if (last := self._last(act.connection, request_id)) is None:
                raise NotReady("nothing was denied yet: write the denial first")
            if last["kind"] == REFERRAL:
                raise NotReady("a review is under way; say what it decided: `holdfast requests appealed`")
            appeal = {"reviewer": who, "on": day.isoformat()}
            self._letters.write(act, row, self._said(row, appeal), REFERRAL, actor, facts=appeal)
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def decided(self, actor: Actor, request_id: str, granted: bool, reason: str) -> dict[str, Any]:
        """What the reviewer decided, and why; the letter that says so is written. Where it is `granted`, the
        patient gets what was withheld: on a request that is open by other marks, on one that was closed by a
        new request, whose id is `follow_up`. Raises NotReady where no review is under way, BadCase."""
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.appealed") as act:
            act.purpose = _FOR
            act.reason = "granted" if granted else "upheld"
            act.detail["reason"] = reason
            row = self._rows.find(act, request_id)
            why = typed("reason", reason, 5_000, BadCase, needed=True)
            last = self._last(act.connection, request_id)
            if last is None or last["kind"] != REFERRAL:
                raise NotReady("no review is under way: `holdfast requests appeal` begins one")
            facts = self._letters.facts_of(last)
            appeal = {**facts, "granted": granted, "reason": why}
            follow_up = None
            if granted and row["state"] == "closed":
                follow_up = self._follow(act, row, actor)
            told = {**appeal, "follow_up": follow_up}
            self._letters.write(act, row, self._said(row, appeal), REVIEW, actor, facts=told)
            shown = self._rows.described(act.connection, self._rows.find(act, request_id))
            return {**shown, "follow_up": follow_up}

    # --- inside -------------------------------------------------------------------------------

    def _said(self, row: RowMapping, appeal: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._rows.opened(row), "appeal": appeal}

    @staticmethod
    def _last(connection: Connection, request_id: str) -> RowMapping | None:
        """The last letter of a denial and its reviews."""
        return (
            connection.execute(
                select(request_letters)
                .where(
                    request_letters.c.request_id == request_id,
                    request_letters.c.kind.in_((DENIAL, REFERRAL, REVIEW)),
                )
                .order_by(request_letters.c.made_us.desc(), request_letters.c.id.desc())
                .limit(1)
            )
            .mappings()
            .first()
        )

    def _follow(self, act: Act, row: RowMapping, actor: Actor) -> str:
        """A new request of today for what was withheld on a ground that the reviewer didn't share."""
        before = self._rows.opened(row)
        kept = ("requester", "identity", "wanted", "form", "whom", "search")
        said = {name: before[name] for name in kept if name in before} | {"follows": row["id"]}
        request_id = new_id("q")
        today = self._rows.today()
        act.objects.append(request_id)
        act.connection.execute(
            patient_requests.insert().values(
                id=request_id,
                kind=row["kind"],
                state="open",
                received_on=today,
                due_on=due("access", today),
                patient_id=row["patient_id"],
                sealed=self._rows.fields.seal(request_id, said),
                created_us=to_us(self._vault.clock.now()),
                created_by=actor.user_id,
            )
        )
        withheld = select(literal(request_id), request_items.c.message_pk).where(
            request_items.c.request_id == row["id"], request_items.c.mark.in_(sorted(map(str, REVIEWABLE)))
        )
        act.connection.execute(insert(request_items).from_select(["request_id", "message_pk"], withheld))
        self._letters.write(act, self._rows.find(act, request_id), said, ACKNOWLEDGEMENT, actor)
        return request_id
