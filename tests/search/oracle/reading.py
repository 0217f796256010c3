"""The oracle: reads every message for every leaf of a query tree, and combines what it found. Slow, obvious.

It knows the tree (`search.language.tree`) and nothing else of the search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Final

from search.language import tree as t
from tests.search.oracle.cutting import addresses, root
from tests.search.oracle.plain import Plain

WHERE: Final = {
    t.ANYWHERE: ("subject", "body", "attachment", "filename", "from", "to", "cc", "bcc", "recipient"),
    "to": ("to", "bcc", "recipient"),
    "participant": ("from", "to", "cc", "bcc", "recipient"),
}
"""Where a field looks; any other one in the column of its name. `to:` finds Bcc and expanded recipients."""

MOST: Final = 2_000
"""The most words that a pattern may stand for, and the most rows of words of a phrase of patterns."""
MOST_TOGETHER: Final = 20_000
"""The most that all patterns of a query may stand for."""
LONGEST_BYTES: Final = 256
"""Longer words are found as they are and by their beginning; no other pattern stands for them."""


class Oracle:
    """Answers for a fixed list of messages. A set of them is a number with one bit each.

    `among` knows these messages and more: what a leaf stands for needn't be looked for again.
    """

    def __init__(self, found: Sequence[Plain], among: Oracle | None = None) -> None:
        self._among = among
        self.messages = sorted(found, key=lambda one: one.pk)
        self.vocabulary = frozenset(word for one in self.messages for word in one.words)
        self._short = [word for word in self.vocabulary if _listed(word)]
        self._roots: dict[str, set[str]] = {}
        for word in self.vocabulary:
            self._roots.setdefault(root(word), set()).add(word)
        self._all = (1 << len(self.messages)) - 1
        self._leaves: dict[str, int] = {}
        self._stands: dict[str, frozenset[str]] = {}

    def ids(self, query: t.Query) -> list[int]:
        """Keys of all messages that match, ascending."""
        found = self._of(query)
        return [one.pk for place, one in enumerate(self.messages) if found >> place & 1]

    def stands_for(self, leaf: t.Query) -> frozenset[str]:
        """The words of the mail that a leaf of one word stands for."""
        key = f"{type(leaf).__name__} {leaf!r}"
        if key not in self._stands:
            if self._among is not None:
                self._stands[key] = self._among.stands_for(leaf) & self.vocabulary
            elif isinstance(leaf, t.Word):
                self._stands[key] = frozenset(self._roots.get(root(leaf.text), ()))
            else:
                self._stands[key] = _stands(leaf, self.vocabulary, self._short)
        return self._stands[key]

    def too_broad(self, query: t.Query) -> bool:
        """True where patterns stand for more words than may be asked for: an engine refuses that."""
        numbers = [self._rows(leaf) for leaf in t.leaves(query)]
        return max(numbers, default=0) > MOST or sum(numbers) > MOST_TOGETHER

    def _rows(self, leaf: t.Query) -> int:
        """For how many words, or rows of words, a leaf stands that the engine must name one by one."""
        if isinstance(leaf, t.PatternPhrase):
            *others, last = (self._stands_in_row(leaf, place) for place in range(len(leaf.words)))
            open_end = isinstance(of_pattern(leaf.fieldname, leaf.words[-1]), t.Prefix)
            found = [len(one) for one in others] + ([] if open_end else [len(last)])
            return max([prod(found), *found])
        if isinstance(leaf, t.Suffix | t.Pattern | t.Fuzzy | t.Word):
            return len(self.stands_for(leaf))
        return 0

    def _of(self, query: t.Query) -> int:
        if isinstance(query, t.And):
            found = self._all
            for part in query.subqueries:
                found &= self._of(part)
            return found
        if isinstance(query, t.Or):
            found = 0
            for part in query.subqueries:
                found |= self._of(part)
            return found
        if isinstance(query, t.Not):
            return self._all & ~self._of(query.query)
        if isinstance(query, t.Every):
            return self._all
        key = f"{type(query).__name__} {query!r}"
        if key not in self._leaves:
            reads = self._reader(query)
            self._leaves[key] = sum(1 << place for place, one in enumerate(self.messages) if reads(one))
        return self._leaves[key]

    def _reader(self, leaf: t.Query) -> Callable[[Plain], bool]:
        """What it means that a message matches a leaf."""
        if isinstance(leaf, t.Tag):
            label = f"{leaf.fieldname}:{leaf.text}"
            return lambda one: label in one.labels
        if isinstance(leaf, t.SentRange):
            return lambda one: _within(one, leaf)
        if isinstance(leaf, t.SizeRange):
            return lambda one: (
                (leaf.above is None or one.size > leaf.above)
                and (leaf.below is None or one.size < leaf.below)
            )
        columns = WHERE.get(leaf.fieldname, (leaf.fieldname,))
        if isinstance(leaf, t.Address):
            return lambda one: any(leaf.text in addresses(one.texts.get(name, "")) for name in columns)
        if isinstance(leaf, t.Near):
            phrases = [phrase.split(" ") for phrase in leaf.words]
            needed = frozenset(word for phrase in phrases for word in phrase)
            return lambda one: (
                needed <= one.words
                and any(_near(one.columns[name], phrases, leaf.distance) for name in columns)
            )
        if isinstance(leaf, t.Phrase):
            row = [self._stands_in_row(leaf, place) for place in range(len(leaf.words))]
            needed = frozenset(word for stands in row if len(stands) == 1 for word in stands)
            return lambda one: (
                needed <= one.words
                and any(
                    _in_row(one.columns[name], row)
                    for name in columns
                    if not any(stands.isdisjoint(one.sets[name]) for stands in row)
                )
            )
        wanted = self.stands_for(leaf)
        return lambda one: (
            not wanted.isdisjoint(one.words)
            and not all(wanted.isdisjoint(one.sets[name]) for name in columns)
        )

    def _stands_in_row(self, leaf: t.Query, place: int) -> frozenset[str]:
        word = leaf.words[place]
        if isinstance(leaf, t.PatternPhrase) and set(word) & {"*", "?"}:
            return self.stands_for(of_pattern(leaf.fieldname, word))
        if isinstance(leaf, t.PrefixPhrase) and place == len(leaf.words) - 1:
            return self.stands_for(t.Prefix(leaf.fieldname, word))
        return frozenset([word])


def of_pattern(field: str, word: str) -> t.Query:
    """A word with wildcards as a leaf of its own."""
    core = word.strip("*")
    if word == f"{core}*" and not set(core) & {"*", "?"}:
        return t.Prefix(field, core)
    return t.Pattern(field, word)


def _stands(leaf: t.Query, words: frozenset[str], short: Sequence[str]) -> frozenset[str]:
    """Those of `words` that a leaf means; `short` are those of them that no pattern passes over."""
    text = leaf.text
    if isinstance(leaf, t.Fuzzy):
        near = [word for word in short if abs(len(word) - len(text)) <= leaf.edits]
        return frozenset([word for word in near if _edits(word, text, leaf.edits) <= leaf.edits])
    if isinstance(leaf, t.Pattern):
        parts = {"*": ".*", "?": "."}
        form = re.compile("".join(parts.get(char, re.escape(char)) for char in text), re.DOTALL)
        return frozenset([word for word in short if form.fullmatch(word)])
    if isinstance(leaf, t.Suffix):
        return frozenset([word for word in short if word.endswith(text)])
    if isinstance(leaf, t.Prefix):
        return frozenset([word for word in words if word.startswith(text)])
    if isinstance(leaf, t.Term):
        return words & {text}
    raise TypeError(f"the oracle doesn't know {type(leaf).__name__}")


def _listed(word: str) -> bool:
    return len(word.encode("utf-8", "replace")) <= LONGEST_BYTES


def _edits(one: str, other: str, most: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours from one word to another (optimal string
    alignment); beyond `most` any larger number."""
    # No edit changes which letters there are by more than two.
    if len(set(one) ^ set(other)) > 2 * most:
        return most + 1
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
        if min(row) > most and min(rows[-2]) > most:
            return most + 1
    return rows[-1][-1]


