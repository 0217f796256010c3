"""The index's own term list: which indexed words a stem, a pattern or a misspelling stands for.

Tables of ours rather than `fts5vocab`, which reads the postings of every word it passes: for a common
beginning that grows with the archive, and an ending makes it read the whole index. `word` has each word with
its stem, `ending` each word back to front, so that an ending is found like a beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal

import apsw
from rapidfuzz import process
from rapidfuzz.distance import OSA

from search.engine.labels import BEYOND, FIRST
from search.errors import QueryTooBroad
from search.language.words import STEMMER_VERSION, stems

MAX_EXPANSION: Final = 2_000
"""The most words one pattern may stand for; beyond it the query is refused."""

LONGEST_WORD_BYTES: Final = 256
"""Longer words (encoded data, mostly) are searchable as such and by their beginning, but not on the list."""

_STEMMER: Final = "stemmer"
_LAST: Final = "\U0010ffff"
"""No word has it: what begins with a text is between that text and it with this behind."""
_WILD: Final = re.compile(r"[*?]")
_AT_ONCE: Final = 50_000
_SHOWN_DIGITS: Final = 2


def with_stem(db: apsw.Connection, root: str) -> list[str]:
    """Return every indexed word whose English stem is `root`, sorted. Raises QueryTooBroad."""
    # A word that is its own stem is stored without one.
    sql = (
        "SELECT word FROM word WHERE stem = ? UNION ALL SELECT word FROM word WHERE word = ? AND stem IS NULL"
    )
    return _bounded(str(word) for (word,) in db.execute(sql, (root, root)))


def with_ending(db: apsw.Connection, ending: str) -> list[str]:
    """Return every indexed word that ends in `ending`, sorted. Raises QueryTooBroad."""
    return _bounded(word[::-1] for word in _between(db, "backward", ending[::-1]))


def with_beginning(db: apsw.Connection, beginning: str, most: int) -> tuple[int, list[str]]:
    """Return how many indexed words begin with `beginning`, and the first `most` of them, by the alphabet.

    For show: the engine itself finds beginnings, any number of them.
    """
    sql = "SELECT count(*) FROM word WHERE word >= ? AND word < ?"
    number = int(db.execute(sql, (beginning, beginning + _LAST)).get)
    return number, list(islice(_between(db, "word", beginning), most))


def of_form(db: apsw.Connection, pattern: str) -> list[str]:
    """Return every indexed word that `pattern` fits (`*` any characters, `?` one), sorted.

    Raises QueryTooBroad. The longer of its literal ends leads; without one the whole list is read.
    """
    wild = [found.start() for found in _WILD.finditer(pattern)]
    if not wild:
        return _bounded(_between(db, "word", pattern, pattern))
    head, tail = pattern[: wild[0]], pattern[wild[-1] + 1 :]
    if len(head) >= len(tail):
        return _bounded(_between(db, "word", head, pattern))
    return _bounded(word[::-1] for word in _between(db, "backward", tail[::-1], pattern[::-1]))


def _between(
    db: apsw.Connection, column: Literal["word", "backward"], beginning: str, pattern: str | None = None
) -> Iterator[str]:
    """The entries that begin so, and fit the pattern, by the alphabet. No word has a character of GLOB's."""
    table = "word" if column == "word" else "ending"
    sql = f"SELECT {column} FROM {table} WHERE {column} >= ? AND {column} < ?"
    values: tuple[str, ...] = (beginning, beginning + _LAST)
    if pattern is not None:
        sql, values = f"{sql} AND {column} GLOB ?", (*values, pattern)
    return (str(word) for (word,) in db.execute(f"{sql} ORDER BY {column}", values))


def within_edits(db: apsw.Connection, text: str, edits: int) -> list[str]:
    """Return every indexed word at most `edits` (1 or 2) edits from `text`, sorted. Raises QueryTooBroad.

    One edit leaves one half of the word whole, at its end of the other word, unless it swaps the two
    letters where the halves meet: so those two ranges and that one word are all there is to compare. Two
    edits need the whole list, as far as the length fits.
    """
    found: set[str] = set()
    for some in _chunks(_near_halves(db, text) if edits == 1 else _of_length(db, text, edits)):
        close = process.extract(text, some, scorer=OSA.distance, score_cutoff=edits, limit=None)
        found.update(word for word, _, _ in close)
    return _bounded(found)


