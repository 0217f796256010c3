"""When patients were seen and by whom, as FHIR rosters tell: kept sealed, found by blind tokens.

Beside what disposal dates need of encounters (`Patient.met_last` and the like): this is for finding mail by
episode and by provider, and no date follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, select

from archiver.sealed_fields import SealedFields
from archiver.store import dialect
from archiver.store.dialect import Insert
from archiver.store.schema import (
    BY_FHIR,
    BY_KEY,
    clinician_keys,
    clinicians,
    encounter_clinicians,
    encounters,
    patient_tokens,
)
from archiver.vault import Vault
from retention.roster.fhir import Clinician, Meeting
from retention.roster.tokens import reference_token

CHUNK: Final = 500

_WRITE: Final = Insert(encounters, ("token", "about", "sealed"), ("about", "sealed"))
_LINK: Final = Insert(encounter_clinicians, ("clinician", "encounter"), "ignore")


@dataclass(frozen=True, slots=True)
class Encounter:
    """One encounter of a patient. `first` None: nobody tells when it was. `last` None: it hasn't ended, or
    nobody tells. `by` are the clinicians: (token of what names them, as the encounter shows them)."""

    id: str
    first: date | None
    last: date | None
    stay: bool
    kind: str
    by: tuple[tuple[bytes, str], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A clinician on the roster."""

    id: str
    name: str
    emails: tuple[str, ...]
    npi: str


