"""`holdfast serve` and its mailboxes: none waits for another, and each is tried again in good time."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.app import App, initialise, open_app
from api.mailboxes import Backoff, Mailboxes, mailbox_of
from archiver.capture.imap.errors import RateLimited
from archiver.capture.imap.source import ImapSource
from archiver.errors import SourceUnreachable
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.sources import Source
from config.settings import Settings
from tests.archiver.capture.imap_script import Box, ScriptedImap, scripted
from tests.servers.dovecot import PASSWORD, USER, dovecot_server, fill
from tests.support.holdfast import Home


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    chosen = settings.model_copy(update={"imap_poll_seconds": 1})
    initialise(chosen)
    opened = open_app(chosen)
    yield opened
    opened.close()


def add(app: App, name: str, port: int, ca_file: Path | None, **detail: Any) -> Source:
    given = {
        "host": "localhost",
        "port": port,
        "user": USER,
        "password": "env:MAILBOX_PASSWORD",
        "ca_file": str(ca_file) if ca_file else None,
        "folders": ["*"],
        "custodian": None,
        "attested_by": None,
    }
    return app.vault.sources.add("imap", name, detail={**given, **detail})


def stored(app: App) -> dict[str, int]:
    return {source.name: source.stored for source in app.vault.sources.all()}


async def serve(app: App, until: Any, timeout: float = 90.0) -> float:
    """Run the mailboxes until `until()` is true; return the seconds they took to stop."""
    ending = asyncio.Event()
    with app.intake(None) as intake:
        task = asyncio.create_task(Mailboxes(app).run(intake, ending))
        began = time.monotonic()
        while not await asyncio.to_thread(until):
            assert not task.done()
            assert time.monotonic() - began < timeout, stored(app)
            await asyncio.sleep(0.05)
        began = time.monotonic()
        ending.set()
        await asyncio.wait_for(task, 60)
        return time.monotonic() - began


def test_slow_and_dead_servers_hold_up_nobody(
    tmp_path: Path, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILBOX_PASSWORD", PASSWORD)
    hanging = ScriptedImap({b"INBOX": Box({1: b"never\r\n"}, uidnext=2)})
    hanging.hook = lambda line: b"" if "EXAMINE" in line else None
    fill(tmp_path / "Maildir", [b"Subject: %d\r\n\r\n" % n for n in range(30)])
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        scripted(tmp_path, hanging) as slow,
        dovecot_server(tmp_path, tmp_path / "Maildir") as server,
    ):
        dead = [add(app, f"dead {n}", deaf.getsockname()[1], server.ca_file).id for n in range(5)]
        add(app, "slow", slow.port, slow.ca_file)
        gone = add(app, "gone", 1, server.ca_file).id
        add(app, "good", server.port, server.ca_file)

        def read() -> bool:
            return stored(app)["good"] == 30 and any(
                gap.source_id == gone and gap.kind == "unreachable"
                for _, (gaps, _count) in app.watch.gaps.shown([gone]).items()
                for gap in gaps
            )

        # Those that wait for an answer, up to a minute, are left at the grace's end, three seconds.
        assert asyncio.run(serve(app, read)) < 25
        assert dead
    assert stored(app)["good"] == 30


def test_a_mailbox_added_later_is_taken_up(tmp_path: Path, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILBOX_PASSWORD", PASSWORD)
    maildir = tmp_path / "Maildir"
    fill(maildir, [b"Subject: one\r\n\r\n"])
    with dovecot_server(tmp_path, maildir) as server:
        add(app, "first", server.port, server.ca_file)
        step = 0

        def more() -> bool:
            nonlocal step
            now = stored(app)
            if step == 0 and now["first"] == 1:
                add(app, "second", server.port, server.ca_file)
                step = 1
            if step == 1 and app.vault.sources.by_name("second").duplicates == 1:  # type: ignore[union-attr]
                fill(maildir, [b"Subject: two\r\n\r\n"], start=10)
                step = 2
            return step == 2 and sum(now.values()) == 2

        asyncio.run(serve(app, more))


def test_more_mailboxes_than_connections(tmp_path: Path, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILBOX_PASSWORD", PASSWORD)
    few = dataclasses.replace(app, settings=app.settings.model_copy(update={"imap_connections": 2}))
    most = now = 0
    server = ScriptedImap({b"INBOX": Box({1: b"mail\r\n"}, uidnext=2)})

    def count(line: str) -> None:
        nonlocal most, now
        now += " LOGIN " in line
        now -= " LOGOUT" in line
        most = max(most, now)

    server.hook = count
    with scripted(tmp_path, server) as source:
        for number in range(6):
            add(few, f"box {number}", source.port, source.ca_file)

        def all_read() -> bool:
            return sum(s.stored + s.duplicates for s in few.vault.sources.all()) == 6

        asyncio.run(serve(few, all_read))
    assert 1 <= most <= 2


def test_deletion_is_on_record(tmp_path: Path, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on the day it was captured, whatever its date; the audit log says what went later."""
    monkeypatch.setenv("MAILBOX_PASSWORD", PASSWORD)
    with dovecot_server(tmp_path, tmp_path / "Maildir") as server:
        fill(tmp_path / "Maildir", [b"Subject: one\r\n\r\n"])
        source = add(app, "box", server.port, server.ca_file, delete_after_days=1)
        asyncio.run(serve(app, lambda: stored(app)["box"] == 1))
        assert "source.delete_mail" not in actions(app)
        assert len(list((tmp_path / "Maildir" / "cur").iterdir())) == 1

        class Later:
            def now(self) -> datetime:
                return app.vault.clock.now() + timedelta(days=2)

        later = open_app(app.settings, Later())
        try:
            asyncio.run(serve(later, lambda: actions(app).count("source.delete_mail") == 2))
        finally:
            later.close()
        assert not list((tmp_path / "Maildir" / "cur").iterdir())
    said = [leaf for leaf in leaves(app) if leaf["action"] == "source.delete_mail"]
    assert [leaf["outcome"] for leaf in said] == ["begun", "success"]
    assert source.id in json.dumps(said)


