"""The lexical half of the language: a Whoosh parser plugin that cuts a query into syntax nodes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from whoosh.qparser import Plugin, RegexTagger
from whoosh.qparser.syntax import MarkerNode, SyntaxNode
from whoosh.query import Query

from search.errors import QueryError
from search.language import text, values
from search.language.fields import FIELD_LIST, FIELDS, Kind, tag_value
from search.language.tree import ANYWHERE, Tag

# Where an operand may begin: at the start, after a blank, a parenthesis, a minus or a field's colon.
_BEGIN: Final = r"(?<![^\s(:-])"
_PHONE: Final = (
    _BEGIN
    + r"(?<!\w-)(?P<phone>(?:\+[0-9]{1,3}[ .-]?|1[ .-])?\([0-9]{3}\)[ .-]?[0-9]{3}[ .-][0-9]{4})(?=[\s)]|$)"
)
_FIELD: Final = r"(?<![^\s(-])(?<!\w-)(?P<field>[A-Za-z][A-Za-z0-9_-]*):"
_MINUS: Final = r"(?<![^\s(])-(?=[^\s)-])"


class Open(MarkerNode):  # type: ignore[misc]
    """`(`"""


class Close(MarkerNode):  # type: ignore[misc]
    """`)`"""


class Operator(MarkerNode):  # type: ignore[misc]
    """`AND`, `OR`, `NOT`; a minus is a NOT."""

    def __init__(self, name: str) -> None:
        self.name = name


class Field(MarkerNode):  # type: ignore[misc]
    """`subject:` and the like, right before its value or group."""

    def __init__(self, name: str) -> None:
        self.name = name


class Value(SyntaxNode):  # type: ignore[misc]
    """One typed value; `query` gives its leaf, in the field the grammar set."""

    has_fieldname = True

    def __init__(self, style: str, typed: str, now: datetime) -> None:
        self.style = style
        self.typed = typed
        self.now = now
        self.fieldname: str | None = None

    def query(self, _parser: object) -> Query:
        name = self.fieldname or ANYWHERE
        kind = Kind.PROSE if name == ANYWHERE else FIELDS[name]
        if kind is Kind.DATE:
            return values.sent(name, self.typed, now=self.now, position=self.startchar)
        if kind is Kind.SIZE:
            return values.size(name, self.typed, position=self.startchar)
        if kind is Kind.TAG:
            return self._tag(name)
        if self.style in ("quoted", "phone"):
            return text.phrase(name, self.typed, self.startchar)
        return text.word(name, self.typed, self.startchar)

    def _tag(self, name: str) -> Query:
        value = tag_value(name, self.typed)
        if not value:
            raise QueryError("no_value", "this field needs a value", self.startchar)
        if self.style != "quoted" and ("*" in value or "?" in value):
            raise QueryError(
                "tag_wildcard",
                'this field takes whole values, no wildcards; else use "quotes"',
                self.startchar,
            )
        if name == "has" and value != "attachment":
            raise QueryError("bad_has", "the only value of has: is attachment", self.startchar)
        return Tag(name, value)


class _Tagger(RegexTagger):  # type: ignore[misc]
    """Makes a node of what a pattern matches, by the name of the group that matched."""

    def __init__(self, pattern: str, now: datetime) -> None:
        super().__init__(re.compile(pattern))
        self.now = now

    def create(self, _parser: object, match: re.Match[str]) -> SyntaxNode:
        name = match.lastgroup
        typed = match[name] if name else match[0]
        if name == "field":
            if typed.casefold() not in FIELDS:
                raise QueryError(
                    "unknown_field", f'there is no such field; use {FIELD_LIST}, or "quotes"', match.start()
                )
            return Field(typed.casefold())
        if name in ("quoted", "phone", "range"):
            return Value(name, typed, self.now)
        if name == "word":
            return Operator(typed) if typed in ("AND", "OR", "NOT") else Value("word", typed, self.now)
        return {"(": Open, ")": Close}[typed]() if typed != "-" else Operator("NOT")


class SyntaxPlugin(Plugin):  # type: ignore[misc]
    """The taggers, in the order they are tried at each position."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def taggers(self, _parser: object) -> list[tuple[Any, int]]:
        patterns = (
            _PHONE,
            r'"(?P<quoted>[^"]*)"',
            _BEGIN + r"(?P<range>\[[^\[\]\"]*\])",
            r"[()]",
            _FIELD,
            _MINUS,
            r'(?P<word>[^\s()"]+)',
        )
        return [(_Tagger(pattern, self.now), priority) for priority, pattern in enumerate(patterns)]
