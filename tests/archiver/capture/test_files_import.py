"""Running an import: the reconciliation adds up, also after an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from archiver.capture.files.doors import open_items
from archiver.capture.files.run import ImportResult, ImportRun, ImportSource
from archiver.capture.ports import Arrival
from archiver.errors import KeyUnavailable, StoreError
from tests.archiver.capture.doors import MemoryIntake

SOURCE = ImportSource("imp-1", ("jane@clinic.test",), "records office")


class MemoryJournal:
    def __init__(self) -> None:
        self.keys: set[str] = set()

    def seen(self, keys: Sequence[str]) -> set[str]:
        return self.keys.intersection(keys)

    def mark(self, keys: Sequence[str]) -> None:
        self.keys.update(keys)


def folder_of(tmp_path: Path, count: int) -> Path:
    root = tmp_path / "mail"
    root.mkdir()
    for number in range(count):
        (root / f"{number:04d}.eml").write_bytes(f"Subject: {number}\r\n\r\nbody {number % 90}\r\n".encode())
    return root


def adds_up(result: ImportResult) -> bool:
    return result.read == result.stored + result.duplicates + result.refused


def test_a_whole_import(tmp_path: Path) -> None:
    root = folder_of(tmp_path, 100)
    (root / "again.eml").write_bytes((root / "0000.eml").read_bytes())
    (root / "empty.eml").write_bytes(b"")
    intake, journal = MemoryIntake(), MemoryJournal()
    seen: list[int] = []
    run = ImportRun(
        SOURCE, open_items([root]), intake, journal, lambda r: seen.append(r.stored), max_in_flight=7
    )
    result = run.run()
    assert (result.read, result.stored, result.duplicates, result.refused) == (102, 100, 1, 1)
    assert [(item.where.rpartition("/")[2], item.why) for item in result.items_refused] == [
        ("empty.eml", "empty")
    ]
    assert intake.refusals == [("imp-1", "empty")]
    assert intake.arrivals[0].custodians == ("jane@clinic.test",)
    assert intake.arrivals[0].attested_by == "records office"
    assert seen == sorted(seen)
    assert len(seen) == 102


@pytest.mark.parametrize(
    "fault", [StoreError("x"), KeyUnavailable("x"), ValueError("x"), "lose", "hang"], ids=repr
)
def test_an_interrupted_import_goes_on(tmp_path: Path, fault: object) -> None:
    root = folder_of(tmp_path, 100)
    intake, journal = MemoryIntake(), MemoryJournal()
    intake.plan = lambda arrival: fault if b"Subject: 60\r" in arrival.raw else None
    first = ImportRun(SOURCE, open_items([root]), intake, journal, max_in_flight=10, commit_timeout=0.2)
    with pytest.raises((StoreError, KeyUnavailable)):
        first.run()
    assert adds_up(first.result)
    assert 60 <= first.result.stored == len(intake.arrivals) < 100
    assert len(journal.keys) == first.result.stored
    intake.plan = None
    offered = intake.submitted
    second = ImportRun(SOURCE, open_items([root]), intake, journal).run()
    assert adds_up(second)
    assert second.read == 100
    assert second.resumed == second.duplicates == first.result.stored
    assert intake.submitted - offered == 100 - first.result.stored == second.stored
    assert len(intake.arrivals) == 100


def test_nothing_is_marked_before_it_is_durable(tmp_path: Path) -> None:
    journal = MemoryJournal()
    intake = MemoryIntake(lambda _: 0.05)

    def check(_: Arrival) -> float:
        assert len(journal.keys) <= len(intake.arrivals)
        return 0.05

    intake.plan = check
    result = ImportRun(SOURCE, open_items([folder_of(tmp_path, 20)]), intake, journal, max_in_flight=3).run()
    assert result.stored == 20
    assert len(journal.keys) == 20


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    intake = MemoryIntake(lambda _: 0.02)
    most = 0

    def watch(_: Arrival) -> float:
        nonlocal most
        most = max(most, intake.submitted - len(intake.arrivals))
        return 0.02

    intake.plan = watch
    items = open_items([folder_of(tmp_path, 60)])
    ImportRun(SOURCE, items, intake, MemoryJournal(), max_in_flight=5).run()
    assert 2 <= most <= 7


def test_enron_through_an_import(corpora: Path) -> None:
    intake = MemoryIntake()
    path = corpora / "enron" / "part-00.mbox"
    result = ImportRun(SOURCE, open_items([path]), intake, MemoryJournal()).run()
    assert (result.read, result.refused) == (2500, 0)
    assert result.stored == len(set(intake.raws)) == len(intake.raws)
    assert adds_up(result)
