"""The addresses of a unit, for a grant that names it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from archiver.store.schema import unit_facts
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.units.book import UnitFacts
from retention.units.finding import find_unit
from search.granting.errors import BadGrant


def addresses_of(vault: Vault, connection: Connection, which: str) -> Sequence[str]:
    """What a unit, by id or name, is said to be at this moment.

    Raises NotThere, and BadGrant where it is said by domains: the index knows whole addresses only, and a
    grant of less than the unit would mislead.
    """
    row = find_unit(vault, connection, which)
    latest = connection.execute(
        select(unit_facts)
        .where(unit_facts.c.unit_id == row["id"], unit_facts.c.until_us.is_(None))
        .order_by(unit_facts.c.version.desc())
        .limit(1)
    ).first()
    if latest is None:
        raise BadGrant("units: this unit is retired; name custodians")
    told = SealedFields(vault).open(f"{latest.unit_id}/{latest.version}", latest.sealed)
    facts = UnitFacts.from_json(told["facts"])
    if facts.domains or not facts.addresses:
        raise BadGrant("units: this unit is said by domains; name custodians, or say its addresses first")
    return facts.addresses
