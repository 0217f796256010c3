"""What a typed word or phrase means in a text field: a leaf of words as the index makes them."""

from __future__ import annotations

import re
from typing import Final

from whoosh.query import Every, Phrase, Prefix, Query, Term

from search.errors import QueryError
from search.language.addresses import ADDRESS_FIELDS, whole_address
from search.language.fields import FIELD_LIST, FIELDS, Kind
from search.language.folding import fold, is_character
from search.language.numbers import is_spaced, writings
from search.language.tree import (
    ANYWHERE,
    Address,
    Fuzzy,
    Near,
    Pattern,
    PatternPhrase,
    PrefixPhrase,
    Suffix,
    Word,
    all_of,
    any_of,
)
from search.language.words import has_stem, words

MAX_DISTANCE: Final = 100
_SHORTEST_PATTERN: Final = 2
_MOST_STARS: Final = 8
_SHORTEST_FUZZY: Final = {1: 3, 2: 5}
"""Letters and digits a word needs for so many edits: shorter ones are near to far too many others."""

# Stand-ins for * and ? while a pattern is cut into words: letters to the tokenizer, which it leaves alone.
_MANY, _ONE = "\ue010", "\ue011"
_STAND_INS: Final = str.maketrans({"*": _MANY, "?": _ONE})
_WILDCARDS: Final = str.maketrans({_MANY: "*", _ONE: "?"})
_WILD: Final = re.compile(r"[*?]+")

_REFUSED: Final = {
    ":": (
        "unknown_field",
        f'there is a colon after something that is no field; put it in "quotes", or use {FIELD_LIST}',
    ),
    "^": ("boost", 'weights (word^2) are not available; leave ^ out, or put it in "quotes"'),
    "|": ("operator", 'write OR for |, or put | in "quotes"'),
    "[": ("bracket", 'square brackets only hold dates, as in date:[2024-01 to 2024-06]; else use "quotes"'),
    "]": ("bracket", 'square brackets only hold dates, as in date:[2024-01 to 2024-06]; else use "quotes"'),
    "{": ("bracket", 'braces have no meaning here; leave them out, or put them in "quotes"'),
    "}": ("bracket", 'braces have no meaning here; leave them out, or put them in "quotes"'),
}
_NOTHING: Final = "there is no letter or digit to search for here"
_CHARACTERS: Final = (
    "Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are found by any part as it is; leave the"
    " wildcard out"
)


def phrase(field: str, text: str, position: int) -> Query:
    """Return the exact word or phrase between quotes. Raises QueryError."""
    _no_wildcards(text, position)
    found = words(text)
    if not found:
        raise QueryError("nothing_to_search", _NOTHING, position)
    return _exact(field, found)


def near(field: str, text: str, distance: str, position: int) -> Query:
    """Return what `"text"~distance` means: its words near each other. Raises QueryError.

    What stands between blanks is one word, or, if the index cuts it (an address, `e-mail`, Chinese), its
    words in a row.
    """
    _no_wildcards(text, position)
    apart = int(distance) if len(distance) <= len(str(MAX_DISTANCE)) else 0
    if not 1 <= apart <= MAX_DISTANCE:
        raise QueryError("near", f"words can be 1 to {MAX_DISTANCE} words apart, as in ~5", position)
    found = [" ".join(row) for each in text.split() if (row := words(each))]
    if len(found) < 2:
        raise QueryError("near", "near needs at least two words between the quotes", position)
    if len(set(found)) < len(found):
        raise QueryError(
            "near", "a word stands twice between these quotes; write each of them once", position
        )
    return Near(field, found, apart)


def number(field: str, text: str, position: int) -> Query:
    """Return what a telephone number with blanks in it means. Raises QueryError."""
    found = writings(text)
    if not found:
        return phrase(field, text, position)
    forms: list[Query] = [_exact(field, row) for row in found]
    if is_spaced(text):
        # Three groups of digits may be three numbers as well: neither reading may miss anything.
        forms = [all_of(_exact(field, [each]) for each in words(text)), *forms]
    return any_of(forms)


