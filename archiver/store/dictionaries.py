"""The compression dictionaries of one archive: kept sealed in its records, opened once and held in memory."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, func, select

from archiver.clock import Clock, to_us
from archiver.errors import ArchiverError, KeyUnavailable, SealError
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.seal.dictionary import Dictionary, DictionaryLost
from archiver.seal.keyring import Keyring
from archiver.store.records import Records
from archiver.store.schema import dictionaries

LOOK_SECONDS: Final = 30.0
"""A writer takes up a newer dictionary within this time."""
log = logging.getLogger("holdfast.dictionaries")


class DictionaryStore:
    """Reads and adds dictionaries; an archive has few. Safe from any thread."""

    def __init__(
        self,
        records: Records,
        keyring: Keyring,
        archive_id: str,
        clock: Clock,
        *,
        use: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take up the newest dictionary for writing, if there is one and `use` says so."""
        self._records = records
        self._keyring = keyring
        self._archive_id = archive_id
        self._clock = clock
        self._use = use
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[int, Dictionary] = {}
        self._newest: Dictionary | None = None
        self._look_at = 0.0
        self.refresh()

    @property
    def newest(self) -> Dictionary | None:
        """The dictionary to write with, as last looked up; asks no database."""
        return self._newest

    def refresh(self) -> None:
        """Look for a newer dictionary to write with, at most every 30 seconds. Not for use in a transaction.

        Never raises: mail is taken in without a dictionary rather than not at all.
        """
        if not self._use or self._monotonic() < self._look_at or not self._lock.acquire(blocking=False):
            return
        try:
            self._look_at = self._monotonic() + LOOK_SECONDS
            with self._records.read() as connection:
                number = connection.scalar(select(func.max(dictionaries.c.id)))
            if number is not None and (self._newest is None or number > self._newest.number):
                self._newest = self._open(number)
        except ArchiverError as error:
            log.error("mail is stored without the newest compression dictionary: %s", error.code)
        finally:
            self._lock.release()

    def at_hand(self) -> bool:
        """True while `refresh` has nothing to do."""
        return not self._use or self._monotonic() + 1.0 < self._look_at

    def find(self, number: int) -> Dictionary:
        """The dictionary that a sealed object names. Raises DictionaryLost, KeyUnavailable, StoreError."""
        held = self._held.get(number)
        if held is not None:
            return held
        return self._open(number)

    def faults(self) -> Iterator[tuple[int, str]]:
        """For the scrubber: each that is missing or doesn't open, read anew, and what is wrong with it."""
        for number in range(1, max(self.numbers(), default=0) + 1):
            try:
                self._read(number)
            except (DictionaryLost, KeyUnavailable) as error:
                yield number, str(error)

    def numbers(self) -> list[int]:
        """The numbers of all there are, in order."""
        with self._records.read() as connection:
            return list(connection.scalars(select(dictionaries.c.id).order_by(dictionaries.c.id)))

    def learnt_from(self) -> int | None:
        """How many messages the archive had when the newest was made; None where there is none."""
        with self._records.read() as connection:
            newest = select(dictionaries.c.messages).order_by(dictionaries.c.id.desc()).limit(1)
            return connection.scalar(newest)

    def prepare(self, data: bytes, messages: int) -> dict[str, Any]:
        """Seal a dictionary under a fresh key as the row for `add`; not durable, and outside a transaction.

        Raises SealError where the bytes are no dictionary.
        """
        number = max(self.numbers(), default=0) + 1
        Dictionary(number, data)
        key = self._keyring.new_data_key(_object_id(number))
        return {
            "id": number,
            "created_us": to_us(self._clock.now()),
            "messages": messages,
            "sealed": seal(key.key, self._context(number), data),
            "epoch_id": key.epoch_id,
            "wrapped": key.wrapped,
        }

    def add(self, connection: Connection, row: dict[str, Any]) -> bool:
        """Add a prepared dictionary in the caller's transaction, which holds LOCK_ARCHIVE.

        False where another process has added one meanwhile: nothing changed.
        """
        if (connection.scalar(select(func.max(dictionaries.c.id))) or 0) + 1 != row["id"]:
            return False
        connection.execute(dictionaries.insert().values(row))
        return True

    def look_now(self) -> None:
        """Let the next `refresh` look at once."""
        self._look_at = 0.0

    def _open(self, number: int) -> Dictionary:
        # Two threads may open the same one at once: either will do, and the first is kept.
        return self._held.setdefault(number, self._read(number))

    def _read(self, number: int) -> Dictionary:
        with self._records.read() as connection:
            row = connection.execute(select(dictionaries).where(dictionaries.c.id == number)).first()
        if row is None:
            raise DictionaryLost(
                f"compression dictionary {number} is missing; restore the records database from a backup"
            )
        with contextlib.suppress(SealError):
            key = self._keyring.unwrap_data_key(_object_id(number), row.epoch_id, bytes(row.wrapped))
            return Dictionary(number, open_sealed(key, self._context(number), bytes(row.sealed)))
        raise DictionaryLost(
            f"compression dictionary {number} doesn't open; restore the records database from a backup"
        )

    def _context(self, number: int) -> bytes:
        return object_context(self._archive_id, _object_id(number), "dictionary")


def _object_id(number: int) -> str:
    return f"dictionary-{number}"
