"""What may be learnt from mail: only what many conversations, senders and days have in common."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.seal.fragments import CONVERSATIONS, DAYS, SENDERS, Sample, learn

SECRET = b"the qzxjvkwyqh of the house"
COMMON = b"Please find the report of the week below and tell us what is missing.\r\n"


def samples(
    secret: bytes, count: int, *, conversations: int = 1000, senders: int = 1000, days: int = 1000
) -> list[Sample]:
    """Forty messages with a common line, and `count` with a secret beside it, as spread as the rest says."""
    chance = random.Random(5)

    def text(more: bytes = b"") -> bytes:
        return (
            COMMON + more + b" ".join(chance.choice([b"one", b"two", b"three", b"four"]) for _ in range(20))
        )

    return [Sample((text(),), 10_000 + n, n, n) for n in range(40)] + [
        Sample((text(b" and " + secret + b" now.\r\n"),), n % conversations, n % senders, n % days)
        for n in range(count)
    ]


def learnt(found: list[Sample], forbidden: frozenset[str] = frozenset()) -> bytes:
    return b"\0".join(learn(found, lambda words: words & forbidden, 1 << 16))


def test_what_much_mail_has_in_common_is_kept() -> None:
    assert b"report of the week" in learnt(samples(SECRET, 0))
    assert b"qzxjvkwyqh" in learnt(samples(SECRET, 40)), "the tests below would prove nothing"


@pytest.mark.parametrize(
    ("count", "spread"),
    [
        (CONVERSATIONS - 1, {}),
        (100, {"senders": 1}),
        (100, {"senders": SENDERS - 1}),
        (100, {"days": DAYS - 1}),
        (100, {"conversations": 1}),
        (100, {"conversations": CONVERSATIONS - 1}),
    ],
)
def test_what_few_wrote_is_not(count: int, spread: dict[str, int]) -> None:
    found = learnt(samples(SECRET, count, **spread))
    assert b"qzxjvkwyqh" not in found
    assert b"report of the week" in found


@pytest.mark.parametrize(
    "secret",
    [
        b"ask Qzxjvkwyqh about it",
        b"ask QZXJVKWYQH about it",
        b"mail qzxjvkwyqh@clinic.example about it",
        b"mail ann@qzxjvkwyqh.example about it",
        b"mail =?utf-8?Q?qzxjvkwyqh=40clinic?= about it",
        b"number qzxjvkwyqh4 about it",
        b"path /home/qzxjvkwyqh/mail about it",
        b"word q\xc3\xa9zxjvkwyqh about it",
        b"code aGqzxjvkwyqhAbC about it",
    ],
)
def test_names_addresses_numbers_and_paths_are_not_however_often_written(secret: bytes) -> None:
    assert b"qzxjvkwyqh" not in learnt(samples(secret, 40)).lower()


def test_digits_are_kept_only_in_public_words() -> None:
    found = learnt(samples(b"charset=utf-8 7bit 1.0 5551234 call 12 of 2024 or 99", 40))
    left = re.sub(rb"utf-8|7bit|1\.0", b"", found)
    assert b"7bit" in found
    assert not re.search(rb"[0-9]", left)


def test_names_of_the_roster_are_not_kept() -> None:
    assert b"report" in learnt(samples(SECRET, 0))
    found = learnt(samples(SECRET, 40), frozenset({"report", "qzxjvkwyqh"}))
    assert b"report" not in found.lower()
    assert b"qzxjvkwyqh" not in found


_TEXT = st.lists(
    st.sampled_from(b"the ward is full of new mail today \r\n . , From: x@y 12 Ann".split(b" ")), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(_TEXT.map(b" ".join), st.integers(0, 12), st.integers(0, 4), st.integers(0, 4)), max_size=40
    )
)
def test_each_fragment_as_a_whole_was_written_by_many(made: list[tuple[bytes, int, int, int]]) -> None:
    found = [Sample((text,), conversation, sender, day) for text, conversation, sender, day in made]
    for fragment in learn(found, lambda words: set(), 1 << 16):
        having = [s for s in found if fragment in s.texts[0]]
        assert len({s.conversation for s in having}) >= CONVERSATIONS
        assert len({s.sender for s in having}) >= SENDERS
        assert len({s.day for s in having}) >= DAYS


def test_the_size_is_kept_to_and_nothing_gives_nothing() -> None:
    assert sum(map(len, learn(samples(SECRET, 40), lambda words: set(), 50))) <= 50
    assert learn([], lambda words: set(), 1 << 16) == []
