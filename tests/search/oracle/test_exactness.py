"""Exactness: on real mail the index finds what reading every message finds, at every stage of its life.

Thousands of queries are made from the mail itself and a few hundred are written by hand. Before and after
disposals, after a rebuild and after a restart, each must find the same messages as the oracle, which shares
with the search nothing but the query tree.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from config.settings import Settings
from search.engine.ports import IndexReader
from search.engine.shelf import FtsShelf
from search.errors import QueryError, QueryTooBroad
from search.fresh_texts import FreshTexts
from search.indexer import Indexer
from search.language import parse
from search.rebuilding import Rebuilder
from tests.retention.whole_house import House, open_house
from tests.search.oracle.asking import Asker
from tests.search.oracle.handwritten import queries
from tests.search.oracle.plain import Plain, unsealed
from tests.search.oracle.reading import Oracle
from tests.support import disposing

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SEED = 20261122
REFUSED_AT_MOST = 0.08
"""Of the made-up queries, how many may be refused: patterns too wide, mostly."""


def enron(corpora: Path, number: int) -> list[bytes]:
    """So many messages of the corpus."""
    found: list[bytes] = []
    for part in sorted((corpora / "enron").glob("part-*.mbox")):
        raws = re.split(rb"(?m)(?:^|\n\n)From [^\n]*\n", part.read_bytes())[1:]
        found += islice(raws, number - len(found))
        if len(found) == number:
            return found
    return found


def compare(reader: IndexReader, oracle: Oracle, asked: Sequence[str]) -> tuple[int, int]:
    """Ask both; how many messages were found in all, and how many queries were refused."""
    hits = refused = 0
    for text in asked:
        try:
            tree = parse(text, now=NOW).tree
        except QueryError as error:
            assert _in(text, error.position), text  # noqa: PT017
            refused += 1
            continue
        expected = oracle.ids(tree)
        try:
            found = list(reader.all_rowids(tree))
        except QueryTooBroad:
            # Refused, never cut short; and only what really stands for that many words.
            assert oracle.too_broad(tree), text
            refused += 1
            continue
        assert found == expected, f"{text}: {len(found)} instead of {len(expected)}"
        page, _ = reader.search(tree, limit=20)
        assert (page.total, list(page.rowids)) == (len(expected), expected[::-1][:20]), text
        hits += len(found)
    return hits, refused


def _in(text: str, position: int | None) -> bool:
    return position is None or 0 <= position <= len(text)


def dispose(house: House, pks: Sequence[int]) -> None:
    """Destroy messages and take them out of the index, as an executed disposition does."""
    disposing.dispose(house.vault, pks)
    house.indexer.drain_removals()


def rebuilt(house: House) -> None:
    """`reindex`: build an index beside the one in use, and take it up."""
    settings, key = house.vault.settings, house.vault.keyring.branch_key("index")
    house.writer.close()

    def beside(writer: object, reader: IndexReader) -> Indexer:
        return Indexer(house.vault, writer, house.holds.standing_queries)  # type: ignore[arg-type]

    shelf = FtsShelf(settings.index_dir, key)
    Rebuilder(house.vault, shelf, beside, house.holds.match_again).run(lambda *_: None)
    assert shelf.in_use().startswith("built-")


def capture(house: House, raws: Sequence[bytes]) -> None:
    """Take mail in and index it as it comes, as an import does."""
    fresh = FreshTexts()
    indexer = Indexer(house.vault, house.writer, house.holds.standing_queries, fresh)
    for start in range(0, len(raws), 500):
        chunk = [house.vault.preparer.prepare(house.arrival(raw)) for raw in raws[start : start + 500]]
        fresh.offer(list(zip(chunk, house.vault.archive.commit(chunk), strict=True)))
        indexer.drain()


def asked_of(found: Sequence[Plain], seed: int, number: int) -> list[str]:
    """Queries made up from the mail."""
    return list(Asker(found, seed).questions(number))


def check(settings: Settings, raws: Sequence[bytes], made_up: int) -> None:
    """All stages of an archive of this mail."""
    by_hand = queries()
    with open_house(settings) as house:
        capture(house, raws)
        found = list(unsealed(house.vault))
        assert len(found) >= 0.9 * len(raws)
        oracle = Oracle(found)
        asked = [*by_hand, *asked_of(found, SEED, made_up)]
        hits, refused = compare(house.reader, oracle, asked)
        assert hits > 5 * len(asked), "the queries hardly find anything"
        assert refused <= REFUSED_AT_MOST * len(asked)

        gone = random.Random(SEED).sample([one.pk for one in found], len(found) // 10)
        dispose(house, gone)
        left = [one for one in found if one.pk not in set(gone)]
        oracle = Oracle(left, oracle)
        fewer = [*by_hand, *asked_of(left, SEED + 1, made_up // 5)]
        compare(house.reader, oracle, fewer)

        rebuilt(house)
        compare(house.reader, oracle, fewer)
    with open_house(settings, again=True) as house:
        compare(house.reader, oracle, fewer)


def test_the_index_finds_what_reading_everything_finds(corpora: Path, settings: Settings) -> None:
    # The index is the same beside both databases, so one of them gets the most of the mail.
    whole = settings.database_url.startswith("sqlite")
    check(settings, enron(corpora, 2_500 if whole else 250), 700 if whole else 100)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3_600)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_same_over_twenty_thousand(corpora: Path, settings: Settings) -> None:
    check(settings, enron(corpora, 20_000), 10_000)
