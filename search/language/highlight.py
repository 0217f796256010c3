"""Short excerpts of unsealed text with the hits marked, by Whoosh's highlighter.

Words are cut as the index cuts them, so what is marked is what was matched.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from whoosh.highlight import BasicFragmentScorer, Fragment, PinpointFragmenter, top_fragments

from search.language.marking import Marks
from search.language.words import clean

LOOK: Final = 1 << 18
"""How many characters of a text are looked at; a hit further on leaves the excerpt unmarked."""

_WINDOW: Final = 1 << 11
_BREAK: Final = re.compile(r"\s")
_BLANKS: Final = re.compile(r"\s+")
# Controls and direction overrides would let mail rewrite a terminal or the text around a snippet.
_UNSAFE: Final = ("Cc", "Cf", "Cs", "Co", "Cn")


class Segment(NamedTuple):
    """A piece of an excerpt; `hit` where it matched, `masked` where it stands for something withheld."""

    text: str
    hit: bool
    masked: bool = False


class Hidden(NamedTuple):
    """What is not to be shown of a text, `start:end` in characters, and the mark in its place."""

    start: int
    end: int
    mark: str


Hide = Callable[[str, int, int], Sequence[Hidden]]
"""Given a text and the span of it that is to be shown: what in there isn't, by position, none overlapping.
They may begin before the span and end behind it: then all of them is withheld all the same."""


@dataclass(slots=True)
class _Hit:
    """A matched word as Whoosh's fragmenter and scorer want it; offsets in characters."""

    text: str
    startchar: int
    endchar: int
    boost: float = 1.0


def snippet(
    text: str, wanted: Marks | set[str], *, width: int = 160, hide: Hide | None = None
) -> list[Segment]:
    """Return an excerpt of about `width` characters around the best of the first hits.

    `wanted` is what `IndexReader.words_like` gives: words, rows of them, patterns, fuzzy words; for several
    texts the `Marks` of it, made once. Blanks are collapsed and control characters taken out. Without a hit
    it is the beginning of the text; an empty text gives no segments. `hide` says what is withheld; it sees
    the text around the excerpt too.
    """
    text = clean(text)
    marks = wanted if isinstance(wanted, Marks) else Marks(wanted)
    for place, window in _windows(text[:LOOK]):
        found = marks.places(window) if marks.possible(window) else ()
        hits = [_Hit(mark.word, mark.start, mark.end) for mark in found]
        if hits:
            spans = [(place + start, place + end, hit) for start, end, hit in _excerpt(window, hits, width)]
            return _tidy(_shown(text, spans, hide))
    start = len(text[: 4 * width]) - len(text[: 4 * width].lstrip())
    return _tidy(_shown(text, [(start, min(start + width, 4 * width, len(text)), False)], hide))


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text at blanks into windows, so that a hit near the start ends the search soon; each with where
    it begins."""
    start = 0
    while start < len(text):
        found = _BREAK.search(text, start + _WINDOW)
        end = found.start() + 1 if found and found.start() < start + 2 * _WINDOW else start + 2 * _WINDOW
        yield start, text[start:end]
        start = end


def _excerpt(window: str, hits: list[_Hit], width: int) -> list[tuple[int, int, bool]]:
    around = PinpointFragmenter(maxchars=width, surround=width // 3, autotrim=False, charlimit=None)
    fragments = top_fragments(around.fragment_matches(window, hits), 1, BasicFragmentScorer(), _by_start)
    return list(_cut(fragments[0]))


def _by_start(fragment: Fragment) -> int:
    return int(fragment.startchar)


def _cut(fragment: Fragment) -> Iterator[tuple[int, int, bool]]:
    """The pieces of a fragment as spans, and whether each is a hit."""
    place, end = _trimmed(fragment)
    for hit in fragment.matches:
        yield place, hit.startchar, False
        yield hit.startchar, hit.endchar, True
        place = hit.endchar
    yield place, end, False


def _shown(text: str, spans: Sequence[tuple[int, int, bool]], hide: Hide | None) -> Iterator[Segment]:
    """The spans of a text, which follow one another, with marks in the place of what is withheld."""
    hidden = list(hide(text, spans[0][0], spans[-1][1])) if hide is not None else []
    marked = 0
    for start, end, hit in spans:
        at = start
        for number, (first, beyond, mark) in enumerate(hidden):
            if beyond <= at or first >= end:
                continue
            yield Segment(text[at : max(at, first)], hit)
            if number >= marked:
                yield Segment(mark, hit, True)
                marked = number + 1
            at = min(beyond, end)
        yield Segment(text[at:end], hit)


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
    tidied = [segment._replace(text=_BLANKS.sub(" ", _safe(segment.text))) for segment in segments]
    return [segment for segment in tidied if segment.text]


def _safe(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(char) in _UNSAFE else char for char in text)


def as_html(segments: Iterable[Segment]) -> str:
    """Return segments as escaped HTML, hits in `<mark>`."""
    return "".join(
        f"<mark>{html.escape(text)}</mark>" if hit else html.escape(text) for text, hit, _ in segments
    )


def as_text(segments: Iterable[Segment]) -> str:
    """Return segments as plain text, hits between `**`."""
    return "".join(f"**{text}**" if hit else text for text, hit, _ in segments)
