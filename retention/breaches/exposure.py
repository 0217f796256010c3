"""What was exposed: which messages, how, by whom, whose, and what was sealed. Facts, and no conclusions.

From the audit log (who opened, listed, exported), the roster (whom a message is about), and the keys
(what lay sealed under which). 45 CFR 164.402, 164.404(a), 164.408; 74 FR 19006 for what counts as unsecured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, func, select

from archiver.clock import from_us, rfc3339
from archiver.seal.root import root_key_path
from archiver.store.schema import data_keys, messages, patients, users, wrapped_keys
from archiver.vault import Vault
from retention.breaches.asked import STORES, Asked
from retention.breaches.entries import Entries, Progress, objects_of
from retention.refusals import NotThere
from retention.roster.matches import Matcher, Person

OPENED, LISTED, EXPORTED, SEALED = "opened", "listed", "exported", "sealed_with"
KINDS: Final = (OPENED, LISTED, EXPORTED, SEALED)
"""A message was shown whole; stood in a list with its subject and perhaps a line of it; left in an export;
or lay sealed under a key that was exposed."""
UNKNOWN: Final = "unknown"
NO_PERSONS: Final = frozenset({"operator", "system", "anonymous"})
"""Who the log names that is no user."""
_CHUNK: Final = 500
_EXPORTING: Final = frozenset({"export.download"})
_OPENING: Final = frozenset({"message.read", "message.raw", "disposition.review", "disposition.opened"})
_LISTING: Final = frozenset(
    {"search.results", "search.unsearchable", "alert.show", "disposition.show", "tag.apply", "note.list"}
)


@dataclass(slots=True)
class Seen:
    """How often something was seen, by kind, and when first and last (microseconds of UTC)."""

    kinds: set[str] = field(default_factory=set)
    first: int | None = None
    last: int | None = None

    def add(self, kind: str, at: int | None) -> None:
        """Take one look in."""
        self.kinds.add(kind)
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)


@dataclass(slots=True)
class Hers:
    """One patient's exposure: messages by kind, times, and the States known of her."""

    counts: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None
    states: tuple[str, ...] = ()


@dataclass(slots=True)
class Exposure:
    """The whole of it. `entries` are numbers of the audit log; `people` by id of the roster's person."""

    entries: list[int]
    seen: dict[str, Seen]
    by_user: dict[str, Counter[str]]
    people: dict[str, Hers]
    unmatched: int
    first: int | None
    last: int | None
    facts: list[str]
    keys_with_data: bool | None

    def residents(self) -> dict[str, int]:
        """How many people by State; somebody known in two counts in both, and who in none as `unknown`."""
        found: Counter[str] = Counter()
        for one in self.people.values():
            found.update(one.states or (UNKNOWN,))
        return dict(sorted(found.items()))


