"""Queries by the grammar and against it, through the API: each is understood, or refused with its place."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import httpx

from search.access import Role
from search.language import parse
from tests.api.house import House
from tests.api.test_http_api import API, problem

SEED = 20261122
TRIES = 600
SECRET = "okapimarker"
"""In every query; no refusal may say it back."""
PIECES = [
    SECRET, "zebrafinch", "appointment", '"', '"zebrafinch appointment"', '"a b"~5', '"a b"~', '"a b"~0',
    "~", "~1", "zebra*", "*finch", "z*a*", "z?bra", "?", "*", "**", "(", ")", "()", "((", "))", "AND",
    "OR", "NOT", "-", "--", "subject:", "subject:(", "body:zebrafinch", "nofield:x", "form:x", "date:",
    "date:2024-03", "date:[", "date:2024-99", "date:[2024 to", "date:[2024-01 to 2024-06]", "after:today",
    "before:0001", "larger:", "larger:5k", "larger:-1", "smaller:99999999999999999999", "has:attachment",
    "has:x", "id:x", "custodian:*", "message-id:<a@b>", "hold:", ":", "::", "a:b:c", "[", "]", "{", "}",
    "|", "||", "&&", "^2", "\\", "\\\"", "'", "\u201cx\u201d", "\u00ab", "\u2013x", "(555) 010-1234",
    "MRN-00123", "E11.9", "a.b@c.example", "http://x.example/?q=1", "\u4e2d\u6587", "\u0e01", "\u00e9",
    "\u0301", "\u200b", "\ufeff", "\x00", "\x1f", "\ue000", "\ue002", "\U0010ffff", "\U0001f600", "\n",
    "\t", "x" * 3_000, "OR " * 50, "(" * 60, "NOT " * 60, "a " * 600, "NEAR(a b)", "ft:*", "rowid:1",
    "'; --", "%", "%00",
]  # fmt: skip


def made(chance: random.Random) -> str:
    """A query of a few pieces, some of them torn."""
    pieces = chance.choices(PIECES, k=chance.randint(1, 7))
    text = chance.choice((" ", " ", "")).join(pieces)
    for _ in range(chance.choice((0, 0, 1, 3))):
        place = chance.randrange(len(text) + 1)
        torn = text[:place] + chance.choice(PIECES) + text[place:]
        text = chance.choice((text[:place], text[place:], torn))
    return f"{text} {SECRET}"[:12_000]


def test_every_query_is_understood_or_refused_with_its_place(shared_house: House) -> None:
    client = shared_house.client(Role.COMPLIANCE_OFFICER)
    chance = random.Random(SEED)
    answers: dict[int, int] = {}
    for _ in range(TRIES):
        text = made(chance)
        answer = client.post(f"{API}/search", json={"query": text, "purpose": "operations", "limit": 1})
        answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
        if answer.status_code == 200:
            understood(answer, text, shared_house.clock.now())
        else:
            refused(answer, text)
    assert answers.keys() <= {200, 400, 422}, answers
    assert min(answers.get(200, 0), answers.get(400, 0)) > TRIES // 10, answers


def understood(answer: httpx.Response, text: str, now: datetime) -> None:
    """The interpreted form is what was asked for: it parses back to the same tree, on the house's day."""
    page = answer.json()
    assert page["query"] == text
    assert parse(page["interpreted"], now=now).tree == parse(text, now=now).tree, text
    assert page["total"] >= len(page["items"])


def refused(answer: httpx.Response, text: str) -> None:
    """With a kind, a place within the query, what to do, and not a word of the query."""
    document: dict[str, Any] = problem(answer)
    assert SECRET not in answer.text
    if answer.status_code == 422:
        assert document["code"] == "bad_input"
        assert len(text) > 10_000, text
        return
    assert document["code"] in ("bad_query", "query_too_broad")
    assert len(document["detail"]) > 20
    assert document["kind"]
    position = document["position"]
    # None is about the query as a whole.
    assert position is None or 0 <= position <= len(text), text
