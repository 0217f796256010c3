"""The book of disclosures (45 CFR 164.528(b)): every export and every fulfilled request, by patient.

Rows are only ever added. What was not known when something left (the legal basis, a recipient) is said
afterwards in a statement; the newest one holds, and all of them stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, func, select

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import disclosure_acts, disclosure_statements, disclosures, patients
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.roster.matches import Matcher
from search.disclosing import CITED, Basis, Recipient, Told

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One act as it tells of one patient. `patient_id` is a person of the roster, `at` when it left.

    `recipient` and `basis` are those said last; `said_at` when that was, None for those of the act itself.
    `messages` are the patient's; `act_id`, `about_id` (an export or a request) and `by_id` are opaque ids.
    """

    act_id: str
    patient_id: str
    at: datetime
    kind: str
    about_id: str | None
    purpose: str
    basis: Basis
    recipient: Recipient
    what: str
    messages: int
    by_id: str
    said_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """As answers have it; times RFC 3339 in UTC."""
        return {
            "id": self.act_id,
            "patient": self.patient_id,
            "at": rfc3339(self.at),
            "kind": self.kind,
            "about": self.about_id,
            "purpose": self.purpose,
            "legal_basis": str(self.basis),
            "citation": CITED[self.basis],
            "recipient": self.recipient.name,
            "recipient_address": self.recipient.address,
            "what": self.what,
            "messages": self.messages,
            "by": self.by_id,
            "said_at": rfc3339(self.said_at) if self.said_at else None,
        }


