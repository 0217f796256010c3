"""The versions of a hold: rows of `holds` that are each in force by themselves until they are released.

A change of scope places a new version, in force at once; the earlier ones stay as they are. So widening can't
lose anything, and narrowing is a release of the earlier versions: by two persons, with a cooling-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, distinct, exists, func, select

from archiver.clock import from_us, rfc3339
from archiver.store import standing
from archiver.store.schema import hold_items, holds, matters, messages
from retention.acts import Act
from retention.holds.members import in_scope
from retention.refusals import NotThere
from search.access import Actor, OutOfScope

_NO_SUCH = "there is no such hold; `holdfast hold list` shows yours"

Versions = Sequence[RowMapping]
"""All versions of one hold, oldest first."""


def known_as(row: RowMapping) -> str:
    """The id by which people know the hold."""
    return str(row["root_id"] or row["id"])


def read(connection: Connection, hold_id: str) -> Versions:
    """All versions of a hold by the id of any of them; none where there is no such hold."""
    root = select(standing.KNOWN_AS).where(holds.c.id == hold_id).scalar_subquery()
    return (
        connection.execute(select(holds).where(root == standing.KNOWN_AS).order_by(holds.c.version))
        .mappings()
        .all()
    )


def is_theirs(connection: Connection, actor: Actor, found: Versions) -> bool:
    """Whether a hold is of a matter that the actor may see."""
    mine = select(matters.c.id).where(matters.c.id == found[0]["matter_id"], in_scope(actor))
    return connection.scalar(mine) is not None


def find(act: Act, actor: Actor, hold_id: str) -> Versions:
    """As `read`, for an act. Raises NotThere, and OutOfScope outside the actor's matters."""
    versions = read(act.connection, hold_id)
    if not versions:
        raise NotThere(_NO_SUCH)
    act.objects += [known_as(versions[0]), versions[0]["matter_id"]]
    if not is_theirs(act.connection, actor, versions):
        raise OutOfScope(_NO_SUCH)
    return versions


def pages(connection: Connection, actor: Actor, limit: int) -> list[Versions]:
    """The holds of the actor's matters, newest first."""
    roots = connection.scalars(
        select(holds.c.id)
        .join(matters, matters.c.id == holds.c.matter_id)
        .where(in_scope(actor), holds.c.root_id.is_(None))
        .order_by(holds.c.created_us.desc(), holds.c.id)
        .limit(limit)
    ).all()
    found: dict[str, list[RowMapping]] = {root: [] for root in roots}
    for start in range(0, len(roots), 500):
        for row in connection.execute(
            select(holds).where(standing.KNOWN_AS.in_(roots[start : start + 500])).order_by(holds.c.version)
        ).mappings():
            found[known_as(row)].append(row)
    return list(found.values())


def taking(versions: Versions) -> list[RowMapping]:
    """The versions that take in new mail."""
    return [row for row in versions if row["state"] in standing.STANDING]


def protecting(versions: Versions) -> list[RowMapping]:
    """The versions that aren't released."""
    return [row for row in versions if row["state"] != "released"]


def state_of(versions: Versions) -> str:
    """`applying`, `active`, `release_requested`, `cooling` or `released`."""
    newest = versions[-1]
    if not protecting(versions):
        return "released"
    if newest["state"] in ("cooling", "released"):
        return "cooling"
    if newest["release_asked_by"] is not None:
        return "release_requested"
    return "applying" if any(row["state"] == "applying" for row in versions) else "active"


def narrowing(versions: Versions) -> dict[str, Any] | None:
    """How the release of earlier versions stands while the newest goes on; None where there is none."""
    if state_of(versions) not in ("active", "applying"):
        return None
    earlier = versions[:-1]
    asked = [row for row in taking(earlier) if row["release_asked_by"] is not None]
    if asked:
        return {"state": "requested", "asked_by": asked[-1]["release_asked_by"]}
    cooling = [row["cooling_until_us"] for row in earlier if row["state"] == "cooling"]
    if cooling:
        return {"state": "cooling", "cooling_until": rfc3339(from_us(max(cooling)))}
    return None


def count(connection: Connection, versions: Versions) -> int:
    """How many messages the hold protects, or did until it was released."""
    ids = [row["id"] for row in protecting(versions) or versions]
    counted = hold_items.c.message_pk if len(ids) == 1 else distinct(hold_items.c.message_pk)
    return int(connection.scalar(select(func.count(counted)).where(hold_items.c.hold_id.in_(ids))) or 0)


def held_by(ids: Sequence[str]) -> Select[Any]:
    """The keys of the messages that any of these rows has taken in."""
    return select(hold_items.c.message_pk).where(hold_items.c.hold_id.in_(ids))


def tally(connection: Connection, held: Select[Any]) -> dict[str, int]:
    """Number and size of the messages with these keys."""
    counted = connection.execute(
        select(func.count().label("matched"), func.sum(messages.c.size).label("bytes")).where(
            messages.c.pk.in_(held)
        )
    ).one()
    return {"matched": int(counted.matched), "bytes": int(counted.bytes or 0)}


def dropping_out(connection: Connection, versions: Versions) -> int:
    """How many messages only versions before the newest protect."""
    kept = hold_items.alias("kept")
    earlier = [row["id"] for row in protecting(versions[:-1])]
    stays = exists().where(kept.c.hold_id == versions[-1]["id"], kept.c.message_pk == hold_items.c.message_pk)
    return int(
        connection.scalar(
            select(func.count(distinct(hold_items.c.message_pk))).where(
                hold_items.c.hold_id.in_(earlier), ~stays
            )
        )
        or 0
    )


def summary(connection: Connection, versions: Versions) -> dict[str, Any]:
    """What a list says of a hold."""
    first, newest = versions[0], versions[-1]
    found = {
        "id": known_as(first),
        "matter": first["matter_id"],
        "state": state_of(versions),
        "in_force_at": rfc3339(from_us(first["in_force_us"])),
        "matched": count(connection, versions),
        "version": newest["version"],
    }
    until = [row["cooling_until_us"] for row in versions if row["cooling_until_us"] is not None]
    if until and found["state"] in ("cooling", "released"):
        found["cooling_until"] = rfc3339(from_us(max(until)))
    if (narrower := narrowing(versions)) is not None:
        found["narrowing"] = narrower
    return found
