"""`parse`: what a person typed, understood as a tree or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from whoosh.qparser import QueryParser
from whoosh.query import And, Not, Or, Query

from search.errors import QueryError
from search.language.grammar import MAX_DEPTH, MAX_LEAVES, GrammarPlugin
from search.language.render import render
from search.language.syntax import Hint, SyntaxPlugin
from search.language.tree import ANYWHERE, all_of, flat, leaves

MAX_LENGTH: Final = 10_000
# Word processors turn quotes and minus signs into these; left alone they would vanish as punctuation.
_TYPOGRAPHY: Final = str.maketrans(dict.fromkeys("“”„‟«»＂", '"') | dict.fromkeys("‐‑‒–—−－", "-"))


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query understood: its tree, the canonical text that parses back to the same tree, and hints on what
    may have been meant otherwise."""

    tree: Query
    interpreted: str
    hints: tuple[Hint, ...] = ()


def parse(text: str, *, now: datetime) -> ParsedQuery:
    """Understand a query. `now` (aware) gives `today` and `yesterday` their UTC date.

    Nothing is dropped or mended: what isn't understood raises QueryError, whose text names the trouble
    and its position but never quotes the query.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError("too_long", f"a query may hold {MAX_LENGTH:,} characters; split it")
    if not text.strip():
        raise QueryError("empty", "the query is empty; * finds every message")
    syntax = SyntaxPlugin(now)
    parser = QueryParser(ANYWHERE, schema=None, plugins=[syntax, GrammarPlugin()])
    # `normalize` would turn an AND with * inside into everything.
    tree = flat(all_of([parser.parse(text.translate(_TYPOGRAPHY), normalize=False)]))
    interpreted = render(tree)
    _check_size(tree, interpreted)
    return ParsedQuery(tree, interpreted, tuple(syntax.hints))


def is_quotable(value: str) -> bool:
    """True where `"value"` in a query says just this value: a query's own typography is made plain."""
    return '"' not in value and value.translate(_TYPOGRAPHY) == value


def _check_size(tree: Query, interpreted: str) -> None:
    """Refuse a query whose canonical text, longer than what was typed, couldn't be read back."""
    if len(interpreted) > MAX_LENGTH:
        raise QueryError("too_long", f"spelled out, this is over {MAX_LENGTH:,} characters; split it")
    if sum(1 for _ in leaves(tree)) > MAX_LEAVES:
        raise QueryError(
            "too_many_words",
            f"a query may hold {MAX_LEAVES} words, and each writing of a number counts; split it",
        )
    if _depth(tree) > MAX_DEPTH:
        raise QueryError("too_deep", f"parentheses and NOTs may nest {MAX_DEPTH} deep")


def _depth(query: Query) -> int:
    """How deep the parentheses and NOTs of the canonical text nest."""
    if isinstance(query, Not):
        return 1 + _inner_depth(query.query)
    return max(map(_inner_depth, query.subqueries), default=0) if isinstance(query, And | Or) else 0


def _inner_depth(query: Query) -> int:
    return _depth(query) + isinstance(query, And | Or)