def _near_halves(db: apsw.Connection, text: str) -> Iterator[str]:
    half = len(text) // 2
    yield from _between(db, "word", text[:half])
    for word in _between(db, "backward", text[half:][::-1]):
        yield word[::-1]
    swapped = text[: half - 1] + text[half] + text[half - 1] + text[half + 1 :]
    for (word,) in db.execute("SELECT word FROM word WHERE word = ?", (swapped,)):
        yield str(word)


def _of_length(db: apsw.Connection, text: str, edits: int) -> Iterator[str]:
    sql = "SELECT word FROM word WHERE length(word) BETWEEN ? AND ?"
    bounds = (len(text) - edits, len(text) + edits)
    return (str(word) for (word,) in db.execute(sql, bounds))


def _chunks(found: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(found, _AT_ONCE)):
        yield some


def _bounded(found: Iterable[str]) -> list[str]:
    rest = iter(found)
    words = list(islice(rest, MAX_EXPANSION + 1))
    if len(words) > MAX_EXPANSION:
        number = len(words) + sum(1 for _ in rest)
        raise QueryTooBroad(
            "too_broad",
            f"a word or pattern here stands for about {_rounded(number)} words of the index, and"
            f" {MAX_EXPANSION:,} are allowed; add letters, or take ~1 for ~2",
        )
    return sorted(words)


def _rounded(number: int) -> str:
    """A number as far as it helps: the exact one would tell of single messages, beyond a scope too."""
    digits = max(0, len(str(number)) - _SHOWN_DIGITS)
    return f"{round(number, -digits):,}"


def add_words(db: apsw.Connection, found: set[str]) -> None:
    """Add words to the list, in the caller's transaction; words already there are left alone."""
    # Sorted, so that neighbours meet the same page.
    listed = sorted(word for word in found if len(word) <= LONGEST_WORD_BYTES // 4 or _is_listed(word))
    if not listed:
        return
    sql = "SELECT word FROM word WHERE word IN (SELECT value FROM carray(?))"
    known = {str(word) for (word,) in db.execute(sql, (apsw.carray(tuple(listed)),))}
    new = [word for word in listed if word not in known]
    roots = stems(new)
    db.executemany("INSERT INTO word (word, stem) VALUES (?, ?)", ((word, roots.get(word)) for word in new))
    if new:
        backward = tuple(sorted(word[::-1] for word in new))
        db.execute("INSERT INTO ending (backward) SELECT value FROM carray(?)", (apsw.carray(backward),))


def _is_listed(word: str) -> bool:
    return len(word.encode()) <= LONGEST_WORD_BYTES


def drop_unused(db: apsw.Connection) -> None:
    """Take the words off the list that no document holds any more, in the caller's transaction."""
    # The words of labels, several a message, are passed over: the list has none of them, and gathering
    # them would take memory by the archive's size. A text's own word among them is asked for by itself.
    gone = db.execute(
        "DELETE FROM word WHERE (word < ?1 OR word >= ?2) AND word NOT IN ("
        "SELECT term FROM vocabulary WHERE term < ?1 UNION ALL SELECT term FROM vocabulary WHERE term >= ?2)"
        " RETURNING word",
        (FIRST, BEYOND),
    ).fetchall()
    gone += db.execute(
        "DELETE FROM word WHERE word >= ? AND word < ?"
        " AND NOT EXISTS (SELECT 1 FROM vocabulary WHERE term = word.word) RETURNING word",
        (FIRST, BEYOND),
    ).fetchall()
    db.executemany("DELETE FROM ending WHERE backward = ?", ((str(word)[::-1],) for (word,) in gone))


def refresh_stems(db: apsw.Connection) -> None:
    """Work all stems out anew where another stemmer made them, in the caller's transaction."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_STEMMER,)).fetchone()
    if row is not None and row[0] == STEMMER_VERSION:
        return
    listed = [str(word) for (word,) in db.execute("SELECT word FROM word")]
    roots = stems(listed)
    db.executemany("UPDATE word SET stem = ? WHERE word = ?", ((roots.get(word), word) for word in listed))
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_STEMMER, STEMMER_VERSION))
