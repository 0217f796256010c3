"""Dispositions: proposed by a run, decided by a second person, executed, certified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import disposition_items, dispositions, index_removals, users
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.dating.explain import Explainer
from retention.disposition import items as items_of
from retention.disposition.execution import Executor
from retention.fields import SealedFields
from retention.refusals import ItemsChanged, NotThere, SecondPersonNeeded, WrongState
from search.access import Action, Actor, Gate

PAGE = 1_000


class Dispositions:
    """The dispositions of one archive. Every call is permitted by the gate and on record when it returns."""

    def __init__(self, vault: Vault, gate: Gate, explainer: Explainer) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)
        self._executor = Executor(vault, gate, explainer)

    # --- looking ------------------------------------------------------------------------------

    def list(self, actor: Actor, limit: int = PAGE) -> Sequence[dict[str, Any]]:
        """Dispositions, newest first."""
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.list") as act:
            rows = act.connection.execute(
                select(dispositions)
                .order_by(dispositions.c.created_us.desc(), dispositions.c.id)
                .limit(limit)
            ).mappings()
            found = [self._summary(act.connection, row) for row in rows.all()]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def show(
        self, actor: Actor, disposition_id: str, after: int | None = None, limit: int = PAGE
    ) -> dict[str, Any]:
        """One disposition with a page of its items; `next` is the `after` of the following page, if any."""
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.show") as act:
            row = self._find(act, disposition_id)
            start = -(2**63) if after is None else after
            items = items_of.read(
                act.connection, self._fields, disposition_id, after=start, limit=min(limit, PAGE)
            )
            shown = [
                {
                    "id": item.message_id,
                    "disposal_date": item.disposal_date.isoformat(),
                    "rule_id": item.rule["rule_id"],
                    "jurisdiction": item.rule["jurisdiction"],
                    "record_type": item.rule["record_type"],
                    "citation": item.rule["citation"],
                    "explanation": item.rule["explanation"],
                    "outcome": item.outcome,
                }
                for item in items
            ]
            following = items[-1].pk if len(items) == min(limit, PAGE) else None
            return {**self._summary(act.connection, row), "items": shown, "next": following}

    def certificate(self, actor: Actor, disposition_id: str) -> dict[str, Any]:
        """`{id, note, items}`: the signed note and the items it was signed over. See `certificates.verify`.

        Raises WrongState before the execution.
        """
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.certificate") as act:
            row = self._find(act, disposition_id)
            if row["sealed_certificate"] is None:
                raise WrongState(f"this disposition is {row['state']}; its certificate comes with execution")
            sealed = self._fields.open(disposition_id, row["sealed_certificate"])
            return {"id": disposition_id, "note": sealed["note"], "items": sealed["items"]}

    # --- deciding -----------------------------------------------------------------------------

    def approve(self, actor: Actor, disposition_id: str) -> dict[str, Any]:
        """Approve a proposed disposition, as another person than who proposed it.

        Raises SecondPersonNeeded, WrongState, ItemsChanged, NotThere.
        """
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.approve") as act:
            row = self._find(act, disposition_id)
            if row["state"] != "proposed":
                raise WrongState(f"this disposition is {row['state']}; only a proposed one can be approved")
            if row["created_by"] == actor.user_id:
                raise SecondPersonNeeded("you proposed this disposition; another person must approve it")
            act.count = self._check_items(act.connection, row)
            self._decide(act, disposition_id, "approved", actor)
            return self._summary(act.connection, self._find(act, disposition_id))

    def reject(self, actor: Actor, disposition_id: str, reason: str = "") -> dict[str, Any]:
        """Reject a disposition that isn't executed. Its messages may be proposed again by a later run."""
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.reject") as act:
            act.detail["reason"] = reason
            row = self._find(act, disposition_id)
            if row["state"] not in ("proposed", "approved"):
                raise WrongState(f"this disposition is {row['state']} already")
            self._decide(act, disposition_id, "rejected", actor)
            return self._summary(act.connection, self._find(act, disposition_id))

    # --- executing ----------------------------------------------------------------------------

    def execute(self, actor: Actor, disposition_id: str) -> dict[str, Any]:
        """Destroy what an approved disposition names, as far as it is due and free of holds right now.

        Each message is re-checked in the transaction that destroys its key; one that may not go is
        skipped with an outcome. After a crash the same call finishes. Two persons: where no person
        proposed, the executor isn't the approver. Returns the summary with `outcomes` and
        `index_pending`: how many messages' words wait for `Indexer.drain_removals`, which whoever holds
        the index calls. Raises SecondPersonNeeded, WrongState, ItemsChanged, HoldBeingApplied (retry),
        NotThere.
        """
        with change(self._vault, self._gate, actor, Action.DISPOSITION_EXECUTE, "disposition.execute") as act:
            act.outcome = "begun"
            row = self._find(act, disposition_id)
            if row["state"] != "approved":
                raise WrongState(f"this disposition is {row['state']}; only an approved one can be executed")
            if row["decided_by"] == actor.user_id and not self._is_person(act.connection, row["created_by"]):
                raise SecondPersonNeeded("you approved this disposition; another person must execute it")
            act.count = self._check_items(act.connection, row)
        erased = self._executor.destroy(actor, disposition_id)
        self._executor.certify(actor, disposition_id, erased=erased)
        with self._vault.records.read() as connection:
            row = self._row(connection, disposition_id)
            pending = int(connection.scalar(select(func.count()).select_from(index_removals)) or 0)
            return {**self._summary(connection, row), "index_pending": pending}

    # --- inside -------------------------------------------------------------------------------

    def _row(self, connection: Connection, disposition_id: str) -> RowMapping:
        row = (
            connection.execute(select(dispositions).where(dispositions.c.id == disposition_id))
            .mappings()
            .first()
        )
        if row is None:
            raise NotThere("there is no such disposition; `holdfast disposition list` shows them")
        return row

    def _find(self, act: Act, disposition_id: str) -> RowMapping:
        row = self._row(act.connection, disposition_id)
        if row["id"] not in act.objects:
            act.objects.append(row["id"])
        return row

    def _check_items(self, connection: Connection, row: RowMapping) -> int:
        items = list(items_of.read_all(connection, self._fields, row["id"]))
        if items_of.digest(items) != bytes(row["items_sha256"]):
            raise ItemsChanged("the items of this disposition were changed after it was made; reject it")
        return len(items)

    def _decide(self, act: Act, disposition_id: str, state: str, actor: Actor) -> None:
        act.connection.execute(
            update(dispositions)
            .where(dispositions.c.id == disposition_id)
            .values(state=state, decided_us=to_us(self._vault.clock.now()), decided_by=actor.user_id)
        )

    def _is_person(self, connection: Connection, user_id: str) -> bool:
        return connection.scalar(select(users.c.id).where(users.c.id == user_id)) is not None

    def _summary(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        counted = connection.execute(
            select(disposition_items.c.outcome, func.count().label("number"))
            .where(disposition_items.c.disposition_id == row["id"])
            .group_by(disposition_items.c.outcome)
        ).all()
        as_of: date = row["as_of"]
        return {
            "id": row["id"],
            "state": row["state"],
            "as_of": as_of.isoformat(),
            "messages": sum(one.number for one in counted),
            "outcomes": {one.outcome: one.number for one in counted if one.outcome is not None},
            "proposed_by": row["created_by"],
            "proposed_at": rfc3339(from_us(row["created_us"])),
            "decided_by": row["decided_by"],
            "decided_at": _moment(row["decided_us"]),
            "executed_by": row["executed_by"],
            "executed_at": _moment(row["executed_us"]),
        }


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
