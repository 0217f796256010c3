"""Text in the form that the index's tokenizer can cut: what looks alike to a reader becomes the same words.

The tokenizer (`search.language.words`) lowers case, takes accents off Latin, Greek and Cyrillic letters and
cuts at everything that is no letter or digit. Before it sees a text, this takes care of what it doesn't know:

- scripts written without blanks (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) are cut into single
  characters, so that any part of a run is found, as the phrase of its characters;
- full-width and half-width forms, ligatures, Arabic presentation forms and mathematical alphabets (PDF and
  newsletters are full of them) become plain letters, digits of other scripts 0 to 9;
- letters with strokes and joined letters become plain ones: o for o-slash, ss for eszett, ae for ash;
- what no reader sees in a word goes: soft hyphens, joiners, loose accents, vowel points of Arabic, Hebrew.

Both sides, index and query, go through it. ASCII is never looked at. All tables are of fixed code points:
the index format doesn't follow Python's version of Unicode.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

# Scripts without blanks between words. Compatibility forms of them are below, in `_FORMS`.
_CUT_RANGES: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
    "\u3005-\u3007\u3021-\u302f\u3031-\u3035\u3038-\u303c\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\U0001b000-\U0001b16f\U00020000-\U0003fffd"
    "\u1100-\u11ff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"  # Korean
)
_JAMO: Final = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\ud7b0-\ud7fb\uffa0-\uffdc"
_KANA_MARKS: Final = "\u3099\u309a\uff9e\uff9f"
# Other spellings of the same characters: NFKC gives the plain ones.
_FORMS: Final = (
    "\u00b2\u00b3\u00b9\u2070-\u209c"  # raised and lowered digits
    "\u2e80-\u2fd5\u3099\u309a\u3131-\u318e\uf900-\ufaff\U0002f800-\U0002fa1d"
    "\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufb4f\ufb50-\ufdff\ufe70-\ufefc\uff01-\uffdc"
    "\U0001d400-\U0001d7ff"
)
_UNSEEN: Final = (
    "\u00ad\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200c\u200d\u2060\u20d0-\u20f0"
    "\ufe00-\ufe0f\ufe20-\ufe2f\ufeff"
)
_LETTERS: Final = {
    "a": "Ⱥⱥ",
    "ae": "ÆæǼǽǢǣ",
    "b": "Ƀƀ",
    "c": "Ȼȼ",
    "d": "ĐđÐð",
    "dz": "ǄǅǆǱǲǳ",
    "e": "Ɇɇ",
    "g": "Ǥǥ",
    "h": "Ħħ",
    "i": "ıƗɨ",
    "ij": "Ĳĳ",
    "j": "Ɉɉ",
    "l": "ŁłĿŀȽƚ",
    "lj": "Ǉǈǉ",
    "n": "ŉ",
    "nj": "Ǌǋǌ",
    "o": "ØøǾǿƟɵ",
    "oe": "Œœ",
    "r": "Ɍɍ",
    "ss": "ßẞ",
    "t": "ŦŧȾⱦ",
    "th": "Þþ",
    "u": "Ʉʉ",
    "y": "Ɏɏ",
    "z": "Ƶƶ",
    "'": "\u02bc",
}
_ZEROS: Final = "\u0660\u06f0\u0966\u09e6\u0e50\u0ed0\u1040\u17e0"

VOWEL_SIGNS: Final = "".join(
    chr(code)
    for first, last in (
        # Thai, Lao, Burmese, Khmer: characters of their own.
        (0xE31, 0xE31), (0xE34, 0xE3A), (0xE47, 0xE4E), (0xEB1, 0xEB1), (0xEB4, 0xEBC), (0xEC8, 0xECE),
        (0x102B, 0x103E), (0x1056, 0x1059), (0x105E, 0x1060), (0x1062, 0x1064), (0x1067, 0x106D),
        (0x1071, 0x1074), (0x1082, 0x108D), (0x108F, 0x108F), (0x109A, 0x109D), (0xA9E5, 0xA9E5),
        (0xAA7B, 0xAA7D), (0x17B4, 0x17D3), (0x17DD, 0x17DD),
        # Devanagari to Sinhala: without them the tokenizer would cut words in their midst.
        (0x900, 0x903), (0x93A, 0x93C), (0x93E, 0x94F), (0x951, 0x957), (0x962, 0x963), (0x981, 0x983),
        (0x9BC, 0x9BC), (0x9BE, 0x9CD), (0x9D7, 0x9D7), (0x9E2, 0x9E3), (0x9FE, 0x9FE), (0xA01, 0xA03),
        (0xA3C, 0xA51), (0xA70, 0xA71), (0xA75, 0xA75), (0xA81, 0xA83), (0xABC, 0xABC), (0xABE, 0xACD),
        (0xAE2, 0xAE3), (0xAFA, 0xAFF), (0xB01, 0xB03), (0xB3C, 0xB3C), (0xB3E, 0xB57), (0xB62, 0xB63),
        (0xB82, 0xB82), (0xBBE, 0xBCD), (0xBD7, 0xBD7), (0xC00, 0xC04), (0xC3C, 0xC3C), (0xC3E, 0xC56),
        (0xC62, 0xC63), (0xC81, 0xC83), (0xCBC, 0xCBC), (0xCBE, 0xCD6), (0xCE2, 0xCE3), (0xCF3, 0xCF3),
        (0xD00, 0xD03), (0xD3B, 0xD3C), (0xD3E, 0xD4D), (0xD57, 0xD57), (0xD62, 0xD63), (0xD81, 0xD83),
        (0xDCA, 0xDDF), (0xDF2, 0xDF3),
    )
    for code in range(first, last + 1)
)  # fmt: skip
"""Marks that are part of a word: the tokenizer is told so. Part of the index format."""

_TABLE: Final = str.maketrans(
    {letter: plain for plain, letters in _LETTERS.items() for letter in letters}
    | {chr(ord(zero) + digit): str(digit) for zero in _ZEROS for digit in range(10)}
    | dict.fromkeys(re.findall(f"[{_UNSEEN}]", "".join(map(chr, range(0x10000)))), "")
)
_CUT: Final = re.compile(f"[{_CUT_RANGES}]+")
_ONE_CUT: Final = re.compile(f"[{_CUT_RANGES}]")
_SPECIAL: Final = re.compile(
    "["
    + _CUT_RANGES
    + _FORMS
    + _UNSEEN
    + "".join(_LETTERS.values()).replace("'", "")
    + "".join(f"{zero}-{chr(ord(zero) + 9)}" for zero in _ZEROS)
    + "]+"
)
# Characters of three bytes that only want parting: nearly all of a Chinese, Japanese or Korean text.
_PLAIN_RANGES: Final = "\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_MARKS: Final = f"{_KANA_MARKS}{_UNSEEN}{VOWEL_SIGNS}"
# What may combine to one character, or change places, stays together when places are asked for.
_UNIT: Final = re.compile(f"[{_PLAIN_RANGES}]+(?![{_MARKS}{_JAMO}])|[{_JAMO}]+|.[{_MARKS}]*", re.DOTALL)
_ALL_PLAIN: Final = re.compile(f"[{_PLAIN_RANGES}]+")


def fold(text: str) -> str:
    """Return `text` as the tokenizer gets it. Folding again changes no word."""
    if text.isascii():
        return text
    return _SPECIAL.sub(_plain, text)


def is_character(word: str) -> bool:
    """True for an index word that is one character of a script written without blanks."""
    return _ONE_CUT.fullmatch(word) is not None


def _plain(run: re.Match[str]) -> str:
    return _folded(run[0])


def _folded(run: str) -> str:
    # In this order: plain forms may bring dotless letters and vowel points of their own.
    return _CUT.sub(_spaced, unicodedata.normalize("NFKC", run).translate(_TABLE))


def _spaced(run: re.Match[str]) -> str:
    return f" {' '.join(run[0])} "


class _Piece(NamedTuple):
    """A stretch of the text and of its folded form, in UTF-8 bytes, and how to get from one to the other."""

    folded: int
    start: int
    end: int
    how: int


_WHOLE, _SAME, _PARTED = range(3)
# All of it has the place of the whole; it is as it was; its characters, of three bytes each, have a blank
# before each of them.


class Places:
    """Where the bytes of a folded text stand in the text itself. Both in UTF-8."""

    def __init__(self, pieces: list[_Piece]) -> None:
        self._pieces = pieces

    def of(self, found: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
        """The words of the folded text, in order, with the places they have in the text itself."""
        ends = [piece.folded for piece in self._pieces[1:]]
        ends.append(sys.maxsize)
        at = 0
        for start, end, word in found:
            while start >= ends[at]:
                at += 1
            folded, origin, _, how = self._pieces[at]
            if how == _WHOLE:
                first = origin
            else:
                first = origin + (start - folded if how == _SAME else (start - folded) // 4 * 3)
            last = at
            while end > ends[last]:
                last += 1
            folded, origin, beyond, how = self._pieces[last]
            if how != _WHOLE:
                beyond = origin + (end - folded if how == _SAME else (end - folded) // 4 * 3)
            yield first, beyond, word


def fold_with_places(text: str) -> tuple[str, Places | None]:
    """Return the folded text and where it came from; None where folding leaves the text as it is."""
    if text.isascii() or _SPECIAL.search(text) is None:
        return text, None
    parts: list[str] = []
    pieces: list[_Piece] = []
    folded = start = 0

    def take(original: str, plain: str, how: int) -> None:
        nonlocal folded, start
        size = len(original.encode())
        # A piece that leaves nothing has no place: the next one begins where it would have been.
        if plain:
            pieces.append(_Piece(folded, start, start + size, how))
            parts.append(plain)
            folded += len(plain.encode())
        start += size

    last = 0
    for run in _SPECIAL.finditer(text):
        if run.start() > last:
            take(text[last : run.start()], text[last : run.start()], _SAME)
        for unit in _UNIT.findall(run[0]):
            how = _PARTED if _ALL_PLAIN.fullmatch(unit) else _WHOLE
            take(unit, _folded(unit), how)
        last = run.end()
    if last < len(text):
        take(text[last:], text[last:], _SAME)
    return "".join(parts), Places(pieces)