class Encounters:
    """The encounters and clinicians of one archive. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    # --- as rosters bring them ----------------------------------------------------------------

    def keep(self, connection: Connection, meetings: Sequence[Meeting]) -> int:
        """Add encounters, replace those known, drop those that turned out never to have been; return how
        many changed."""
        wanted = {self._token("encounter", one.id): one for one in meetings}
        known = self._known(connection, encounters, list(wanted))
        rows, links, stale = [], [], []
        for token, one in wanted.items():
            about = reference_token(self._vault.blind, one.patient)
            said = None if one.void else _plain(one)
            before = known.get(token)
            if said is None:
                if before is not None:
                    stale.append(token)
                continue
            if before is not None and before[0] == about and self._open(token, before[1]) == said:
                continue
            rows.append({"token": token, "about": about, "sealed": self._seal(token, said)})
            if before is not None:
                stale.append(token)
            links += [{"clinician": self._token("clinician", key), "encounter": token} for key, _ in one.by]
        for chunk in _chunks(stale):
            connection.execute(
                delete(encounter_clinicians).where(encounter_clinicians.c.encounter.in_(chunk))
            )
            gone = [token for token in chunk if wanted[token].void]
            connection.execute(delete(encounters).where(encounters.c.token.in_(gone)))
        _WRITE(connection, rows)
        _LINK(connection, links)
        return len(rows) + sum(wanted[token].void for token in stale)

    def keep_clinicians(self, connection: Connection, found: Sequence[Clinician]) -> None:
        """Add clinicians, and replace those known."""
        for one in found:
            keys = {self._token("clinician", key) for key in one.keys}
            if one.of:
                own = self._token("clinician", one.of)
                connection.execute(delete(clinician_keys).where(clinician_keys.c.token.in_(sorted(keys))))
            else:
                own = self._token("clinician", one.keys[0])
                keys |= {self._address(address) for address in one.emails}
                before = self._known(connection, clinicians, [own]).get(own)
                if before is not None:
                    # What it was known by and isn't any more. Roles say themselves whose they are.
                    former = map(bytes.fromhex, self._open(own, before[1])["keys"])
                    connection.execute(
                        delete(clinician_keys).where(
                            clinician_keys.c.clinician == own, clinician_keys.c.token.in_(sorted(former))
                        )
                    )
                said = {
                    "name": one.name,
                    "emails": list(one.emails),
                    "npi": one.npi,
                    "keys": sorted(key.hex() for key in keys),
                }
                row = {"token": own, "sealed": self._seal(own, said)}
                dialect.upsert(connection, clinicians, [row], ["sealed"])
            connection.execute(
                dialect.insert_or_ignore(connection, clinician_keys),
                [{"token": key, "clinician": own} for key in sorted(keys)],
            )

    # --- as searches ask ----------------------------------------------------------------------

    def of_records(self, connection: Connection, ids: Iterable[str]) -> list[Encounter]:
        """The encounters of patients' records, the earliest first."""
        names = select(patient_tokens.c.token).where(
            patient_tokens.c.patient_id.in_(sorted(ids)), patient_tokens.c.kind.in_((BY_KEY, BY_FHIR))
        )
        rows = connection.execute(select(encounters).where(encounters.c.about.in_(names)))
        found = [self._encounter(bytes(row.token), row.sealed) for row in rows]
        return sorted(found, key=lambda one: (one.first or date.max, one.last or date.max, one.id))

    def known(self, connection: Connection, keys: Iterable[bytes]) -> dict[bytes, Known]:
        """The clinicians that encounters name so, as far as the roster has them."""
        wanted = sorted(set(keys))
        found: dict[bytes, bytes] = {}
        for _ in range(2):  # a role is somebody's, whom it may name by another key than the first
            for chunk in _chunks(sorted({found.get(key, key) for key in wanted})):
                rows = connection.execute(
                    select(clinician_keys.c.token, clinician_keys.c.clinician)
                    .where(clinician_keys.c.token.in_(chunk))
                    .order_by(clinician_keys.c.clinician.desc())
                )
                step = {bytes(row.token): bytes(row.clinician) for row in rows}
                found |= {key: step[at] for key in wanted if (at := found.get(key, key)) in step}
        people = {}
        for chunk in _chunks(sorted(set(found.values()))):
            for row in connection.execute(select(clinicians).where(clinicians.c.token.in_(chunk))):
                token = bytes(row.token)
                said = self._open(token, row.sealed)
                people[token] = Known(token.hex(), said["name"], tuple(said["emails"]), said["npi"])
        return {key: people[token] for key, token in found.items() if token in people}

    def with_address(self, connection: Connection, address: str) -> list[Known]:
        """The clinicians of the roster who have an e-mail address."""
        owners = connection.scalars(
            select(clinician_keys.c.clinician).where(clinician_keys.c.token == self._address(address))
        )
        found = self.known(connection, map(bytes, owners))
        return [found[key] for key in sorted(found)]

    def seen_by(self, connection: Connection, clinician: Known) -> dict[str, int]:
        """How many encounters a clinician had with each patient's record."""
        own = bytes.fromhex(clinician.id)
        direct = set(self._named(connection, {own}))
        names = {own, *direct, *self._named(connection, direct)}  # its keys, and the roles of those
        found: dict[str, int] = {}
        for chunk in _chunks(sorted(names)):
            rows = connection.execute(
                select(encounters.c.token, patient_tokens.c.patient_id)
                .join(encounter_clinicians, encounter_clinicians.c.encounter == encounters.c.token)
                .join(patient_tokens, patient_tokens.c.token == encounters.c.about)
                .where(
                    encounter_clinicians.c.clinician.in_(chunk),
                    patient_tokens.c.kind.in_((BY_KEY, BY_FHIR)),
                )
                .distinct()
            )
            for row in rows:
                found[row.patient_id] = found.get(row.patient_id, 0) + 1
        return found

    # --- inside -------------------------------------------------------------------------------

    def _named(self, connection: Connection, owners: set[bytes]) -> Iterable[bytes]:
        for chunk in _chunks(sorted(owners)):
            yield from map(
                bytes,
                connection.scalars(
                    select(clinician_keys.c.token).where(clinician_keys.c.clinician.in_(chunk))
                ),
            )

    def _token(self, kind: str, own: str) -> bytes:
        # Letters count as written in a FHIR id, so they are spelled out.
        return self._vault.blind.token(kind, own.encode().hex())

    def _address(self, address: str) -> bytes:
        return self._vault.blind.token("clinician-address", address)

    def _seal(self, token: bytes, said: dict[str, Any]) -> bytes:
        return self._fields.seal(f"care:{token.hex()}", said)

    def _open(self, token: bytes, sealed: bytes) -> dict[str, Any]:
        found: dict[str, Any] = self._fields.open(f"care:{token.hex()}", sealed)
        return found

    def _known(
        self, connection: Connection, table: Table, tokens: Sequence[bytes]
    ) -> dict[bytes, tuple[bytes, bytes]]:
        """By token: whom a row is about (of an encounter), and what is sealed in it."""
        found = {}
        for chunk in _chunks(tokens):
            for row in connection.execute(select(table).where(table.c.token.in_(chunk))):
                about = bytes(row.about) if table is encounters else b""
                found[bytes(row.token)] = (about, bytes(row.sealed))
        return found

    def _encounter(self, token: bytes, sealed: bytes) -> Encounter:
        said = self._open(token, sealed)
        return Encounter(
            f"e{token.hex()}",
            _day(said["first"]),
            _day(said["last"]),
            bool(said["stay"]),
            said["kind"],
            tuple((self._token("clinician", key), shown) for key, shown in said["by"]),
        )


def _plain(one: Meeting) -> dict[str, Any]:
    return {
        "first": one.first.isoformat() if one.first else "",
        "last": one.last.isoformat() if one.last else "",
        "stay": one.stay,
        "kind": one.kind,
        "by": [list(pair) for pair in one.by],
    }


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _chunks(values: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
