"""Words as the index makes them: folded text, cut by FTS5's own tokenizer, and English stems of its words.

The query side and the index side must cut text alike, so both fold it (search/language/folding.py) and then
ask SQLite's `unicode61` rather than a look-alike of ours: lower case, accents off, letters and digits only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, cast

import apsw
import Stemmer

from search.language.folding import VOWEL_SIGNS, fold, fold_with_places, is_character

TOKENIZER: Final = ("unicode61", "remove_diacritics", "2", "tokenchars", VOWEL_SIGNS)
"""The FTS5 tokenizer and its arguments; part of the index format."""

__all__ = [
    "STEMMER_VERSION",
    "TOKENIZER",
    "as_indexed",
    "clean",
    "distinct_words",
    "has_stem",
    "is_character",
    "joined",
    "stem",
    "stems",
    "words",
    "words_at",
]

STEMMER_VERSION: Final = f"libstemmer-english-{Stemmer.version()}"
"""Stems are stored in the index, so another stemmer means working them out anew."""

_LONGEST_STEMMED: Final = 40
# What the tokenizer makes of ASCII: letters and digits are words, letters in lower case.
_ASCII_WORDS: Final = bytes(
    ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 0x20 for code in range(256)
)


class _Tools(threading.local):
    """A tokenizer and a stemmer of each thread's own: both keep state between calls."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.tokenizer = self.connection.fts5_tokenizer(TOKENIZER[0], list(TOKENIZER[1:]))
        # Without its cache: every caller keeps the words it asked for.
        self.stemmer = Stemmer.Stemmer("english", 0)


_tools = _Tools()


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which hostile mail brings and UTF-8 can't carry."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def as_indexed(text: str) -> str:
    """Return a text as the tokenizer gets it, on its way into the index."""
    return fold(clean(text))


def words(text: str) -> list[str]:
    """Return the index words of a text, in order, repeats included."""
    return _cut(as_indexed(text))


def _cut(folded: str) -> list[str]:
    return cast(
        list[str],
        _tools.tokenizer(
            folded.encode(),
            apsw.FTS5_TOKENIZE_DOCUMENT,
            None,
            include_offsets=False,
            include_colocated=False,
        ),
    )


def distinct_words(texts: Iterable[str], *, folded: bool = False) -> set[str]:
    """Return the set of the index words of some texts: those of `words`, sooner where they are ASCII.

    `folded` says that the texts have been through `as_indexed`.
    """
    plain = []
    found: set[str] = set()
    for text in texts:
        if text.isascii():
            plain.append(text)
        else:
            found.update(_cut(text) if folded else words(text))
    found.update(" ".join(plain).encode("ascii").translate(_ASCII_WORDS).decode("ascii").split())
    return found


def words_at(text: str) -> list[tuple[int, int, str]]:
    """Return `(start, end, word)` for each index word of a text; the offsets are in UTF-8 bytes of it.

    Where one character gives several words, they all have its place.
    """
    folded, places = fold_with_places(clean(text))
    found = cast(
        list[tuple[int, int, str]],
        _tools.tokenizer(
            folded.encode(),
            apsw.FTS5_TOKENIZE_DOCUMENT,
            None,
            include_offsets=True,
            include_colocated=False,
        ),
    )
    if places is None:
        return found
    return list(places.of(found))


def joined(found: Sequence[str], between: str) -> str:
    """Return a text that is cut into exactly these index words, with `between` where words need parting."""
    text = found[0]
    for before, word in pairwise(found):
        text += word if is_character(before) and is_character(word) else between + word
    # Characters that would combine, as the parts of a Korean syllable, need parting as well.
    return text if words(text) == list(found) else between.join(found)


def has_stem(word: str) -> bool:
    """True for an index word that English stemming applies to: plain letters, of natural length."""
    return word.isascii() and word.isalpha() and len(word) <= _LONGEST_STEMMED


def stems(found: Sequence[str]) -> dict[str, str]:
    """Return the English stem of each index word of `found` that has one other than itself."""
    plain = [word for word in found if len(word) <= _LONGEST_STEMMED and word.isascii() and word.isalpha()]
    roots = _tools.stemmer.stemWords(plain)
    return {word: root for word, root in zip(plain, roots, strict=True) if root != word}


def stem(word: str) -> str:
    """Return the English stem of an index word, or the word itself where `has_stem` is False."""
    return cast(str, _tools.stemmer.stemWord(word)) if has_stem(word) else word
