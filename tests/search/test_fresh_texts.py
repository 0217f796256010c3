"""How an import waits for the indexer, and doesn't wait for one that is stuck."""

from __future__ import annotations

import pickle
import threading
import time
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


def test_a_stuck_indexer_is_waited_for_once_until_it_moves_again() -> None:
    texts = FreshTexts(patience=0.2)
    texts.offer(batch(1, 2, 3, 4))
    begun = time.monotonic()
    texts.offer(batch(5))
    assert time.monotonic() - begun >= 0.2
    begun = time.monotonic()
    for pk in range(6, 20):
        texts.offer(batch(pk))
    assert time.monotonic() - begun < 0.2
    assert texts.take(19) is not None
    texts.offer(batch(20))
    begun = time.monotonic()
    texts.offer(batch(21))
    assert time.monotonic() - begun >= 0.2


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


def test_a_flood_is_gathered_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_texts, "KEEP_TEXTS", 100)
    monkeypatch.setattr(fresh_texts, "POURING", 3)
    monkeypatch.setattr(fresh_texts, "GATHER_SECONDS", 0.2)
    took = []
    for number in (1, 5):
        texts = FreshTexts()
        texts.offer(batch(*range(number)))
        begun = time.monotonic()
        texts.gather(threading.Event())
        took.append(time.monotonic() - begun)
    assert 0.2 <= took[0] < took[1]
    assert took[1] >= 0.4
