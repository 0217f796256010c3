"""Keys by which texts that are nearly alike meet: min-hashes of their runs of three words.

Two texts that share the part J of their runs (Jaccard) agree in one min-hash with probability J (A. Broder,
"On the resemblance and containment of documents", 1997). A key is three min-hashes, and a text has two keys,
so texts meet with 1 - (1 - J^3)^2: nearly always at 0.95, two times of three at 0.75, once in eight at 0.4.
Done over many texts at once, since numpy's cost is by the call: about 8 ns a byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FEWEST_WORDS: Final = 6
"""A text of fewer words, quoted lines left out, is like no other: half of all mail would be "Thanks"."""

NOTHING: Final = (0, 0)

_BLOCK: Final = 1 << 16
_QUOTED: Final = re.compile(r"\n[ \t]*>[^\n]*")
_U64 = np.uint64
_U32 = np.uint32

# Bytes of words stay as they are (lower case), all others become a blank.
_WORDS: Final = bytes(code if code >= 128 or chr(code).isalnum() else 0x20 for code in range(256)).translate(
    bytes(code + 32 if 65 <= code <= 90 else code for code in range(256))
)
_PRIME: Final = 0x01000193  # FNV's: odd, so that it has an inverse modulo 2^32
_INVERSE: Final = pow(_PRIME, -1, 1 << 32)
_MIX: Final = tuple(
    _U64(number)
    for number in (
        0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
        0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB,
    )
)  # fmt: skip


def _powers(base: int) -> npt.NDArray[np.uint32]:
    table = np.full(_BLOCK, base, _U32)
    table[0] = 1
    return np.multiply.accumulate(table, dtype=_U32)


_UP: Final = _powers(_PRIME)
_DOWN: Final = _powers(_INVERSE)


def likeness_of(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Two keys for each text, each in [1, 2^64); `NOTHING` for a text of too few words.

    Deterministic, in every process and version: the keys are stored in the index.
    """
    found: list[tuple[int, int]] = [NOTHING] * len(texts)
    pieces: list[bytes] = []
    places: list[int] = []
    size = 0
    for place, text in enumerate(texts):
        data = _words_of(text)
        pieces.append(data)
        places.append(place)
        size += len(data) + 1
        if size >= _BLOCK // 2:
            _hash_into(found, places, pieces)
            pieces, places, size = [], [], 0
    if pieces:
        _hash_into(found, places, pieces)
    return found


def _words_of(text: str) -> bytes:
    """The words of a text as bytes, in lower case, with blanks for all else; without quoted lines."""
    if text.startswith(">") or "\n>" in text or "\n >" in text:
        text = _QUOTED.sub("", f"\n{text}")
    if not text.isascii():
        text = text.lower()
    return text.encode("utf-8", "replace").translate(_WORDS)


def _hash_into(found: list[tuple[int, int]], places: list[int], pieces: list[bytes]) -> None:
    hashes, starts = _word_hashes(b" ".join(pieces))
    # Which words are whose: a piece's words are those that begin within it.
    edges = np.cumsum([0, *(len(piece) + 1 for piece in pieces)])
    bounds = np.searchsorted(starts, edges)
    first, beyond = bounds[:-1], bounds[1:]
    enough = np.flatnonzero(beyond - first >= FEWEST_WORDS)
    if not len(enough):
        return
    wide = hashes.astype(_U64)
    runs = wide[:-2] * _MIX[0] + wide[1:-1] * _MIX[1] + wide[2:] * _MIX[2]
    runs ^= runs >> _U64(29)
    spans = np.empty(2 * len(enough), np.intp)
    spans[0::2], spans[1::2] = first[enough], beyond[enough] - 2
    runs *= _MIX[3]
    runs ^= runs >> _U64(32)
    # Each factor is odd, so each product is another order of the same runs.
    least = [_least(runs * factor, spans) for factor in _MIX]
    one, two = ((a * _MIX[3] + b * _MIX[4] + c * _MIX[5]) | _U64(1) for a, b, c in (least[:3], least[3:]))
    for place, left, right in zip(enough.tolist(), one.tolist(), two.tolist(), strict=True):
        found[places[place]] = (left, right)


def _least(values: npt.NDArray[np.uint64], spans: npt.NDArray[np.intp]) -> npt.NDArray[np.uint64]:
    """The least value of each span; the last may end where the values do."""
    if spans[-1] == len(values):
        spans = spans[:-1]
    found: npt.NDArray[np.uint64] = np.minimum.reduceat(values, spans)[0::2]
    return found


def _word_hashes(data: bytes) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.intp]]:
    """A hash of each word, and where it starts. A word goes up to a blank."""
    hashes: list[npt.NDArray[Any]] = []
    starts: list[npt.NDArray[Any]] = []
    begin = 0
    while begin < len(data):
        end = min(begin + _BLOCK, len(data))
        if end < len(data):
            # Cut at a blank; a word longer than a block is cut in two.
            end = data.rfind(b" ", begin, end) + 1 or end
        block = np.frombuffer(data, np.uint8, end - begin, begin)
        inside = np.zeros(len(block) + 2, bool)
        np.not_equal(block, 0x20, out=inside[1:-1])
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        opens, closes = edges[0::2], edges[1::2]
        if len(opens):
            sums = np.zeros(len(block) + 1, _U32)
            np.cumsum(block * _UP[: len(block)], dtype=_U32, out=sums[1:])
            # What a word adds to the sums, brought back to the front of the block.
            found = (sums[closes] - sums[opens]) * _DOWN[opens]
            found ^= found >> _U32(15)
            found *= _U32(0x2C1B3C6D)
            hashes.append(found)
            starts.append(opens + begin)
        begin = end
    if not hashes:
        return np.empty(0, _U32), np.empty(0, np.intp)
    return np.concatenate(hashes), np.concatenate(starts)
