"""Text cut into words by Python's `unicodedata` alone: nothing of the index, its tokenizer or its tables.

The rules, as docs/SEARCH.md states them: letters and digits are words, all else parts them; case and accents
don't count; letters with strokes and joined letters are plain ones; what nobody sees inside a word isn't
there; scripts without blanks are cut into characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final

import Stemmer

_ASCII: Final = re.compile(r"[a-z0-9]+")
_ALONE: Final = re.compile(
    r"(CJK UNIFIED|CJK COMPATIBILITY IDEOGRAPH|KANGXI RADICAL|CJK RADICAL"
    r"|IDEOGRAPHIC (NUMBER|ITERATION|CLOSING)"
    r"|HIRAGANA|KATAKANA|HALFWIDTH KATAKANA|HANGUL|HALFWIDTH HANGUL|BOPOMOFO|THAI|LAO|KHMER|MYANMAR) "
)
_STROKED: Final = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH STROKE")
_JOINED: Final = {
    "ß": "ss",
    "ẞ": "ss",
    "æ": "ae",
    "Æ": "ae",
    "œ": "oe",
    "Œ": "oe",
    "ð": "d",
    "Ð": "d",
    "ı": "i",
}
_STEMMED: Final = 40

_english = Stemmer.Stemmer("english")


@cache
def _spelt(char: str) -> tuple[str, bool] | None:
    """What a character adds to a word, and whether it is one by itself; `""` is nothing, None ends a word."""
    if char in _JOINED:
        return _JOINED[char], False
    name = unicodedata.name(char, "")
    stroked = _STROKED.fullmatch(name)
    if stroked:
        return stroked[1].lower(), False
    category = unicodedata.category(char)
    if category in ("Mn", "Me") or char in "\u00ad\u200c\u200d\u2060\ufeff":
        return "", False
    if _ALONE.match(name) and category[0] in "LMN":
        return unicodedata.normalize("NFKC", char).lower(), True
    if category[0] not in "LN" and category != "Co":
        return None
    plain = unicodedata.normalize("NFKD", char) if category != "No" else char
    kept = "".join(c for c in plain if unicodedata.category(c)[0] in "LNC").lower()
    return unicodedata.normalize("NFC", kept), False


def cut(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():
        return _ASCII.findall(text.lower())
    found: list[str] = []
    word = ""
    for char in text:
        spelt = (char.lower(), False) if char.isascii() and char.isalnum() else _spelt(char)
        if spelt is not None and not spelt[1]:
            word += spelt[0]
            continue
        if word:
            found.append(word)
            word = ""
        if spelt is not None and spelt[0]:
            found.append(spelt[0])
    return [*found, word] if word else found


@lru_cache(maxsize=100_000)
def addresses(text: str) -> frozenset[str]:
    """The e-mail addresses of a text: runs with an at sign, between blanks and marks that part addresses."""
    found: list[str] = [""]
    for char in text:
        if char.isspace() or char in '<>()[],;:"':
            found.append("")
        else:
            found[-1] += char
    return frozenset("".join(map(_plainly, run.strip("'`."))) for run in found if "@" in run)


def _plainly(char: str) -> str:
    spelt = None if char.isascii() else _spelt(char)
    return char.lower() if spelt is None else spelt[0]


@lru_cache(maxsize=200_000)
def root(word: str) -> str:
    """The English stem of a word of plain letters; any other word is its own."""
    if not (word.isascii() and word.isalpha() and len(word) <= _STEMMED):
        return word
    return str(_english.stemWord(word))
