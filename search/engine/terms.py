"""The index's own term list: which indexed words a stem or an ending stands for.

A table of ours rather than `fts5vocab`, which reads the postings of every word it passes: for a common
beginning that grows with the archive, and an ending makes it read the whole index.
"""

from __future__ import annotations

from typing import Final

import apsw

from search.engine.labels import BEYOND, FIRST
from search.errors import QueryTooBroad
from search.language.words import STEMMER_VERSION, stems

MAX_EXPANSION: Final = 2_000
"""The most words one pattern may stand for; beyond it the query is refused."""

LONGEST_WORD_BYTES: Final = 256
"""Longer words (encoded data, mostly) are searchable as such, but no pattern finds them by their ending."""

_STEMMER: Final = "stemmer"


def with_stem(db: apsw.Connection, root: str) -> list[str]:
    """Return every indexed word whose English stem is `root`, sorted. Raises QueryTooBroad."""
    # A word that is its own stem is stored without one.
    sql = (
        "SELECT word FROM word WHERE stem = ?"
        " UNION ALL SELECT word FROM word WHERE word = ? AND stem IS NULL LIMIT ?"
    )
    return _bounded([str(word) for (word,) in db.execute(sql, (root, root, MAX_EXPANSION + 1))])


def with_ending(db: apsw.Connection, ending: str) -> list[str]:
    """Return every indexed word that ends in `ending`, sorted. Raises QueryTooBroad."""
    rows = db.execute(
        "SELECT word FROM word WHERE substr(word, ?) = ? LIMIT ?", (-len(ending), ending, MAX_EXPANSION + 1)
    )
    return _bounded([str(word) for (word,) in rows])


def _bounded(found: list[str]) -> list[str]:
    if len(found) > MAX_EXPANSION:
        raise QueryTooBroad(
            "too_broad", f"a word pattern stands for more than {MAX_EXPANSION:,} words; make it longer"
        )
    return sorted(found)


def add_words(db: apsw.Connection, found: set[str]) -> None:
    """Add words to the list, in the caller's transaction; words already there are left alone."""
    # Sorted, so that neighbours meet the same page.
    listed = sorted(word for word in found if len(word) <= LONGEST_WORD_BYTES // 4 or _is_listed(word))
    roots = stems(listed)
    db.executemany(
        "INSERT OR IGNORE INTO word (word, stem) VALUES (?, ?)", ((word, roots.get(word)) for word in listed)
    )


def _is_listed(word: str) -> bool:
    return len(word.encode()) <= LONGEST_WORD_BYTES


def drop_unused(db: apsw.Connection) -> None:
    """Take the words off the list that no document holds any more, in the caller's transaction."""
    # The words of labels, several a message, are passed over: the list has none of them, and gathering
    # them would take memory by the archive's size. A text's own word among them is asked for by itself.
    db.execute(
        "DELETE FROM word WHERE (word < ?1 OR word >= ?2) AND word NOT IN ("
        "SELECT term FROM vocabulary WHERE term < ?1 UNION ALL SELECT term FROM vocabulary WHERE term >= ?2)",
        (FIRST, BEYOND),
    )
    db.execute(
        "DELETE FROM word WHERE word >= ? AND word < ?"
        " AND NOT EXISTS (SELECT 1 FROM vocabulary WHERE term = word.word)",
        (FIRST, BEYOND),
    )


def refresh_stems(db: apsw.Connection) -> None:
    """Work all stems out anew where another stemmer made them, in the caller's transaction."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_STEMMER,)).fetchone()
    if row is not None and row[0] == STEMMER_VERSION:
        return
    listed = [str(word) for (word,) in db.execute("SELECT word FROM word")]
    roots = stems(listed)
    db.executemany("UPDATE word SET stem = ? WHERE word = ?", ((roots.get(word), word) for word in listed))
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_STEMMER, STEMMER_VERSION))
