"""A database with today's schema in it, made once: every new archive of the tests begins with a copy."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path

from archiver.store import durable, migrate
from archiver.store.records import Records

_SQLITE = "sqlite:///"


def lay_out(url: str) -> None:
    """Put a SQLite database where this URL will look for one, unless it is there already.

    `create` then finds nothing to migrate, which takes most of its time; it makes the archive as ever.
    """
    if not url.startswith(_SQLITE):
        return
    path = Path(url.removeprefix(_SQLITE))
    if not path.exists():
        durable.make_dir(path.parent)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_database())


@lru_cache(maxsize=1)
def _database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        records = Records(f"{_SQLITE}{folder}/records.db")
        try:
            migrate.upgrade(records)
        finally:
            records.close()
        return Path(folder, "records.db").read_bytes()
