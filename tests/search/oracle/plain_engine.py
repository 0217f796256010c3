"""The oracle as an index engine: everything in memory, read anew for each query. What the conformance suite
asks of an engine it must give, too; what it gives is right by being obvious.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from archiver.store.rowid import MAX_ROWID, sent_at_of
from search.engine.ports import Expansion, Hits, IndexDocument
from search.errors import BadCursor, IndexLocked, IndexUnavailable, QueryTooBroad
from search.language import tree as t
from search.language.fields import tag as tag_of
from tests.search.oracle.cutting import cut, root
from tests.search.oracle.plain import Plain, plain
from tests.search.oracle.reading import MOST, Oracle, of_pattern

CHANGING = ("hold", "matter", "tag")


class _Shelf:
    """What lies in a folder: documents and the oracle over them. Whoever has that has one moment of it."""

    def __init__(self) -> None:
        self.written = False
        self.put({})

    def put(self, documents: Mapping[int, IndexDocument]) -> None:
        """Replace everything, at once."""
        self.documents = dict(documents)
        self.oracle = Oracle([_plain(one) for one in documents.values()])


_folders: dict[Path, _Shelf] = {}


def _plain(document: IndexDocument) -> Plain:
    texts = {
        "subject": [document.subject],
        "body": [document.body],
        "attachment": [document.attachment],
        "filename": [document.filename],
        "from": [document.from_],
        "to": [document.to],
        "cc": [document.cc],
        "bcc": [document.bcc],
        "recipient": [document.recipient],
        "header": [document.header],
    }
    return plain(document.rowid, sent_at_of(document.rowid), document.size, texts, document.tags)


class PlainWriter:
    """`IndexWriter` over a dictionary."""

    def __init__(self, folder: Path, _key: bytes) -> None:
        self._shelf = _folders.setdefault(folder, _Shelf())
        if self._shelf.written:
            raise IndexLocked("somebody writes it")
        self._shelf.written = True

    def add(self, documents: Sequence[IndexDocument]) -> None:
        given = {one.rowid: replace(one, tags=_labels(one.tags)) for one in documents}
        self._shelf.put(self._shelf.documents | given)

    def tag(self, tag: str, rowids: Iterable[int]) -> None:
        self._changing(tag)
        there = [rowid for rowid in rowids if rowid in self._shelf.documents]
        self._set({rowid: {*self._shelf.documents[rowid].tags, tag} for rowid in there})

    def relabel(self, labels: Mapping[int, Iterable[str]], names: Sequence[str]) -> None:
        for name in names:
            self._changing(f"{name}:x")
        set_to = {}
        for rowid, given in labels.items():
            if rowid in self._shelf.documents:
                tags = self._shelf.documents[rowid].tags
                set_to[rowid] = {tag for tag in tags if tag.partition(":")[0] not in names} | set(given)
        self._set(set_to)

    def untag(self, tag: str) -> None:
        self._changing(tag)
        gone = set(_labels([tag]))
        self._set({rowid: set(one.tags) - gone for rowid, one in self._shelf.documents.items()})

    def remove(self, rowids: Iterable[int], meanwhile: Callable[[], object] | None = None) -> None:
        gone = set(rowids)
        self._shelf.put({rowid: one for rowid, one in self._shelf.documents.items() if rowid not in gone})

    def clear(self) -> None:
        self._shelf.put({})

    def tidy(self) -> bool:
        return False

    def close(self) -> None:
        self._shelf.written = False

    def _set(self, labels: Mapping[int, Iterable[str]]) -> None:
        documents = self._shelf.documents
        given = {rowid: replace(documents[rowid], tags=_labels(tags)) for rowid, tags in labels.items()}
        self._shelf.put(documents | given)

    @staticmethod
    def _changing(tag: str) -> None:
        if tag.partition(":")[0] not in CHANGING:
            raise ValueError("labels of this kind are fixed with their message")


class PlainReader:
    """`IndexReader` over the same."""

    def __init__(self, folder: Path, _key: bytes) -> None:
        self._folder = folder

    def search(
        self, query: t.Query, *, limit: int, sort: str = "newest", after: str | None = None
    ) -> tuple[Hits, str | None]:
        oracle = self._asked(query)
        found = oracle.ids(query)
        order = _ordered(oracle, query, found, sort)
        start = 0
        if after is not None:
            start = order.index(_read_cursor(query, sort, after)) + 1
        page = tuple(order[start : start + limit])
        more = len(order) > start + limit
        return Hits(len(found), page, more), _write_cursor(query, sort, page[-1]) if more else None

    def count(self, query: t.Query) -> int:
        return len(list(self.all_rowids(query)))

    def all_rowids(self, query: t.Query) -> Iterable[int]:
        return self._asked(query).ids(query)

    def matching(self, query: t.Query, rowids: Iterable[int]) -> set[int]:
        return set(self.all_rowids(query)).intersection(rowids)

    def check(self) -> None:
        self._asked(t.Every())

    def close(self) -> None:
        """Nothing is open."""

    def words_like(self, query: t.Query) -> set[str]:
        oracle = self._asked(query)
        return {word for leaf in _wanted(query, wanted=True) for word in _marks(oracle, leaf)}

    def expansions(self, query: t.Query) -> list[Expansion]:
        oracle = self._asked(query)
        found: dict[str, Expansion] = {}
        for leaf in (one for whole in t.leaves(query) for one in _patterns(whole)):
            stands = sorted(oracle.stands_for(leaf))
            found.setdefault(_shown(leaf), Expansion(_shown(leaf), len(stands), tuple(stands[:20])))
        return list(found.values())

    def _asked(self, query: t.Query) -> Oracle:
        """The oracle of this moment. Raises QueryTooBroad."""
        shelf = _folders.get(self._folder)
        if shelf is None:
            raise IndexUnavailable("nothing was ever written")
        if shelf.oracle.too_broad(query):
            raise QueryTooBroad("too_broad", f"a word pattern stands for more than about {MOST:,} words")
        return shelf.oracle


def _ordered(oracle: Oracle, query: t.Query, found: Sequence[int], sort: str) -> list[int]:
    newest = sorted(found, reverse=True)
    if sort == "oldest":
        return newest[::-1]
    by_key = {one.pk: one for one in oracle.messages}
    if sort in ("largest", "smallest"):
        sign = -1 if sort == "largest" else 1
        return sorted(newest, key=lambda rowid: sign * by_key[rowid].size)
    if sort != "relevance":
        return newest
    return sorted(newest, key=lambda rowid: -_weight(by_key[rowid], query))


def _wanted(query: t.Query, *, wanted: bool) -> list[t.Query]:
    """The text leaves that no NOT excludes."""
    if isinstance(query, t.Not):
        return _wanted(query.query, wanted=not wanted)
    if isinstance(query, t.And | t.Or):
        return [leaf for part in query.subqueries for leaf in _wanted(part, wanted=wanted)]
    text = not isinstance(query, t.Every | t.Tag | t.Address | t.SentRange | t.SizeRange)
    return [query] if wanted and text else []


def _marks(oracle: Oracle, leaf: t.Query) -> list[str]:
    if isinstance(leaf, t.Near):
        return [mark for row in leaf.words for mark in _row(row.split(" "))]
    if isinstance(leaf, t.PrefixPhrase):
        return _row([*leaf.words[:-1], f"{leaf.words[-1]}*"])
    if isinstance(leaf, t.Phrase):
        return _row(leaf.words)
    if isinstance(leaf, t.Word):
        return [leaf.text, *oracle.stands_for(leaf)]
    return [_shown(leaf)]


def _shown(leaf: t.Query) -> str:
    """A leaf of one word as it is typed."""
    if isinstance(leaf, t.Fuzzy):
        return f"{leaf.text}~{leaf.edits}"
    if isinstance(leaf, t.Prefix):
        return f"{leaf.text}*"
    return f"*{leaf.text}" if isinstance(leaf, t.Suffix) else str(leaf.text)


def _row(words: Sequence[str]) -> list[str]:
    """The words of a row; characters that are words by themselves stay together."""
    found: list[str] = []
    for alone, run in groupby(words, key=lambda word: cut(f"{word}{word}") == [word, word]):
        row = list(run)
        found += [" ".join(row)] if alone else row
    return found


def _patterns(leaf: t.Query) -> list[t.Query]:
    """What in a leaf may stand for several words."""
    if isinstance(leaf, t.PatternPhrase):
        return [of_pattern(leaf.fieldname, word) for word in leaf.words if set(word) & {"*", "?"}]
    if isinstance(leaf, t.PrefixPhrase):
        return [t.Prefix(leaf.fieldname, leaf.words[-1])]
    return [leaf] if isinstance(leaf, t.Word | t.Prefix | t.Suffix | t.Pattern | t.Fuzzy) else []


def _weight(one: Plain, query: t.Query) -> float:
    """How much of a message is what was asked for: of the subject more than of the rest."""
    score = 0.0
    for leaf in t.leaves(query):
        if isinstance(leaf, t.Word | t.Term) and not isinstance(leaf, t.Tag | t.Address):
            for name, column in one.columns.items():
                hits = sum(root(word) == root(leaf.text) for word in column)
                if hits:
                    score += (4.0 if name == "subject" else 1.0) * hits / (hits + 0.3 + len(column) / 10)
    return score


def _labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in the form queries have them in, each once."""
    return tuple(sorted({tag_of(*tag.partition(":")[::2]) for tag in tags}))


def _write_cursor(query: t.Query, sort: str, rowid: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([repr(query), sort, rowid]).encode()).decode()


def _read_cursor(query: t.Query, sort: str, cursor: str) -> int:
    try:
        asked, order, rowid = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, UnicodeError):
        asked, order, rowid = "", "", 0
    if (asked, order) != (repr(query), sort) or not 0 <= rowid <= MAX_ROWID:
        raise BadCursor("bad_cursor", "the cursor is not of this query and order")
    return int(rowid)
