"""What was deleted leaves the database's log too, and nobody's capture waits for a long read meanwhile."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select, text

from archiver.store import dialect
from archiver.store.schema import messages
from tests.retention.whole_house import House


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL has no such log
def test_a_long_read_in_the_way_holds_up_no_capture(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "_SCRUB_TRIES", 4)
    records = house.vault.records
    house.old()
    emptied: list[bool] = []
    with records.read() as reading:
        reading.execute(select(messages.c.pk)).all()
        house.old()
        thread = threading.Thread(target=lambda: emptied.append(dialect.scrub_log(records)))
        thread.start()
        waits: list[float] = []
        while thread.is_alive() or not waits:
            begun = time.monotonic()
            with records.write(dialect.LOCK_ARCHIVE) as connection:
                connection.execute(text("UPDATE meta SET value = value WHERE name = 'none'"))
            waits.append(time.monotonic() - begun)
        thread.join()
    assert emptied == [False]
    # Without a bound, as long as the read takes: 30 seconds. What a busy machine adds is less.
    assert max(waits) < 20
    assert dialect.scrub_log(records)
    assert records.sqlite_path.with_name(records.sqlite_path.name + "-wal").stat().st_size == 0


def test_a_certificate_does_not_call_erased_what_a_read_keeps(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_SCRUB_TRIES", 2)
    house.old()
    disposition = house.due()
    with house.vault.records.read() as reading:
        reading.execute(select(messages.c.pk)).all()
        house.dispositions.execute(house.second, disposition)
    document = house.dispositions.certificate(house.manager, disposition)["document"]
    assert document["erased_in_primary"] is False
