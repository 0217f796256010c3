"""Text parts of a query tree as FTS5 expressions.

Only index words reach an expression, each inside an FTS5 string, and the expression itself is bound as
a parameter: nothing a person types is ever syntax here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Final

import apsw
from whoosh.query import And, Not, Or, Phrase, Prefix, Query, Term

from search.engine import labels, terms
from search.engine.database import TEXT_COLUMNS
from search.engine.expansions import begins, expanded, is_wild
from search.errors import QueryTooBroad
from search.language.fields import tag
from search.language.tree import (
    ANYWHERE,
    Address,
    Fuzzy,
    Near,
    Pattern,
    PatternPhrase,
    PrefixPhrase,
    SizeRange,
    Suffix,
    Tag,
    Word,
    leaves,
)
from search.language.words import is_character, stem

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    ANYWHERE: tuple(column for column in TEXT_COLUMNS if column != "header"),
    "from": ("from_",),
    "to": ("to_", "bcc", "recipient"),
    "cc": ("cc",),
    "bcc": ("bcc",),
    "participant": ("from_", "to_", "cc", "bcc", "recipient"),
    "subject": ("subject",),
    "body": ("body",),
    "attachment": ("attachment",),
    "filename": ("filename",),
    "header": ("header",),
}

_ADDRESSED: Final = {"participant": ("from", "to", "cc")}
"""Labels of addresses that a field other than their own asks for; `to` has those of `bcc` and groups too."""

WIDE: Final = 512
"""Up to so many labels are one OR. FTS5 compares every row of an OR with all of its words, so that more
are asked for in groups, and the answers gathered."""
_GROUP: Final = 64
MAX_FORMS: Final = 20_000
"""The most words and phrases that all patterns of one query may stand for together."""
_LAST: Final = labels.BEYOND


def every() -> str:
    """Return the expression that every message matches."""
    return _label(labels.EVERY)


def is_fixed(node: Query) -> bool:
    """True for a label that is a word of the index, not a row beside it."""
    return isinstance(node, Tag) and not labels.changes(tag(node.fieldname, node.text))


def only_labels(node: Query) -> bool:
    """True where a tree has no words to rank by."""
    return all(isinstance(leaf, Tag | Address) for leaf in leaves(node))


def wide(node: Query) -> tuple[str, ...] | None:
    """Return an Or of more than `WIDE` fixed labels, and of nothing else, as several expressions."""
    if not isinstance(node, Or) or len(node.subqueries) <= WIDE or not all(map(is_fixed, node.subqueries)):
        return None
    words = sorted({_word(part) for part in node.subqueries})
    return tuple(_label(*words[start : start + _GROUP]) for start in range(0, len(words), _GROUP))


def of_size(node: SizeRange) -> str | None:
    """Return an expression that every message of these sizes matches, and some others; None for no bound."""
    classes = labels.size_classes(node.above, node.below)
    return None if classes is None else _label(*map(labels.word_of, classes)) if classes else _label(_LAST)


class Expressions:
    """FTS5 expressions of the parts of one tree, each worked out once within one transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._forms = 0
        self._known: dict[int, tuple[Query, str | None]] = {}

    def of(self, node: Query) -> str | None:
        """Return the expression of a tree, or None when it isn't words and fixed labels alone, only
        excludes, or has too many labels for one.

        FTS5's NOT is a difference of two sets, so a tree needs something to take away from. Raises
        QueryTooBroad.
        """
        # The node is kept beside its expression, so that its id can't pass to another node.
        if id(node) not in self._known:
            self._known[id(node)] = (node, self._work_out(node))
        return self._known[id(node)][1]

    def _work_out(self, node: Query) -> str | None:
        if isinstance(node, And):
            return self._conjunction(node)
        if isinstance(node, Or):
            if sum(map(is_fixed, node.subqueries)) > WIDE:
                return None
            parts = [self.of(part) for part in node.subqueries]
            known = [part for part in parts if part is not None]
            return f"({' OR '.join(known)})" if known and len(known) == len(parts) else None
        if is_fixed(node):
            return _label(_word(node))
        if isinstance(node, Address):
            kinds = _ADDRESSED.get(node.fieldname, (node.fieldname,))
            return _label(*(labels.word_of(f"{kind}:{node.text}") for kind in kinds))
        if isinstance(node, Tag) or not isinstance(node, Term | Phrase | Prefix | Near):
            return None
        return f"({{{' '.join(_COLUMNS[node.fieldname])}}} : ({self._leaf(node)}))"

    def _leaf(self, node: Query) -> str:
        if isinstance(node, Near):
            return f"NEAR({' '.join(map(_string, node.words))}, {int(node.distance)})"
        if isinstance(node, PatternPhrase):
            return self._rows(node)
        if isinstance(node, PrefixPhrase):
            return f"{_string(' '.join(node.words))} *"
        if isinstance(node, Phrase):
            return _string(" ".join(node.words))
        if isinstance(node, Prefix):
            return f"{_string(node.text)} *"
        if isinstance(node, Word | Suffix | Pattern | Fuzzy):
            return self._any_of(expanded(self._db, node))
        return _string(node.text)

    def _rows(self, node: PatternPhrase) -> str:
        """A row of words some of which are patterns, as all the rows it may be."""
        # The engine itself finds beginnings, at the end of a row.
        open_end = begins(node.words[-1])
        words = [*node.words[:-1], node.words[-1][:-1]] if open_end else list(node.words)
        places = [terms.of_form(self._db, word) if is_wild(word) else [word] for word in words]
        if prod(map(len, places)) > terms.MAX_EXPANSION:
            raise QueryTooBroad(
                "too_broad",
                f"the patterns of one term stand for over {terms.MAX_EXPANSION:,} rows of words; add letters",
            )
        return self._any_of([" ".join(row) for row in product(*places)], " *" if open_end else "")

    def _any_of(self, forms: list[str], behind: str = "") -> str:
        self._forms += len(forms)
        if self._forms > MAX_FORMS:
            raise QueryTooBroad(
                "too_broad",
                f"the patterns of this query stand for more than {MAX_FORMS:,} words together; use fewer",
            )
        # A pattern that stands for no indexed word needs an expression that nothing matches.
        return (
            " OR ".join(_string(form) + behind for form in forms)
            or f"({_string(_LAST)} NOT {_string(_LAST)})"
        )

    def _conjunction(self, node: And) -> str | None:
        wanted: list[str] = []
        unwanted: list[str] = []
        for part in node.subqueries:
            text = self.of(part.query if isinstance(part, Not) else part)
            if text is None:
                return None
            (unwanted if isinstance(part, Not) else wanted).append(text)
        return difference(wanted, unwanted) if wanted else None


