"""What a typed word or phrase means in a text field: a leaf of words as the index makes them."""

from __future__ import annotations

from typing import Final

from whoosh.query import Every, Phrase, Prefix, Query, Term

from search.errors import QueryError
from search.language.fields import FIELD_LIST, FIELDS, Kind
from search.language.tree import ANYWHERE, PrefixPhrase, Suffix, Word
from search.language.words import has_stem, words

_SHORTEST_PATTERN: Final = 2
_REFUSED: Final = {
    ":": (
        "unknown_field",
        f'there is a colon after something that is no field; put it in "quotes", or use {FIELD_LIST}',
    ),
    "~": ("fuzzy", 'fuzzy words (word~1) are not available yet; spell the word out, or put ~ in "quotes"'),
    "?": ("inner_wildcard", 'the wildcard ? is not available yet; use word* or *word, or put ? in "quotes"'),
    "^": ("boost", 'weights (word^2) are not available; leave ^ out, or put it in "quotes"'),
    "|": ("operator", 'write OR for |, or put | in "quotes"'),
    "[": ("bracket", 'square brackets only hold dates, as in date:[2024-01 to 2024-06]; else use "quotes"'),
    "]": ("bracket", 'square brackets only hold dates, as in date:[2024-01 to 2024-06]; else use "quotes"'),
    "{": ("bracket", 'braces have no meaning here; leave them out, or put them in "quotes"'),
    "}": ("bracket", 'braces have no meaning here; leave them out, or put them in "quotes"'),
}
_NOTHING: Final = "there is no letter or digit to search for here"


def phrase(field: str, text: str, position: int) -> Query:
    """Return the exact word or phrase between quotes. Raises QueryError."""
    found = words(text)
    for index, char in enumerate(text):
        beside = text[max(0, index - 1) : index + 2].replace("*", "")
        if char == "*" and words(beside):
            raise QueryError(
                "quoted_wildcard", "a wildcard has no effect inside quotes; leave the * out", position
            )
    if not found:
        raise QueryError("nothing_to_search", _NOTHING, position)
    return _exact(field, found)


def word(field: str, text: str, position: int) -> Query:
    """Return what an unquoted word means: a stem, a pattern, or the phrase the index cuts it into.

    `a.b@c.example`, `MRN-00123` and `555-010-1234` become phrases of their parts, as in the index.
    Raises QueryError.
    """
    for index, char in enumerate(text):
        if char in _REFUSED:
            kind, help_ = _REFUSED[char]
            raise QueryError(kind, help_, position + index)
    if text[0] in "-!":
        raise QueryError(
            "operator", "write NOT, or one - right before the word, phrase, field or group", position
        )
    if "*" in text:
        return _pattern(field, text, position)
    found = words(text)
    if not found:
        raise QueryError("nothing_to_search", _NOTHING, position)
    if len(found) == 1 and stems(field) and has_stem(found[0]):
        return Word(field, found[0])
    return _exact(field, found)


def stems(field: str) -> bool:
    """True where words are English prose; names, addresses and headers are matched as they are."""
    return field == ANYWHERE or FIELDS[field] is Kind.PROSE


def _exact(field: str, found: list[str]) -> Query:
    return Term(field, found[0]) if len(found) == 1 else Phrase(field, found)


def _pattern(field: str, text: str, position: int) -> Query:
    if text == "*":
        if field == ANYWHERE:
            return Every()
        raise QueryError("nothing_to_search", "a field needs a word, not * alone", position)
    core = text.strip("*")
    leading, trailing = text == f"*{core}", text == f"{core}*"
    if not leading and not trailing:
        raise QueryError(
            "inner_wildcard",
            "only one * is available, at the start or at the end of a word; inner wildcards are not yet",
            position,
        )
    found = words(core)
    # The * must touch the word: after a full stop, say, it would stand for nothing the index holds.
    probe = words(f"{core}0") if trailing else words(f"0{core}")
    expected = (
        [*found[:-1], f"{found[-1]}0"] if trailing and found else [f"0{f}" for f in found[:1]] + found[1:]
    )
    if not found or probe != expected:
        raise QueryError("loose_wildcard", "the * must touch a letter or digit", position)
    if len(found[-1 if trailing else 0]) < _SHORTEST_PATTERN:
        raise QueryError(
            "short_pattern", f"a * needs {_SHORTEST_PATTERN} letters or digits beside it", position
        )
    if trailing:
        return Prefix(field, found[0]) if len(found) == 1 else PrefixPhrase(field, found)
    if len(found) > 1:
        raise QueryError("suffix_phrase", "a leading * works on a single word only", position)
    return Suffix(field, found[0])
