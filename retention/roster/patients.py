"""The roster in the archive: patients sealed, found by blind-index tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from archiver.classify import normalise_identifier
from archiver.store import dialect
from archiver.store.schema import BY_KEY, BY_NUMBER, patient_tokens, patients
from archiver.vault import Vault
from retention.acts import by_system
from retention.errors import RosterError
from retention.fields import SealedFields
from retention.roster import persons, stale
from retention.roster.changes import CHUNK, Change, Changes
from retention.roster.matches import Matcher, Person
from retention.roster.patient import Patient
from retention.roster.tokens import hold_pairs

_WORDS = re.compile(r"[^\W\d_]{2,}")

roster_version = stale.facts_version


class PatientStore:
    """The roster of one archive. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self.changes = Changes(vault)
        self.matcher = Matcher(vault)

    def import_roster(self, roster: Sequence[Patient]) -> dict[str, int]:
        """Add patients and replace those whose record number is known; nobody is removed.

        All in one transaction with its audit event, durable on return; the disposal dates of the mail of
        every changed patient are void from then on, until `Follower` computes them. Returns `{read, added,
        changed, unchanged}`. Raises RosterError for a record number without letters or digits, or one that
        is there twice in another spelling. For long rosters use `retention.roster.importing`.
        """
        numbers = [normalise_identifier("mrn", patient.mrn) for patient in roster]
        if not all(numbers):
            raise RosterError("a record number has neither letters nor digits")
        if len(set(numbers)) != len(numbers):
            raise RosterError("a record number is there twice in two spellings")
        counts = {"read": len(roster), "added": 0, "changed": 0, "unchanged": 0}
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            for start in range(0, len(roster), CHUNK):
                done = self.changes.apply(connection, [Change(p) for p in roster[start : start + CHUNK]])
                for name in ("added", "changed", "unchanged"):
                    counts[name] += done[name]
            self._vault.audit.record_in(
                connection,
                by_system("roster.import", "success", "operator", count=len(roster), detail=counts),
            )
        return counts

    def of_messages(self, pks: Iterable[int]) -> dict[int, tuple[Person, ...]]:
        """Patients each message is about, or may be, or was sent to or by, where there are any."""
        with self._vault.records.read() as connection:
            return self.matcher.of_messages(connection, list(pks))

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
                patient = Patient.from_json(self._fields.open(row.id, row.sealed))
                text = " ".join((*patient.all_names, *patient.all_emails)).casefold()
                found |= words.intersection(_WORDS.findall(text))
            last = rows[-1].id

    def hold_pairs(self, connection: Connection, mrns: Iterable[str]) -> set[tuple[int, bytes]]:
        """What holds on the patients of these record numbers are matched by: every number, address and name
        on any record of such a patient, as (field of `message_tokens`, token)."""
        tokens = [self._vault.blind.token("mrn", normalise_identifier("mrn", mrn)) for mrn in mrns]
        found: set[tuple[int, bytes]] = set()
        for start in range(0, len(tokens), CHUNK):
            ids = set(
                connection.scalars(
                    select(patient_tokens.c.patient_id).where(
                        patient_tokens.c.token.in_(tokens[start : start + CHUNK]),
                        patient_tokens.c.kind.in_((BY_NUMBER, BY_KEY)) | patient_tokens.c.kind.is_(None),
                    )
                )
            )
            for _, patient in self.changes.records(connection, persons.members(connection, ids)):
                found |= hold_pairs(self._vault.blind, patient)
        return found
