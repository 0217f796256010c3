"""Keys of likeness: what numpy makes of many texts is what plain arithmetic makes of each."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search import likeness
from search.likeness import FEWEST_WORDS, NOTHING, likeness_of

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
MIX = [int(number) for number in likeness._MIX]
TEXTS = st.text(alphabet="ab >.\n\tZé", max_size=80) | st.lists(
    st.sampled_from(["alpha", "Beta", "gamma,", "> quoted", "\n> line", "naïve", "x" * 30]), max_size=40
).map(" ".join)


def plainly(text: str) -> tuple[int, int]:
    lines = text.split("\n")
    kept = "\n".join(line for line in lines if not line.lstrip(" \t").startswith(">"))
    if not (text.startswith(">") or "\n>" in text or "\n >" in text):
        kept = text
    data = (kept if kept.isascii() else kept.lower()).encode("utf-8", "replace")
    blank = bytes(b if b >= 128 or chr(b).isalnum() else 32 for b in data.lower())
    found = [_word(word) for word in blank.split(b" ") if word]
    if len(found) < FEWEST_WORDS:
        return NOTHING
    runs = []
    for (one, two), (_, three) in pairwise(pairwise(found)):
        run = (one * MIX[0] + two * MIX[1] + three * MIX[2]) & M64
        run = (run ^ run >> 29) * MIX[3] & M64
        runs.append(run ^ run >> 32)
    least = [min(run * factor & M64 for run in runs) for factor in MIX]
    first, second = ((a * MIX[3] + b * MIX[4] + c * MIX[5]) & M64 | 1 for a, b, c in (least[:3], least[3:]))
    return first, second


def _word(word: bytes) -> int:
    number = sum(byte * pow(0x01000193, place, 1 << 32) for place, byte in enumerate(word)) & M32
    return (number ^ number >> 15) * 0x2C1B3C6D & M32


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_keys_are_what_they_are_said_to_be(texts: list[str]) -> None:
    assert likeness_of(texts) == [plainly(text) for text in texts]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    vocabulary = ["".join(chance.choices("abcdefgh", k=chance.randint(1, 9))) for _ in range(60)]
    texts = [" ".join(chance.choices(vocabulary, k=chance.choice((0, 5, 6, 50, 400)))) for _ in range(60)]
    texts.append("w" * 200 + " one two three four five six")
    expected = [plainly(text) for text in texts]
    assert likeness_of(texts) == expected
    for size in (512, 1_024, 4_096):
        monkeypatch.setattr(likeness, "_BLOCK", size)
        assert likeness_of(texts) == expected
    assert [likeness_of([text])[0] for text in texts] == expected


def test_nearly_the_same_text_shares_a_key_and_another_does_not() -> None:
    chance = random.Random(8)
    vocabulary = [f"word{n}" for n in range(2_000)]
    same, other, total = 0, 0, 200
    for _ in range(total):
        text = chance.choices(vocabulary, k=200)
        changed = [*text]
        changed[chance.randrange(200)] = "edited"
        quoting = " ".join(changed) + "\n> quoted of old\n"
        unlike = " ".join(chance.choices(vocabulary, k=200))
        one, two, three = likeness_of([" ".join(text), quoting, unlike])
        same += one[0] == two[0] or one[1] == two[1]
        other += bool({*one} & {*three})
    # J is 197/203: 1 - (1 - J^3)^2 is 0.993.
    assert same >= 0.96 * total
    assert other == 0


def test_short_texts_are_like_nothing() -> None:
    assert likeness_of(["", "thanks", "one two three four five", "> a b c d e f g h"]) == [NOTHING] * 4
    assert likeness_of(["one two three four five six"])[0] != NOTHING
    assert likeness_of([]) == []
