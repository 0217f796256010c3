"""Finds a unit by its id or name, and says which is the nearest in spelling where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from archiver.store.schema import units
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.policy.errors import BadPolicy
from retention.refusals import NotThere

_MOST_COMPARED = 200
"""Characters of what was asked for: no name is longer."""


def find_unit(vault: Vault, connection: Connection, which: str) -> RowMapping:
    """The unit of an id or a name, retired or not. Raises NotThere, with the id of the nearest one: names
    are sealed, and stand in no error."""
    token = vault.blind.token("unit-name", " ".join(which.split()))
    row = (
        connection.execute(select(units).where((units.c.id == which) | (units.c.name_token == token)))
        .mappings()
        .first()
    )
    if row is not None:
        return row
    near = _nearest(vault, connection, which)
    hint = f"; the nearest in spelling is {near}" if near else ""
    raise NotThere(f"there is no such unit{hint}; `holdfast unit list` shows them")


def with_unit(vault: Vault, connection: Connection, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A change of policy with the id of its unit, which may be given by name. Raises BadPolicy where there
    is none: a term for it would keep nothing, and nobody would notice."""
    says = document.get("says")
    scope = says.get("scope") if isinstance(says, Mapping) else None
    which = scope.get("unit") if isinstance(scope, Mapping) else None
    if not isinstance(says, Mapping) or not isinstance(scope, Mapping) or not which:
        return document
    try:
        found = find_unit(vault, connection, str(which).strip())
    except NotThere as error:
        raise BadPolicy(f"unit: {error}") from None
    return {**document, "says": {**says, "scope": {**scope, "unit": found["id"]}}}


def _nearest(vault: Vault, connection: Connection, which: str) -> str:
    fields = SealedFields(vault)
    spelled: dict[str, str] = {}
    for row in connection.execute(select(units.c.id, units.c.sealed_name).order_by(units.c.id)):
        spelled.setdefault(str(fields.open(row.id, row.sealed_name)["name"]).casefold(), row.id)
        spelled[row.id] = row.id
    asked = " ".join(which.split()).casefold()[:_MOST_COMPARED]
    close = get_close_matches(asked, spelled, n=1)
    return spelled[close[0]] if close else ""
