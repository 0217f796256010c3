"""Queries as criteria of holds: understood once, kept in canonical form, never circular."""

from __future__ import annotations

from datetime import datetime

from whoosh.query import Query

from retention.refusals import CircularQuery
from search.language import parse
from search.language.tree import leaves

CIRCULAR = frozenset({"hold", "matter"})
"""Fields whose answer changes when holds do."""
LATER = frozenset({"tag"})
"""Fields that no message has yet when it arrives: a standing hold would miss what is tagged afterwards."""


def interpret(text: str, now: datetime) -> str:
    """The canonical form of a hold's query, in which `today` is a date: it means the same ever after.

    Raises QueryError, and CircularQuery for a field that depends on holds.
    """
    parsed = parse(text, now=now)
    for leaf in leaves(parsed.tree):
        if getattr(leaf, "fieldname", None) in LATER:
            raise CircularQuery("a hold's query can't use tag:; find what bears it and hold it by --message")
        if getattr(leaf, "fieldname", None) in CIRCULAR:
            raise CircularQuery("a hold's query can't use hold: or matter:; name what the mail itself says")
    return parsed.interpreted


def tree_of(interpreted: str, now: datetime) -> Query:
    """The tree of a query in canonical form; `now` no longer matters to it."""
    return parse(interpreted, now=now).tree
