"""The database goes away, or its disk fills up, in the middle of a roster's import, a hold's placing, a
schedule's confirmation, a disposal's execution. At whichever statement: the caller is told to try again,
nothing is left half done, and the next try ends it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, func, make_url, select

from archiver.errors import StoreError
from archiver.store.schema import holds, patient_tokens, patients
from archiver.vault import Vault
from archiver.verify import Scrubber
from retention.policy.confirmations import Confirmations
from retention.roster import importing
from tests.retention.whole_house import House

ANN, BOB = "ann@clinic.example", "bob@elsewhere.example"


class Cut:
    """Cuts the connection of the statement with this number, once: `struck` says that it came to that."""

    def __init__(self, vault: Vault, at: int) -> None:
        self._url, self._left, self.struck = make_url(vault.records.url), at, False

    def __call__(self, connection: Connection, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            self._cut(connection.connection.dbapi_connection)

    def _cut(self, driver: Any) -> None:
        if self._url.get_backend_name() == "sqlite":
            driver.set_progress_handler(self._once, 1)
            return
        self.struck = True
        with psycopg.connect(
            self._url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (driver.info.backend_pid,))

    def _once(self) -> int:
        """SQLite asks this while it works, and stops at anything but 0."""
        first, self.struck = not self.struck, True
        return int(first)


@contextmanager
def cut(vault: Vault, at: int) -> Iterator[Cut]:
    made = Cut(vault, at)
    event.listen(Engine, "before_cursor_execute", made)
    try:
        yield made
    finally:
        event.remove(Engine, "before_cursor_execute", made)


@pytest.fixture(params=[7, pytest.param(1, marks=pytest.mark.slow)])
def step(request: pytest.FixtureRequest) -> Iterator[int]:
    """How many statements later the next cut comes."""
    yield request.param
    # psycopg's warning of a cursor whose connection was lost: here, not in somebody else's test.
    gc.collect()


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def at_every_statement(
    vault: Vault, step: int, work: Callable[[], object], look: Callable[[], object]
) -> int:
    """Do it again and again, cut some statements later each time, until it comes through; at which it did."""
    for at in count(1, step):
        with cut(vault, at) as made:
            try:
                work()
            except StoreError:
                assert made.struck
        if not made.struck:
            return at
        look()
    raise AssertionError


def roster(folder: Path, rows: int) -> Path:
    file = folder / "roster.csv"
    file.write_text("mrn,name,born\n" + "".join(f"M-{n:05},Ann No{n},1970-01-01\n" for n in range(rows)))
    return file


def test_a_hold_is_placed_or_not(house: House, matter: str, step: int) -> None:
    house.old(3, to=ANN)
    house.index()

    def look() -> None:
        with house.vault.records.read() as connection:
            states = set(connection.scalars(select(holds.c.state)))
        assert states <= {"applying", "active"}

    cuts = at_every_statement(
        house.vault, step, lambda: house.holds.create(house.lawyer, matter, custodians=[ANN]), look
    )
    assert cuts > 10
    house.holds.resume()
    shown = house.holds.list(house.lawyer)
    assert {one["state"] for one in shown} == {"active"}
    assert house.runs.run()["disposition"] is None
    assert list(Scrubber(house.vault, full=True).run()) == []


def test_a_schedule_is_confirmed_or_not(house: House, step: int) -> None:
    counsel = Confirmations(house.vault, house.gate, house.explainer.verdicts.policies)
    wanted = list(counsel.select(everything=True))[:3]
    ids = {rule.rule_id for rule in wanted}

    def look() -> None:
        assert counsel.confirmed(house.manager) & ids in (set(), ids)

    def work() -> None:
        counsel.confirm(house.manager, wanted, counsel="Cora Counsel", reason="reviewed")

    assert at_every_statement(house.vault, step, work, look) > 5
    assert counsel.confirmed(house.manager) >= ids


def test_a_roster_is_imported_whole_by_the_last_try(
    house: House, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    rows = 5
    file = roster(tmp_path, rows)

    def known() -> int:
        with house.vault.records.read() as connection:
            return connection.scalar(select(func.count()).select_from(patients)) or 0

    def look() -> None:
        assert known() in (0, 2, 4, 5)  # chunk by chunk

    assert at_every_statement(house.vault, step, lambda: house.roster.run(file), look) > 10
    assert known() == rows
    assert house.roster.run(file)["unchanged"] == rows
    with house.vault.records.read() as connection:
        lost = select(func.count()).where(patient_tokens.c.patient_id.not_in(select(patients.c.id)))
        assert connection.scalar(lost) == 0


def test_a_disposal_is_executed_by_the_last_try(house: House, matter: str, step: int) -> None:
    house.confirm_all()
    gone = {one.pk for one in house.old(5)}
    kept = {one.pk for one in house.old(2, to=BOB)}
    house.index()
    disposition = house.due()
    house.holds.create(house.lawyer, matter, custodians=[BOB])

    def look() -> None:
        assert house.living() >= kept

    def work() -> None:
        if house.dispositions.show(house.manager, disposition)["state"] != "executed":
            house.dispositions.execute(house.second, disposition)

    assert at_every_statement(house.vault, step, work, look) > 10
    assert house.living() == kept
    assert gone.isdisjoint(house.living())
    house.indexer.drain_removals()
    assert list(Scrubber(house.vault, full=True).run()) == []


# --- the disk is full -----------------------------------------------------------------------------


@contextmanager
def full(vault: Vault, spare: int) -> Iterator[None]:
    """So many pages more, and SQLite says what it says when the disk is full."""
    with vault.records.read() as connection:
        most = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + spare

    def bound(connection: Connection, *_: Any) -> None:
        connection.connection.dbapi_connection.execute(f"PRAGMA max_page_count={most}")  # type: ignore[union-attr]

    event.listen(Engine, "before_cursor_execute", bound)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", bound)
        most = 1 << 30
        event.listen(Engine, "before_cursor_execute", bound)
        # The pool gives back what it was given last: as many as there are, at once.
        with ExitStack() as all_:
            for _ in range(8):
                connection = all_.enter_context(vault.records.read())
                connection.exec_driver_sql("SELECT 1")
        event.remove(Engine, "before_cursor_execute", bound)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_disk_that_fills_up_in_the_middle_of_a_roster(house: House, tmp_path: Path) -> None:
    rows = 1_200
    file = roster(tmp_path, rows)
    before = len(house.leaves())
    with full(house.vault, 150), pytest.raises(StoreError):
        house.roster.run(file)
    with house.vault.records.read() as connection:
        done = connection.scalar(select(func.count()).select_from(patients))
    assert done in (500, 1_000)
    found = house.roster.run(file)
    assert (found["unchanged"], found["added"]) == (done, rows - done)
    assert len(house.leaves()) == before
    assert list(Scrubber(house.vault, full=True).run()) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_disk_that_is_full_as_people_decide(house: House, matter: str) -> None:
    """Nobody is told that something was decided which isn't on the disk."""
    counsel = Confirmations(house.vault, house.gate, house.explainer.verdicts.policies)
    rules = counsel.select(everything=True)
    kept = {one.pk for one in house.old(120, to=BOB)}
    house.index()

    def hold_again_and_again() -> None:
        for _ in range(100):
            house.holds.create(house.lawyer, matter, custodians=[BOB])

    with full(house.vault, 0):
        with pytest.raises(StoreError):
            hold_again_and_again()
        with pytest.raises(StoreError):
            counsel.confirm(house.manager, rules, counsel="Cora Counsel", reason="reviewed")
    assert counsel.confirmed(house.manager) == frozenset()
    house.confirm_all()
    house.old(120, to="cat@elsewhere.example")
    house.index()
    disposition = house.due()
    house.holds.create(house.lawyer, matter, custodians=[BOB])
    house.holds.resume()  # one may be placed and its mail not matched, which protects as well
    with full(house.vault, 0), pytest.raises(StoreError):
        house.dispositions.execute(house.second, disposition)
    assert house.living() >= kept
    house.dispositions.execute(house.second, disposition)
    assert house.living() == kept
    house.indexer.drain_removals()
    assert list(Scrubber(house.vault, full=True).run()) == []