def word(field: str, text: str, position: int) -> Query:
    """Return what an unquoted word means: a stem, a pattern, or the phrase the index cuts it into.

    In a field of addresses `a.b@c.example` is that address; elsewhere it becomes the phrase of its parts, as
    in the index. Numbers and codes become any of their usual writings. Raises QueryError.
    """
    for index, char in enumerate(text):
        if char in _REFUSED:
            kind, help_ = _REFUSED[char]
            raise QueryError(kind, help_, position + index)
    if text[0] in "-!":
        raise QueryError(
            "operator", "write NOT, or one - right before the word, phrase, field or group", position
        )
    if "~" in text:
        return _fuzzy(field, text, position)
    if "*" in text or "?" in text:
        return _pattern(field, text, position)
    if field in ADDRESS_FIELDS and (address := whole_address(text)):
        return Address(field, address)
    forms = writings(fold(text))
    if forms:
        return any_of(_exact(field, row) for row in forms)
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


def _no_wildcards(text: str, position: int) -> None:
    """Refuse what looks like a wildcard inside quotes; a question mark behind a word is only that."""
    for index, char in enumerate(text):
        before, behind = text[max(0, index - 1) : index], text[index + 1 : index + 2]
        if (char == "*" and words(before + behind)) or (char == "?" and words(before) and words(behind)):
            raise QueryError(
                "quoted_wildcard",
                f"a wildcard has no effect inside quotes; leave the {char} out",
                position + 1 + index,
            )


def _fuzzy(field: str, text: str, position: int) -> Query:
    at = text.index("~")
    typed, edits = text[:at], text[at + 1 :]
    if edits not in ("1", "2"):
        raise QueryError(
            "fuzzy",
            'write word~1 or word~2 for words one or two letters off, "two words"~5 for words near each'
            ' other, or put ~ in "quotes"',
            position + at,
        )
    if "*" in typed or "?" in typed:
        raise QueryError(
            "fuzzy", "a word is either fuzzy or a pattern; leave out one of the two", position + at
        )
    found = words(typed)
    if not found:
        raise QueryError("nothing_to_search", _NOTHING, position)
    if len(found) > 1:
        raise QueryError(
            "fuzzy", "the index cuts this into several words; write ~ behind a single one", position + at
        )
    if len(found[0]) < _SHORTEST_FUZZY[int(edits)]:
        raise QueryError(
            "short_fuzzy",
            f"~1 needs a word of {_SHORTEST_FUZZY[1]} letters or digits, ~2 one of {_SHORTEST_FUZZY[2]}",
            position,
        )
    return Fuzzy(field, found[0], int(edits))


def _pattern(field: str, text: str, position: int) -> Query:
    if text == "*":
        if field == ANYWHERE:
            return Every()
        raise QueryError("nothing_to_search", "a field needs a word, not * alone", position)
    wild = _WILD.search(text)
    place = position + (wild.start() if wild else 0)
    if _MANY in text or _ONE in text:
        raise QueryError("loose_wildcard", "no wildcard can stand in a word with private characters", place)
    found = [part.translate(_WILDCARDS) for part in words(text.translate(_STAND_INS))]
    literals = [_WILD.sub("", part) for part in found]
    if not all(literals):
        # After a full stop, say, a wildcard would stand for any word at all.
        help_ = _CHARACTERS if any(map(is_character, found)) else "a wildcard must touch a letter or digit"
        raise QueryError("loose_wildcard" if any(literals) else "short_pattern", help_, place)
    if sum(map(len, literals)) < _SHORTEST_PATTERN:
        raise QueryError(
            "short_pattern", f"a pattern needs {_SHORTEST_PATTERN} letters or digits in all", place
        )
    if any(part.count("*") > _MOST_STARS for part in found):
        raise QueryError("many_wildcards", f"a word may hold {_MOST_STARS} wildcards *", place)
    found = [_WILD.sub(_tidy, part) for part in found]
    *before, last = found
    begins = last == f"{literals[-1]}*" and not any(map(_WILD.search, before))
    if before:
        return PrefixPhrase(field, [*before, literals[-1]]) if begins else PatternPhrase(field, found)
    if begins:
        return Prefix(field, literals[0])
    return Suffix(field, literals[0]) if last == f"*{literals[0]}" else Pattern(field, last)


def _tidy(wild: re.Match[str]) -> str:
    """One way to write a run of wildcards: `*?*` is `?*`."""
    return "?" * wild[0].count("?") + ("*" if "*" in wild[0] else "")
