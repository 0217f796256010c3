"""Suspensions: an agency asks that a patient isn't told of what it got, for a time (45 CFR 164.528(a)(2)).

By a written statement until the day it names; by word of mouth for 30 days at most, unless a written one
comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import disclosure_suspensions
from archiver.vault import Vault
from config.cases import zone_of
from retention.cases.clock import ORAL_DELAY_DAYS, day_of
from retention.cases.typed import typed
from retention.disclosures.book import Disclosure
from retention.disclosures.errors import BadDisclosure
from retention.fields import SealedFields
from retention.refusals import NotThere, WrongState
from search.disclosing import SUSPENDABLE, Basis


@dataclass(frozen=True, slots=True)
class Suspension:
    """One as it stands. `agency` as its disclosures name the recipient; empty: every recipient of the
    basis."""

    id: str
    patient_id: str
    basis: Basis
    agency: str
    statement: str
    written: bool
    until: date
    created_at: str
    created_by: str
    ended: bool

    def covers(self, one: Disclosure, today: date) -> bool:
        """Whether the patient isn't told of a disclosure. One that names nobody may well be to the agency."""
        names = (self.agency.casefold(), one.recipient.name.casefold())
        return (
            not self.ended
            and today <= self.until
            and one.basis is self.basis
            and (not all(names) or names[0] == names[1])
        )

    def to_json(self, today: date) -> dict[str, Any]:
        """As answers to staff have it."""
        return {
            "id": self.id,
            "patient": self.patient_id,
            "legal_basis": str(self.basis),
            "agency": self.agency,
            "statement": self.statement,
            "written": self.written,
            "until": self.until.isoformat(),
            "in_force": not self.ended and today <= self.until,
            "created_at": self.created_at,
            "created_by": self.created_by,
        }


class Suspensions:
    """The suspensions of one archive. It asks no gate: `Disclosures` does. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def today(self) -> date:
        """The day where the organisation is."""
        return day_of(self._vault.clock.now(), zone_of(self._vault.settings.time_zone))

    def add(
        self,
        connection: Connection,
        patient_id: str,
        by_id: str,
        *,
        basis: Basis,
        until: date,
        written: bool,
        agency: str,
        statement: str,
    ) -> str:
        """Suspend in the caller's transaction; the id. Raises BadDisclosure."""
        if basis not in SUSPENDABLE:
            allowed = ", ".join(sorted(SUSPENDABLE))
            raise BadDisclosure(f"only disclosures for {allowed} can be suspended (45 CFR 164.528(a)(2))")
        today = self.today()
        if until < today:
            raise BadDisclosure("a suspension ends today or later")
        if not written and until > today + timedelta(days=ORAL_DELAY_DAYS):
            raise BadDisclosure(
                f"on an oral statement a suspension lasts {ORAL_DELAY_DAYS} days at most (45 CFR "
                f"164.528(a)(2)(ii))"
            )
        said = {
            "agency": typed("agency", agency, 320, BadDisclosure, lines=False),
            "statement": typed("statement", statement, 5_000, BadDisclosure, needed=True),
        }
        suspension_id = new_id("s")
        connection.execute(
            disclosure_suspensions.insert().values(
                id=suspension_id,
                patient_id=patient_id,
                basis=str(basis),
                until_on=until,
                written=written,
                sealed=self._fields.seal(suspension_id, said),
                created_us=to_us(self._vault.clock.now()),
                created_by=by_id,
            )
        )
        return suspension_id

    def end(self, connection: Connection, suspension_id: str, by_id: str) -> None:
        """End one before its day, in the caller's transaction. Raises NotThere, WrongState."""
        row = connection.execute(
            select(disclosure_suspensions).where(disclosure_suspensions.c.id == suspension_id)
        ).first()
        if row is None:
            raise NotThere("there is no such suspension; `holdfast disclosures suspensions` lists them")
        if row.ended_us is not None:
            raise WrongState("this suspension was ended already")
        connection.execute(
            update(disclosure_suspensions)
            .where(disclosure_suspensions.c.id == suspension_id)
            .values(ended_us=to_us(self._vault.clock.now()), ended_by=by_id)
        )

    def of(self, connection: Connection, ids: Iterable[str] | None = None) -> list[Suspension]:
        """Those of a patient's ids, or all, newest first."""
        query = select(disclosure_suspensions).order_by(
            disclosure_suspensions.c.created_us.desc(), disclosure_suspensions.c.id
        )
        if ids is not None:
            query = query.where(disclosure_suspensions.c.patient_id.in_(sorted(set(ids))))
        found = []
        for row in connection.execute(query).mappings():
            opened = self._fields.open(row["id"], row["sealed"])
            found.append(
                Suspension(
                    id=row["id"],
                    patient_id=row["patient_id"],
                    basis=Basis(row["basis"]),
                    agency=opened["agency"],
                    statement=opened["statement"],
                    written=row["written"],
                    until=row["until_on"],
                    created_at=rfc3339(from_us(row["created_us"])),
                    created_by=row["created_by"],
                    ended=row["ended_us"] is not None,
                )
            )
        return found