class Exposures:
    """Works exposures out. It asks no gate: `Breaches` does. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._entries = Entries(vault)
        self._matcher = Matcher(vault)

    def of(
        self,
        connection: Connection,
        asked: Asked,
        *,
        whole: bool = False,
        progress: Progress = lambda done, total: None,
    ) -> Exposure:
        """Work out what was exposed; see `Asked`. Raises LedgerError, SealError where the log is damaged."""
        entries: list[int] = []
        seen: dict[str, Seen] = {}
        by_user: dict[str, Counter[str]] = {}
        told: dict[str, Seen] = {}
        nameless = 0
        if asked.by_log:
            for index, leaf, detail in self._entries.find(connection, asked, whole=whole, progress=progress):
                kind = _kind(leaf["action"])
                if kind is None:
                    continue
                named = objects_of(leaf, detail)
                nameless += not named and bool(leaf["count"])
                entries.append(index)
                by_user.setdefault(leaf["user"], Counter())[kind] += 1
                for one in named:
                    if not asked.messages or one in asked.messages:
                        seen.setdefault(one, Seen()).add(kind, leaf["at"])
                if not asked.messages:
                    for one in detail.get("patients", ()):
                        told.setdefault(one, Seen()).add(kind, leaf["at"])
        for one in self._under(connection, asked.keys):
            seen.setdefault(one, Seen()).add(SEALED, None)
        seen = self._mail(connection, seen)
        people, unmatched = self._people(connection, seen, told)
        facts, together = self._facts(connection, asked, seen)
        if nameless:
            facts.append(
                f"{nameless:,} entries say how many messages they are about and not which: their sealed "
                "details are past the term of the audit log. What they showed is not among the above."
            )
        times = [at for one in seen.values() for at in (one.first, one.last) if at is not None]
        return Exposure(
            entries,
            seen,
            by_user,
            people,
            unmatched,
            min(times, default=None),
            max(times, default=None),
            facts,
            together,
        )

    def named(self, connection: Connection, asked: Asked) -> Asked:
        """The same with users by their ids, whom people may name by their names. Raises NotThere."""
        ids = []
        for one in asked.users:
            if not one.isprintable():
                raise NotThere("there is no such user; `holdfast users list` shows them")
            found = connection.scalar(
                select(users.c.id).where((users.c.id == one) | (users.c.name == one)).limit(1)
            )
            if found is None and one not in NO_PERSONS:
                raise NotThere("there is no such user; `holdfast users list` shows them")
            ids.append(found or one)
        return replace(asked, users=tuple(ids))

    def users(self, connection: Connection, by_user: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
        """To whom it was shown: `[{id, name, role, opened, listed, exported}]`, entries of the log each."""
        rows = connection.execute(
            select(users.c.id, users.c.name, users.c.role).where(users.c.id.in_(sorted(by_user)))
        ).all()
        known = {row.id: row for row in rows}
        return [
            {
                "id": one,
                "name": known[one].name if one in known else one,
                "role": known[one].role if one in known else "",
                **{kind: by_user[one].get(kind, 0) for kind in (OPENED, LISTED, EXPORTED)},
            }
            for one in sorted(by_user)
        ]

    # --- inside -------------------------------------------------------------------------------

    def _under(self, connection: Connection, keys: Sequence[str]) -> list[str]:
        """Messages whose data keys are wrapped by these epoch keys, or which these data keys are of."""
        found: dict[str, None] = {}
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            rows = connection.scalars(
                select(messages.c.id)
                .join(data_keys, data_keys.c.message_pk == messages.c.pk)
                .where(data_keys.c.epoch_id.in_(chunk) | messages.c.id.in_(chunk))
                .order_by(messages.c.pk)
            )
            found.update(dict.fromkeys(rows))
        return list(found)

    def _mail(self, connection: Connection, seen: Mapping[str, Seen]) -> dict[str, Seen]:
        """Of all that entries name, the messages."""
        ids = sorted(seen)
        there: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            there.update(
                connection.scalars(
                    select(messages.c.id).where(messages.c.id.in_(ids[start : start + _CHUNK]))
                )
            )
        return {one: seen[one] for one in ids if one in there}

    def _people(
        self, connection: Connection, seen: Mapping[str, Seen], told: Mapping[str, Seen]
    ) -> tuple[dict[str, Hers], int]:
        """Whose mail it is: as the roster has it now, and as each entry said when it was written."""
        people: dict[str, Hers] = {}
        about: dict[str, Person] = {}
        unmatched = 0
        ids = sorted(seen)
        for start in range(0, len(ids), _CHUNK):
            rows = connection.execute(
                select(messages.c.id, messages.c.pk).where(messages.c.id.in_(ids[start : start + _CHUNK]))
            ).all()
            matched = self._matcher.of_messages(connection, [row.pk for row in rows])
            for row in rows:
                persons = matched.get(row.pk, ())
                unmatched += not persons
                for person in persons:
                    about[person.id] = person
                    _take(people.setdefault(person.id, Hers()), seen[row.id])
        known = {one: person.id for person in about.values() for one in (person.id, *person.ids)}
        # Of mail that was disposed of since, or a roster that has changed, the log itself still tells.
        rest = {one: look for one, look in told.items() if one not in known}
        more = self._matcher.persons(connection, self._persons_of(connection, rest))
        for person in more.values():
            if person.id not in people:
                about[person.id] = person
                hers = people.setdefault(person.id, Hers())
                for look in (rest[one] for one in person.ids if one in rest):
                    _take(hers, look)
        for one, person in about.items():
            people[one].states = tuple(sorted(person.states))
        return people, unmatched

    def _persons_of(self, connection: Connection, records: Iterable[str]) -> set[str]:
        ids = sorted(records)
        found: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            found.update(
                connection.scalars(
                    select(func.coalesce(patients.c.person, patients.c.id)).where(
                        patients.c.id.in_(ids[start : start + _CHUNK])
                    )
                )
            )
        return found

    def _facts(
        self, connection: Connection, asked: Asked, seen: Mapping[str, Seen]
    ) -> tuple[list[str], bool | None]:
        """What was encrypted, and whether its keys were with it: what the safe harbour turns on, as stated
        facts. The second is None where nothing lay still: what was shown to somebody was not encrypted."""
        facts = []
        shown = sum(1 for one in seen.values() if one.kinds - {SEALED})
        if shown:
            facts.append(
                f"{shown:,} messages were shown or given out unsealed, to somebody with a sign-in or "
                f"a token: "
                "encryption at rest has no bearing on these."
            )
        epochs = connection.execute(
            select(wrapped_keys.c.id, wrapped_keys.c.root_id).where(
                wrapped_keys.c.kind == "epoch", wrapped_keys.c.id.in_(asked.keys)
            )
        ).all()
        facts += [
            f"The epoch key {row.id} wraps the data keys of its month by AES-256-GCM and is itself "
            f"wrapped by the "
            f"root key {row.root_id}; as a store keeps it, it opens nothing without that root key."
            for row in epochs
        ]
        if not asked.taken:
            return facts, None
        facts += [f"Taken: {STORES[one]}." for one in asked.taken]
        facts.append(
            "Each message, its parts, and every field that names somebody are sealed with "
            "AES-256-GCM (chunked, "
            "key-committing; docs/FORMAT.md); the index is AES-256 with HMAC in every page; the "
            "published logs "
            "hold hashes and salted commitments."
        )
        facts.append(self._where())
        if "export" in asked.taken:
            facts.append(
                "An export is plain mail where its recipient wrote it: nothing of it was encrypted by us."
            )
        together = "root_key" in asked.taken or "export" in asked.taken
        facts.append(
            "The root key was taken with it: whoever has both can read it."
            if "root_key" in asked.taken
            else "The root key was not among what was taken, as far as was said."
        )
        return facts, together

    def _where(self) -> str:
        """Where the root key is kept, without its path."""
        settings = self._vault.settings
        provider = settings.root_key.partition(":")[0]
        path = root_key_path(settings.root_key, settings.home)
        try:
            same = path.stat().st_dev == settings.home.stat().st_dev
        except OSError:
            return f"The root key comes from {provider}; where it lies can’t be seen from here now."
        where = "on the same volume as the data" if same else "on another volume than the data"
        return f"The root key ({provider}) lies {where}, as the system has it now."


def described(exposure: Exposure, people: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An exposure in short, as it is sealed and shown: counts, times, to whom, by State, facts."""
    counts: Counter[str] = Counter()
    for one in exposure.seen.values():
        counts.update(one.kinds)
    return {
        "entries": len(exposure.entries),
        "messages": len(exposure.seen),
        **{kind: counts.get(kind, 0) for kind in KINDS},
        "unmatched": exposure.unmatched,
        "first": _time(exposure.first),
        "last": _time(exposure.last),
        "to": list(people),
        "patients": len(exposure.people),
        "by_state": exposure.residents(),
        "facts": exposure.facts,
        "keys_with_data": exposure.keys_with_data,
    }


def _kind(action: str) -> str | None:
    if action in _EXPORTING:
        return EXPORTED
    if action in _OPENING:
        return OPENED
    return LISTED if action in _LISTING else None


def _take(hers: Hers, look: Seen) -> None:
    hers.counts.update(look.kinds)
    for at in (look.first, look.last):
        if at is not None:
            hers.first = at if hers.first is None else min(hers.first, at)
            hers.last = at if hers.last is None else max(hers.last, at)


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
