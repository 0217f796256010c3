"""A text as its readers see it, for detectors that know plain letters, digits, blanks and dashes only.

Word processors put hard blanks and long dashes into numbers; forms in full width, accents that somebody left
out elsewhere, and marks that nobody sees come with mail from anywhere; programs quote it and break its lines.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from archiver.classify.model import PHIFinding

_UNSEEN: Final = "\x00"
_CONTROLS: Final = bytes(code for code in (*range(32), 127) if chr(code) not in "\t\n\r")
_RUN: Final = re.compile(f"{_UNSEEN}+")
_QUOTED: Final = re.compile(r"^(?:[ \t]?>)+ ?", re.MULTILINE)
# A number that is broken behind a dash of its own.
_BROKEN: Final = re.compile(r"-(?<=[0-9]-)(\r?\n(?:[ \t]?>)*[ \t]*)(?=[0-9])")
_ALIKE: Final = {
    ord(char): plain
    for plain, chars in {
        "'": "\u2018\u2019\u201b\u02bc\u2032",
        '"': "\u201c\u201d\u201e\u2033",
        "/": "\u2044\u2215",
        "-": "\u2212\u2043",
        "\n": "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
    }.items()
    for char in chars
}


class _Table(dict[int, str]):
    """The plain character for each one, found when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _plain(chr(code))
        return found


def _plain(char: str) -> str:
    if " " <= char <= "~" or char in "\n\r\t":
        return char
    if (alike := _ALIKE.get(ord(char))) is not None:
        return alike
    kind = unicodedata.category(char)
    if kind in ("Cf", "Cc", "Mn"):
        return _UNSEEN
    if kind == "Nd":
        return str(unicodedata.digit(char))
    if kind in ("Zs", "Pd"):
        return " " if kind == "Zs" else "-"
    if kind == "No":
        return char  # what is raised is no digit of the number before it
    bare = unicodedata.normalize("NFKD", char)
    # One for one: joined letters stay as they are.
    return bare[0] if bare[0].isascii() and all(map(unicodedata.combining, bare[1:])) else char


_PLAIN: Final = _Table()


@dataclass(frozen=True, slots=True)
class Places:
    """Where what is seen stands in the text itself: `cuts` are the places, in what is seen, where something
    of the text isn't, `gone` how much of it isn't up to there."""

    text: str
    cuts: Sequence[int]
    gone: Sequence[int]

    def of(self, found: Iterable[PHIFinding]) -> tuple[PHIFinding, ...]:
        """Findings of what is seen as findings of the text. One without text stands at the end of it."""
        return tuple([self._of(one) for one in found])

    def _of(self, one: PHIFinding) -> PHIFinding:
        if one.start == one.end:
            return one._replace(start=len(self.text), end=len(self.text))
        start, end = self._at(one.start), self._at(one.end - 1) + 1
        return one._replace(start=start, end=end, text=self.text[start:end])

    def _at(self, place: int) -> int:
        before = bisect_right(self.cuts, place)
        return place + self.gone[before - 1] if before else place


def visible(text: str) -> tuple[str, Places | None]:
    """Return a text as it is seen, and where that stands in it; None where both are the same."""
    if text.isascii() and len(text.encode("ascii").translate(None, _CONTROLS)) == len(text):
        seen = text
    else:
        seen = text.translate(_PLAIN)
    spans: list[tuple[int, int]] = []
    if _UNSEEN in seen:
        spans += [run.span() for run in _RUN.finditer(seen)]
    if ">" in seen and (seen[0] == ">" or "\n>" in seen or "\n >" in seen):
        spans += [quoted.span() for quoted in _QUOTED.finditer(seen)]
    if "-\n" in seen or "-\r" in seen:
        spans += [broken.span(1) for broken in _BROKEN.finditer(seen)]
    if not spans:
        return seen, None if seen == text else Places(text, (), ())
    spans.sort()
    pieces: list[str] = []
    cuts: list[int] = []
    gone: list[int] = []
    last = lost = 0
    for start, end in spans:
        if end > last:
            pieces.append(seen[last : max(start, last)])
            lost += end - max(start, last)
            last = end
            cuts.append(end - lost)
            gone.append(lost)
    pieces.append(seen[last:])
    return "".join(pieces), Places(text, cuts, gone)


def plain(text: str) -> str:
    """A name or a number as it is seen."""
    return text if text.isascii() else text.translate(_PLAIN).replace(_UNSEEN, "")
