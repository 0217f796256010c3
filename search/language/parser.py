"""`parse`: what a person typed, understood as a tree or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from whoosh.qparser import QueryParser
from whoosh.query import Query

from search.errors import QueryError
from search.language.grammar import GrammarPlugin
from search.language.render import render
from search.language.syntax import SyntaxPlugin
from search.language.tree import ANYWHERE, all_of

MAX_LENGTH: Final = 10_000
# Word processors turn quotes and minus signs into these; left alone they would vanish as punctuation.
_TYPOGRAPHY: Final = str.maketrans(dict.fromkeys("“”„‟«»＂", '"') | dict.fromkeys("‐‑‒–—−－", "-"))


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query understood: its tree, and the canonical text that parses back to the same tree."""

    tree: Query
    interpreted: str


def parse(text: str, *, now: datetime) -> ParsedQuery:
    """Understand a query. `now` (aware) gives `today` and `yesterday` their UTC date.

    Nothing is dropped or mended: what isn't understood raises QueryError, whose text names the trouble
    and its position but never quotes the query.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError("too_long", f"a query may hold {MAX_LENGTH:,} characters; split it")
    if not text.strip():
        raise QueryError("empty", "the query is empty; * finds every message")
    parser = QueryParser(ANYWHERE, schema=None, plugins=[SyntaxPlugin(now), GrammarPlugin()])
    # `normalize` would turn an AND with * inside into everything.
    tree = all_of([parser.parse(text.translate(_TYPOGRAPHY), normalize=False)])
    return ParsedQuery(tree, render(tree))
