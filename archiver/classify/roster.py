"""Known people in a text: the names and record numbers of a roster, wherever they stand. Pure: it is given
the roster and knows no store."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archiver.classify.identifiers import normalise_identifier
from archiver.classify.model import PHIFinding, PHIType
from archiver.classify.visible import plain

_WORD = re.compile(r"[^\W_]+")
_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")
_BETWEEN = re.compile(r"[,.]?\s{1,2}(?P<middle>(?:[^\W\d_]\.?|[^\W\d_][\w’'-]{1,24})\s{1,2})?")
_SHORTEST_NUMBER = 4


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a roster: every name and every record number that the person has or had."""

    names: tuple[str, ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonMatch:
    """Where somebody is named. `people` are the positions in the roster of all whom it can mean: several,
    where it is ambiguous. `type` is `name` or `mrn`."""

    type: PHIType
    start: int
    end: int
    people: tuple[int, ...]


class RosterBook:
    """The names and record numbers of many people, to be found in text. Immutable; safe from any thread.

    A name is found where two of its words stand side by side with capitals, in either order (`Ann Okafor`,
    `Okafor, Ann`, `Ann B. Okafor`), whatever else the name has. A record number of four digits or more is
    found without any label. It takes about 300 bytes a person.
    """

    def __init__(self, people: Iterable[Person]) -> None:
        words: dict[str, array[int]] = {}
        numbers: dict[str, list[tuple[str, int]]] = {}
        for position, person in enumerate(people):
            for word in {word for name in person.names for word in _words_of(name)}:
                words.setdefault(word, array("I")).append(position)
            for number in person.numbers:
                whole = normalise_identifier("mrn", number)
                if sum(c.isdigit() for c in whole) >= _SHORTEST_NUMBER:
                    longest = max((w.lower() for w in _ASCII_WORD.findall(plain(number))), key=len)
                    numbers.setdefault(longest, []).append((whole, position))
        self._of_word = words
        self._of_number = numbers
        self._words = frozenset(words)
        self._numbers = frozenset(numbers)

    def matches(self, text: str, lowered: str, words: Sequence[str], distinct: set[str]) -> list[PersonMatch]:
        """Return where people are named, in no order.

        `lowered` is the text in small letters, as long as the text; `words` are the words of that in order,
        letters and digits only, and `distinct` the set of them.
        """
        found: list[PersonMatch] = []
        known = distinct & self._words
        if len(known) > 1:
            for one, two in _neighbours(words, known):
                people = tuple(sorted(set(self._of_word[one]).intersection(self._of_word[two])))
                if people:
                    found += [PersonMatch("name", *span, people) for span in _pairs(text, lowered, one, two)]
        for word in distinct & self._numbers:
            found += self._numbers_at(text, lowered, word)
        return found

    def find(self, text: str, lowered: str, words: Sequence[str], distinct: set[str]) -> list[PHIFinding]:
        """The same as findings of types `name` and `mrn`."""
        return [
            PHIFinding(m.type, m.start, m.end, text[m.start : m.end], "roster_" + m.type)
            for m in self.matches(text, lowered, words, distinct)
        ]

    def _numbers_at(self, text: str, lowered: str, word: str) -> list[PersonMatch]:
        found = []
        bearers: dict[str, list[int]] = {}
        for whole, person in self._of_number[word]:
            bearers.setdefault(whole, []).append(person)
        position = lowered.find(word)
        while position >= 0:
            start, end = _whole_number(text, position, position + len(word))
            people = bearers.get(normalise_identifier("mrn", text[start:end]))
            if people:
                found.append(PersonMatch("mrn", start, end, tuple(sorted(set(people)))))
            position = lowered.find(word, position + len(word))
        return found


def _whole_number(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen to all the letters, digits and single dashes that belong together, 80 characters at most."""
    first, last = start, end
    while start > max(0, first - 40) and _bound(text, start - 1):
        start -= 1
    while end < min(len(text), last + 40) and _bound(text, end):
        end += 1
    while start < first and text[start] == "-":
        start += 1
    while end > last and text[end - 1] == "-":
        end -= 1
    return start, end


def _bound(text: str, at: int) -> bool:
    return text[at].isalnum() or text[at] == "-"


def _words_of(name: str) -> set[str]:
    return {word for found in _WORD.findall(plain(name)) if len(word := found.lower()) > 1}


def _neighbours(words: Sequence[str], known: set[str]) -> set[tuple[str, str]]:
    """Pairs of known words that are side by side, or with one word between them."""
    pairs: set[tuple[str, str]] = set()
    before = earlier = ""
    for word in words:
        if word in known:
            if before in known and before != word:
                pairs.add((before, word))
            if earlier in known and earlier != word:
                pairs.add((earlier, word))
        earlier, before = before, word
    return pairs


def _pairs(text: str, lowered: str, one: str, two: str) -> list[tuple[int, int]]:
    """Where two words stand with capitals, at most a comma and a middle name between them."""
    spans = []
    position = lowered.find(one)
    while position >= 0:
        end = position + len(one)
        if text[position].isupper() and not (position and text[position - 1].isalnum()):
            between = _BETWEEN.match(text, end)
            if between is not None:
                ends = [between.end()]
                if between.group("middle"):
                    ends.insert(0, between.start("middle"))
                for begin in ends:
                    stop = begin + len(two)
                    if (
                        lowered[begin:stop] == two
                        and text[begin].isupper()
                        and not text[stop : stop + 1].isalnum()
                    ):
                        spans.append((position, stop))
                        break
        position = lowered.find(one, end)
    return spans
