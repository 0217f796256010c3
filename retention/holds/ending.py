"""How holds end: asked for by one person, approved by another, cooled off; and how that is taken back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import DestructionRefused
from archiver.store import dialect
from archiver.store.schema import holds, meta
from archiver.vault import Vault
from retention.acts import Act, by_system
from retention.holds import events, versions
from retention.holds import items as hold_items
from retention.holds.apply import FIRST, Rest, turn
from retention.holds.events import Events
from retention.holds.versions import Versions
from retention.refusals import SecondPersonNeeded, WrongState
from search.access import Actor

_UNTOLD: Final = "released_hold/"
"""Begins the name of the key up to which the index was told that a released version holds no more."""


class Ending:
    """The steps towards a release, each within the transaction of an act."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._events = Events(vault)

    def ask(self, act: Act, actor: Actor, found: Versions, reason: str) -> None:
        """Ask for the release of the whole hold."""
        rows = versions.taking(found)
        self._set(act.connection, rows, release_asked_by=actor.user_id)
        self._note(act, actor, found, events.RELEASE_ASKED, reason)
        act.reason = "requested"

    def ask_narrowing(self, act: Act, actor: Actor, earlier: Sequence[RowMapping]) -> None:
        """Ask for the release of versions that a new one replaces; the new one's event says so."""
        self._set(act.connection, earlier, release_asked_by=actor.user_id)

    def approve(self, act: Act, actor: Actor, found: Versions, reason: str) -> None:
        """Approve what was asked for: the release of the hold, or of the versions before its newest.

        Raises WrongState when nothing was asked for, SecondPersonNeeded.
        """
        asked = [row for row in versions.taking(found) if row["release_asked_by"] is not None]
        if not asked:
            raise WrongState("nothing waits for a second person here; `holdfast hold report` shows its state")
        if any(row["release_asked_by"] == actor.user_id for row in asked):
            raise SecondPersonNeeded("you asked for this yourself; another person must approve it")
        whole = found[-1]["release_asked_by"] is not None
        now = self._vault.clock.now()
        for row in asked:
            # A setting lowered since doesn't shorten what the hold was placed with.
            days = max(self._vault.settings.hold_cooling_days, row["cooling_days"])
            # SQLite's own clock, by which the guard compares, has milliseconds.
            until = to_us(now + timedelta(days=days)) // 1_000 * 1_000
            values = {"release_approved_by": actor.user_id, "state": "cooling", "cooling_until_us": until}
            self._set(act.connection, [row], **values)
        kind = events.RELEASE_APPROVED if whole else events.NARROWING_APPROVED
        self._note(act, actor, found, kind, reason, cooling_until=rfc3339(from_us(until)))
        act.reason = "approved"

    def reinstate(self, act: Act, actor: Actor, found: Versions, reason: str) -> list[str]:
        """Take back what was asked for or approved; the ids of the versions that must be applied again.

        Raises WrongState when there is nothing to take back.
        """
        asked = [row for row in versions.taking(found) if row["release_asked_by"] is not None]
        cooling = [row for row in found if row["state"] == "cooling"]
        if not asked and not cooling:
            raise WrongState("no release of this hold is asked for or cooling off; place a new hold instead")
        nobody: dict[str, Any] = {"release_asked_by": None, "release_approved_by": None}
        self._set(act.connection, asked, **nobody)
        # Mail that came while it cooled off is still to be matched: `applying` guards it until then.
        self._set(act.connection, cooling, **nobody, state="applying", cooling_until_us=None)
        self._note(act, actor, found, events.REINSTATED, reason)
        return [row["id"] for row in cooling]

    def finish(self, rest: Rest = time.sleep) -> list[str]:
        """Release versions whose cooling-off is over, by a job; the ids of the holds concerned.

        The database compares with its own clock too: what it doesn't let go yet is tried again later. Then
        the index is told, message by message, also of what an earlier call was stopped at.
        """
        released = self._finish()
        with self._vault.records.read() as connection:
            untold = connection.scalars(select(meta.c.name).where(meta.c.name.like(f"{_UNTOLD}%"))).all()
        for name in sorted(untold):
            while self._tell_index(name, rest):
                pass
        return released

    # --- inside -------------------------------------------------------------------------------

    def _finish(self) -> list[str]:
        now_us = to_us(self._vault.clock.now())
        with self._vault.records.read() as connection:
            due = connection.scalars(
                select(holds.c.id)
                .where(holds.c.state == "cooling", holds.c.cooling_until_us <= now_us)
                .order_by(holds.c.created_us)
            ).all()
        released: dict[str, None] = {}
        for row_id in due:
            try:
                with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                    root = self._release(connection, row_id, now_us)
            except DestructionRefused as error:
                self._vault.audit.record(
                    by_system("hold.released", "failed", objects=(row_id,), reason=error.code)
                )
                continue
            if root is not None:
                released[root] = None
        return list(released)

    def _tell_index(self, name: str, rest: Rest) -> bool:
        """Queue the next messages of a released version to be labelled anew; False when all are."""
        with turn(self._vault, rest) as connection:
            last = connection.scalar(select(meta.c.value).where(meta.c.name == name))
            if last is None:
                return False
            pks = hold_items.after(connection, name.removeprefix(_UNTOLD), int(bytes(last)))
            if not pks:
                connection.execute(delete(meta).where(meta.c.name == name))
                return False
            hold_items.relabel(connection, pks, to_us(self._vault.clock.now()))
            _untold(connection, name, pks[-1])
            return True

    def _release(self, connection: Connection, row_id: str, now_us: int) -> str | None:
        done = connection.execute(
            update(holds)
            .where(holds.c.id == row_id, holds.c.state == "cooling", holds.c.cooling_until_us <= now_us)
            .values(state="released", released_us=now_us)
        )
        if not done.rowcount:
            return None  # reinstated since we looked, or released by another process
        found = versions.read(connection, row_id)
        root = versions.known_as(found[0])
        (row,) = (one for one in found if one["id"] == row_id)
        whole = not versions.protecting(found)
        self._events.add(connection, root, row["version"], events.RELEASED, "system", whole=whole)
        self._vault.audit.record_in(
            connection,
            by_system(
                "hold.released",
                "success",
                objects=tuple(dict.fromkeys((root, row_id))),
                reason="" if whole else "earlier_version",
            ),
        )
        _untold(connection, f"{_UNTOLD}{row_id}", FIRST)
        return root

    def _set(self, connection: Connection, rows: Sequence[RowMapping], **values: Any) -> None:
        ids = [row["id"] for row in rows]
        if ids:
            connection.execute(update(holds).where(holds.c.id.in_(ids)).values(**values))

    def _note(self, act: Act, actor: Actor, found: Versions, kind: str, reason: str, **detail: Any) -> None:
        self._events.add(
            act.connection,
            versions.known_as(found[0]),
            found[-1]["version"],
            kind,
            actor.user_id,
            reason=reason,
            **detail,
        )


def _untold(connection: Connection, name: str, last: int) -> None:
    dialect.upsert(connection, meta, [{"name": name, "value": str(last).encode()}], ["value"])
