"""The end of messages: re-checked one by one under the archive's lock, keys destroyed, certified.

Each chunk is a transaction of its own, so a crash between two of them loses nothing: what was destroyed
is marked, and the same call goes on with the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import DBAPIError

from archiver.archive import Destroyed
from archiver.clock import everywhere_today
from archiver.store import dialect
from archiver.store.schema import (
    disposition_items,
    disposition_parts,
    dispositions,
    holds,
    index_removals,
    messages,
    users,
)
from archiver.vault import Vault
from retention.dating import rows
from retention.dating.explain import Explainer
from retention.dating.verdicts import Verdict
from retention.disposition import items as items_of
from retention.disposition import lists
from retention.disposition.certifying import Certifier
from retention.disposition.extensions import extended
from retention.disposition.items import Item
from retention.fields import SealedFields
from retention.policy.store import Version
from retention.policy.store import version as policy_version
from retention.refusals import HoldBeingApplied, WrongState
from retention.roster.patients import roster_version
from search.access import Actor, Gate, Role

CHUNK = 128

Progress = Callable[[int, int], object]
"""Told how many messages of how many have their outcome. What it raises ends the execution between chunks."""


class Executor:
    """Destroys what an approved disposition names, as far as it still may go."""

    def __init__(self, vault: Vault, gate: Gate, explainer: Explainer) -> None:
        self._vault = vault
        self._gate = gate
        self._verdicts = explainer.verdicts
        self._fields = SealedFields(vault)
        self._certifier = Certifier(vault, gate)

    def begun(self, connection: Connection) -> list[tuple[str, Actor]]:
        """Executions that somebody began and that haven't ended, each with who did."""
        found = connection.execute(
            select(dispositions.c.id, users.c.id.label("by"), users.c.name, users.c.role)
            .join(users, users.c.id == dispositions.c.begun_by)
            .where(dispositions.c.state == "approved", dispositions.c.begun_us.is_not(None))
            .order_by(dispositions.c.begun_us)
        )
        return [(row.id, Actor(row.by, row.name, Role(row.role), "job")) for row in found]

    def run(
        self, actor: Actor, disposition_id: str, progress: Progress | None, seconds: float | None
    ) -> None:
        """Give every item its outcome and certify; or stop after `seconds`, to be gone on with.

        Raises HoldBeingApplied, WrongState.
        """
        if self._destroy(actor, disposition_id, progress, seconds):
            erased = dialect.scrub_log(self._vault.records)
            self._certifier.certify(actor, disposition_id, erased=erased)

    # --- destroying ---------------------------------------------------------------------------

    def _destroy(
        self, actor: Actor, disposition_id: str, progress: Progress | None, seconds: float | None
    ) -> bool:
        until = None if seconds is None else time.monotonic() + seconds
        with self._vault.records.read() as connection:
            total = lists.length(connection, disposition_id)
        last, done = -(2**63), 0
        while True:
            with self._vault.records.read() as connection:
                items = items_of.read(connection, self._fields, disposition_id, after=last, limit=CHUNK)
            if not items:
                return True
            last = items[-1].pk
            if waiting := [item for item in items if item.outcome is None]:
                if until is not None and time.monotonic() > until:
                    return False
                self._chunk(actor, disposition_id, waiting)
            done += len(items)
            if progress is not None:
                progress(done, total)

    def _chunk(self, actor: Actor, disposition_id: str, items: Sequence[Item]) -> None:
        pks = [item.pk for item in items]
        while True:
            with self._vault.records.read() as connection:
                facts = _state_of_facts(connection, pks)
            # Opening descriptions inside the transaction would hold up captures, so it is done before;
            # the transaction then makes sure that the facts are still those.
            verdicts = self._verdicts.of(pks)
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                if _state_of_facts(connection, pks) != facts:
                    continue
                if not _approved(connection, disposition_id):
                    return
                if connection.scalar(select(holds.c.id).where(holds.c.state == "applying").limit(1)):
                    raise HoldBeingApplied("a hold is being applied just now; execute again in a moment")
                rows.save(connection, self._verdicts, verdicts, facts[1])
                # Another execution of the same list may have been here since they were read.
                open_ = _without_outcome(connection, disposition_id, pks)
                self._end(connection, actor, disposition_id, [i for i in items if i.pk in open_], verdicts)
                return

    def _end(
        self,
        connection: Connection,
        actor: Actor,
        disposition_id: str,
        items: Sequence[Item],
        verdicts: dict[int, Verdict],
    ) -> None:
        if not items:
            return
        today = everywhere_today(self._vault.clock.now())
        pks = [item.pk for item in items]
        held = rows.held(connection, pks)
        own = extended(connection, pks, today)
        living = set(
            connection.scalars(
                select(messages.c.pk).where(messages.c.pk.in_(pks), messages.c.disposed_us.is_(None))
            )
        )
        outcomes = {pk: _outcome(pk, living, held, own.keys(), verdicts.get(pk), today) for pk in pks}
        due = [pk for pk in pks if outcomes[pk] is None]
        indices = self._destroy_all(connection, disposition_id, due)
        connection.execute(
            update(disposition_items)
            .where(
                disposition_items.c.disposition_id == disposition_id,
                disposition_items.c.message_pk == bindparam("of_pk"),
            )
            .values(outcome=bindparam("new_outcome"), ledger_index=bindparam("new_index")),
            [
                {
                    "of_pk": pk,
                    "new_outcome": outcomes[pk] or ("destroyed" if pk in indices else "refused"),
                    "new_index": indices.get(pk),
                }
                for pk in pks
            ],
        )
        gone = [item for item in items if item.pk in indices]
        if gone:
            connection.execute(
                dialect.insert_or_ignore(connection, index_removals),
                [{"message_pk": item.pk} for item in gone],
            )
        event = self._gate.event(
            actor,
            "disposition.execute",
            "success",
            reason="keys_destroyed",
            objects=(disposition_id, *(item.message_id for item in gone)),
            count=len(gone),
        )
        self._vault.audit.record_in(connection, event)

    def _destroy_all(self, connection: Connection, disposition_id: str, due: Sequence[int]) -> dict[int, int]:
        """Destroy messages together, or one by one where the guard refuses some; leaf indices by key."""
        groups = [list(due)] if due else []
        found: dict[int, int] = {}
        still: set[str] = set()
        while groups:
            group = groups.pop(0)
            try:
                with connection.begin_nested():
                    first, done = self._vault.archive.destroy_many(connection, group, disposition_id)
            except DBAPIError as error:
                if not dialect.is_refusal(error):
                    raise
                if len(group) > 1:
                    groups += [[pk] for pk in group]
                continue
            found |= {pk: first + number for number, pk in enumerate(group)}
            still |= _still(done)
        if still:
            connection.execute(
                dialect.insert_or_ignore(connection, disposition_parts),
                [{"disposition_id": disposition_id, "part_id": part_id} for part_id in sorted(still)],
            )
        return found


