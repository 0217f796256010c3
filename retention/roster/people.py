"""Finds patients' names in mail: in new mail as it is indexed, in old mail through the index.

What is found becomes tokens of the message, which say of it what its own text says, whoever bears the name.
Nothing of this is ever in plain on disk: names are in memory, and in the encrypted index.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select, update

from archiver.classify import normalise_identifier
from archiver.clock import to_us
from archiver.message.indexable import IndexText
from archiver.store import dialect, standing, tokens
from archiver.store.schema import PATIENT, name_book, patients
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.roster import stale
from retention.roster.evidence import evidence
from retention.roster.matches import Matcher
from retention.roster.names import NameKey, Names
from search.engine.ports import IndexReader
from search.language import parse
from search.language.fields import tag
from search.stored_texts import skim

CHUNK: Final = 500
NAMES_AT_ONCE: Final = 20_000
"""Names looked for in one go: a message that holds several of them is opened once."""
_PAGE: Final = 100
"""Messages opened in one go."""
_PAIRS_AT_ONCE: Final = 2_000_000
"""So many names in messages end it sooner: they are in memory, some 200 MB at the most."""

Progress = Callable[[int, int], object]
"""Told how many names are looked for, of how many."""


class NameBook:
    """Every name that a patient has or had, in memory. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._lock = threading.Lock()
        self._last = 0
        self.names = Names()

    def refresh(self) -> int:
        """Read what came since; return the number of the last name, a mark for `since`."""
        with self._lock:
            while True:
                rows = self._rows(self._last, CHUNK * 4)
                for row in rows:
                    self.names.add(self.key(row))
                    self._last = row.id
                if len(rows) < CHUNK * 4:
                    return self._last

    def since(self, mark: int) -> Names:
        """The names that came after a mark."""
        names = Names()
        while rows := self._rows(mark, CHUNK * 4):
            for row in rows:
                names.add(self.key(row))
            mark = rows[-1].id
        return names

    def newest(self) -> int:
        """The mark as the database has it now."""
        with self._vault.records.read() as connection:
            found = connection.scalar(select(name_book.c.id).order_by(name_book.c.id.desc()).limit(1))
        return int(found or 0)

    def key(self, row: Any) -> NameKey:
        """The name of a row."""
        value = self._fields.open(f"name:{bytes(row.token).hex()}", row.sealed)
        return NameKey(value["given"], value["family"])

    def _rows(self, after: int, limit: int) -> Sequence[Any]:
        with self._vault.records.read() as connection:
            return connection.execute(
                select(name_book).where(name_book.c.id > after).order_by(name_book.c.id).limit(limit)
            ).all()


class People:
    """Matches mail to the names of patients. Safe from any thread."""

    def __init__(self, vault: Vault, reader: IndexReader) -> None:
        self._vault = vault
        self._reader = reader
        self._book = NameBook(vault)
        self._matcher = Matcher(vault)

    # --- new mail: the indexer's side -----------------------------------------------------------

    def read(self, texts: Mapping[int, IndexText]) -> int:
        """Record whom the texts name; a mark to ask `missed` by. Durable on return."""
        mark = self._book.refresh()
        if mark:
            self._look(texts, self._book.names)
        return mark

    def missed(self, texts: Mapping[int, IndexText], mark: int) -> set[int]:
        """The messages in which names are found that came after the mark; recorded, durable on return."""
        if self._book.newest() == mark:
            return set()
        return self._look(texts, self._book.since(mark))

    def labels(self, pks: Sequence[int]) -> dict[int, set[str]]:
        """A label `patient:` for every record number of everybody whom a message is about, or may be, and one
        for every record of theirs: a patient may have no number, and two may share one."""
        with self._vault.records.read() as connection:
            if connection.execute(select(patients.c.id).limit(1)).first() is None:
                return {}
            found = self._matcher.of_messages(connection, pks)
        return {
            pk: {
                tag("patient", label)
                for person in people
                for label in (*map(number_label, person.numbers), *person.ids)
            }
            for pk, people in found.items()
        }

    # --- old mail -------------------------------------------------------------------------------

    def waiting(self) -> int:
        """How many names are still to be looked for in old mail."""
        with self._vault.records.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(name_book).where(_WAITS)) or 0)

    def search_old(self, progress: Progress | None = None) -> dict[str, int]:
        """Look for every waiting name in the mail that is indexed; `{names, messages, found}`.

        Until a name was looked for the database destroys nothing. Safe to stop anywhere: what was found
        stays, and the rest is looked for again. Raises SearchError while the index can't answer.
        """
        done = {"names": 0, "messages": 0, "found": 0}
        total = self.waiting()
        while rows := self._waiting_rows():
            keys = {row.id: self._book.key(row) for row in rows}
            holding: dict[int, list[int]] = {}
            pairs = 0
            looked: list[int] = []
            for number, key in keys.items():
                for pk in self._reader.all_rowids(_query(key, self._vault)):
                    holding.setdefault(pk, []).append(number)
                    pairs += 1
                looked.append(number)
                if pairs >= _PAIRS_AT_ONCE:
                    break
            # One that can't be read is kept anyway, and one that is disposed of is no matter.
            for chunk in _chunks(sorted(holding), _PAGE):
                found = {}
                for pk, text in skim(self._vault, chunk):
                    names = Names(keys[number] for number in holding[pk])
                    if text is not None and (borne := evidence(text, names, self._vault.blind)):
                        found[pk] = borne
                done["messages"] += len(chunk)
                done["found"] += len(self._record(found, reindex=True))
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                now = to_us(self._vault.clock.now())
                for part in _chunks(looked):
                    connection.execute(
                        update(name_book).where(name_book.c.id.in_(part)).values(searched_us=now)
                    )
            done["names"] += len(looked)
            if progress is not None:
                progress(done["names"], max(total, done["names"]))
        return done

    # --- inside -------------------------------------------------------------------------------

    def _look(self, texts: Mapping[int, IndexText], names: Names) -> set[int]:
        found = {
            pk: borne for pk, text in texts.items() if (borne := evidence(text, names, self._vault.blind))
        }
        return self._record(found, reindex=False)

    def _record(self, found: Mapping[int, Iterable[bytes]], *, reindex: bool) -> set[int]:
        """Have messages bear what was found; those that didn't yet are returned: their dates are void, and
        holds on patients look at them."""
        fresh: set[int] = set()
        for chunk in _chunks(sorted(found)):
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                there = tokens.borne(connection, chunk, PATIENT)
                new = {pk: more for pk in chunk if (more := set(found[pk]) - there.get(pk, set()))}
                if new:
                    tokens.add(connection, new, PATIENT)
                    stale.void(connection, new, reindex=reindex)
                    stale.next_version(connection)
                    standing.match(connection, sorted(new))
                    fresh |= new.keys()
        return fresh

    def _waiting_rows(self) -> Sequence[Any]:
        with self._vault.records.read() as connection:
            return connection.execute(
                select(name_book).where(_WAITS).order_by(name_book.c.id).limit(NAMES_AT_ONCE)
            ).all()


_WAITS = name_book.c.searched_us.is_(None)


def number_label(number: str) -> str:
    """A record number as the label `patient:` has it."""
    return normalise_identifier("mrn", number)


def _query(key: NameKey, vault: Vault) -> Any:
    """Messages that hold both words, anywhere."""
    return parse(f'"{key.given}" "{key.family}"', now=vault.clock.now()).tree


def _chunks(values: Sequence[int], size: int = CHUNK) -> Iterable[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
