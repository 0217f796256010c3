"""A real server sends its audit log on; killed and started again, nothing is missing at the receiver."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from archiver.ledger import log
from archiver.ledger.log import Log
from tests.api.auditing.receivers import syslog_receiver
from tests.support.holdfast import Home


def indices(messages: list[bytes]) -> list[int]:
    found = [re.search(rb'sequenceId="(\d+)"', one) for one in messages]
    return [int(one[1]) - 1 for one in found if one]


def size_of(home: Home) -> int:
    with home.app() as app, app.vault.records.read() as connection:
        return log.state(connection, Log.AUDIT).size


def test_killed_and_started_again(tmp_path: Path) -> None:
    with syslog_receiver(tmp_path / "tls") as receiver:
        sink = f"siem=syslog+tls://localhost:{receiver.port}?ca={receiver.certificate}&from=start&format=cef"
        home = Home(tmp_path / "base", extra={"HOLDFAST_AUDIT_SINKS": sink})
        home.init()
        with home.serving() as server:
            _until(lambda: len(receiver.messages) > 0)
            token = home.user("petra", "privacy_officer")
            server.kill()
        for _ in range(3):
            assert home.run("audit", "list", token=token).code == 0
        before = size_of(home)
        with home.serving():
            _until(lambda: set(indices(receiver.messages)) >= set(range(before)))
        assert receiver.faults == []
        # In order; what wasn't surely taken when the server died may stand there twice.
        seen: list[int] = []
        for one in indices(receiver.messages):
            assert one <= len(seen), "an entry was passed over"
            if one == len(seen):
                seen.append(one)
        kinds = b"".join(receiver.messages)
        for action in (b"act=archive.start", b"act=settings.change", b"act=user.add", b"act=audit.read"):
            assert action in kinds
        assert b"petra" not in kinds.replace(b"suser=petra", b"")


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
