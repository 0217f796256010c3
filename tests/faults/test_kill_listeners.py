"""kill -9 of listener processes, and of the server above them, under load: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from itertools import takewhile
from pathlib import Path

from sqlalchemy import select

from archiver.capture.smtp.listener import GRACE_SECONDS
from archiver.store.schema import messages
from tests.support.holdfast import HoldfastServer, Home
from tests.support.mail import numbered
from tests.support.processes import runs
from tests.support.smtp import Blaster, blast, endless

SEED = 20261122
KILLS = 6


def listeners_of(server: HoldfastServer) -> list[int]:
    """The server's listener processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == server.process.pid and b"archiver.capture.smtp.listener" in words:
            found.append(int(entry.name))
    return found


def kept(home: Home) -> dict[str, str]:
    with home.app() as app, app.vault.records.read() as connection:
        rows = connection.execute(select(messages.c.sha256, messages.c.id))
        return {bytes(row.sha256).hex(): row.id for row in rows}


def ended(pids: list[int], seconds: float) -> bool:
    pause = threading.Event()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(runs(pid) for pid in pids):
            return True
        pause.wait(0.05)
    return False


def test_killed_listeners_lose_nothing_and_come_back(tmp_path: Path) -> None:
    home = Home(tmp_path, extra={"HOLDFAST_SMTP_PROCESSES": "2"})
    home.init()
    feed = home.feed()
    chance = random.Random(SEED)
    acknowledged: dict[str, str] = {}
    unanswered: list[bytes] = []

    def make(number: int) -> bytes:
        # Not of `chance`: senders come in any order, and the moments are to be the same each time.
        return numbered(number, (300, 2_000, 60_000)[number % 3])

    killed: set[int] = set()
    with home.serving("smtp,index") as server:
        for round_ in range(KILLS):
            until = time.monotonic() + 60
            while len(pids := sorted({*listeners_of(server)} - killed)) < 2:
                assert time.monotonic() < until, "no listener was begun anew"
                time.sleep(0.05)
            over = threading.Event()
            load = takewhile(lambda _, over=over: not over.is_set(), endless(make, round_ * 100_000))
            with Blaster(server.smtp, feed, load) as blaster:
                blaster.wait(chance.randint(0, 40))
                time.sleep(chance.uniform(0, 0.05))
                # Senders that have just come wait for the listener that is begun anew: the socket stays open.
                for pid in chance.sample(pids, 2):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                over.set()
            acknowledged |= blaster.load.acknowledged
            unanswered += blaster.load.unanswered
        again = blast(server.smtp, feed, unanswered)
        assert len(again.acknowledged) == len(set(unanswered))
        last = listeners_of(server)
        assert server.stop() == 0
        assert ended(last, 60)
    acknowledged |= again.acknowledged
    assert len(acknowledged) > 10 * KILLS
    assert unanswered, "the kills never met a message under way"
    assert acknowledged.items() <= kept(home).items()
    source = home.sources()["feed"]
    assert source["stored"] == len(kept(home))
    assert source["received"] == source["stored"] + source["duplicates"]
    assert home.verify() == []


def test_a_killed_server_takes_its_listeners_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path, extra={"HOLDFAST_SMTP_PROCESSES": "2"})
    home.init()
    feed = home.feed()
    chance = random.Random(SEED)
    acknowledged: dict[str, str] = {}
    unanswered: list[bytes] = []
    for round_ in range(3):
        with home.serving("smtp,index") as server:
            orphans = listeners_of(server)
            assert len(orphans) == 2
            load = endless(lambda number: numbered(number, 1_500), round_ * 100_000)
            with Blaster(server.smtp, feed, load) as blaster:
                blaster.wait(chance.randint(0, 40))
                time.sleep(chance.uniform(0, 0.05))
                server.kill()
            acknowledged |= blaster.load.acknowledged
            unanswered += blaster.load.unanswered
            assert ended(orphans, 60), "a listener outlived its server"
    assert acknowledged.items() <= kept(home).items()
    with home.serving("smtp,index") as server:
        again = blast(server.smtp, feed, unanswered)
        assert len(again.acknowledged) == len(set(unanswered))
        assert server.stop() == 0
    assert (acknowledged | again.acknowledged).items() <= kept(home).items()
    assert home.verify() == []


def test_a_stop_under_load_answers_what_it_took_in(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    feed = home.feed()
    with home.serving("smtp,index") as server:
        with Blaster(server.smtp, feed, endless(lambda n: numbered(n, 1_500), 0)) as blaster:
            blaster.wait(100)
            begun = time.monotonic()
            # To all of them, as a terminal's Ctrl-C and a service manager do it.
            for pid in listeners_of(server):
                os.kill(pid, signal.SIGTERM)
            assert server.stop() == 0
            assert time.monotonic() - begun < GRACE_SECONDS, "somebody was waited for"
        assert blaster.load.acknowledged.items() <= kept(home).items()
        assert "Traceback" not in server.errors
    assert home.verify() == []
