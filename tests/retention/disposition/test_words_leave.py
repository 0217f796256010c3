"""Words leave a large index in many steps; between them new mail is indexed, and one may stop."""

from __future__ import annotations

import threading

import pytest

from search.engine import writer as fts
from search.indexer import _Stopped
from tests.retention.whole_house import House, found, mail


def disposed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fts, "_MERGE_PAGES", 1)
    house.old(4, body="zyzzyva lease")
    house.capture(house.arrival(mail(body="quokka"), attested=False))
    house.index()
    house.dispositions.execute(house.second, house.due())


def test_new_mail_is_found_while_words_leave(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    disposed(house, monkeypatch)
    (late,) = house.capture(house.arrival(mail(body="numbat"), attested=False))
    seen: list[bool] = []
    real = house.writer._take_out_free_pages

    def before_the_last_step() -> None:
        seen.append(found(house, "numbat") == {late.pk})
        real()

    monkeypatch.setattr(house.writer, "_take_out_free_pages", before_the_last_step)
    assert house.indexer.drain_removals() == 4
    assert seen == [True]
    assert found(house, "zyzzyva") == set()


def test_a_stop_leaves_the_rest_to_the_next_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    disposed(house, monkeypatch)
    stop = threading.Event()
    stop.set()
    with pytest.raises(_Stopped):
        house.indexer.drain_removals(stop)
    assert found(house, "zyzzyva") == set()  # not found any more, but not out of the files yet
    assert house.dispositions.list(house.manager)[0]["state"] == "executed"
    house.indexer.run(stop)  # ends at once
    assert house.indexer.drain_removals() == 4
    assert house.indexer.drain_removals() == 0