def leaves(app: App) -> list[dict[str, Any]]:
    with app.vault.records.read() as connection:
        size = log.state(connection, Log.AUDIT).size
        return [leaf for _, leaf, _ in app.vault.audit.entries(connection, 0, size)]


def actions(app: App) -> list[str]:
    return [leaf["action"] for leaf in leaves(app)]


def test_how_long_one_waits() -> None:
    backoff = Backoff(5.0, chance=lambda: 0.0)
    error = SourceUnreachable("x")
    assert [backoff.after(error) for _ in range(4)] == [2.5, 5.0, 10.0, 20.0]
    assert max(backoff.after(error) for _ in range(50)) == 450.0
    backoff.failures = 0
    assert backoff.after(RateLimited("x")) == 30.0
    assert backoff.after(RateLimited("x", 299.0)) == 299.0
    assert Backoff(chance=lambda: 0.999).after(RateLimited("x", 100.0)) == pytest.approx(159.94)
    assert max(Backoff(failures=n).after(error) for n in range(2000)) <= 900.0


def test_sources_added_by_earlier_versions_are_read() -> None:
    detail = {
        "host": "h", "port": 993, "user": "u", "password": "env:X", "ca_file": None, "folders": ["*"],
        "custodian": None, "attested_by": None,
    }  # fmt: skip
    source = Source("s1", "imap", "n", None, (), detail, 0, 0, 0, 0, None, disabled=False)
    mailbox = mailbox_of(source)
    assert isinstance(mailbox, ImapSource)
    assert (mailbox.auth, mailbox.exclude, mailbox.bytes_per_day, mailbox.idle) == ("password", (), 0, True)


# --- the command ------------------------------------------------------------------------------------

OAUTH = ("--token-url", "https://idp.example/token", "--client-id", "c1", "--client-secret", "env:CLIENT")


def test_adding_mailboxes(tmp_path: Path) -> None:
    home = Home(tmp_path / "base")
    home.init()
    url = "imaps://jane%40clinic.test@mail.example/"
    home.ok(
        "source",
        "add",
        "imap",
        "plain",
        url,
        "--password",
        "env:P",
        "--exclude",
        "\\Junk",
        "--bytes-per-day",
        "9",
    )
    home.ok("source", "add", "imap", "oauth", url, *OAUTH, "--refresh-token", "file:r", "--scope", "s")
    home.ok("source", "add", "imap", "bearer", url, *OAUTH, "--auth", "oauthbearer", "--folder", "\\All")
    sure = ("--delete-after-days", "90", "--i-want-mail-deleted-at-the-source")
    home.ok("source", "add", "imap", "deletes", url, "--password", "env:P", *sure)
    with home.app() as app:
        plain, oauth, bearer, deletes = [
            app.vault.sources.by_name(n) for n in ("plain", "oauth", "bearer", "deletes")
        ]
        assert plain
        assert oauth
        assert bearer
        assert deletes
        assert plain.detail["delete_after_days"] is None
        assert plain.detail["bytes_per_day"] == 9
        assert mailbox_of(plain).exclude == ("\\Junk",)
        assert (mailbox_of(oauth).auth, mailbox_of(bearer).auth) == ("xoauth2", "oauthbearer")
        assert oauth.detail["token"]["refresh_token"] == "file:r"
        assert "password" not in oauth.detail
        assert deletes.detail["delete_after_days"] == 90


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "password"),
        (("--password", "hunter2"), "by reference"),
        (("--password", "env:P", *OAUTH), "password"),
        (("--token-url", "https://idp.example/"), "client-id"),
        (("--token-url", "http://idp.example/", *OAUTH[2:]), "https"),
        ((*OAUTH, "--refresh-token", "hunter2"), "by reference"),
        (("--password", "env:P", "--folder", "\\Everything"), "special use"),
        (("--password", "env:P", "--delete-after-days", "90"), "--i-want-mail-deleted"),
        (("--password", "env:P", "--i-want-mail-deleted-at-the-source"), "--delete-after-days"),
        (
            ("--password", "env:P", "--delete-after-days", "0", "--i-want-mail-deleted-at-the-source"),
            "1 or more",
        ),
        (("--password", "env:P", "--bytes-per-day", "-1"), "whole number"),
    ],
)
def test_mailboxes_that_are_refused(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    home = Home(tmp_path / "base")
    home.init()
    ran = home.run("source", "add", "imap", "box", "imaps://jane@mail.example/", *args)
    assert ran.code == 2
    assert says in ran.err.decode()
    assert "hunter2" not in ran.err.decode()
    with home.app() as app:
        assert app.vault.sources.all() == []
