"""The port between the query language and an index engine. The index is derived: it can be lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from whoosh.query import Query

from search.engine.views import Ask, Group, View

Sort = Literal["newest", "oldest", "relevance", "largest", "smallest"]
"""Largest and smallest are by raw size, newest first among equals."""


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """One message as the index sees it.

    `rowid` is also the message's primary key: sent time in seconds, shifted left, plus a counter, so
    that descending row ids are newest first. The text fields hold plain text. `tags` are exact
    `name:value` labels, casefolded (`custodian:a@b`, `source:x`, `record:billing`, `hold:h1`,
    `matter:m1`, `state:ca`, `phi:ssn`, `lang:en`, `patient:mrn-1`, `id:...`, `message-id:...`,
    `has:attachment`, `sender:a@b`). `size` is the raw size in bytes.

    `sources` are the ids of the sources it came by, for the facet. `links` and `topic` join it to its
    conversation (archiver/message/conversation.py); `likeness` are the two keys by which it meets what it is
    like (search/likeness.py), none where it is like nothing.
    """

    rowid: int
    size: int
    subject: str = ""
    body: str = ""
    attachment: str = ""
    filename: str = ""
    from_: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    recipient: str = ""
    header: str = ""
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    links: tuple[int, ...] = ()
    topic: int = 0
    likeness: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of row ids in the asked order, and the exact total of the whole result."""

    total: int
    rowids: tuple[int, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Expansion:
    """What one leaf of a query stands for: `pattern` as in the interpreted query (`schedul*`, `*itis`,
    `color~1`, or a word for all with its stem), how many words of the index, the first by the alphabet.

    The words are those of the whole index, whatever their field and whoever may see the message.
    """

    pattern: str
    number: int
    words: tuple[str, ...]


class IndexWriter(Protocol):
    """One writer at a time, held by a lock beside the files; all calls are durable on return."""

    def add(self, documents: Sequence[IndexDocument]) -> None:
        """Add documents, replacing any of the same rowid, in one transaction."""
        ...

    def tag(self, tag: str, rowids: Iterable[int]) -> None:
        """Put a changing tag (`hold`, `matter`, `tag`) on rows; ValueError for a kind fixed with its message.

        Rows not in the index are passed over, their document brings its own tags.
        """
        ...

    def relabel(self, labels: Mapping[int, Iterable[str]], names: Sequence[str]) -> None:
        """Give each row these tags in the place of all it has of the named kinds, each a changing one."""
        ...

    def untag(self, tag: str) -> None:
        """Take a tag off every row."""
        ...

    def remove(self, rowids: Iterable[int], meanwhile: Callable[[], object] | None = None) -> None:
        """Remove rows so that their words are in no index file afterwards (by merging).

        Where that takes long `meanwhile` is called now and then, and may use this writer; what it raises ends
        the removal, which the next one makes good.
        """
        ...

    def clear(self) -> None: ...

    def tidy(self) -> bool:
        """Do a little that makes searches quicker (tenths of a second); True while more is worth it."""
        ...

    def close(self) -> None: ...


class IndexReader(Protocol):
    """Reads beside the writer; each call sees one consistent state. Safe from any thread."""

    def search(
        self, query: Query, *, limit: int, sort: Sort = "newest", after: str | None = None
    ) -> tuple[Hits, str | None]:
        """Return a page and the cursor of the next one (None at the end).

        A cursor of another query or order is refused with BadCursor.
        """
        ...

    def view(
        self,
        query: Query,
        *,
        limit: int,
        sort: Sort = "newest",
        after: str | None = None,
        ask: Ask | None = None,
        within: Query | None = None,
    ) -> View:
        """Return a page as `search` does, and whatever `ask` says, all of one state.

        Groups are joined by nothing but messages that match `within` (everything, where it is None): the
        scope, so that a group can't tell of a message outside it. Their cursors go on in the index as it
        is then: a group that new mail has brought forward is not met again.
        """
        ...

    def group_of(
        self, rowid: int, by: Group, *, within: Query | None = None, without: Collection[int] = ()
    ) -> list[int]:
        """The row ids, ascending, of the group of a message, itself included, as `view` joins it.

        Empty where the message isn't in the index, doesn't match `within` or is one of `without`.
        """
        ...

    def count(self, query: Query) -> int: ...

    def all_rowids(self, query: Query) -> Iterable[int]:
        """Every matching row id, ascending, without a cap."""
        ...

    def matching(self, query: Query, rowids: Iterable[int]) -> set[int]:
        """Those of `rowids` that match: standing holds test new mail with it."""
        ...

    def check(self) -> None:
        """Read the whole index and raise IndexDamaged (a SearchError) at the first fault."""
        ...

    def words_like(self, query: Query) -> set[str]:
        """What the query's text leaves stand for, as `search.language.marking` reads it.

        Stems are expanded. Patterns stay `word*`, `*word`, `w?rd` and fuzzy words `word~1`: they may stand
        for any number of words. Single characters of a script without blanks are in rows, `日 本`. Leaves
        that a NOT excludes aren't there.
        """
        ...

    def expansions(self, query: Query) -> list[Expansion]:
        """How many words of the index each pattern, fuzzy word and stem stands for, and the first 20.

        They are patient information of the whole archive: nobody with a narrower scope may see them. Raises
        QueryTooBroad.
        """
        ...


class ClosableReader(IndexReader, Protocol):
    """A reader of somebody's own."""

    def close(self) -> None: ...


Standing = Literal["sound", "missing", "outdated", "damaged"]
"""How an index stands: it can be used, isn't there, is of another layout, or can't be opened."""


class IndexShelf(Protocol):
    """The indexes of an archive: the one in use, and one that is built beside it and takes its place at once.

    For an engine with a server this is an alias and the indexes it may point to.
    """

    layout: int

    def standing(self) -> Standing:
        """How the index in use stands, as far as opening it shows. Raises IndexUnavailable where that can't
        be told now."""
        ...

    def in_use(self) -> str:
        """The name of the index in use; `""` for the first one."""
        ...

    def alone(self) -> AbstractContextManager[object]:
        """The right to write the index in use, or to put another in its place. Raises IndexLocked."""
        ...

    def building(self) -> AbstractContextManager[object]:
        """The right to build an index beside the one in use. Raises IndexLocked."""
        ...

    def new_name(self) -> str:
        """A name for an index to be built."""
        ...

    def has(self, name: str) -> bool:
        """True where something of a built index is there."""
        ...

    def writer(self, name: str) -> IndexWriter:
        """The writer of an index that is being built, made where there is none."""
        ...

    def reader(self, name: str) -> ClosableReader:
        """A reader of an index that is being built."""
        ...

    def put_in_use(self, name: str) -> None:
        """Let a built index be the one in use: at once, and durably on return. The caller has it `alone`, and
        has closed its writer and readers."""
        ...

    def sweep(self, keep: str = "") -> None:
        """Delete all indexes but the one in use and `keep`."""
        ...

    def drop(self) -> None:
        """Delete the index in use. Raises IndexLocked while somebody writes it."""
        ...

    def needed_bytes(self, messages: int, name: str = "") -> int:
        """About how much disk building takes at its height, beyond what `name` has already."""
        ...

    def free_bytes(self) -> int:
        """How much disk there is where the index lies."""
        ...
