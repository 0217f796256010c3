"""The units of an organisation: made, changed and retired, on record and felt by every date at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.store import dialect
from archiver.store.schema import unit_facts, units
from archiver.vault import Vault
from retention.acts import Act, by_system, change, look
from retention.errors import RetentionError
from retention.fields import SealedFields
from retention.law.rules import ANY_PROVIDER
from retention.law.schedules import Schedule
from retention.policy.store import bump
from retention.refusals import NameTaken, WrongState
from retention.roster import stale
from retention.units.book import UnitFacts, next_units_version
from retention.units.finding import find_unit
from search.access import Action, Actor, Gate

MAX_NAME: Final = 200
MAX_MEMBERS: Final = 100_000
_DOMAIN: Final = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{0,61}[^\W_]")
_ADDRESS: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_AS: Final = {"domain": "dental.clinic.example", "address": "ann@clinic.example"}


class BadUnit(RetentionError):
    """A unit that can't be made as given. The text says which part, never its value."""

    code = "bad_unit"
    http_status = 422


class Units:
    """The units of one archive. `actor` is None for a command that acts on the home as the operator."""

    def __init__(self, vault: Vault, gate: Gate, schedule: Schedule) -> None:
        self._vault = vault
        self._gate = gate
        self._schedule = schedule
        self._fields = SealedFields(vault)

    def add(self, actor: Actor | None, name: str, **facts: Any) -> dict[str, Any]:
        """Make a unit; see `read_facts`. From this commit on no date of before counts until it is computed
        anew with the unit. Raises BadUnit, NameTaken, AccessDenied."""
        with self._changing(actor, "unit.add") as act:
            name = _name(name)
            read = read_facts(self._schedule, **facts)
            token = self._vault.blind.token("unit-name", name)
            if act.connection.scalar(select(units.c.id).where(units.c.name_token == token)):
                raise NameTaken("a unit of this name exists; use `unit set`, or choose another name")
            unit_id = new_id("n")
            act.objects.append(unit_id)
            act.connection.execute(
                units.insert().values(
                    id=unit_id,
                    name_token=token,
                    sealed_name=self._fields.seal(unit_id, {"name": name}),
                    created_us=to_us(self._vault.clock.now()),
                )
            )
            self._say(act, actor, unit_id, 1, read)
            return self._described(act.connection, self._find(act.connection, unit_id))

    def set(self, actor: Actor | None, which: str, **facts: Any) -> dict[str, Any]:
        """Say other things of a unit: what isn't given (None) stays. Mail captured until now keeps what was
        said before besides, so that no date moves earlier by it. Raises NotThere, BadUnit, AccessDenied."""
        with self._changing(actor, "unit.set") as act:
            row = self._find(act.connection, which)
            act.objects.append(row["id"])
            latest = self._versions(act.connection, row["id"])[-1]
            known = self._open(latest)["facts"] if latest["until_us"] is None else UnitFacts().to_json()
            given = {name: value for name, value in facts.items() if value is not None}
            read = read_facts(self._schedule, **{**known, **given})
            if latest["until_us"] is not None or read.to_json() != known:
                self._end(act.connection, latest)
                self._say(act, actor, row["id"], latest["version"] + 1, read)
            return self._described(act.connection, row)

    def remove(self, actor: Actor | None, which: str) -> dict[str, Any]:
        """Retire a unit: it says nothing of mail that arrives from now on, and all that it said of mail that
        is here. Raises NotThere, WrongState, AccessDenied."""
        with self._changing(actor, "unit.remove") as act:
            row = self._find(act.connection, which)
            act.objects.append(row["id"])
            latest = self._versions(act.connection, row["id"])[-1]
            if latest["until_us"] is not None:
                raise WrongState("this unit is retired already")
            self._end(act.connection, latest)
            self._changed(act.connection)
            return self._described(act.connection, row)

    def list(self, actor: Actor) -> list[dict[str, Any]]:
        """Every unit by name, the retired ones too: `{id, name, active, domains, addresses (how many),
        states, provider}`."""
        with look(self._vault, self._gate, actor, Action.UNIT_READ, "unit.list") as act:
            found = []
            for row in act.connection.execute(select(units)).mappings():
                one = self._described(act.connection, row)
                one["addresses"] = len(one["addresses"])
                del one["versions"]
                found.append(one)
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return sorted(found, key=lambda one: str(one["name"]).casefold())

    def show(self, actor: Actor, which: str) -> dict[str, Any]:
        """One unit with all that was ever said of it. Raises NotThere, AccessDenied."""
        with look(self._vault, self._gate, actor, Action.UNIT_READ, "unit.show") as act:
            row = self._find(act.connection, which)
            act.objects.append(row["id"])
            return self._described(act.connection, row)

    # --- inside -------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, actor: Actor | None, name: str) -> Iterator[Act]:
        if actor is not None:
            with change(self._vault, self._gate, actor, Action.UNIT_MANAGE, name) as act:
                yield act
            return
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            act = Act(connection)
            yield act
            event = by_system(name, "success", "operator", objects=tuple(act.objects), detail=act.detail)
            self._vault.audit.record_in(connection, event)

    def _say(self, act: Act, actor: Actor | None, unit_id: str, version: int, facts: UnitFacts) -> None:
        by = actor.user_id if actor is not None else "operator"
        act.connection.execute(
            unit_facts.insert().values(
                unit_id=unit_id,
                version=version,
                sealed=self._fields.seal(f"{unit_id}/{version}", {"facts": facts.to_json(), "by": by}),
                from_us=to_us(self._vault.clock.now()),
            )
        )
        act.detail |= facts.to_json() | {"addresses": len(facts.addresses)}
        self._changed(act.connection)

    @staticmethod
    def _changed(connection: Connection) -> None:
        next_units_version(connection)
        stale.next_version(connection)
        bump(connection)

    def _end(self, connection: Connection, version: RowMapping) -> None:
        if version["until_us"] is None:
            connection.execute(
                update(unit_facts)
                .where(unit_facts.c.unit_id == version["unit_id"], unit_facts.c.version == version["version"])
                # Mail of this very instant keeps it.
                .values(until_us=to_us(self._vault.clock.now()) + 1)
            )

    def _find(self, connection: Connection, which: str) -> RowMapping:
        return find_unit(self._vault, connection, which)

    @staticmethod
    def _versions(connection: Connection, unit_id: str) -> Sequence[RowMapping]:
        return (
            connection.execute(
                select(unit_facts).where(unit_facts.c.unit_id == unit_id).order_by(unit_facts.c.version)
            )
            .mappings()
            .all()
        )

    def _open(self, version: RowMapping) -> dict[str, Any]:
        value: dict[str, Any] = self._fields.open(
            f"{version['unit_id']}/{version['version']}", version["sealed"]
        )
        return value

    def _described(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        versions = []
        for one in self._versions(connection, row["id"]):
            opened = self._open(one)
            until = rfc3339(from_us(one["until_us"])) if one["until_us"] is not None else None
            versions.append(
                {
                    **opened["facts"],
                    "from": rfc3339(from_us(one["from_us"])),
                    "until": until,
                    "by": opened["by"],
                }
            )
        latest = versions[-1]
        return {
            "id": row["id"],
            "name": self._fields.open(row["id"], row["sealed_name"])["name"],
            "active": latest["until"] is None,
            "domains": latest["domains"],
            "addresses": latest["addresses"],
            "states": latest["states"],
            "provider": latest["provider"],
            "created_at": rfc3339(from_us(row["created_us"])),
            "versions": versions,
        }


def active_units(connection: Connection) -> int:
    """How many units aren't retired."""
    return int(
        connection.scalar(
            select(func.count(unit_facts.c.unit_id.distinct())).where(unit_facts.c.until_us.is_(None))
        )
        or 0
    )


def read_facts(
    schedule: Schedule,
    *,
    domains: Sequence[str] = (),
    addresses: Sequence[str] = (),
    states: Sequence[str] = (),
    provider: str = "",
) -> UnitFacts:
    """Read who belongs to a unit and which law it is under.

    At least one domain or address, and a State or a provider type of the schedules. Raises BadUnit.
    """
    read = UnitFacts(
        domains=_each("domain", [d.strip().lstrip("@").casefold() for d in domains], _DOMAIN),
        addresses=_each("address", [a.strip().casefold() for a in addresses], _ADDRESS),
        states=tuple(sorted({state.strip().upper() for state in states})),
        provider=provider.strip(),
    )
    if not read.domains and not read.addresses:
        raise BadUnit("a unit needs a domain or an address: who belongs to it?")
    if not read.states and not read.provider:
        raise BadUnit("a unit needs a State or a provider type: which law is it under?")
    if not set(read.states) <= set(schedule.jurisdictions):
        raise BadUnit(f"state: unknown; use {', '.join(sorted(schedule.jurisdictions))}")
    if read.provider and read.provider not in provider_types(schedule):
        raise BadUnit(f"provider: unknown; use {', '.join(provider_types(schedule))}")
    return read


def provider_types(schedule: Schedule) -> list[str]:
    """What a unit can be: every provider type that the schedules know."""
    return sorted(set(schedule.provider_types) - {ANY_PROVIDER})


def _each(what: str, values: Sequence[str], form: re.Pattern[str]) -> tuple[str, ...]:
    found = tuple(sorted(set(values)))
    if len(found) > MAX_MEMBERS:
        raise BadUnit(f"{what}: a unit may have {MAX_MEMBERS:,} at most; make several units")
    if not all(len(value) <= 320 and form.fullmatch(value) for value in found):
        raise BadUnit(f"{what}: one of them is none; write it as {_AS[what]}")
    return found


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise BadUnit(f"a unit needs a name of 1 to {MAX_NAME} characters")
    return name
