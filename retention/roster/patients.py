"""The roster in the archive: patients sealed, found by blind-index tokens of record number and address."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, select, update

from archiver.capture.prepare import new_id
from archiver.classify import normalise_identifier
from archiver.store import dialect
from archiver.store.schema import message_tokens, messages, meta, patient_tokens, patients
from archiver.vault import Vault
from retention.acts import by_system
from retention.errors import RosterError
from retention.fields import SealedFields
from retention.roster.csv_file import Patient

CHUNK = 500
_VERSION = "roster_version"
_WORDS = re.compile(r"[^\W\d_]{2,}")


class PatientStore:
    """The roster of one archive. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def import_roster(self, roster: Sequence[Patient]) -> dict[str, int]:
        """Add patients and replace those whose record number is known; nobody is removed.

        All in one transaction with its audit event, durable on return; the disposal dates of the mail of
        every changed patient are made anew by the next retention run. Returns `{read, added, changed,
        unchanged}`. Raises RosterError for a record number without letters or digits, or one that is
        there twice in another spelling.
        """
        counts = {"read": len(roster), "added": 0, "changed": 0, "unchanged": 0}
        numbers = [normalise_identifier("mrn", patient.mrn) for patient in roster]
        if not all(numbers):
            raise RosterError("a record number has neither letters nor digits")
        if len(set(numbers)) != len(numbers):
            raise RosterError("a record number is there twice in two spellings")
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            for start in range(0, len(roster), CHUNK):
                self._import(
                    connection, roster[start : start + CHUNK], numbers[start : start + CHUNK], counts
                )
            if counts["added"] or counts["changed"]:
                _next_version(connection)
            self._vault.audit.record_in(
                connection,
                by_system("roster.import", "success", "operator", count=len(roster), detail=counts),
            )
        return counts

    def of_messages(self, pks: Iterable[int]) -> dict[int, tuple[Patient, ...]]:
        """Patients each message is about or was sent to or by, where there are any."""
        found: dict[int, tuple[Patient, ...]] = {}
        wanted = list(pks)
        for start in range(0, len(wanted), CHUNK):
            with self._vault.records.read() as connection:
                rows = connection.execute(
                    select(message_tokens.c.message_pk, patients.c.id, patients.c.sealed)
                    .join(patient_tokens, patient_tokens.c.token == message_tokens.c.token)
                    .join(patients, patients.c.id == patient_tokens.c.patient_id)
                    .where(message_tokens.c.message_pk.in_(wanted[start : start + CHUNK]))
                    .distinct()
                    .order_by(patients.c.id)
                ).all()
            known: dict[str, Patient] = {}
            for row in rows:
                if row.id not in known:
                    known[row.id] = self._patient(row.id, row.sealed)
                found[row.message_pk] = (*found.get(row.message_pk, ()), known[row.id])
        return found

    def names_among(self, words: set[str]) -> set[str]:
        """Those words, in small letters, that are part of a patient's name or e-mail address."""
        found: set[str] = set()
        last = ""
        while True:
            with self._vault.records.read() as connection:
                rows = connection.execute(
                    select(patients.c.id, patients.c.sealed)
                    .where(patients.c.id > last)
                    .order_by(patients.c.id)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return found
            for row in rows:
                facts = self._fields.open(row.id, row.sealed)
                text = f"{facts['name']} {facts['email']}".casefold()
                found |= words.intersection(_WORDS.findall(text))
            last = rows[-1].id

    def addresses(self, connection: Connection, mrns: Iterable[str]) -> list[str]:
        """The e-mail addresses on the roster of the patients with these record numbers."""
        tokens = [self._vault.blind.token("mrn", normalise_identifier("mrn", mrn)) for mrn in mrns]
        return [p.email for _, p in self._by_token(connection, tokens).values() if p.email]

    # --- inside -------------------------------------------------------------------------------

    def _import(
        self,
        connection: Connection,
        roster: Sequence[Patient],
        numbers: Sequence[str],
        counts: dict[str, int],
    ) -> None:
        tokens = [self._vault.blind.token("mrn", number) for number in numbers]
        known = self._by_token(connection, tokens)
        added: list[dict[str, Any]] = []
        links: list[dict[str, Any]] = []
        touched: set[bytes] = set()
        for patient, token in zip(roster, tokens, strict=True):
            before = known.get(token)
            if before is not None and before[1] == patient:
                counts["unchanged"] += 1
                continue
            patient_id = before[0] if before is not None else new_id("p")
            own = {token, *self._address_tokens(patient)}
            touched |= own
            sealed = self._fields.seal(patient_id, _plain(patient))
            if before is None:
                counts["added"] += 1
                added.append({"id": patient_id, "sealed": sealed})
            else:
                counts["changed"] += 1
                touched.update(self._address_tokens(before[1]))
                connection.execute(update(patients).where(patients.c.id == patient_id).values(sealed=sealed))
                connection.execute(delete(patient_tokens).where(patient_tokens.c.patient_id == patient_id))
            links += [{"token": one, "patient_id": patient_id} for one in own]
        if added:
            connection.execute(patients.insert(), added)
        if links:
            connection.execute(patient_tokens.insert(), links)
        _forget_verdicts(connection, sorted(touched))

    def _address_tokens(self, patient: Patient) -> list[bytes]:
        """Tokens of a patient's address: as sender or recipient, and as the text of a message names it."""
        if not patient.email:
            return []
        return [self._vault.blind.token(kind, patient.email) for kind in ("address", "email")]

    def _by_token(self, connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, tuple[str, Patient]]:
        found: dict[bytes, tuple[str, Patient]] = {}
        for start in range(0, len(tokens), CHUNK):
            rows = connection.execute(
                select(patient_tokens.c.token, patients.c.id, patients.c.sealed)
                .join(patients, patients.c.id == patient_tokens.c.patient_id)
                .where(patient_tokens.c.token.in_(tokens[start : start + CHUNK]))
            )
            for row in rows:
                found[bytes(row.token)] = (row.id, self._patient(row.id, row.sealed))
        return found

    def _patient(self, patient_id: str, sealed: bytes) -> Patient:
        value = self._fields.open(patient_id, sealed)
        for name in ("born", "died", "last_encounter", "discharged"):
            value[name] = date.fromisoformat(value[name]) if value[name] else None
        return Patient(**value)


def roster_version(connection: Connection) -> int:
    """A number that grows whenever a patient's facts change."""
    value = connection.scalar(select(meta.c.value).where(meta.c.name == _VERSION))
    return int(bytes(value)) if value is not None else 0


def _next_version(connection: Connection) -> None:
    number = roster_version(connection) + 1
    dialect.upsert(connection, meta, [{"name": _VERSION, "value": str(number).encode()}], update=["value"])


def _forget_verdicts(connection: Connection, tokens: Sequence[bytes]) -> None:
    """Mark the mail of changed patients, so that the next run computes it anew."""
    for start in range(0, len(tokens), CHUNK):
        concerned = select(message_tokens.c.message_pk).where(
            message_tokens.c.token.in_(tokens[start : start + CHUNK])
        )
        connection.execute(
            update(messages)
            .where(messages.c.pk.in_(concerned), messages.c.disposed_us.is_(None))
            .values(verdict_version=None)
        )


def _plain(patient: Patient) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(patient).items()
    }
