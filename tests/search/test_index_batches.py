"""How much goes into one transaction of the index, and how long it waits for more."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from archiver.message.indexable import IndexText
from archiver.message.model import Recipient
from search import fresh_texts, indexer
from search.fresh_texts import FreshTexts
from tests.retention.whole_house import House, found, mail


def _offered(texts: FreshTexts, number: int) -> None:
    text = IndexText(1, *["word"] * 10, ())
    done: Any = [(SimpleNamespace(text=text), SimpleNamespace(pk=pk, fresh=True)) for pk in range(number)]
    texts.offer(done)


def _gathering(texts: FreshTexts, monkeypatch: pytest.MonkeyPatch) -> float:
    """How long it gathers, by a clock that nothing but its waiting moves."""
    now = 0.0

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal now
            assert timeout
            now += timeout
            return False

    with monkeypatch.context() as patch:
        patch.setattr(fresh_texts, "time", SimpleNamespace(monotonic=lambda: now))
        texts.gather(Stop())
    return now


def test_a_batch_of_much_text_is_cut_and_the_rest_follows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = house.capture(*(house.arrival(mail(subject=f"marrow {number}")) for number in range(5)))
    monkeypatch.setattr(indexer, "BATCH_BYTES", 1000)
    assert house.indexer.run_once() == 2
    assert len(found(house, "marrow")) == 2
    assert house.indexer.drain() == 3
    assert found(house, "marrow") == {done.pk for done in captured}


def test_the_running_indexer_goes_on_at_once_after_a_batch_cut_short(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.capture(*(house.arrival(mail(subject=f"marrow {number}")) for number in range(5)))
    monkeypatch.setattr(indexer, "BATCH_BYTES", 1)
    monkeypatch.setattr(FreshTexts, "gather", lambda *_: pytest.fail("waited with work at hand"))
    stop = threading.Event()
    running = threading.Thread(target=house.indexer.run, args=(stop,))
    running.start()
    until = time.monotonic() + 20
    while len(found(house, "marrow")) < 5 and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    running.join(20)
    assert len(found(house, "marrow")) == 5


def test_beside_a_server_mail_waits_half_a_second_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = FreshTexts()
    _offered(texts, 3)
    assert _gathering(texts, monkeypatch) == pytest.approx(0.5)


def test_a_flood_is_gathered_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_texts, "POURING", 3)
    texts = FreshTexts()
    _offered(texts, 5)
    assert _gathering(texts, monkeypatch) == pytest.approx(1.0)


def test_beside_an_import_a_full_batch_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_texts, "BATCH", 3)
    for number, seconds in ((2, 5.0), (3, 0.0)):
        texts = FreshTexts(patience=1.0)
        _offered(texts, number)
        assert _gathering(texts, monkeypatch) == pytest.approx(seconds)


def test_gathering_ends_when_the_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_texts, "GATHER_SECONDS_BULK", 60.0)
    texts = FreshTexts(patience=1.0)
    stop = threading.Event()
    waiting = threading.Thread(target=texts.gather, args=(stop,))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    stop.set()
    waiting.join(10)
    assert not waiting.is_alive()


def _delivered(house: House, raw: bytes, to: str) -> list[Any]:
    envelope = {"smtp_sender": "eve@x.example", "smtp_recipients": (Recipient(to, "recipient"),)}
    prepared = house.vault.preparer.prepare(house.arrival(raw, **envelope))
    return [(prepared, *house.vault.archive.commit([prepared]))]


def test_a_text_at_hand_spares_the_opening(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.indexer._fresh.offer(_delivered(house, mail(subject="marrow"), "carl@x.example"))
    for name in ("derive", "opened_pages"):
        monkeypatch.setattr(indexer, name, lambda _vault, pks: pytest.fail("opened") if pks else iter(()))
    assert house.indexer.run_once() == 1
    assert len(found(house, "marrow")) == 1


def test_a_text_at_hand_is_of_the_first_delivery_alone(house: House) -> None:
    """The indexer may come between the commit of a later delivery and the word of it."""
    raw = mail(subject="marrow")
    house.indexer._fresh.offer(_delivered(house, raw, "carl@x.example"))
    _delivered(house, raw, "dora@x.example")
    assert house.indexer.run_once() == 1
    assert found(house, "to:dora@x.example") == found(house, "to:carl@x.example") != set()
    assert house.indexer._fresh.held(9) == []