def _outcome(
    pk: int,
    living: set[int],
    held: set[int],
    own: Any,
    verdict: Verdict | None,
    today: date,
) -> str | None:
    """Why a message may not go; None where it may, as far as we can see."""
    if pk not in living:
        return "gone"
    if pk in held:
        return "held"
    if pk in own:
        return "extended"
    if verdict is None or verdict.disposal_date is None or verdict.disposal_date > today:
        return "not_due"
    return "unconfirmed" if verdict.unconfirmed else None


def _still(done: Sequence[Destroyed]) -> set[str]:
    return {part_id for one in done for part_id in one.still}


def _without_outcome(connection: Connection, disposition_id: str, pks: Sequence[int]) -> set[int]:
    return set(
        connection.scalars(
            select(disposition_items.c.message_pk).where(
                disposition_items.c.disposition_id == disposition_id,
                disposition_items.c.message_pk.in_(list(pks)),
                disposition_items.c.outcome.is_(None),
                disposition_items.c.excluded_us.is_(None),
            )
        )
    )


def _state_of_facts(connection: Connection, pks: Sequence[int]) -> tuple[int, dict[int, int], Version]:
    """What a verdict depends on beyond the message itself: roster, deliveries, policy."""
    return roster_version(connection), rows.newest_deliveries(connection, pks), policy_version(connection)


def _approved(connection: Connection, disposition_id: str) -> bool:
    """Whether it goes on; False where another execution of it has ended it. Raises WrongState."""
    row = connection.execute(
        select(dispositions.c.state, dispositions.c.approved_sha256, dispositions.c.items_sha256).where(
            dispositions.c.id == disposition_id
        )
    ).one()
    if row.state == "executed":
        return False
    if row.state != "approved" or bytes(row.approved_sha256 or b"") != bytes(row.items_sha256):
        raise WrongState("this disposition isn't approved any more; nothing further was destroyed")
    return True
