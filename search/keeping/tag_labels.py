"""The tags that messages bear, as labels of the index."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from archiver.sealed_fields import SealedFields
from archiver.store.schema import taggings, tags
from archiver.vault import Vault

_IN = 500


class TagLabels:
    """Reads tags for the indexer. A tag's name never changes, so each is unsealed once."""

    def __init__(self, vault: Vault) -> None:
        self._fields = SealedFields(vault)
        self._names: dict[str, str] = {}

    def of(self, connection: Connection, pks: Sequence[int]) -> dict[int, set[str]]:
        """The `tag:` labels of those of the messages that have any."""
        labels: dict[int, set[str]] = {}
        if connection.execute(select(taggings.c.id).limit(1)).first() is None:
            return labels
        for pk, tag_id in borne(connection, pks):
            labels.setdefault(pk, set()).add(f"tag:{self._name(connection, tag_id)}")
        return labels

    def _name(self, connection: Connection, tag_id: str) -> str:
        if tag_id not in self._names:
            sealed = connection.scalar(select(tags.c.sealed).where(tags.c.id == tag_id))
            assert sealed is not None  # a tag is never deleted
            self._names[tag_id] = self._fields.open(tag_id, sealed)["name"]
        return self._names[tag_id]


def borne(connection: Connection, pks: Sequence[int], tag_id: str | None = None) -> list[tuple[int, str]]:
    """Which tags (or whether this one) the messages bear now, as pairs of key and tag."""
    found: list[tuple[int, str]] = []
    for start in range(0, len(pks), _IN):
        newest = (
            select(func.max(taggings.c.id))
            .where(taggings.c.message_pk.in_(pks[start : start + _IN]))
            .group_by(taggings.c.message_pk, taggings.c.tag_id)
        )
        if tag_id is not None:
            newest = newest.where(taggings.c.tag_id == tag_id)
        rows = connection.execute(
            select(taggings.c.message_pk, taggings.c.tag_id).where(taggings.c.id.in_(newest), taggings.c.put)
        )
        found += [(row.message_pk, row.tag_id) for row in rows]
    return found
