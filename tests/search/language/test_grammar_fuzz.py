"""Whatever is typed is understood, and then reads back as the same, or is refused by name and place."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from search.errors import QueryError
from search.language import parse

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)
VALID = [
    'flu AND (cough OR NOT fever) -"runny nose"',
    'subject:(flu OR "cold turkey") from:ann.lee@clinic.example',
    '"chest pain"~5 schedul* *itis colo?r *mid* a*b color~1 colour~2',
    "MRN-00123 E11.9 (555) 010-1234 +44 20 7946 0958 john.sm?th@example.com",
    "date:[2024-01 to 2024-06] after:2023 before:2025-01-01 larger:2M smaller:1G",
    "has:attachment custodian:ann@x.example record:billing message-id:<a.b@c>",
    '日本語 "日本 語学"~3 กินข้าว naïve Straße ﬁre',
    "NOT (NOT (a OR b) OR -c) * -date:today",
]
NOISE = [
    *"\"()*?~:-[]{}|^!&+\\<>= \t\n.@'“”–\x00\ud800\u200d\ue010é日",
    "AND",
    "OR",
    "NOT",
    "~5",
    "~1",
    "to",
    "[",
    "]",
]


def settled(text: str) -> bool:
    """Parse; True where it was understood."""
    refused: QueryError | None = None
    try:
        parsed = parse(text, now=NOW)
    except QueryError as refusal:
        refused = refusal
    if refused is not None:
        assert refused.position is None or 0 <= refused.position <= len(text)
        assert refused.kind
        assert len(str(refused)) > 20
        return False
    again = parse(parsed.interpreted, now=NOW)
    assert again.tree == parsed.tree
    assert again.interpreted == parsed.interpreted
    assert all(0 <= hint.position < len(text) for hint in parsed.hints)
    return True


def test_the_seeds_are_understood() -> None:
    assert all(map(settled, VALID))


def test_mutated_queries() -> None:
    chance = random.Random(1)
    understood = 0
    for _ in range(3_000):
        text = chance.choice(VALID)
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice([0, 0, 1, 1, 2, 8]))
            other = chance.choice(VALID)
            place = chance.randrange(len(other))
            piece = chance.choice(["", chance.choice(NOISE), other[place : place + chance.randint(1, 12)]])
            text = text[:start] + piece + text[end:]
        understood += settled(text)
    # Both ways are taken often, or this would show nothing.
    assert 300 < understood < 2_700


@settings(max_examples=300, deadline=None)
@given(st.text(st.one_of(st.sampled_from("".join(NOISE[:40])), st.characters(codec=None)), max_size=40))
def test_any_text(text: str) -> None:
    settled(text)
