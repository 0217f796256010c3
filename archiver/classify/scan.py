"""Where words stand: patterns are tried only there, because looking for a known word is cheap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def at_words(lowered: str, words: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where words of a text in small letters begin and end, word by word; only whole words."""
    for word in words:
        length = len(word)
        position = lowered.find(word)
        while position >= 0:
            end = position + length
            if not lowered[end : end + 1].isalnum() and not (position and lowered[position - 1].isalnum()):
                yield position, end
            position = lowered.find(word, end)


def tried_at(
    pattern: re.Pattern[str], text: str, lowered: str, words: Iterable[str]
) -> Iterator[re.Match[str]]:
    """What a pattern finds where it begins with one of the words given."""
    for start, _ in at_words(lowered, words):
        match = pattern.match(text, start)
        if match is not None:
            yield match
