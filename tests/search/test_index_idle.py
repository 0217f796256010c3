"""What the indexer does while no mail comes."""

from __future__ import annotations

import threading

import pytest

from tests.retention.whole_house import House, found, mail


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
    running.join(120)
    assert not running.is_alive()
    assert tidied[0]
    assert not tidied[-1]
    assert len(found(house, "marrow")) == 6
