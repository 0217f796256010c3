"""Which patients work here: by an address of the organisation's, or by the name of a user."""

from __future__ import annotations

from collections.abc import Mapping, Set

from sqlalchemy import Connection, select

from api.auditing.projection import Projection
from archiver.store.schema import patients
from archiver.vault import Vault
from retention.roster.matches import Matcher, Person
from retention.roster.names import key_of
from retention.units.book import UnitBooks

Hit = tuple[str, str, str | None]
"""`(kind, roster id, the user whose own record it is, or None)`."""


class Staff:
    """Says who among patients is a co-worker. Opens roster facts in memory and keeps none."""

    def __init__(self, vault: Vault, projection: Projection) -> None:
        self._vault = vault
        self._projection = projection
        self._matcher = Matcher(vault)
        self._units = UnitBooks(vault)

    def among(self, connection: Connection, tokens: Set[bytes], names: Mapping[str, str]) -> dict[bytes, Hit]:
        """Those of the tokens whose patients work here; `names` are the users', by id."""
        if not tokens:
            return {}
        ids = {}
        for one in connection.scalars(select(patients.c.id)):
            if (token := self._projection.token(one)) in tokens:
                ids[one] = token
        users = {key: user for user, name in names.items() if (key := key_of(name)) is not None}
        domains = self._domains()
        found: dict[bytes, Hit] = {}
        for person in self._persons(connection, set(ids)):
            user = next((users[key] for key in _keys(person) if key in users), None)
            if user is None and not any(_below(address, domains) for address in person.emails):
                continue
            for record in {person.id, *person.ids} & ids.keys():
                found[ids[record]] = ("staff", person.id, user)
        return found

    def numbers(self, connection: Connection, patients_: Set[str]) -> dict[str, str]:
        """A record number of each of these persons of the roster who has one."""
        known = self._matcher.persons(connection, patients_)
        return {one: person.numbers[0] for one, person in known.items() if person.numbers}

    def _persons(self, connection: Connection, ids: set[str]) -> list[Person]:
        known_as = select(patients.c.id, patients.c.person)
        persons = {row.person or row.id for row in connection.execute(known_as) if row.id in ids}
        return list(self._matcher.persons(connection, persons).values())

    def _domains(self) -> frozenset[str]:
        said = self._vault.settings.unusual_staff_domains
        return frozenset(one.casefold() for one in (*said, *self._units.current().domains()))


def _keys(person: Person) -> list[object]:
    return [
        key for record in person.records for name in record.all_names if (key := key_of(name)) is not None
    ]


def _below(address: str, domains: frozenset[str]) -> bool:
    domain = address.rpartition("@")[2].casefold()
    while domain:
        if domain in domains:
            return True
        domain = domain.partition(".")[2]
    return False
