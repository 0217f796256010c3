"""What the records know of an index that is built beside the one in use, and what it has yet to learn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from archiver.clock import to_us
from archiver.store import dialect
from archiver.store.schema import index_builds, index_changes
from archiver.vault import Vault

_ONLY: Final = 1
_LIST: Final = 500


@dataclass(frozen=True, slots=True)
class Build:
    """An index being built. Messages up to key `position` were put into it; `done` of `total` of them.

    `whole`: it holds everything, and waits for whoever writes the index in use to take it up.
    """

    name: str
    layout: int
    begun_us: int
    position: int | None
    done: int
    total: int
    whole: bool


def found(connection: Connection) -> Build | None:
    """The build there is."""
    row = connection.execute(select(index_builds).where(index_builds.c.id == _ONLY)).first()
    if row is None:
        return None
    return Build(row.name, row.layout, row.begun_us, row.position, row.done, row.total, row.whole)


def current(vault: Vault) -> Build | None:
    """The same, in a transaction of its own."""
    with vault.records.read() as connection:
        return found(connection)


def begin(vault: Vault, name: str, layout: int, total: int) -> Build:
    """Begin a build, in the place of whatever was begun before. Durable on return.

    From then on `note` keeps what the index in use learns, so nothing that changes is missed: what changed
    before is in the records that the build reads.
    """
    now = to_us(vault.clock.now())
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        connection.execute(delete(index_changes))
        connection.execute(delete(index_builds))
        connection.execute(
            insert(index_builds).values(
                id=_ONLY, name=name, layout=layout, begun_us=now, done=0, total=total, whole=False
            )
        )
    return Build(name, layout, now, None, 0, total, False)


def advance(vault: Vault, build: Build, position: int, done: int) -> None:
    """Say how far a build is."""
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        connection.execute(_of(build).values(position=position, done=done))


def now_whole(vault: Vault, build: Build) -> None:
    """Say that everything is in it."""
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        connection.execute(_of(build).values(whole=True))


def end(connection: Connection) -> None:
    """Forget the build, and what it was to learn."""
    connection.execute(delete(index_builds))
    connection.execute(delete(index_changes))


def note(connection: Connection, kind: int, pks: Iterable[int]) -> None:
    """Let an index that is being built learn, too, what the index in use has just learnt of messages.

    In the transaction in which they leave their queue: so either they are still queued, or noted here.
    """
    rows = [{"message_pk": pk, "kind": kind} for pk in pks]
    if rows and found(connection) is not None:
        connection.execute(insert(index_changes), rows)


def changes(vault: Vault, kinds: Sequence[int], limit: int) -> Sequence[Row[Any]]:
    """What is to be learnt next, oldest first, as (id, message_pk, kind)."""
    with vault.records.read() as connection:
        return connection.execute(
            select(index_changes)
            .where(index_changes.c.kind.in_(kinds))
            .order_by(index_changes.c.id)
            .limit(limit)
        ).all()


def learnt(vault: Vault, ids: Sequence[int]) -> None:
    """Forget changes that the index being built has learnt."""
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        for start in range(0, len(ids), _LIST):
            chunk = ids[start : start + _LIST]
            connection.execute(delete(index_changes).where(index_changes.c.id.in_(chunk)))


def pending(connection: Connection, kind: int) -> int:
    """How many messages the index being built is still to learn something about."""
    counted = select(func.count(index_changes.c.message_pk.distinct())).where(index_changes.c.kind == kind)
    return int(connection.scalar(counted) or 0)


def _of(build: Build) -> Any:
    return update(index_builds).where(index_builds.c.id == _ONLY, index_builds.c.name == build.name)
