"""How an import waits for the indexer, and doesn't wait for one that is stuck."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from archiver.message.indexable import IndexText, PackedText
from search import fresh_texts
from search.fresh_texts import FreshTexts


def batch(*pks: int, fresh: bool = True) -> list[Any]:
    text = IndexText(1, *["word"] * 10, ())
    return [(SimpleNamespace(text=text), SimpleNamespace(pk=pk, fresh=fresh)) for pk in pks]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_texts, "KEEP_TEXTS", 4)


def test_without_patience_the_oldest_text_is_dropped() -> None:
    texts = FreshTexts()
    texts.offer(batch(1, 2, 3))
    texts.offer(batch(4, 5))
    assert [pk for pk in range(1, 6) if texts.take(pk)] == [2, 3, 4, 5]


def test_with_patience_an_offer_waits_for_room_and_nothing_is_dropped() -> None:
    texts = FreshTexts(patience=30.0)
    texts.offer(batch(1, 2, 3))
    offering = threading.Thread(target=texts.offer, args=(batch(4, 5),))
    offering.start()
    offering.join(0.2)
    assert offering.is_alive()
    assert texts.take(1) is not None
    offering.join(10)
    assert not offering.is_alive()
    assert all(texts.take(pk) for pk in (2, 3, 4, 5))


def test_a_stuck_indexer_is_waited_for_once_until_it_moves_again(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = FreshTexts(patience=0.2)
    waits: list[float] = []
    wait = texts._room.wait_for

    def watched(room: Callable[[], bool], seconds: float) -> bool:
        begun = time.monotonic()
        found = wait(room, seconds)
        waits.append(time.monotonic() - begun)
        return found

    monkeypatch.setattr(texts._room, "wait_for", watched)
    texts.offer(batch(1, 2, 3, 4))
    assert waits == []
    texts.offer(batch(5))
    assert (len(waits), waits[-1] >= 0.2) == (1, True)
    for pk in range(6, 20):
        texts.offer(batch(pk))
    assert len(waits) == 1
    assert texts.take(19) is not None
    texts.offer(batch(20))
    assert len(waits) == 1
    texts.offer(batch(21))
    assert (len(waits), waits[-1] >= 0.2) == (2, True)


def test_a_batch_that_can_never_fit_goes_in_once_the_others_are_taken() -> None:
    texts = FreshTexts(patience=30.0)
    texts.offer(batch(1, 2, 3, 4, 5, 6))
    assert [pk for pk in range(1, 7) if texts.take(pk)] == [3, 4, 5, 6]


def test_a_second_delivery_takes_its_message_out() -> None:
    texts = FreshTexts()
    texts.offer(batch(1))
    texts.offer(batch(1, fresh=False))
    assert texts.take(1) is None


def test_a_packed_text_is_kept_packed_and_handed_out_whole() -> None:
    texts = FreshTexts()
    text = IndexText(7, *["word"] * 10, ("id:x",), (2**63, 5), 9)
    packed = pickle.loads(pickle.dumps(text))
    assert isinstance(packed, PackedText)
    texts.put([(1, packed), (2, text)])
    assert (texts.take(1), texts.take(2)) == (text, text)
    assert texts.take(1) is None
