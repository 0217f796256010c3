"""Who is to see our checkpoints, and whether they do: told in the log, the metrics, `doctor` and by mail."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from archiver.clock import Clock, to_us
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import ledger_watchers

READ_ONLY: Final = "read-only"
"""Among the watchers while the archive is closed: so that people are told of it in the same way."""
TELL_AGAIN: Final = timedelta(days=1)
"""One that goes on failing is told of anew so often: once told isn't looked after."""
_MINUTE_US: Final = 60_000_000
_log = logging.getLogger("holdfast.witness")


@dataclass(frozen=True, slots=True)
class Watcher:
    """`name` is `witness:NAME`, `copies` or `stamps`; times are microseconds since 1970 UTC.

    Without any time it is in the settings and was never asked yet.
    """

    name: str
    ok_us: int | None
    failing_us: int | None
    failure: str | None
    told_us: int | None


class Watchers:
    """What became of each watcher's last turn. Safe from any thread; written only where it changes much.

    `names` are those that the settings name: one taken out of them is no trouble any more. `alarm` is how
    long one must fail until people are told; the log and the metrics say it at once.
    """

    def __init__(self, records: Records, clock: Clock, names: Collection[str], alarm: timedelta) -> None:
        self._records = records
        self._clock = clock
        self._alarm = alarm
        self.names = frozenset(names)

    def all(self) -> list[Watcher]:
        """Everybody whom the settings name, by name; and the archive itself, while it is read-only."""
        known = self._known()
        found = [known.get(name) or Watcher(name, None, None, None, None) for name in sorted(self.names)]
        closed = known.get(READ_ONLY)
        return [*found, closed] if closed is not None and closed.failing_us is not None else found

    def failing(self) -> list[Watcher]:
        """Those whose last turn failed."""
        return [watcher for watcher in self.all() if watcher.failing_us is not None]

    def ok(self, name: str) -> None:
        """It has seen what it was shown."""
        before = self._get(name)
        now = to_us(self._clock.now())
        if before is not None and before.failing_us is not None:
            _log.warning("%s sees our checkpoints again", name)
        elif before is not None and now - (before.ok_us or 0) < _MINUTE_US:
            return
        self._put(name, ok_us=now, failing_us=None, failure=None, told_us=None)

    def failed(self, name: str, reason: str) -> None:
        """It hasn't; `reason` is a code."""
        before = self._get(name)
        if before is None or before.failing_us is None or before.failure != reason:
            _log.error("%s doesn't see our checkpoints: %s; mail is still taken", name, reason)
            since = before.failing_us if before is not None and before.failing_us is not None else None
            self._put(name, failing_us=since or to_us(self._clock.now()), failure=reason)

    def to_tell(self, at_once: Collection[str] = ()) -> list[Watcher]:
        """Those that fail so long that people should hear of it, and haven't for a day; `at_once` however
        short."""
        now = self._clock.now()
        late, lately = to_us(now - self._alarm), to_us(now - TELL_AGAIN)
        return [
            watcher
            for watcher in self.failing()
            if (watcher.told_us is None or watcher.told_us <= lately)
            and (watcher.name in at_once or (watcher.failing_us or 0) <= late)
        ]

    def told(self, name: str) -> None:
        """People have been told; durable on return."""
        self._put(name, told_us=to_us(self._clock.now()))

    def _get(self, name: str) -> Watcher | None:
        return self._known().get(name)

    def _known(self) -> dict[str, Watcher]:
        with self._records.read() as connection:
            rows = connection.execute(select(ledger_watchers)).all()
        return {
            row.name: Watcher(row.name, row.ok_us, row.failing_us, row.failure, row.told_us) for row in rows
        }

    def _put(self, name: str, **values: object) -> None:
        with self._records.write() as connection:
            dialect.upsert(connection, ledger_watchers, [{"name": name, **values}], update=list(values))
