"""Connections to the records database, with failures turned into our own errors.

`read()` and `write()` are the only ways in. A `write()` is one transaction: durable when its block
ends without an error, without trace otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from archiver.errors import AlreadyThere, DamagedStore, DestructionRefused, StoreError, StoreRefuses
from archiver.store import dialect, durable
from archiver.store.schema import KEYS_SCHEMA

log = logging.getLogger("holdfast.store")


class Records:
    """The records database. Safe from any thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        # hide_parameters: a statement's values can be patient information, and errors end up in logs.
        self.sqlite_path: Path | None = None
        self._engine: Engine
        if url.startswith("sqlite:///"):
            self.sqlite_path = Path(url.removeprefix("sqlite:///"))
            durable.make_dir(self.sqlite_path.parent)
            self.sqlite_path.touch(mode=0o600)
            engine = create_engine(
                url,
                hide_parameters=True,
                connect_args={"check_same_thread": False},
                pool_size=8,
                max_overflow=32,
                # A connection's page cache is worth nothing once another one has written: whoever commits
                # again and again gets the one it gave back last, not the one that rested longest.
                pool_use_lifo=True,
            )
            self._engine = engine.execution_options(schema_translate_map={KEYS_SCHEMA: None})
        else:
            engine = create_engine(
                url, hide_parameters=True, pool_pre_ping=True, pool_size=8, max_overflow=32
            )
            self._engine = engine
        dialect.prepare_engine(engine)
        self._looks = dialect.for_looks(self._engine)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look at the database: every statement sees the same moment. Raises StoreError while
        it can't be reached."""
        with _translated(), self._looks.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, lock: int | None = None) -> Iterator[Connection]:
        """One transaction; `lock` is taken first. Durable on exit.

        Raises StoreError (retry) when the database fails, AlreadyThere where a row of the same key is there,
        StoreRefuses where what isn't ours in the database says no, and DestructionRefused where a guard does.
        """
        with (
            _translated(),
            self._engine.connect().execution_options(holdfast_write=True) as connection,
            connection.begin(),
        ):
            if lock is not None:
                dialect.lock(connection, lock)
            yield connection

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection outside any transaction, for the upkeep statements that need it."""
        with (
            _translated(),
            self._engine.connect().execution_options(holdfast_outside=True) as connection,
        ):
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if dialect.is_refusal(error):
            raise DestructionRefused(
                "the database refuses: a message is held, not past its disposal date or on no approved list"
            ) from None
        # PostgreSQL reports a server that turned read-only (a standby) as an internal error.
        unusable = isinstance(error, (OperationalError, InterfaceError, InternalError))
        if unusable or error.connection_invalidated:
            raise StoreError("the records database can't be used now; try again later") from error
        if type(error) is DatabaseError:  # the bare class is SQLite's word for a malformed file
            raise DamagedStore(
                "the records database's file is damaged; run `holdfast verify --full`, then restore a backup"
            ) from None
        if dialect.is_duplicate(error):
            raise AlreadyThere("this was written by somebody else just now; try again") from error
        if isinstance(error, (IntegrityError, ProgrammingError)):
            # Its text can hold values of a row, so that nobody sees it.
            log.error("the records database refuses a statement: %s", dialect.told_of(error))
            raise StoreRefuses(
                "the records database refuses what Holdfast asks of it: a trigger, constraint or table in it"
                " isn't Holdfast's own; `holdfast verify` looks, the log says what kind of refusal it was"
            ) from error
        raise
    except SQLAlchemyError as error:
        if error.__class__.__name__ == "TimeoutError":
            raise StoreError("the records database is too busy; try again later") from error
        raise
