"""An archive opened for taking mail in, and for no more: all that an import needs of it.

To load what the other services are made of takes as long again, which is most of a small import.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from archiver import vault as vaults
from archiver.capture.intake import GroupIntake
from archiver.capture.pool import PreparePool
from archiver.capture.prepare import Prepared
from archiver.clock import Clock
from archiver.commit import Committed
from archiver.errors import StoreError
from archiver.ledger.audit import AuditEvent, Outcome
from archiver.ledger.log import Log
from archiver.vault import Vault
from config.settings import Settings

BULK_BATCH = 1_024
"""Most messages of one commit of a bulk import."""


class Offered(Protocol):
    """Who is told of committed mail, so that it needn't be parsed again to be indexed."""

    def offer(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        """See `FreshTexts.offer`. Must not raise."""
        ...


@dataclass(slots=True)
class Capturing:
    """What takes mail in, and records who had it done."""

    settings: Settings
    vault: Vault

    @property
    def clock(self) -> Clock:
        """The time, as everything here sees it."""
        return self.vault.clock

    def operator_event(
        self,
        action: str,
        outcome: Outcome = "success",
        *,
        objects: Sequence[str] = (),
        count: int | None = None,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Record what somebody with access to the home did by a command; durable on return."""
        return self.vault.audit.record(
            AuditEvent(
                action=action,
                outcome=outcome,
                user_id="operator",
                role="operator",
                client="cli",
                objects=tuple(objects),
                count=count,
                reason=reason,
                detail={"system_user": _system_user(), **(detail or {})},
            )
        )

    @contextmanager
    def intake(self, fresh: Offered | None, processes: int = 0) -> Iterator[GroupIntake]:
        """An intake that commits until the block ends; then everything taken in is answered."""
        pool = PreparePool(self.vault.preparer, self.settings, processes)
        intake = GroupIntake(
            self.vault.archive,
            self.vault.sources,
            pool,
            on_stored=fresh.offer if fresh is not None else (lambda _: None),
            # Nobody waits for one message of an import; more of them share the pages they change.
            batch=max(self.settings.group_commit_messages, BULK_BATCH if processes else 0),
            wait_ms=self.settings.group_commit_ms,
        )
        intake.start()
        try:
            yield intake
        finally:
            intake.close()
            pool.close()

    def publish(self) -> None:
        """Publish tiles and checkpoints of both logs, unless the archive is read-only."""
        if not self.vault.standing.closed:
            for which in Log:
                self.vault.publisher.publish(which)

    def close(self) -> None:
        """Release everything."""
        self.vault.close()


def open_capturing(settings: Settings) -> Capturing:
    """Open a home. Raises ConfigError, StoreError (no archive yet), KeyUnavailable."""
    return Capturing(settings, open_home(settings))


def open_home(settings: Settings, clock: Clock | None = None) -> Vault:
    """The vault of a home. Raises as `open_capturing`."""
    if not settings.home.is_dir():
        raise StoreError(f"there is no archive in {settings.home}; run `holdfast init` first")
    return vaults.open_vault(settings, clock)


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
