"""A patient in short, as lists and letters show her."""

from __future__ import annotations

from typing import Any

from retention.roster.matches import Person


def described(person: Person) -> dict[str, Any]:
    """A patient in short; patient information."""
    names = dict.fromkeys(name for record in person.records for name in record.all_names)
    return {
        "id": person.id,
        "numbers": list(person.numbers),
        "systems": sorted({record.system for record in person.records if record.system}),
        "name": next(iter(names), ""),
        "born": _shown(person.born),
        "died": _shown(person.died),
        "emancipated": _shown(_known(person.emancipated)),
        "deceased": any(record.deceased or record.died for record in person.records),
        "states": sorted(person.states),
        "last_encounter": _shown(person.last_encounter),
        "discharged": _shown(person.discharged),
        "records": len(person.records),
    }


def _known(days: tuple[Any, ...]) -> Any:
    known = tuple(day for day in days if day is not None)
    return known[0] if len(known) == 1 else known or None


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [one.isoformat() for one in value]
    return value.isoformat() if value is not None else None
