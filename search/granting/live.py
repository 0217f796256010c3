"""The grants and the break-glass that are in force for somebody at this moment: read for every request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from sqlalchemy import Connection, RowMapping, bindparam, select, union_all

from archiver.clock import to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import emergencies, grants
from archiver.vault import Vault
from search.actors import Action
from search.cover import Cover

Kind = Literal["limit", "add", "release"]
KINDS: Final[tuple[Kind, ...]] = ("limit", "add", "release")
"""`limit`: sees only what such grants cover. `add`: may do the actions it names, and sees what it covers.
`release`: sees mail of the sensitive record types it names, as far as it covers."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant; `names` are actions (`add`) or record types (`release`). Times in microseconds of UTC."""

    id: str
    user_id: str
    kind: Kind
    names: frozenset[str]
    cover: Cover
    reason: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Emergency:
    """Break-glass that is on: what of the archive, and until when."""

    id: str
    cover: Cover
    until_us: int


_ANY: Final = union_all(
    select(grants.c.id).where(
        grants.c.user_id == bindparam("user"),
        grants.c.until_us > bindparam("now"),
        grants.c.state == "granted",
    ),
    select(emergencies.c.id).where(
        emergencies.c.user_id == bindparam("user"),
        emergencies.c.until_us > bindparam("now"),
        emergencies.c.ended_us.is_(None),
    ),
)


class Live:
    """Reads what is in force. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def any(self, connection: Connection, user_id: str) -> bool:
        """Whether a user has any grant or break-glass that may count: most have none."""
        now = to_us(self._vault.clock.now())
        return connection.execute(_ANY, {"user": user_id, "now": now}).first() is not None

    def grants(self, connection: Connection, user_id: str) -> list[Grant]:
        """The grants of a user that count now, oldest first."""
        now = to_us(self._vault.clock.now())
        rows = connection.execute(
            select(grants)
            .where(
                grants.c.user_id == user_id,
                grants.c.state == "granted",
                grants.c.from_us <= now,
                grants.c.until_us > now,
            )
            .order_by(grants.c.id)
        )
        return [self.grant(row) for row in rows.mappings()]

    def grant(self, row: RowMapping) -> Grant:
        """A row of `grants`, opened."""
        told = self._fields.open(row["id"], row["sealed"])
        return Grant(
            row["id"],
            row["user_id"],
            cast(Kind, row["kind"]),
            frozenset(row["names"].split()),
            self.cover(told["cover"]),
            told["reason"],
            row["from_us"],
            row["until_us"],
        )

    def emergency(self, connection: Connection, user_id: str) -> Emergency | None:
        """The break-glass of a user that is on; None where none is."""
        now = to_us(self._vault.clock.now())
        row = (
            connection.execute(
                select(emergencies)
                .where(
                    emergencies.c.user_id == user_id,
                    emergencies.c.ended_us.is_(None),
                    emergencies.c.begun_us <= now,
                    emergencies.c.until_us > now,
                )
                .order_by(emergencies.c.begun_us.desc())
            )
            .mappings()
            .first()
        )
        if row is None:
            return None
        told = self._fields.open(row["id"], row["sealed"])
        return Emergency(row["id"], self.cover(told["cover"]), row["until_us"])

    def locked(self, connection: Connection, user_id: str) -> bool:
        """Whether a break-glass of a user wasn't reviewed in time."""
        late = select(emergencies.c.id).where(
            emergencies.c.user_id == user_id,
            emergencies.c.reviewed_us.is_(None),
            emergencies.c.review_by_us <= to_us(self._vault.clock.now()),
        )
        return connection.execute(late.limit(1)).first() is not None

    def cover(self, told: dict[str, Any]) -> Cover:
        """A cover as its column says, with the tokens by which the records know custodians."""
        blind = self._vault.blind
        return Cover.of(told, frozenset(blind.token("address", one) for one in told.get("custodians", ())))


def added(found: Sequence[Grant]) -> frozenset[Action]:
    """The actions that grants add."""
    names = {name for grant in found if grant.kind == "add" for name in grant.names}
    return frozenset(action for action in Action if action in names)
