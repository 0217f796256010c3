"""A query tree as canonical text: what the person asked for, as it was understood.

Parsing the text again gives the same tree. AND, OR and NOT are spelled out, exact words stand in
quotes, words that match by stem stand bare.
"""

from __future__ import annotations

from whoosh.query import And, Every, Not, Or, Phrase, Prefix, Query, Term

from search.language.tree import (
    ANYWHERE,
    Address,
    Fuzzy,
    Near,
    Pattern,
    PatternPhrase,
    PrefixPhrase,
    SentRange,
    SizeRange,
    Suffix,
    Tag,
    Word,
)
from search.language.values import show_sent
from search.language.words import joined


def render(query: Query) -> str:
    """Return the canonical text of a tree that `parse` or the tree builders made."""
    if isinstance(query, And | Or):
        joint = " AND " if isinstance(query, And) else " OR "
        return joint.join(_inner(part) for part in query.subqueries)
    if isinstance(query, Not):
        return f"NOT {_inner(query.query)}"
    return _leaf(query)


def narrowed(text: str, more: str) -> str:
    """What a person typed, with `more` (a term of the language) that must hold too, as they could type it."""
    text = text.strip()
    if text == "*":
        return more
    return f"({text}) {more}" if "OR" in text else f"{text} {more}"


def _inner(query: Query) -> str:
    return f"({render(query)})" if isinstance(query, And | Or) else render(query)


def _leaf(query: Query) -> str:
    if isinstance(query, Every):
        return "*"
    if isinstance(query, SentRange):
        return show_sent(query)
    if isinstance(query, SizeRange):
        bounds = ((name, amount) for name, amount in (("larger", query.above), ("smaller", query.below)))
        return " AND ".join(f"{name}:{amount}" for name, amount in bounds if amount is not None)
    field = "" if query.fieldname == ANYWHERE else f"{query.fieldname}:"
    return field + _value(query)


def _value(query: Query) -> str:
    if isinstance(query, Near):
        rows = " ".join(joined(row.split(" "), "-") for row in query.words)
        return f'"{rows}"~{query.distance}'
    if isinstance(query, PatternPhrase):
        return "-".join(query.words)
    if isinstance(query, PrefixPhrase):
        return "-".join(query.words) + "*"
    if isinstance(query, Phrase):
        return f'"{joined(query.words, " ")}"'
    return _word(query)


def _word(query: Query) -> str:
    text = str(query.text)
    if isinstance(query, Prefix):
        return f"{text}*"
    if isinstance(query, Suffix):
        return f"*{text}"
    if isinstance(query, Fuzzy):
        return f"{text}~{query.edits}"
    if isinstance(query, Address | Pattern | Word):
        return text
    if isinstance(query, Tag | Term):
        return f'"{text}"'
    raise TypeError(f"{type(query).__name__} is no part of the query language")
