"""kill -9 of whoever writes the index: while it writes, removes, tidies, builds a new one or swaps them.

Nothing is found that shouldn't be, everything is found that should be once the next one has been there, and
no file of the index is damaged.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from api.app import open_app
from archiver.store.schema import index_builds, index_changes, index_removals, messages
from archiver.vault import Vault
from config.settings import Settings, load
from search import rebuilding, rebuilds
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.language import parse
from search.language.tree import Query
from search.verify_index import check_index
from tests.retention.whole_house import open_house
from tests.support import disposing, dying
from tests.support.mail import numbered

SEED = 20261122
KEY = bytes(range(32))
ROUNDS = 8
ROOT = Path(__file__).resolve().parents[2]

CHILD = """
import random, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from search.engine.fts import FtsWriter
from tests.faults.test_kill_index import KEY, made
chance = random.Random(int(sys.argv[3]))
alive = {int(n) for n in sys.argv[4].split(",") if n}
writer = FtsWriter(Path(sys.argv[2]), KEY)
top = max(alive, default=0)
print("ready", flush=True)
while True:
    what = chance.random()
    if what < 0.6 or len(alive) < 50:
        rows = range(top + 1, top + chance.randrange(2, 60))
        print("add", rows.start, rows.stop, flush=True)
        writer.add([made(n) for n in rows])
        alive.update(rows)
        top = rows.stop
    elif what < 0.8:
        rows = chance.sample(sorted(alive), 5)
        print("remove", *rows, flush=True)
        writer.remove(rows)
        alive.difference_update(rows)
    else:
        print("tidy", flush=True)
        writer.tidy()
    print("done", flush=True)
