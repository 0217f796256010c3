"""The audit log can't be written: reads are refused, and capture goes on.

A real failure: the table of sealed details lies on a disk of its own, which is full.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pytest
from sqlalchemy import make_url

from api.app import initialise, open_app
from archiver.capture.ports import Arrival
from archiver.clock import SystemClock
from archiver.errors import StoreError
from config.settings import load
from search.access import Actor, Purpose, Role
from tests.servers.postgres import migrated_database
from tests.support.golden import store
from tests.support.mail import numbered
from tests.support.small_disk import fill_up, make_room


def test_audit_log_on_a_full_disk(tmp_path: Path, postgres: str) -> None:
    database = migrated_database(postgres)
    home = {
        "home": str(tmp_path / "home"),
        "database_url": database,
        "root_key": f"file:{tmp_path / 'keys' / 'root.key'}",
    }
    settings = load(home, environ={})
    initialise(settings)
    disk = Path(mkdtemp(prefix="holdfast-audit-", dir=_server_folder(postgres)))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "holdfast-test", str(disk)])
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    plain = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(plain, autocommit=True) as connection:
            place = disk / "tables"
            place.mkdir()
            os.chown(place, *_server_user(postgres))
            connection.execute(f"CREATE TABLESPACE audit_{os.getpid()} LOCATION '{place}'")  # type: ignore[call-overload]
            connection.execute(f"ALTER TABLE audit_details SET TABLESPACE audit_{os.getpid()}")  # type: ignore[call-overload]
        app = open_app(settings, SystemClock())
        try:
            user = app.accounts.add_user("olga", Role.COMPLIANCE_OFFICER)
            officer = Actor(user.id, user.name, user.role, "api")
            source = app.vault.sources.add("import", "desk").id
            (first,) = store(app, [Arrival(numbered(1), source)])
            assert app.room.open(officer, Purpose.AUDIT, first).content
            fill_up(disk)
            refused = 0
            for _ in range(400):  # the pages that are there take a few entries more
                try:
                    app.room.open(officer, Purpose.AUDIT, first)
                except StoreError:
                    refused += 1
                    if refused == 5:
                        break
            assert refused == 5
            with pytest.raises(StoreError):
                app.room.search(officer, Purpose.AUDIT, "load")
            later = store(app, [Arrival(numbered(n), source) for n in range(2, 12)])
            assert len(set(later)) == 10
            make_room(disk)
            assert app.room.open(officer, Purpose.AUDIT, later[0]).content
            assert app.room.search(officer, Purpose.AUDIT, "load").total >= 0
        finally:
            app.close()
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("ALTER TABLE audit_details SET TABLESPACE pg_default")
            connection.execute(f"DROP TABLESPACE IF EXISTS audit_{os.getpid()}")  # type: ignore[call-overload]
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _server_folder(server: str) -> Path:
    """The folder of the server's socket: below it the server's own user may pass."""
    return Path(str(make_url(server).query["host"])).parent


def _server_user(server: str) -> tuple[int, int]:
    found = Path(str(make_url(server).query["host"])).stat()
    return found.st_uid, found.st_gid
