"""What is learnt from corrections: similar texts follow, others don't, nothing is ever taken away."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.classify.learnt import ENOUGH, Example, LearntModel, available, learn
from archiver.errors import DamagedStore

PUMP = "Please find enclosed the calibration sheet for infusion pump {} of ward {}, back from maintenance."
LUNCH = "Menu of the canteen for week {}: soup, salad, pasta and {} kinds of cake."


def test_the_library_is_here() -> None:
    assert available()


def test_one_correction_is_enough_for_mail_much_like_it() -> None:
    model = learn([Example("7", PUMP.format(4431, 7), ("medical_record",))])
    like, other = model.suggest([PUMP.format(9982, 3), LUNCH.format(12, 4)])
    assert [(one.type, one.why) for one in like] == [("medical_record", "like correction 7")]
    assert other == []


def test_what_somebody_called_no_record_makes_nothing_a_record() -> None:
    model = learn([Example("7", LUNCH.format(1, 2), ())])
    assert model.suggest([LUNCH.format(3, 4)]) == [[]]


WARD = ["ward", "nurse", "bed", "chart", "fever", "pulse", "drip", "wound", "dressing", "rounds"]
FLEET = ["truck", "tyre", "garage", "diesel", "route", "driver", "permit", "toll", "brake", "axle"]


def _letters(words: list[str], count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(words, k=6)) for _ in range(count)]


def test_with_enough_examples_texts_like_none_in_particular_follow() -> None:
    examples = [Example(f"w{n}", t, ("medical_record",)) for n, t in enumerate(_letters(WARD, 3 * ENOUGH, 1))]
    examples += [Example(f"f{n}", t, ()) for n, t in enumerate(_letters(FLEET, 3 * ENOUGH, 2))]
    model = learn(examples)
    ward = model.suggest(_letters(WARD, 50, 3))
    fleet = model.suggest(_letters(FLEET, 50, 4))
    assert sum(bool(found) for found in ward) >= 48
    assert sum(bool(found) for found in fleet) <= 1


def test_a_model_survives_its_bytes() -> None:
    examples = [Example(f"w{n}", t, ("billing",)) for n, t in enumerate(_letters(WARD, ENOUGH, 1))]
    examples += [Example(f"f{n}", t, ("dental", "billing")) for n, t in enumerate(_letters(FLEET, ENOUGH, 2))]
    model = learn(examples)
    data = model.to_bytes()
    assert LearntModel.from_bytes(data).to_bytes() == data
    texts = [*_letters(WARD, 5, 9), *_letters(FLEET, 5, 9)]
    assert LearntModel.from_bytes(data).suggest(texts) == model.suggest(texts)
    assert learn(examples).to_bytes() == data


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_bytes_that_are_no_model_are_refused_as_ours(data: st.DataObject) -> None:
    good = learn([Example("7", PUMP.format(1, 2), ("billing",))]).to_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    for bad in (bytes(changed), good[:place], good + b"\0"):
        try:
            LearntModel.from_bytes(bad).suggest(["a text"])
        except DamagedStore:
            continue


@pytest.mark.parametrize("text", ["", "\0" * 1000, "a" * 200_000, "\ud800 lone", "1234 " * 50_000])
def test_any_text_can_be_looked_at(text: str) -> None:
    assert len(learn([Example("7", text, ("billing",))]).suggest([text, "other"])) == 2