class Book:
    """Writes and reads disclosures. It asks no gate: who calls it has, and records. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._matcher = Matcher(vault)

    # --- writing ------------------------------------------------------------------------------

    def patients_in(self, pks: Sequence[int]) -> tuple[Mapping[str, int], int]:
        """See `search.disclosing.Discloser`. Whom a message may be about counts as much as whom it is about:
        better an entry too many in an account than one too few."""
        found: Counter[str] = Counter()
        unmatched = 0
        for start in range(0, len(pks), _CHUNK):
            chunk = pks[start : start + _CHUNK]
            with self._vault.records.read() as connection:
                matched = self._matcher.match(connection, chunk)
            for pk in chunk:
                people = {one.person for one in matched[pk].matches} if pk in matched else set()
                found.update(people)
                unmatched += not people
        return found, unmatched

    def write(self, connection: Connection, told: Told, patients: tuple[Mapping[str, int], int]) -> str:
        """See `search.disclosing.Discloser`. Durable with the caller's transaction."""
        act_id = new_id("y")
        counts, unmatched = patients
        connection.execute(
            disclosure_acts.insert().values(
                id=act_id,
                at_us=to_us(self._vault.clock.now()),
                kind=told.kind,
                about_id=told.about_id or None,
                purpose=told.purpose,
                basis=str(told.basis),
                by_id=told.by_id,
                messages=told.messages,
                unmatched=unmatched,
                sealed=self._fields.seal(act_id, _said(told.recipient) | {"what": told.what}),
            )
        )
        rows = [
            {"act_id": act_id, "patient_id": one, "messages": number}
            for one, number in sorted(counts.items())
        ]
        for start in range(0, len(rows), 2_000):
            connection.execute(disclosures.insert(), rows[start : start + 2_000])
        return act_id

    def say(
        self, connection: Connection, act_id: str, basis: Basis, recipient: Recipient, note: str, by_id: str
    ) -> None:
        """Add a statement to an act in the caller's transaction."""
        connection.execute(
            disclosure_statements.insert().values(
                act_id=act_id,
                basis=str(basis),
                sealed=self._fields.seal(f"{act_id}/said", _said(recipient) | {"note": note}),
                at_us=to_us(self._vault.clock.now()),
                by_id=by_id,
            )
        )

    # --- reading ------------------------------------------------------------------------------

    def of_patient(
        self,
        connection: Connection,
        ids: Iterable[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Disclosure]:
        """Every disclosure that told of a patient in `[since, until)`, oldest first; None leaves a side open.

        `ids` are her person's id and those of all her records (`Person.id`, `Person.ids`): an earlier row may
        bear an id by which she was known before two records became one.
        """
        wanted = sorted(set(ids))
        query = self._chosen(since, until).where(disclosures.c.patient_id.in_(wanted))
        return self._read(connection, query)

    def of_act(self, connection: Connection, act_id: str) -> list[Disclosure]:
        """One act, by patient."""
        return self._read(connection, self._chosen(None, None).where(disclosure_acts.c.id == act_id))

    def of_about(self, connection: Connection, about_id: str) -> list[Disclosure]:
        """Every disclosure of an export or a request, by patient, oldest first."""
        query = self._chosen(None, None).where(disclosure_acts.c.about_id == about_id)
        return self._read(connection, query)

    def between(
        self, connection: Connection, since: datetime | None, until: datetime | None
    ) -> list[Disclosure]:
        """Every disclosure of everybody in `[since, until)`, oldest first."""
        return self._read(connection, self._chosen(since, until))

    def act(self, connection: Connection, act_id: str) -> dict[str, Any] | None:
        """An act with how many patients it tells of, or None."""
        found = self.acts(connection, disclosure_acts.c.id == act_id)
        return found[0] if found else None

    def acts(self, connection: Connection, *where: Any, limit: int = 1_000) -> list[dict[str, Any]]:
        """Acts, newest first, with what was said of them last: `{id, at, kind, about, purpose, legal_basis,
        recipient, recipient_address, what, note, messages, unmatched, patients, by}`."""
        rows = (
            connection.execute(
                select(disclosure_acts)
                .where(*where)
                .order_by(disclosure_acts.c.at_us.desc(), disclosure_acts.c.id)
                .limit(limit)
            )
            .mappings()
            .all()
        )
        ids = [row["id"] for row in rows]
        said = self._statements(connection, ids)
        counted = (
            select(disclosures.c.act_id, func.count().label("patients"))
            .where(disclosures.c.act_id.in_(ids))
            .group_by(disclosures.c.act_id)
        )
        told = {row.act_id: row.patients for row in connection.execute(counted)}
        found = []
        for row in rows:
            opened = self._fields.open(row["id"], row["sealed"])
            basis, recipient, note, _ = said.get(
                row["id"], (Basis(row["basis"]), _recipient(opened), "", None)
            )
            found.append(
                {
                    "id": row["id"],
                    "at": rfc3339(from_us(row["at_us"])),
                    "kind": row["kind"],
                    "about": row["about_id"],
                    "purpose": row["purpose"],
                    "legal_basis": str(basis),
                    "recipient": recipient.name,
                    "recipient_address": recipient.address,
                    "what": opened["what"],
                    "note": note,
                    "messages": row["messages"],
                    "unmatched": row["unmatched"],
                    "patients": told.get(row["id"], 0),
                    "by": row["by_id"],
                }
            )
        return found

    def about(self, connection: Connection, about_id: str) -> list[dict[str, Any]]:
        """What left for an export or a request, newest first, as `acts` tells of it."""
        return self.acts(connection, disclosure_acts.c.about_id == about_id)

    def unstated(self, connection: Connection) -> int:
        """How many acts nobody has given a legal basis."""
        return int(connection.scalar(select(func.count()).select_from(disclosure_acts).where(UNSTATED)) or 0)

    def known(self, connection: Connection, patient_id: str) -> bool:
        """Whether the roster has a person or record of this id."""
        query = select(patients.c.id).where((patients.c.id == patient_id) | (patients.c.person == patient_id))
        return connection.execute(query.limit(1)).first() is not None

    # --- inside -------------------------------------------------------------------------------

    def _chosen(self, since: datetime | None, until: datetime | None) -> Select[Any]:
        query = select(disclosure_acts, disclosures.c.patient_id, disclosures.c.messages.label("hers")).join(
            disclosures, disclosures.c.act_id == disclosure_acts.c.id
        )
        if since is not None:
            query = query.where(disclosure_acts.c.at_us >= to_us(since))
        if until is not None:
            query = query.where(disclosure_acts.c.at_us < to_us(until))
        return query.order_by(disclosure_acts.c.at_us, disclosure_acts.c.id, disclosures.c.patient_id)

    def _read(self, connection: Connection, query: Select[Any]) -> list[Disclosure]:
        rows = connection.execute(query).mappings().all()
        said = self._statements(connection, sorted({row["id"] for row in rows}))
        opened: dict[str, dict[str, Any]] = {}
        return [self._disclosure(row, said, opened) for row in rows]

    def _disclosure(
        self, row: RowMapping, said: Mapping[str, _Said], opened: dict[str, dict[str, Any]]
    ) -> Disclosure:
        act_id = row["id"]
        if act_id not in opened:
            opened[act_id] = self._fields.open(act_id, row["sealed"])
        own = (Basis(row["basis"]), _recipient(opened[act_id]), "", None)
        basis, recipient, _, at = said.get(act_id, own)
        return Disclosure(
            act_id=act_id,
            patient_id=row["patient_id"],
            at=from_us(row["at_us"]),
            kind=row["kind"],
            about_id=row["about_id"],
            purpose=row["purpose"],
            basis=basis,
            recipient=recipient,
            what=opened[act_id]["what"],
            messages=row["hers"],
            by_id=row["by_id"],
            said_at=at,
        )

    def _statements(self, connection: Connection, ids: Sequence[str]) -> dict[str, _Said]:
        found: dict[str, _Said] = {}
        for start in range(0, len(ids), _CHUNK):
            rows = connection.execute(
                select(disclosure_statements)
                .where(disclosure_statements.c.act_id.in_(ids[start : start + _CHUNK]))
                .order_by(disclosure_statements.c.id)
            ).mappings()
            for row in rows:
                opened = self._fields.open(f"{row['act_id']}/said", row["sealed"])
                found[row["act_id"]] = (
                    Basis(row["basis"]),
                    _recipient(opened),
                    opened["note"],
                    from_us(row["at_us"]),
                )
        return found


_Said = tuple[Basis, Recipient, str, datetime | None]

UNSTATED: Final = (disclosure_acts.c.basis == str(Basis.UNSTATED)) & disclosure_acts.c.id.not_in(
    select(disclosure_statements.c.act_id)
)
"""Acts of which nobody has said the legal basis."""


def _said(recipient: Recipient) -> dict[str, str]:
    return {"recipient": recipient.name, "address": recipient.address}


def _recipient(opened: Mapping[str, Any]) -> Recipient:
    return Recipient(opened["recipient"], opened["address"])
