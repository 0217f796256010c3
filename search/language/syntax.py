"""The lexical half of the language: a Whoosh parser plugin that cuts a query into syntax nodes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, NamedTuple

from whoosh.qparser import Plugin, RegexTagger
from whoosh.qparser.syntax import MarkerNode, SyntaxNode
from whoosh.query import Query

from search.errors import QueryError
from search.language import text, values
from search.language.fields import FIELD_LIST, FIELDS, Kind, nearest_field, tag_value
from search.language.tree import ANYWHERE, Tag

# Where an operand may begin: at the start, after a blank, a parenthesis, a minus or a field's colon.
_BEGIN: Final = r"(?<![^\s(:-])"
# Telephone numbers whose groups are apart: with the area in parentheses, as three bare groups of 3, 3 and 4
# digits, or after a + and the country, 15 digits at most (ITU-T E.164) and no more behind them.
_PHONE: Final = (
    _BEGIN + r"(?<!\w-)(?P<phone>(?:\+[0-9]{1,3}[ .-]?|1[ .-])?\([0-9]{3}\)[ .-]?[0-9]{3}[ .-]?[0-9]{4}"
    r"|(?:\+?1[ .-])?[2-9][0-9]{2}[ .-][0-9]{3}[ .-][0-9]{4}"
    r"|(?=\+(?:[ .-]?[0-9]){8,15}(?:[\s)]|$)(?! *[0-9]))\+(?!1[ .-])[0-9]{1,3}(?:[ .-][0-9]{2,8}){1,5})"
    r"(?=[\s)]|$)"
)
_FIELD: Final = r"(?<![^\s(-])(?<!\w-)(?P<field>[A-Za-z][A-Za-z0-9_-]*):"
_MINUS: Final = r"(?<![^\s(])-(?=[^\s)-])"
_FUZZY: Final = re.compile(r"~[0-9]*\Z")
_SMALL: Final = frozenset({"and", "or", "not"})


class Hint(NamedTuple):
    """Something understood as it was typed that people often mean otherwise.

    `kind` is a short stable slug, `position` an offset in characters, from 0; `text` never quotes the query.
    """

    kind: str
    position: int
    text: str


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

    def __init__(self, style: str, typed: str, now: datetime, distance: str = "") -> None:
        self.style = style
        self.typed = typed
        self.now = now
        self.distance = distance
        self.fieldname: str | None = None

    def query(self, _parser: object) -> Query:
        name = self.fieldname or ANYWHERE
        kind = Kind.PROSE if name == ANYWHERE else FIELDS[name]
        if self.style == "near":
            if kind not in (Kind.PROSE, Kind.NAMES):
                raise QueryError("near", "only words of a text can be near each other", self.startchar)
            return text.near(name, self.typed, self.distance, self.startchar)
        if kind is Kind.DATE:
            return values.sent(name, self.typed, now=self.now, position=self.startchar)
        if kind is Kind.SIZE:
            return values.size(name, self.typed, position=self.startchar)
        if kind is Kind.TAG:
            return self._tag(name)
        if self.style == "quoted":
            return text.phrase(name, self.typed, self.startchar)
        if self.style == "phone":
            return text.number(name, self.typed, self.startchar)
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
        if self.style != "quoted" and _FUZZY.search(value):
            raise QueryError(
                "tag_wildcard",
                'this field takes whole values, nothing fuzzy; else use "quotes"',
                self.startchar,
            )
        if name == "has" and value != "attachment":
            raise QueryError("bad_has", "the only value of has: is attachment", self.startchar)
        return Tag(name, value)


class _Tagger(RegexTagger):  # type: ignore[misc]
    """Makes a node of what a pattern matches, by the name of the group that matched."""

    def __init__(self, pattern: str, now: datetime, hints: list[Hint]) -> None:
        super().__init__(re.compile(pattern))
        self.now = now
        self.hints = hints

    def create(self, _parser: object, match: re.Match[str]) -> SyntaxNode:
        name = match.lastgroup
        typed = match[name] if name else match[0]
        if name == "field":
            if typed.casefold() not in FIELDS:
                raise _unknown(typed, match.start())
            return Field(typed.casefold())
        if name in ("quoted", "phone", "range"):
            return Value(name, typed, self.now)
        if name == "distance":
            return Value("near", match["near"], self.now, typed)
        if name == "word":
            self._hint(typed, match.start())
            return Operator(typed) if typed in ("AND", "OR", "NOT") else Value("word", typed, self.now)
        return {"(": Open, ")": Close}[typed]() if typed != "-" else Operator("NOT")

    def _hint(self, typed: str, start: int) -> None:
        if typed.casefold() in _SMALL and typed not in ("AND", "OR", "NOT"):
            self.hints.append(
                Hint(
                    "small_operator", start, "this is searched for as a word; AND, OR and NOT are in capitals"
                )
            )
        elif typed.endswith("?") and typed.strip("?"):
            self.hints.append(
                Hint(
                    "question_mark",
                    start + len(typed) - 1,
                    "a ? stands for exactly one character; leave it out where it only ends a question",
                )
            )


def _unknown(typed: str, position: int) -> QueryError:
    near = nearest_field(typed)
    meant = f"did you mean {near}:? Else use" if near else "use"
    return QueryError(
        "unknown_field",
        f'there is no such field; {meant} {FIELD_LIST}, or "quotes"',
        position,
        suggestion=f"{near}:" if near else None,
    )


class SyntaxPlugin(Plugin):  # type: ignore[misc]
    """The taggers, in the order they are tried at each position."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.hints: list[Hint] = []

    def taggers(self, _parser: object) -> list[tuple[Any, int]]:
        patterns = (
            _PHONE,
            r'"(?P<near>[^"]*)"~(?P<distance>[0-9]+)',
            r'"(?P<quoted>[^"]*)"',
            _BEGIN + r"(?P<range>\[[^\[\]\"]*\])",
            r"[()]",
            _FIELD,
            _MINUS,
            r'(?P<word>[^\s()"]+)',
        )
        return [
            (_Tagger(pattern, self.now, self.hints), priority) for priority, pattern in enumerate(patterns)
        ]
