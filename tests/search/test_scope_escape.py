"""Nobody looks out of their scope by the way they write a query: a thousand tries by a lawyer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from search.access import Purpose
from search.engine.views import FACETS, Ask
from search.errors import SearchError
from search.language import parse
from search.language.highlight import as_text
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House
from tests.search.oracle.plain import unsealed
from tests.search.oracle.reading import Oracle

SEED = 20261122
TRIES = 1_000
OUTSIDE = "quetzal"
"""Stands in all that the lawyer may not see, and nowhere else."""


class Intruder:
    """Writes queries that would show other people's mail if a scope could be written away."""

    def __init__(self, ids: Sequence[str], matters: Sequence[str], holds: Sequence[str]) -> None:
        self._chance = random.Random(SEED)
        self._baits = [
            OUTSIDE, f"{OUTSIDE[:4]}*", f"*{OUTSIDE[3:]}", f"{OUTSIDE[:3]}?{OUTSIDE[4:]}", f"{OUTSIDE}~1",
            f'"{OUTSIDE} secret"', f'"{OUTSIDE} secret"~5', f"subject:{OUTSIDE}", f"body:{OUTSIDE}",
            "*", "from:outsider@clinic.example", "custodian:outsider@clinic.example", "source:attic",
            "has:attachment", "date:2005", "larger:0", "smaller:1G", "NOT zzzz", "-zzzz", "lang:en",
            *(f"id:{name}" for name in ids), *(f"matter:{name}" for name in matters),
            *(f"hold:{name}" for name in holds), "matter:*", 'matter:"*"', "NOT matter:none", "-matter:none",
        ]  # fmt: skip
        self._endings = [
            "", ")", ") OR (*", ")) OR ((*", ' OR ("', '" OR "', "\u201d OR \u201c", ") OR matter:(",
            "\x00", " OR", "\x00) OR *", ") AND NOT (zzzz", " OR * OR ", "; DROP TABLE doc",
            "' OR '1'='1", " UNION SELECT 1", " NEAR(", "} : (", ") OR {label} : (", "\u2028OR *",
            "\u00a0OR\u00a0*", " \u202eRO *", "\ufeff", "\ud800", " or *", " || *", " | *", " ^9", " --",
            " OR NOT *", " OR NOT (NOT *)",
        ]  # fmt: skip

    def tries(self, number: int) -> list[str]:
        """So many, each another one."""
        made: dict[str, None] = {}
        while len(made) < number:
            made[self._any(self._chance.randrange(4)) + self._ending()] = None
        return list(made)

    def _ending(self) -> str:
        if self._chance.random() < 0.02:
            return " OR ".join(["", *[OUTSIDE] * self._chance.choice((400, 499, 501, 3_000))])
        return self._chance.choice(self._endings) if self._chance.random() < 0.5 else ""

    def _any(self, depth: int) -> str:
        chance = self._chance
        if depth == 0:
            return chance.choice(self._baits)
        forms = ("{} OR {}", "({}) OR ({})", "{} {}", "NOT ({}) OR {}", "-({}) OR -({})", "{}) OR ({}")
        return chance.choice(forms).format(self._any(depth - 1), self._any(depth - 1))


def test_a_thousand_ways_out_lead_nowhere(house: House, room: ReadingRoom, matter: str) -> None:
    other = str(house.matters.create(house.other_lawyer, "Other v. Clinic")["id"])
    inside = house.old(8, body="marmot inside the matter")
    secret = {"subject": f"{OUTSIDE} secret", "body": f"{OUTSIDE} secret plans"}
    house.old(5, **secret, sender="outsider@clinic.example")
    foreign = house.old(4, subject="held elsewhere", body=f"a {OUTSIDE} secret of another matter")
    mine = house.holds.create(house.lawyer, matter, message_ids=[one.receipt.id for one in inside])
    theirs = house.holds.create(house.other_lawyer, other, message_ids=[one.receipt.id for one in foreign])
    house.index()

    everything = list(unsealed(house.vault))
    own = {one.pk for one in inside}
    oracle = Oracle([one for one in everything if one.pk in own])
    ids = [label for one in everything for label in one.labels if label.startswith("id:")][:9]
    names = [label.removeprefix("id:") for label in ids]
    intruder = Intruder(names, (matter, other), (mine["id"], theirs["id"]))
    whole = house.vault.records.dialect == "sqlite"
    understood = seen = 0
    asks = (Ask(), Ask(facets=FACETS, histogram=True))
    for text in intruder.tries(TRIES if whole else TRIES // 5):
        try:
            page = room.search(house.lawyer, Purpose.LEGAL, text, limit=50, ask=asks[understood % 2])
        except SearchError as error:
            assert OUTSIDE not in f"{error}"  # noqa: PT017
            continue
        understood += 1
        assert {item.id for item in page.items} <= {one.receipt.id for one in inside}, text
        expected = oracle.ids(parse(text, now=house.clock.now()).tree)
        # The total is that of the oracle over the lawyer's own mail: it tells of nothing beyond.
        assert page.total == len(expected) == len(page.items), text
        shown = " ".join(f"{item.subject} {item.from_} {as_text(item.snippet)}" for item in page.items)
        assert OUTSIDE not in shown, text
        assert sum(page.not_searchable.values()) == 0
        # Facets and the histogram are of the same messages; not even words that exist elsewhere are told.
        assert "outsider" not in repr(page.facets), text
        assert page.expansions == ()
        if page.histogram is not None:
            bars = sum(number for _, number in page.histogram.bars)
            assert bars + page.histogram.before + page.histogram.after == page.total, text
        matched = room.matching(house.lawyer, parse(text, now=house.clock.now()).tree)
        assert matched == expected
        seen += page.total
    assert understood > (300 if whole else 50)
    assert seen > 100, "what may be seen was never found"
    # The baits are good: whoever may see everything finds with them what the lawyer must not.
    assert room.search(house.officer, Purpose.LEGAL, f"* OR {OUTSIDE}").total == len(everything)


def test_a_page_of_somebody_elses_search_opens_nothing(house: House, room: ReadingRoom, matter: str) -> None:
    inside = house.old(3, body="marmot")
    house.old(6, body=f"marmot {OUTSIDE}")
    house.holds.create(house.lawyer, matter, message_ids=[one.receipt.id for one in inside])
    house.index()
    cursor = room.search(house.officer, Purpose.LEGAL, "marmot", limit=2).next
    assert cursor is not None
    with pytest.raises(SearchError, match="cursor"):
        room.search(house.lawyer, Purpose.LEGAL, "marmot", limit=2, cursor=cursor)
    # A lawyer without a matter sees nothing at all.
    stranger = replace(house.lawyer, user_id="unobody")
    assert room.search(stranger, Purpose.LEGAL, "*").total == 0
