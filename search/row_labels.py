"""The labels of messages that stand in the records and change without the message: `hold:`, `matter:`,
`tag:`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from archiver.store import standing
from archiver.store.schema import hold_items, holds
from archiver.vault import Vault
from search.keeping.tag_labels import TagLabels

_IN = 500


class RowLabels:
    """Reads them for the indexer. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._tags = TagLabels(vault)

    def of(self, pks: Sequence[int]) -> dict[int, set[str]]:
        """The labels of those of the messages that have any."""
        with self._vault.records.read() as connection:
            labels = self._tags.of(connection, pks)
            for start in range(0, len(pks), _IN):
                _add_holds(connection, pks[start : start + _IN], labels)
        return labels


def _add_holds(connection: Connection, pks: Sequence[int], labels: dict[int, set[str]]) -> None:
    held = connection.execute(
        select(hold_items.c.message_pk, standing.KNOWN_AS.label("id"), holds.c.matter_id)
        .join(holds, hold_items.c.hold_id == holds.c.id)
        .where(hold_items.c.message_pk.in_(pks), holds.c.state != "released")
    )
    for item in held:
        labels.setdefault(item.message_pk, set()).update((f"hold:{item.id}", f"matter:{item.matter_id}"))
