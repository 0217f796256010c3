"""What the leaves of a query that aren't single words stand for, in words of the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw
from whoosh.query import Prefix, Query

from search.engine import terms
from search.engine.ports import Expansion
from search.language.render import render
from search.language.tree import ANYWHERE, Fuzzy, Pattern, PatternPhrase, PrefixPhrase, Suffix, Word, leaves
from search.language.words import stem

SHOWN: Final = 20
"""How many words of each are named."""


def is_wild(word: str) -> bool:
    """True for a pattern, False for a word."""
    return "*" in word or "?" in word


def begins(pattern: str) -> bool:
    """True for a word with one wildcard, a `*` at its end."""
    return pattern.endswith("*") and not is_wild(pattern[:-1])


def expanded(db: apsw.Connection, leaf: Query) -> list[str]:
    """Return the index words that a leaf (Word, Suffix, Pattern, Fuzzy) stands for. Raises QueryTooBroad."""
    if isinstance(leaf, Word):
        return terms.with_stem(db, stem(leaf.text))
    if isinstance(leaf, Suffix):
        return terms.with_ending(db, leaf.text)
    if isinstance(leaf, Fuzzy):
        return terms.within_edits(db, leaf.text, leaf.edits)
    return terms.of_form(db, leaf.text)


def expansions(db: apsw.Connection, query: Query) -> list[Expansion]:
    """Return, for each leaf that stands for several words, how many and which; each leaf once, in order.

    Raises QueryTooBroad.
    """
    found: dict[str, Expansion] = {}
    for leaf in leaves(query):
        for shown, part in _parts(leaf):
            if shown not in found:
                number, words = _expand(db, part)
                found[shown] = Expansion(shown, number, tuple(words[:SHOWN]))
    return list(found.values())


def _parts(leaf: Query) -> Iterator[tuple[str, Query]]:
    """The patterns in a leaf, each with how it reads: a row has one for each of its words that is one."""
    if isinstance(leaf, PatternPhrase | PrefixPhrase):
        words = list(leaf.words) if isinstance(leaf, PatternPhrase) else [f"{leaf.words[-1]}*"]
        for word in filter(is_wild, words):
            yield word, Prefix(ANYWHERE, word[:-1]) if begins(word) else Pattern(ANYWHERE, word)
    elif isinstance(leaf, Word | Prefix | Suffix | Pattern | Fuzzy):
        yield (
            render(type(leaf)(ANYWHERE, leaf.text, *((leaf.edits,) if isinstance(leaf, Fuzzy) else ()))),
            leaf,
        )


def _expand(db: apsw.Connection, leaf: Query) -> tuple[int, list[str]]:
    if isinstance(leaf, Prefix):
        return terms.with_beginning(db, leaf.text, SHOWN)
    words = expanded(db, leaf)
    return len(words), words
