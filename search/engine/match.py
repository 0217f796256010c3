"""Text parts of a query tree as FTS5 expressions.

Only index words reach an expression, each inside an FTS5 string, and the expression itself is bound as
a parameter: nothing a person types is ever syntax here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw
from whoosh.query import And, Not, Or, Phrase, Prefix, Query, Term

from search.engine import terms
from search.engine.database import TEXT_COLUMNS
from search.language.tree import ANYWHERE, PrefixPhrase, Suffix, Tag, Word
from search.language.words import stem

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


class Expressions:
    """FTS5 expressions of the parts of one tree, each worked out once within one transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._known: dict[int, tuple[Query, str | None]] = {}

    def of(self, node: Query) -> str | None:
        """Return the expression of a tree, or None when it isn't text alone or only excludes.

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
            parts = [self.of(part) for part in node.subqueries]
            known = [part for part in parts if part is not None]
            return f"({' OR '.join(known)})" if known and len(known) == len(parts) else None
        if isinstance(node, Tag) or not isinstance(node, Term | Phrase | Prefix):
            return None
        return f"({{{' '.join(_COLUMNS[node.fieldname])}}} : ({_leaf(self._db, node)}))"

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


def _string(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _leaf(db: apsw.Connection, node: Query) -> str:
    if isinstance(node, PrefixPhrase):
        return f"{_string(' '.join(node.words))} *"
    if isinstance(node, Phrase):
        return _string(" ".join(node.words))
    if isinstance(node, Prefix):
        return f"{_string(node.text)} *"
    # A pattern that stands for no indexed word still needs an expression: the text itself, in vain.
    if isinstance(node, Suffix):
        return _either(terms.with_ending(db, node.text) or [node.text])
    if isinstance(node, Word):
        return _either(terms.with_stem(db, stem(node.text)) or [node.text])
    return _string(node.text)


def _either(forms: list[str]) -> str:
    return " OR ".join(_string(form) for form in forms)


def marks(db: apsw.Connection, node: Query) -> set[str]:
    """Return what a highlighter marks: words, `word*` for beginnings and `*word` for endings.

    Leaves under an odd number of NOTs are left out: their words are in no hit.
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
    elif wanted and isinstance(node, PrefixPhrase):
        add([*node.words[:-1], f"{node.words[-1]}*"])
    elif wanted and isinstance(node, Phrase):
        add(list(node.words))
    elif wanted and isinstance(node, Prefix):
        add([f"{node.text}*"])
    elif wanted and isinstance(node, Suffix):
        add([f"*{node.text}"])
    elif wanted and isinstance(node, Word):
        add([node.text, *terms.with_stem(db, stem(node.text))])
    elif wanted and isinstance(node, Term) and not isinstance(node, Tag):
        add([node.text])