def difference(wanted: list[str], unwanted: list[str]) -> str:
    """Return the expression of what matches all of `wanted` (at least one) and none of `unwanted`."""
    base = f"({' AND '.join(wanted)})"
    return f"({base} NOT ({' OR '.join(unwanted)}))" if unwanted else base


def _word(node: Query) -> str:
    return labels.word_of(tag(node.fieldname, node.text))


def _label(*words: str) -> str:
    """Return the expression of any of these words in the column of labels, where nobody else writes."""
    return f"({{{labels.COLUMN}}} : ({_either(list(words))}))"


def _string(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _either(forms: list[str]) -> str:
    return " OR ".join(_string(form) for form in forms)


def marks(db: apsw.Connection, node: Query) -> set[str]:
    """Return what a highlighter marks; `search.language.marking` reads it.

    Words, rows of characters that are words (`日 本`), patterns (`word*`, `*word`, `w?rd`) and fuzzy words
    (`word~1`). Leaves under an odd number of NOTs are left out: their words are in no hit.
    """
    found: set[str] = set()
    _collect(db, node, wanted=True, add=found.update)
    return found


def _collect(db: apsw.Connection, node: Query, *, wanted: bool, add: Callable[[list[str]], None]) -> None:
    if isinstance(node, Not):
        _collect(db, node.query, wanted=not wanted, add=add)
    elif isinstance(node, And | Or):
        for part in node.subqueries:
            _collect(db, part, wanted=wanted, add=add)
    elif wanted and not isinstance(node, Tag | Address):
        add(_marks(db, node))


def _marks(db: apsw.Connection, node: Query) -> list[str]:
    if isinstance(node, Near):
        return [mark for row in node.words for mark in _row_marks(row.split(" "))]
    if isinstance(node, PrefixPhrase):
        return _row_marks([*node.words[:-1], f"{node.words[-1]}*"])
    if isinstance(node, Phrase):
        return _row_marks(list(node.words))
    if isinstance(node, Prefix):
        return [f"{node.text}*"]
    if isinstance(node, Suffix):
        return [f"*{node.text}"]
    if isinstance(node, Fuzzy):
        return [f"{node.text}~{node.edits}"]
    if isinstance(node, Word):
        return [node.text, *terms.with_stem(db, stem(node.text))]
    return [node.text] if isinstance(node, Term) else []


def _row_marks(row: list[str]) -> list[str]:
    """The words of a row; single characters only where they follow one another: they are all over a text."""
    found: list[str] = []
    characters: list[str] = []
    for word in [*row, ""]:
        if is_character(word):
            characters.append(word)
            continue
        if characters:
            found.append(" ".join(characters))
            characters.clear()
        if word:
            found.append(word)
    return found
