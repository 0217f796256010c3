"""What a server was started with: its settings, and which of them have changed since the start before."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from sqlalchemy import select

from archiver.ledger.audit import AuditEvent
from archiver.store import dialect
from archiver.store.schema import audit_marks
from archiver.vault import Vault
from retention.fields import SealedFields

MARK: Final = "settings"
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*@")


class Starts:
    """Notes the settings of each start of one archive's server."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def note(self) -> int:
        """Put on record which settings differ from those of the start before; how many. Durable on return.

        Names and values are sealed: some name machines and people. The first start records all of them.
        """
        now = self._described()
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            sealed = connection.scalar(select(audit_marks.c.sealed).where(audit_marks.c.name == MARK))
            before = {} if sealed is None else self._fields.open(f"mark/{MARK}", sealed)
            changed = {
                name: {"from": before.get(name), "to": now.get(name)}
                for name in sorted(before.keys() | now.keys())
                if before.get(name) != now.get(name)
            }
            if not changed:
                return 0
            event = AuditEvent(
                action="settings.change",
                outcome="success",
                user_id="operator",
                role="operator",
                client="serve",
                count=len(changed),
                reason="first_start" if sealed is None else "",
                detail={"changed": changed},
            )
            self._vault.audit.record_in(connection, event)
            row = {"name": MARK, "cursor": 0, "sealed": self._fields.seal(f"mark/{MARK}", now)}
            dialect.upsert(connection, audit_marks, [row], update=["sealed"])
        return len(changed)

    def _described(self) -> dict[str, Any]:
        """Every setting as JSON has it; secrets are references, and a password in an address is left out."""
        text = self._vault.settings.model_dump_json()
        found: dict[str, Any] = json.loads(text)
        return {name: _without_password(value) for name, value in found.items()}


def _without_password(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(r"\1:***@", value)
    if isinstance(value, list):
        return [_without_password(one) for one in value]
    return value