def _within(one: Plain, span: t.Query) -> bool:
    # The index knows whole seconds, and so does whoever asks for days.
    sent = one.sent.replace(microsecond=0)
    return (span.start is None or span.start <= sent) and (span.end is None or sent < span.end)


def _in_row(column: list[str], row: Sequence[frozenset[str]]) -> bool:
    starts = (place for place, word in enumerate(column) if word in row[0])
    return any(
        len(column) - place >= len(row)
        and all(column[place + n] in wanted for n, wanted in enumerate(row[1:], 1))
        for place in starts
    )


def _near(column: list[str], phrases: Sequence[list[str]], distance: int) -> bool:
    """Whether places can be chosen, one for each phrase, such that from the end of each to the beginning of
    the last one there are at most `distance` words."""
    there = set(column)
    if not all(there.issuperset(phrase) for phrase in phrases):
        return False
    spans = [list(_places(column, phrase)) for phrase in phrases]
    starts = {start for places in spans for start, _ in places}
    return any(
        all(any(start <= last <= end + 1 + distance for start, end in places) for places in spans)
        for last in starts
    )


def _places(column: list[str], phrase: list[str]) -> Iterator[tuple[int, int]]:
    """Where a phrase stands: the places of its first and last words."""
    for start, word in enumerate(column):
        if word == phrase[0] and column[start : start + len(phrase)] == phrase:
            yield start, start + len(phrase) - 1
