"""Where a text holds the words of a query, so that a highlighter marks what the engine matched."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from rapidfuzz.distance import OSA

from search.language.words import words_at

_LONGEST: Final = 256
"""No pattern or fuzzy word is looked for in longer words (characters): the engine's list has none of them."""
_MANY: Final = 100
"""From so many words on, looking for each of them takes longer than cutting a window."""
_WILD: Final = re.compile(r"[*?]+")


class Mark(NamedTuple):
    """A place in a text, in characters, and the word or row of words there."""

    start: int
    end: int
    word: str


class Marks:
    """What is to be marked: `IndexReader.words_like` gives it.

    Index words; rows of them with blanks between; beginnings `word*`, endings `*word` and patterns `w?rd`;
    fuzzy words `word~1`.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._rows: dict[str, list[list[str]]] = {}
        self._fuzzy: list[tuple[str, int]] = []
        literals: set[str] = set()
        begins: set[str] = set()
        ends: set[str] = set()
        forms: list[str] = []
        for each in wanted:
            text, tilde, edits = each.partition("~")
            if tilde and edits.isdecimal():
                self._fuzzy.append((text, int(edits)))
                continue
            pieces = _WILD.split(each)
            if len(pieces) == 1:
                row = each.split(" ")
                if len(row) > 1:
                    self._rows.setdefault(row[0], []).append(row)
                else:
                    self._exact.add(each)
                literals.add(row[0])
                continue
            literals.add(max(pieces, key=len))
            if each == f"{pieces[0]}*":
                begins.add(pieces[0])
            elif each == f"*{pieces[-1]}":
                ends.add(pieces[-1])
            else:
                forms.append(fnmatch.translate(each))
        self._begins, self._ends = tuple(begins), tuple(ends)
        self._forms = [re.compile(form) for form in forms]
        self._literals = tuple(literals)

    def possible(self, window: str) -> bool:
        """False when nothing can be in the window: far cheaper to tell than to cut it into words.

        Only plain ASCII can be told so; elsewhere case and accents may hide a word.
        """
        if self._fuzzy or len(self._literals) > _MANY:
            return True
        if not window.isascii():
            return bool(self._literals)
        lowered = window.lower()
        return any(literal in lowered for literal in self._literals)

    def places(self, window: str) -> Iterator[Mark]:
        """Return what is to be marked in a text, in order, none overlapping."""
        placed = words_at(window)
        # The tokenizer counts bytes; only hits are worth counting characters for.
        encoded = None if window.isascii() else window.encode()
        next_ = beyond = byte = char = 0
        # Most words of a text come again and again.
        distinct = {word for _, _, word in placed}
        hits = distinct & self._exact
        if self._begins or self._ends:
            begins, ends = self._begins, self._ends
            hits.update([word for word in distinct if word.startswith(begins) or word.endswith(ends)])
        if self._forms or self._fuzzy:
            hits.update(filter(self._matches, distinct))
        begin = hits.union(distinct & self._rows.keys())
        for number, (start, end, word) in enumerate(placed):
            if word not in begin or number < next_ or start < beyond:
                continue
            length = self._row(placed, number) or (1 if word in hits else 0)
            if not length:
                continue
            next_ = number + length
            beyond = max(end, placed[next_ - 1][1])
            text = word if length == 1 else " ".join(each for _, _, each in placed[number:next_])
            if encoded is None:
                yield Mark(start, beyond, text)
            else:
                first = char + len(encoded[byte:start].decode())
                byte, char = beyond, first + len(encoded[start:beyond].decode())
                yield Mark(first, char, text)

    def _row(self, placed: Sequence[tuple[int, int, str]], number: int) -> int:
        """How many words from this one on are the longest row there; 0 for none."""
        longest = 0
        for row in self._rows.get(placed[number][2], ()):
            if len(row) > longest and [each for _, _, each in placed[number : number + len(row)]] == row:
                longest = len(row)
        return longest

    def _matches(self, word: str) -> bool:
        if len(word) > _LONGEST:
            return False
        return any(form.match(word) for form in self._forms) or any(
            abs(len(word) - len(text)) <= edits and OSA.distance(text, word, score_cutoff=edits) <= edits
            for text, edits in self._fuzzy
        )
