"""What is on record of exports: which messages they froze, for whom, and who may see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, or_, select, true, update

from archiver.clock import from_us, rfc3339
from archiver.errors import NotFound
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store.schema import export_items, exports, hold_items, holds, matter_members, messages
from archiver.vault import Vault
from search.access import Actor, Purpose
from search.disclosing import Basis, Recipient, inferred, read_basis
from search.policy import own_matters_only

NO_SUCH_EXPORT: Final = "there is no such export; `holdfast export status` lists them"
"""Also what somebody is told of another person's."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export as it was made; `spec` is what people typed and what was understood."""

    id: str
    format: str
    matter_id: str | None
    created_us: int
    spec: Mapping[str, Any]

    @property
    def recipient(self) -> Recipient:
        """Whom it is for, as far as somebody said."""
        return Recipient(self.spec.get("recipient", ""), self.spec.get("address", ""))

    def basis(self, purpose: Purpose | None) -> Basis:
        """The stated legal basis, or the one that the purpose stands for."""
        stated = self.spec.get("basis", "")
        return read_basis(stated) if stated else inferred(purpose)


class Rows:
    """The tables of exports. It asks no gate: `search.productions` does. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._key = vault.keyring.branch_key("field")

    def add(
        self,
        connection: Connection,
        export_id: str,
        spec: Mapping[str, Any],
        pks: Sequence[int],
        **columns: Any,
    ) -> None:
        """Write an export and its messages down in the caller's transaction."""
        sealed = self._sealed(export_id, spec)
        connection.execute(
            exports.insert().values(id=export_id, state="ready", sealed_spec=sealed, **columns)
        )
        for start in range(0, len(pks), 2_000):
            rows = [
                {"export_id": export_id, "position": position, "message_pk": pk}
                for position, pk in enumerate(pks[start : start + 2_000], start)
            ]
            connection.execute(export_items.insert(), rows)

    def respecify(self, connection: Connection, export: Export, **said: str) -> Export:
        """Say other things of an export in the caller's transaction."""
        spec = {**export.spec, **said}
        connection.execute(
            update(exports).where(exports.c.id == export.id).values(sealed_spec=self._sealed(export.id, spec))
        )
        return Export(export.id, export.format, export.matter_id, export.created_us, spec)

    def load(self, export_id: str) -> Export:
        """An export. Raises NotFound."""
        with self._vault.records.read() as connection:
            row = connection.execute(select(exports).where(exports.c.id == export_id)).mappings().first()
        if row is None:
            raise NotFound(NO_SUCH_EXPORT)
        spec = self._opened(export_id, row["sealed_spec"])
        return Export(row["id"], row["format"], row["matter_id"], row["created_us"], spec)

    def spec_in(self, connection: Connection, export_id: str) -> dict[str, Any]:
        """What people typed of an export, in the caller's transaction."""
        query = select(exports.c.sealed_spec).where(exports.c.id == export_id)
        return self._opened(export_id, connection.execute(query).scalar_one())

    def newest(self, actor: Actor, limit: int) -> Sequence[str]:
        """Ids of the newest exports that are the actor's to see."""
        query = (
            select(exports.c.id).where(_seen_by(actor)).order_by(exports.c.created_us.desc(), exports.c.id)
        )
        with self._vault.records.read() as connection:
            return connection.scalars(query.limit(limit)).all()

    def items(self, export_id: str) -> Sequence[tuple[int, str]]:
        """The messages of an export as `(key, id)`, in its order."""
        with self._vault.records.read() as connection:
            return self.items_in(connection, export_id)

    @staticmethod
    def items_in(connection: Connection, export_id: str) -> Sequence[tuple[int, str]]:
        """The same in the caller's transaction."""
        rows = connection.execute(
            select(messages.c.pk, messages.c.id)
            .join(export_items, export_items.c.message_pk == messages.c.pk)
            .where(export_items.c.export_id == export_id)
            .order_by(export_items.c.position)
        ).all()
        return [(row.pk, row.id) for row in rows]

    def held(self, matter_id: str) -> Sequence[int]:
        """Keys of the messages that a matter's unreleased holds cover."""
        with self._vault.records.read() as connection:
            return connection.scalars(
                select(messages.c.pk)
                .where(
                    messages.c.pk.in_(
                        select(hold_items.c.message_pk)
                        .join(holds, holds.c.id == hold_items.c.hold_id)
                        .where(holds.c.matter_id == matter_id, holds.c.state != "released")
                    )
                )
                .order_by(messages.c.pk)
            ).all()

    def may_see(self, actor: Actor, export_id: str) -> bool:
        """Whether an export is the actor's to see: a lawyer's are their own and those of their matters."""
        query = select(exports.c.id).where(exports.c.id == export_id, _seen_by(actor))
        with self._vault.records.read() as connection:
            return connection.execute(query).first() is not None

    def statuses(self, export_ids: Iterable[str]) -> list[dict[str, Any]]:
        """What is told of exports."""
        return [self.status(export_id) for export_id in export_ids]

    def status(self, export_id: str) -> dict[str, Any]:
        """What is told of an export."""
        with self._vault.records.read() as connection:
            row = connection.execute(select(exports).where(exports.c.id == export_id)).mappings().one()
            count = connection.scalar(
                select(func.count()).select_from(export_items).where(export_items.c.export_id == export_id)
            )
        spec = self._opened(export_id, row["sealed_spec"])
        return {
            "id": row["id"],
            "state": row["state"],
            "format": row["format"],
            "messages": int(count or 0),
            "matter": row["matter_id"],
            "created_at": _time(row["created_us"]),
            "downloaded_at": _time(row["downloaded_us"]),
            "recipient": spec.get("recipient", ""),
            "recipient_address": spec.get("address", ""),
            "legal_basis": spec.get("basis", "") or None,
        }

    def _sealed(self, export_id: str, spec: Mapping[str, Any]) -> bytes:
        return seal(self._key, self._context(export_id), json.dumps(spec).encode())

    def _opened(self, export_id: str, sealed: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(open_sealed(self._key, self._context(export_id), sealed))
        return found

    def _context(self, export_id: str) -> bytes:
        return object_context(self._vault.archive_id, export_id, "field")


def _time(us: int | None) -> str | None:
    moment: datetime | None = from_us(us) if us is not None else None
    return rfc3339(moment) if moment else None


def _seen_by(actor: Actor) -> ColumnElement[bool]:
    if not own_matters_only(actor):
        return true()
    theirs = select(matter_members.c.matter_id).where(matter_members.c.user_id == actor.user_id)
    return or_(exports.c.created_by == actor.user_id, exports.c.matter_id.in_(theirs))