"""


def tree(text: str) -> Query:
    return parse(text, now=datetime(2024, 1, 1, tzinfo=UTC)).tree


def made(number: int) -> IndexDocument:
    """A document with a word of its own, and one that every third bears."""
    words = " ".join(f"w{(number * 31 + k) % 977}" for k in range(40))
    third = " fizz" if number % 3 == 0 else ""
    return IndexDocument(number, number, body=f"own{number} common{third} {words}", tags=("source:s",))


def test_an_index_survives_kills_while_it_is_written(tmp_path: Path) -> None:
    folder, chance = tmp_path / "index", random.Random(SEED)
    alive: set[int] = set()
    for round_ in range(ROUNDS):
        listed = ",".join(map(str, sorted(alive)))
        args = [sys.executable, "-c", CHILD, str(ROOT), str(folder), str(SEED + round_), listed]
        child = subprocess.Popen(args, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        # By what was done, not by the clock: on a busy machine as much has happened.
        calls, told = chance.randint(1, 15), ""
        while told.count("done\n") < calls:
            line = child.stdout.readline()
            assert line, "it ended by itself"
            told += line
        time.sleep(chance.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        said = (told + child.stdout.read()).split("\n")
        child.wait()
        child.stdout.close()
        doubtful: set[int] = set()
        for place, line in enumerate(said):
            verb, *numbers = line.split() or [""]
            rows = set(range(*map(int, numbers))) if verb == "add" else set(map(int, numbers))
            if "done" not in said[place : place + 2][1:]:
                doubtful |= rows
            elif verb == "add":
                alive |= rows
            elif verb == "remove":
                alive -= rows
        # Before anybody repairs anything: what was acknowledged is there, what was removed is gone.
        reader = FtsReader(folder, KEY)
        found = set(reader.all_rowids(tree("common")))
        assert found - doubtful == alive - doubtful, f"round {round_}"
        assert found - alive <= doubtful
        # A call was done as a whole or not at all.
        assert found & doubtful in (set(), doubtful), f"round {round_}"
        FtsWriter(folder, KEY).close()
        alive = set(reader.all_rowids(tree("common")))
        assert alive == found
        assert set(reader.all_rowids(tree("fizz"))) == {n for n in alive if n % 3 == 0}
        sample = chance.sample(sorted(alive), min(20, len(alive)))
        assert all(list(reader.all_rowids(tree(f'"own{n}"'))) == [n] for n in sample)
        reader.check()
        reader.close()
    assert len(alive) > 50 * ROUNDS / 2


# --- a rebuild ------------------------------------------------------------------------------------

POINTS = [
    ("search.rebuilds:begin", "after", 1),
    ("search.engine.shelf:FtsShelf.writer", "after", 1),
    ("search.engine.writer:FtsWriter.add", "before", 3),
    ("search.engine.writer:FtsWriter.add", "after", 3),
    ("search.rebuilds:advance", "after", 3),
    ("search.rebuilding:Rebuilder._learn", "before", 2),
    ("search.engine.writer:FtsWriter.remove", "after", 1),
    ("search.rebuilding:Rebuilder._differences", "after", 1),
    ("search.engine.writer:FtsWriter.tidy", "after", 1),
    ("search.engine.reader:FtsReader.check", "after", 1),
    ("search.rebuilds:now_whole", "before", 1),
    ("search.rebuilds:now_whole", "after", 1),
    ("search.engine.places:put_in_use", "before", 1),
    ("search.engine.places:put_in_use", "after", 1),
    ("search.rebuilding:Rebuilder._settle", "before", 1),
    ("search.rebuilds:end", "after", 1),
    ("search.engine.shelf:FtsShelf.sweep", "before", 2),
    ("search.engine.shelf:FtsShelf.sweep", "after", 2),
]


def rebuild(settings: Settings) -> None:
    """In a process that may die: a rebuild in small batches, a message disposed of after the second one."""
    rebuilding.BATCH = 7  # type: ignore[misc]
    rebuilding.SCRUB_SECONDS = 0.0  # type: ignore[misc]
    app = open_app(settings)
    real = rebuilds.advance
    times = 0

    def advance(*given: object) -> None:
        nonlocal times
        real(*given)  # type: ignore[arg-type]
        times += 1
        if times == 2:
            dispose_one(app.vault)
            app.catch_up()

    rebuilds.advance = advance  # type: ignore[assignment]
    app.rebuilder().run(lambda *_: None)
    app.close()


def dispose_one(vault: Vault) -> int:
    """Destroy the oldest message, which is in what was built already, as an executed disposition does."""
    alive = select(messages.c.pk).where(messages.c.disposed_us.is_(None)).order_by(messages.c.pk)
    with vault.records.read() as connection:
        pk = int(connection.scalar(alive.limit(1)) or 0)
    disposing.dispose(vault, [pk])
    return pk


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("rebuilt")
    with open_house(_settings(base)) as house:
        house.capture(*(house.arrival(numbered(n, 300)) for n in range(40)))
        house.index()
    return base


def _settings(base: Path) -> Settings:
    given = {"home": base / "home", "root_key": f"file:{base / 'keys' / 'root.key'}"}
    return load(given, environ={})


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point[1]} {point[0].rpartition(':')[2]}")
def test_a_rebuild_killed_anywhere_is_gone_on_with(
    archive: Path, tmp_path: Path, point: tuple[str, str, int]
) -> None:
    shutil.copytree(archive, tmp_path / "copy")
    settings = _settings(tmp_path / "copy")
    assert dying.run(rebuild, settings, point) == dying.DIED, "it never came to that point"
    app = open_app(settings)
    try:
        # At any moment an index answers, and tells of nothing that isn't there.
        with app.vault.records.read() as connection:
            alive = set(connection.scalars(select(messages.c.pk).where(messages.c.disposed_us.is_(None))))
            leaving = set(connection.scalars(select(index_removals.c.message_pk)))
        assert set(app.reader.all_rowids(tree("*"))) - leaving == alive
        app.rebuilder().run(lambda *_: None) if app.rebuilder().due() else app.rebuilder().take_up()
        assert app.catch_up()
        assert set(app.reader.all_rowids(tree("*"))) == alive
        assert list(check_index(app.vault, app.reader)) == []
        with app.vault.records.read() as connection:
            assert connection.execute(select(index_builds)).all() == []
            assert connection.execute(select(index_changes)).all() == []
        built = [path.name for path in settings.index_dir.glob("built-*")]
        assert len(built) <= 1
    finally:
        app.close()
