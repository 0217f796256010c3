"""`holdfast reindex` as it is used: beside a server that takes mail and answers, killed and gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import apsw
import httpx
from sqlalchemy import select

from archiver.store.schema import messages
from search.language import parse
from tests.support.holdfast import Home, command
from tests.support.mail import numbered
from tests.support.smtp import blast

BEFORE, MEANWHILE = 500, 40
SLOW = """
import sys, time
from search import rebuilding, rebuilds
from api.cli import main
real = rebuilds.advance
def advance(*given):
    real(*given)
    time.sleep(0.05)
rebuilds.advance = advance
rebuilding.BATCH = 30
sys.exit(main(["reindex", "--json"]))
"""
"""The command in small steps: as long as it would take for much more mail."""


def begun(home: Home) -> subprocess.Popen[bytes]:
    python = Path(command()[0]).with_name("python")
    return subprocess.Popen(
        [str(python), "-c", SLOW], env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def total(http: int, token: str) -> int:
    answer = httpx.post(
        f"http://127.0.0.1:{http}/api/v1/search",
        json={"query": "message", "purpose": "audit", "limit": 1},
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


def settled(http: int, token: str, wanted: int) -> None:
    until = time.monotonic() + 90
    while total(http, token) != wanted:
        assert time.monotonic() < until, f"{total(http, token)} instead of {wanted}"
        time.sleep(0.1)


def test_a_server_answers_and_takes_mail_all_the_while(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    feed, token = home.feed(), home.user("olga", "compliance_officer")
    with home.serving("http,smtp,index") as server:
        blast(server.smtp, feed, [numbered(n) for n in range(BEFORE)])
        settled(server.http, token, BEFORE)
        first = begun(home)
        assert first.stderr is not None
        wait_for(first, "indexing", least=150)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert total(server.http, token) == BEFORE

        # Here the server would go on with it by itself; the command may be first. Either way it is done.
        seen: list[int] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                seen.append(total(server.http, token))

        looking = threading.Thread(target=look)
        looking.start()
        while not seen and looking.is_alive():
            time.sleep(0.02)  # so that it looks on from before the new index is there
        late = [numbered(n) for n in range(BEFORE, BEFORE + MEANWHILE)]
        blast(server.smtp, feed, late)
        until = time.monotonic() + 60
        while not (home.home / "index" / "index.in-use").exists():
            assert time.monotonic() < until, server.errors[-2000:]
            time.sleep(0.1)
        settled(server.http, token, BEFORE + MEANWHILE)
        until = time.monotonic() + 60
        while len(seen) <= 10:
            assert time.monotonic() < until
            time.sleep(0.02)
        done.set()
        looking.join()
        assert min(seen) >= BEFORE, "a search found less while the new index was built"
        assert seen == sorted(seen), "what was found once was not found later"

        # A whole run beside the server: the command is done when the server uses the new index.
        name = (home.home / "index" / "index.in-use").read_text()
        ran = home.ok("reindex", "--json")
        assert ran.document["indexed"] == BEFORE + MEANWHILE
        phases = [json.loads(line)["phase"] for line in ran.err.splitlines() if line.startswith(b"{")]
        assert phases[0] == "plan"
        # It waits for the server to take up the new index, unless that is at it in the same moment.
        assert set(phases) - {"waiting"} == {"plan", "indexing", "comparing", "tidying", "checking"}
        assert (home.home / "index" / "index.in-use").read_text() != name
        assert total(server.http, token) == BEFORE + MEANWHILE
        refused = home.run("reindex", "--drop-old")
        assert refused.code == 75
        assert total(server.http, token) == BEFORE + MEANWHILE
        assert server.stop() == 0

    assert home.verify() == []
    ran = home.ok("reindex", "--drop-old", "--json")
    assert ran.document["indexed"] == BEFORE + MEANWHILE
    assert home.verify() == []
    with home.app() as app:
        alive = set(app.reader.all_rowids(parse("message", now=app.clock.now()).tree))
        with app.vault.records.read() as connection:
            assert alive == set(connection.scalars(select(messages.c.pk)))


def wait_for(process: subprocess.Popen[bytes], phase: str, least: int) -> None:
    """Read its lines until it is so far."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"{"):
            said = json.loads(line)
            if said["phase"] == phase and said["done"] >= least:
                return
    raise AssertionError("it ended before that")


def test_a_server_builds_what_is_lost_or_of_another_layout(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    feed, token = home.feed(), home.user("olga", "compliance_officer")
    with home.serving("smtp,index") as server:
        blast(server.smtp, feed, [numbered(n) for n in range(20)])
        assert server.stop() == 0
    folder = home.home / "index"
    with home.app() as app:
        assert app.catch_up()
        db = apsw.Connection(str(folder / "index.db"))
        key = app.vault.keyring.branch_key("index").hex()
        for setting in ("cipher = 'sqlcipher'", f"key = \"x'{key}'\"", "user_version = 1"):
            db.execute(f"PRAGMA {setting}").fetchall()
        db.close()
    assert any("another version" in fault["what"] for fault in home.verify())
    with home.serving("http,index") as server:
        known(server.http, token, 20)
        assert server.stop() == 0
    assert home.verify() == []
    shutil.rmtree(folder)
    with home.serving("http,smtp,index") as server:
        blast(server.smtp, feed, [numbered(20)])
        known(server.http, token, 21)
        assert server.stop() == 0
    assert home.verify() == []


def known(http: int, token: str, wanted: int) -> None:
    """Wait until a search finds so many; until then it is refused, never answered by half an index."""
    until = time.monotonic() + 90
    while True:
        answer = httpx.post(
            f"http://127.0.0.1:{http}/api/v1/search",
            json={"query": "message", "purpose": "audit", "limit": 1},
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        )
        if answer.status_code == 200:
            document = answer.json()
            missing = document["not_searchable"]["waiting"]
            assert document["total"] + missing >= wanted
            if document["total"] == wanted:
                return
        else:
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] in ("index_outdated", "index_unavailable")
        assert time.monotonic() < until
        time.sleep(0.1)
