"""`holdfast` that waits three seconds for a locked SQLite database instead of thirty.

Run as `python -m tests.support.impatient serve ...`.
"""

from __future__ import annotations

import sqlite3
import sys

from sqlalchemy import Engine, event

from api.cli import main
from archiver.store import dialect

SECONDS = 3
_prepare = dialect.prepare_engine


def prepare_engine(engine: Engine) -> None:
    """As ever, and then the shorter wait."""
    _prepare(engine)

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        found = connection.execute("PRAGMA busy_timeout").fetchone()
        assert found == (30_000,), "the wait isn't what this test shortens"
        connection.execute(f"PRAGMA busy_timeout={SECONDS * 1000}")


if __name__ == "__main__":
    dialect.prepare_engine = prepare_engine
    sys.exit(main(sys.argv[1:]))
