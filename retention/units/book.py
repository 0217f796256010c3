"""What was said of the organisation's units, in memory: which of them a message belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.store import dialect
from archiver.store.schema import meta, unit_facts
from archiver.vault import Vault
from retention.fields import SealedFields

_VERSION: Final = "units_version"


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """Who belongs to a unit, and which law it is under. Domains and addresses are casefolded."""

    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    provider: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> UnitFacts:
        """The inverse of `to_json`."""
        return cls(
            tuple(value["domains"]), tuple(value["addresses"]), tuple(value["states"]), value["provider"]
        )


@dataclass(frozen=True, slots=True)
class Said:
    """One version of a unit; `until_us` is when it was taken back."""

    unit: str
    facts: UnitFacts
    until_us: int | None


class UnitBook:
    """Every version of every unit. What was said of a unit when a message was captured, or later, applies to
    the message for good: taking it back frees no mail that was there already."""

    def __init__(self, said: Iterable[Said]) -> None:
        self._by_domain: dict[str, list[Said]] = {}
        self._by_address: dict[str, list[Said]] = {}
        for one in said:
            for domain in one.facts.domains:
                self._by_domain.setdefault(domain, []).append(one)
            for address in one.facts.addresses:
                self._by_address.setdefault(address, []).append(one)

    def domains(self) -> tuple[str, ...]:
        """Every domain that is or was a unit's."""
        return tuple(sorted(self._by_domain))

    def of(self, addresses: Iterable[str], captured_us: int) -> list[Said]:
        """What applies to a message with these participants, by unit; a domain includes those below it."""
        if not self._by_domain and not self._by_address:
            return []
        found: dict[int, Said] = {}
        for address in addresses:
            for one in self._by_address.get(address, ()):
                found[id(one)] = one
            domain = address.rpartition("@")[2]
            while domain and self._by_domain:
                for one in self._by_domain.get(domain, ()):
                    found[id(one)] = one
                domain = domain.partition(".")[2]
        applying = (one for one in found.values() if one.until_us is None or one.until_us > captured_us)
        return sorted(applying, key=lambda one: (one.unit, one.until_us or 0))


class UnitBooks:
    """The book as it is now. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._known: tuple[int, UnitBook] = (-1, UnitBook(()))

    def current(self) -> UnitBook:
        """Read anew when a unit has changed."""
        with self._vault.records.read() as connection:
            version = units_version(connection)
            if self._known[0] != version:
                rows = connection.execute(select(unit_facts).order_by(unit_facts.c.version)).all()
                said = [
                    Said(row.unit_id, UnitFacts.from_json(self._open(row)["facts"]), row.until_us)
                    for row in rows
                ]
                self._known = (version, UnitBook(said))
        return self._known[1]

    def _open(self, row: Any) -> dict[str, Any]:
        value: dict[str, Any] = self._fields.open(f"{row.unit_id}/{row.version}", row.sealed)
        return value


def units_version(connection: Connection) -> int:
    """A number that grows whenever a unit changes."""
    value = connection.scalar(select(meta.c.value).where(meta.c.name == _VERSION))
    return int(bytes(value)) if value is not None else 0


def next_units_version(connection: Connection) -> None:
    """Let it grow, under LOCK_ARCHIVE."""
    number = units_version(connection) + 1
    dialect.upsert(connection, meta, [{"name": _VERSION, "value": str(number).encode()}], update=["value"])
