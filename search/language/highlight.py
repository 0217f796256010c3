"""Short excerpts of unsealed text with the hits marked, by Whoosh's highlighter.

Words are cut as the index cuts them, so what is marked is what was matched.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from whoosh.highlight import BasicFragmentScorer, Fragment, PinpointFragmenter, top_fragments

from search.language.words import clean, words_at

LOOK: Final = 1 << 18
"""How many characters of a text are looked at; a hit further on leaves the excerpt unmarked."""

_WINDOW: Final = 1 << 13
_BREAK: Final = re.compile(r"\s")
_BLANKS: Final = re.compile(r"\s+")
# Controls and direction overrides would let mail rewrite a terminal or the text around a snippet.
_UNSAFE: Final = ("Cc", "Cf", "Cs", "Co", "Cn")


class Segment(NamedTuple):
    """A piece of an excerpt; `hit` where it matched."""

    text: str
    hit: bool


@dataclass(slots=True)
class _Hit:
    """A matched word as Whoosh's fragmenter and scorer want it; offsets in characters."""

    text: str
    startchar: int
    endchar: int
    boost: float = 1.0


def snippet(text: str, words: set[str], *, width: int = 160) -> list[Segment]:
    """Return an excerpt of about `width` characters around the best of the first hits.

    `words` are what `IndexReader.words_like` gives: index words, `word*` and `*word`. Blanks are
    collapsed and control characters taken out. Without a hit it is the beginning of the text; an empty
    text gives no segments.
    """
    text = clean(text[:LOOK])
    wanted = _Wanted(words)
    for window in _windows(text):
        hits = list(wanted.hits(window)) if wanted.possible(window) else []
        if hits:
            return _excerpt(window, hits, width)
    start = text[: 4 * width].lstrip()[:width]
    return _tidy([Segment(start, False)])


class _Wanted:
    """The words and patterns to mark."""

    def __init__(self, words: Iterable[str]) -> None:
        self.exact: set[str] = set()
        begins: set[str] = set()
        ends: set[str] = set()
        for word in words:
            if word.endswith("*"):
                begins.add(word[:-1])
            elif word.startswith("*"):
                ends.add(word[1:])
            else:
                self.exact.add(word)
        self.begins, self.ends = tuple(begins), tuple(ends)
        self._literals = (*self.exact, *self.begins, *self.ends)

    def possible(self, window: str) -> bool:
        """False when no word can be in the window: far cheaper to tell than to cut it into words.

        Only plain ASCII can be told so; elsewhere case and accents may hide a word.
        """
        if not window.isascii():
            return bool(self._literals)
        lowered = window.lower()
        return any(literal in lowered for literal in self._literals)

    def hits(self, window: str) -> Iterator[_Hit]:
        plain = window.isascii()
        encoded = b"" if plain else window.encode()
        for start, end, word in words_at(window):
            if word in self.exact or word.startswith(self.begins) or word.endswith(self.ends):
                if not plain:
                    # The tokenizer counts bytes; only hits are worth counting characters for.
                    first = len(encoded[:start].decode())
                    yield _Hit(word, first, first + len(encoded[start:end].decode()))
                else:
                    yield _Hit(word, start, end)


def _windows(text: str) -> Iterator[str]:
    """Cut a text at blanks into windows, so that a hit near the start ends the search soon."""
    start = 0
    while start < len(text):
        found = _BREAK.search(text, start + _WINDOW)
        end = found.start() + 1 if found and found.start() < start + 2 * _WINDOW else start + 2 * _WINDOW
        yield text[start:end]
        start = end


def _excerpt(window: str, hits: list[_Hit], width: int) -> list[Segment]:
    around = PinpointFragmenter(maxchars=width, surround=width // 3, autotrim=False, charlimit=None)
    fragments = top_fragments(around.fragment_matches(window, hits), 1, BasicFragmentScorer(), _by_start)
    return _tidy(_cut(fragments[0]))


def _by_start(fragment: Fragment) -> int:
    return int(fragment.startchar)


def _cut(fragment: Fragment) -> Iterator[Segment]:
    place, end = _trimmed(fragment)
    for hit in fragment.matches:
        yield Segment(fragment.text[place : hit.startchar], False)
        yield Segment(fragment.text[hit.startchar : hit.endchar], True)
        place = hit.endchar
    yield Segment(fragment.text[place:end], False)


def _trimmed(fragment: Fragment) -> tuple[int, int]:
    """Return the bounds of a fragment without the halves of words it cut, hits untouched."""
    start, end = fragment.startchar, fragment.endchar
    if start > 0:
        blank = _BREAK.search(fragment.text, start, fragment.matches[0].startchar)
        start = blank.end() if blank else start
    if end < len(fragment.text):
        last = fragment.matches[-1].endchar
        blanks = list(_BREAK.finditer(fragment.text, last, end))
        end = blanks[-1].start() if blanks else end
    return start, end


def _tidy(segments: Iterable[Segment]) -> list[Segment]:
    tidied = [Segment(_BLANKS.sub(" ", _safe(segment.text)), segment.hit) for segment in segments]
    return [segment for segment in tidied if segment.text]


def _safe(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(char) in _UNSAFE else char for char in text)


def as_html(segments: Iterable[Segment]) -> str:
    """Return segments as escaped HTML, hits in `<mark>`."""
    return "".join(
        f"<mark>{html.escape(text)}</mark>" if hit else html.escape(text) for text, hit in segments
    )


def as_text(segments: Iterable[Segment]) -> str:
    """Return segments as plain text, hits between `**`."""
    return "".join(f"**{text}**" if hit else text for text, hit in segments)
