"""An index of another version's layout is made anew by whoever indexes next, from the archive."""

from __future__ import annotations

import logging
import threading

import pytest

from search.engine import database
from search.engine.fts import FtsReader, FtsWriter
from search.indexer import Indexer
from search.verify_index import check_index
from tests.retention.whole_house import House, found, mail


def _outdated(house: House) -> FtsWriter:
    """Close the index, make it look like an older one, and open it as the next program would."""
    folder, key = house.vault.settings.index_dir, house.vault.keyring.branch_key("index")
    house.writer.close()
    db = database.open_database(folder, key, create=True, cache_mib=1)
    db.execute("PRAGMA user_version = 1").fetchall()
    db.close()
    # The house's own reader still holds the file open, as none of the next program could.
    fresh = FtsReader(folder, key)
    assert [fault.kind for fault in check_index(house.vault, fresh)] == ["index"]
    fresh.close()
    return FtsWriter(folder, key)


def test_everything_is_found_again_without_being_asked(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    kept = {done.pk for done in house.capture(*(house.arrival(mail(subject="marrow")) for _ in range(3)))}
    house.index()
    assert found(house, "marrow") == kept
    writer = _outdated(house)
    try:
        indexer = Indexer(house.vault, writer, house.holds.standing_queries)
        with caplog.at_level(logging.WARNING):
            assert indexer.drain() == 3
        assert "another version" in caplog.text
        assert found(house, "marrow") == kept
        assert found(house, "custodian:ann@clinic.example") == kept
        assert not list(check_index(house.vault, house.reader))
        assert indexer.drain() == 0
    finally:
        writer.close()


def test_an_indexer_that_ended_before_it_queued_the_archive_is_made_up_for(house: House) -> None:
    kept = {done.pk for done in house.capture(house.arrival(mail(subject="marrow")))}
    house.index()
    _outdated(house).close()
    writer = FtsWriter(house.vault.settings.index_dir, house.vault.keyring.branch_key("index"))
    try:
        Indexer(house.vault, writer, house.holds.standing_queries).drain()
        assert found(house, "marrow") == kept
        assert not list(check_index(house.vault, house.reader))
    finally:
        writer.close()


def test_reindexing_settles_it_too(house: House) -> None:
    kept = {done.pk for done in house.capture(house.arrival(mail(subject="marrow")))}
    house.index()
    writer = _outdated(house)
    try:
        assert Indexer(house.vault, writer, house.holds.standing_queries).rebuild() == 1
        assert found(house, "marrow") == kept
        assert not writer.begun_anew()
    finally:
        writer.close()


def test_idle_seconds_go_to_tidying(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        house.capture(house.arrival(mail(subject=f"marrow {number}")))
        house.index()
    tidied: list[bool] = []
    stop = threading.Event()
    tidy = house.writer.tidy

    def watched() -> bool:
        tidied.append(tidy())
        if not tidied[-1]:
            stop.set()
        return tidied[-1]

    monkeypatch.setattr(house.writer, "tidy", watched)
    running = threading.Thread(target=house.indexer.run, args=(stop,))
    running.start()
    running.join(30)
    assert not running.is_alive()
    assert tidied[0]
    assert not tidied[-1]
    assert len(found(house, "marrow")) == 6
