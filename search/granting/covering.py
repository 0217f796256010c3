"""Reads what somebody names as a cover: addresses, matters, patients, units, sources, record types, days."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.store.schema import patients, sources
from archiver.vault import Vault
from search.cover import Cover
from search.granting.errors import BadGrant
from search.matters import matter_named

MOST: Final = 1_000
"""Names of one kind in one cover."""
_ADDRESS: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_TYPE: Final = re.compile(r"[a-z][a-z_]{1,40}")

UnitAddresses = Callable[[Connection, str], Sequence[str]]
"""The addresses of a unit by its id or name, known above this floor. Raises NotThere, BadGrant."""

FIELDS: Final = (
    "custodians",
    "matters",
    "patients",
    "units",
    "sources",
    "record_types",
    "sent_from",
    "sent_before",
)


@dataclass(frozen=True, slots=True)
class Covering:
    """Turns names into covers."""

    vault: Vault
    unit_addresses: UnitAddresses | None = None

    def read(self, connection: Connection, named: Mapping[str, Any]) -> Cover:
        """The cover of what is named: lists of texts, and days as YYYY-MM-DD. Raises BadGrant."""
        unknown = set(named) - set(FIELDS)
        if unknown:
            raise BadGrant(f"unknown part of a cover; use {', '.join(FIELDS)}")
        lists = {name: _list(name, named.get(name)) for name in FIELDS[:6]}
        custodians = {self._address(one) for one in lists["custodians"]}
        for unit in lists["units"]:
            if self.unit_addresses is None:
                raise BadGrant("units: not known here; name custodians")
            custodians.update(one.casefold() for one in self.unit_addresses(connection, unit))
        record_types = frozenset(lists["record_types"])
        if any(not _TYPE.fullmatch(one) for one in record_types):
            raise BadGrant("record_types: use names like billing or mental_health")
        return Cover(
            custodians=frozenset(custodians),
            matters=self._matters(connection, lists["matters"]),
            patients=self._patients(connection, lists["patients"]),
            sources=self._sources(connection, lists["sources"]),
            record_types=record_types,
            sent_from=_day("sent_from", named.get("sent_from")),
            sent_before=_day("sent_before", named.get("sent_before")),
        )

    @staticmethod
    def _address(text: str) -> str:
        if not _ADDRESS.fullmatch(text):
            raise BadGrant("custodians: give plain addresses, as in ann@clinic.example")
        return text.casefold()

    def _matters(self, connection: Connection, named: Sequence[str]) -> frozenset[str]:
        found = set()
        for which in named:
            one = matter_named(self.vault, connection, None, which)
            if one is None:
                raise BadGrant("matters: there is no such matter; `holdfast matter list` shows them")
            found.add(one)
        return frozenset(found)

    def _patients(self, connection: Connection, named: Sequence[str]) -> frozenset[str]:
        """Every record of the persons named by an id of the roster."""
        found: set[str] = set()
        for which in named:
            person = connection.scalar(select(patients.c.person).where(patients.c.id == which)) or which
            ids = connection.scalars(
                select(patients.c.id).where((patients.c.id == which) | (patients.c.person == person))
            ).all()
            if not ids:
                raise BadGrant(
                    "patients: there is no such id on the roster; `holdfast roster list` shows them"
                )
            found.update(ids)
        return frozenset(found)

    def _sources(self, connection: Connection, named: Sequence[str]) -> frozenset[str]:
        found = set()
        for which in named:
            one = connection.scalar(select(sources.c.id).where(sources.c.id == which))
            if one is None:
                known = self.vault.sources.by_name(which)
                one = known.id if known is not None else None
            if one is None:
                raise BadGrant("sources: there is no such source; `holdfast source list` shows them")
            found.add(str(one))
        return frozenset(found)


def _list(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        value = value.replace("\n", ",").split(",")
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise BadGrant(f"{name}: give a list of texts")
    found = [one.strip() for one in value if one.strip()]
    if len(found) > MOST:
        raise BadGrant(f"{name}: at most {MOST} of a kind; make several grants")
    return found


def _day(name: str, value: Any) -> date | None:
    if value is None or not str(value).strip():
        return None
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        raise BadGrant(f"{name}: give a day as YYYY-MM-DD") from None
