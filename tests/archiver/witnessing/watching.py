"""An archive whose log grows, is published, and is cut as somebody who owns its database could."""

from __future__ import annotations

from sqlalchemy import delete, update

from archiver.ledger import log
from archiver.ledger.audit import AuditEvent
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier, leaf_hash
from archiver.store.schema import (
    audit_details,
    ledger_checkpoints,
    ledger_cosignatures,
    ledger_entries,
    ledger_state,
)
from archiver.vault import Vault, open_vault
from archiver.verify import Scrubber
from config.settings import Settings
from tests.support.holdfast import unguarded


def act(vault: Vault, count: int = 1) -> None:
    """Append so many entries to the audit log."""
    for _ in range(count):
        vault.audit.record(AuditEvent("test.act", "success", "operator"))


def publish(vault: Vault) -> None:
    """Publish both logs and show them to whoever watches."""
    for which in Log:
        vault.publisher.publish(which)
    vault.witnessing.run(at_once=True)


def faults(vault: Vault) -> list[str]:
    """What `verify` finds."""
    return [fault.kind for fault in Scrubber(vault, full=False).run()]


def reopened(settings: Settings, **update: object) -> Vault:
    """The archive, opened with other settings."""
    return open_vault(settings.model_copy(update=update))


def cut(vault: Vault, size: int, *, regrow: int = 0) -> None:
    """Cut the audit log to `size` entries as somebody who owns the database could, and grow it anew."""
    with vault.records.read() as connection:
        leaves = log.read(connection, Log.AUDIT, 0, size)
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    with vault.records.write() as connection:
        if vault.records.dialect == "sqlite":
            unguarded(connection)
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.execute(
            delete(ledger_entries).where(ledger_entries.c.log == Log.AUDIT, ledger_entries.c.idx >= size)
        )
        connection.execute(delete(audit_details).where(audit_details.c.idx >= size))
        connection.execute(
            update(ledger_state)
            .where(ledger_state.c.log == Log.AUDIT)
            .values(size=size, frontier=frontier.to_bytes())
        )
        connection.execute(delete(ledger_cosignatures).where(ledger_cosignatures.c.size > size))
        connection.execute(delete(ledger_checkpoints).where(ledger_checkpoints.c.size > size))
        if vault.records.dialect != "sqlite":
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")
    act(vault, regrow)
