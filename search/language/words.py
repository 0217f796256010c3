"""Words as the index makes them: FTS5's own tokenizer, and English stems of its words.

The query side and the index side must cut text alike, so both ask SQLite's `unicode61` rather than
a look-alike of ours: lower case, accents off, letters and digits only.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from importlib.metadata import version
from typing import Final, cast

import apsw
from snowballstemmer.english_stemmer import EnglishStemmer

TOKENIZER: Final = ("unicode61", "remove_diacritics", "2")
"""The FTS5 tokenizer and its arguments; part of the index format."""

STEMMER_VERSION: Final = f"snowball-english-{version('snowballstemmer')}"
"""Stems are stored in the index, so another stemmer means working them out anew."""

_LONGEST_STEMMED: Final = 40
# No other ending ever makes the stemmer change a word; asking first halves its cost on new words.
_INFLECTED: Final = re.compile(r"[a-z]*(?:[sdgyei]|[eo]r|[alu]l|ion|[ae]nt|ic|ism)")


class _Tools(threading.local):
    """A tokenizer and a stemmer of each thread's own: both keep state between calls."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.tokenizer = self.connection.fts5_tokenizer(TOKENIZER[0], list(TOKENIZER[1:]))
        self.stemmer = EnglishStemmer()


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


def words(text: str) -> list[str]:
    """Return the index words of a text, in order, repeats included."""
    return cast(
        list[str],
        _tools.tokenizer(
            clean(text).encode(),
            apsw.FTS5_TOKENIZE_DOCUMENT,
            None,
            include_offsets=False,
            include_colocated=False,
        ),
    )


def words_at(text: str) -> list[tuple[int, int, str]]:
    """Return `(start, end, word)` for each index word of a text; the offsets are in UTF-8 bytes."""
    return cast(
        list[tuple[int, int, str]],
        _tools.tokenizer(
            clean(text).encode(),
            apsw.FTS5_TOKENIZE_DOCUMENT,
            None,
            include_offsets=True,
            include_colocated=False,
        ),
    )


def has_stem(word: str) -> bool:
    """True for an index word that English stemming applies to: plain letters, of natural length."""
    return word.isascii() and word.isalpha() and len(word) <= _LONGEST_STEMMED


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return the English stem of an index word, or the word itself where `has_stem` is False."""
    if not has_stem(word) or _INFLECTED.fullmatch(word) is None:
        return word
    return cast(str, _tools.stemmer.stemWord(word))
