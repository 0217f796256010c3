"""What goes out of a breach: the draft notice with the content of 164.404(c), the list of patients, and the
package of evidence (164.414(b)) with a proof from the audit log for every entry it rests on."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from archiver.clock import from_us, rfc3339
from archiver.ledger.log import Log
from archiver.ledger.proof import format_proof
from archiver.message.content import Raw
from archiver.store.schema import breach_entries, breach_patients
from archiver.vault import Vault
from retention.acts import change, look
from retention.breaches.breaches import NOTICE_FIELDS
from retention.breaches.errors import BadBreach, StepMissing
from retention.breaches.exposure import KINDS
from retention.breaches.letters import BreachLetters
from retention.breaches.rows import LETTERS, Rows
from retention.breaches.telling import said_of, unclosed
from retention.breaches.wording import missing, to_one
from retention.cases.paper import Letter
from retention.disclosures.book import Book
from retention.disclosures.paper import safe_cell
from retention.roster.matches import Matcher
from retention.roster.persons import members
from retention.roster.shown import described
from search.access import Action, Actor, Gate, Purpose
from search.disclosing import Basis, Recipient, Told, read_basis
from search.production_files import Manifests, written

PAGE: Final = 1_000
PROOFS: Final = 50_000
"""Entries of one package at most; a larger breach is split by time."""
_FOR: Final = Purpose.SECURITY_INCIDENT


class BreachPapers:
    """Notices, lists and packages of breaches. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate, book: Book, letters: BreachLetters) -> None:
        self._vault = vault
        self._gate = gate
        self._book = book
        self._letters = letters
        self._rows = Rows(vault)
        self._matcher = Matcher(vault)
        self._manifests = Manifests(vault)

    def patients(self, actor: Actor, breach_id: str, *, after: str = "", limit: int = 100) -> dict[str, Any]:
        """Who was exposed: `{items, next, letters}`, each item `{id, name, numbers, born, states, opened,
        listed, exported, sealed_with, first, last}`, counts of messages; `letters`: whether any were made."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.patients", _FOR) as act:
            self._rows.find(act, breach_id)
            most = max(1, min(limit, PAGE))
            rows = self._patient_rows(act.connection, breach_id, after, most)
            items = self._people(act.connection, breach_id, rows)
            act.count = len(items)
            act.patients += [one["id"] for one in items]
            events = self._rows.events(act.connection, breach_id)
            return {
                "items": items,
                "next": rows[-1]["patient_id"] if len(rows) == most else None,
                "letters": any(one["kind"] == LETTERS for one in events),
            }

    def word(self, actor: Actor, breach_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """Say what the notice is to say (`what_happened`, `information`, `protect`, `doing`, `contact`); what
        isn't given stays. `{text, missing}`. Raises BadBreach."""
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.notice") as act:
            act.purpose = _FOR
            act.detail["notice"] = dict(fields)
            row = self._rows.find(act, breach_id)
            unclosed(row)
            said = self._rows.opened(row)
            for name, value in fields.items():
                if name not in NOTICE_FIELDS:
                    raise BadBreach(f"a notice says {', '.join(NOTICE_FIELDS)}")
                if value.strip():
                    said["notice"][name] = said_of(name, value)
            self._rows.change(act.connection, row, said)
            return self._notice(self._rows.find(act, breach_id))

    def notice(self, actor: Actor, breach_id: str) -> dict[str, Any]:
        """The draft of the notice to individuals: `{text, missing}`; what is missing stands in brackets."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.notice", _FOR) as act:
            return self._notice(self._rows.find(act, breach_id))

    def notice_pdf(self, actor: Actor, breach_id: str) -> bytes:
        """The same as PDF/A-3. Raises StoreError where it can't be made."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.notice", _FOR) as act:
            letter = self._letter(self._rows.find(act, breach_id))
        return letter.pdf(self._vault.archive_id, self._vault.clock.now().astimezone(self._rows.zone))

    def package(
        self, actor: Actor, breach_id: str, *, recipient: Recipient | None = None, basis: str = "operations"
    ) -> Iterator[tuple[str, Raw]]:
        """Yield the package's files as `(name, content)`: the breach, its patients as JSON Lines and CSV, the
        notice, each audit entry it rests on with its proof, and last a signed manifest.

        On record, and in the book of disclosures for every patient, before the first byte. Raises StepMissing
        before anything was worked out, BadBreach where it has more entries than one package holds.
        """
        with look(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.package", _FOR) as act:
            row = self._rows.find(act, breach_id)
            if row["sealed_exposure"] is None:
                raise StepMissing("work out first what was exposed: `holdfast breach expose`")
            entries = act.connection.scalars(
                select(breach_entries.c.idx)
                .where(breach_entries.c.breach_id == breach_id)
                .order_by(breach_entries.c.idx)
            ).all()
            if len(entries) > PROOFS:
                raise BadBreach(f"it rests on more than {PROOFS:,} entries: split it by time into several")
            shown = self._rows.described(act.connection, row)
            counted = {
                one: sum(numbers)
                for one, *numbers in act.connection.execute(
                    select(
                        breach_patients.c.patient_id,
                        *(breach_patients.c[kind] for kind in KINDS),
                    ).where(breach_patients.c.breach_id == breach_id)
                )
            }
            notice = self._notice(row)
            act.count = len(entries)
        told = Told(
            kind="breach",
            about_id=breach_id,
            by_id=actor.user_id,
            purpose=str(_FOR),
            basis=read_basis(basis) if basis else Basis.OPERATIONS,
            recipient=(recipient or Recipient()).checked(),
            what="who was exposed in a breach, and by which entries of the audit log",
            messages=shown["exposure"]["messages"],
        )
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.package") as act:
            act.purpose = _FOR
            act.count = len(counted)
            act.objects += [breach_id, self._book.write(act.connection, told, (counted, 0))]
            act.patients += sorted(members(act.connection, counted))
            act.detail |= told.sealed()
        yield from self._files(breach_id, shown, notice, entries)

    # --- inside -------------------------------------------------------------------------------

    def _files(
        self, breach_id: str, shown: Mapping[str, Any], notice: Mapping[str, Any], entries: Any
    ) -> Iterator[tuple[str, Raw]]:
        sums: dict[str, str] = {}

        def file(name: str, content: bytes) -> tuple[str, Raw]:
            sums[name] = hashlib.sha256(content).hexdigest()
            return name, content

        yield file("breach.json", json.dumps(shown, indent=1, ensure_ascii=False).encode("utf-8", "replace"))
        yield file("notice.txt", str(notice["text"]).encode("utf-8", "replace"))
        people = list(self._everybody(breach_id))
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in people)
        yield file("patients.jsonl", lines.encode("utf-8", "replace"))
        yield file("patients.csv", _csv(people).encode("utf-8", "replace"))
        for index in entries:
            yield file(
                f"proofs/{index}.tlog-proof", format_proof(self._vault.publisher.proof(Log.AUDIT, index))
            )
        manifest = written(
            {
                "format": "holdfast-breach/1",
                "breach": breach_id,
                "archive": self._vault.archive_id,
                "made_at": rfc3339(self._vault.clock.now()),
                "entries": len(entries),
                "files": sums,
                "vkey": self._manifests.vkey,
                "audit_vkey": self._vault.publisher.signer(Log.AUDIT).verifier.vkey,
            }
        )
        yield "manifest.json", manifest
        yield "manifest.note", self._manifests.sign(manifest, "holdfast breach manifest")

    def _everybody(self, breach_id: str) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            with self._vault.records.read() as connection:
                rows = self._patient_rows(connection, breach_id, after, PAGE)
                yield from self._people(connection, breach_id, rows)
            if len(rows) < PAGE:
                return
            after = rows[-1]["patient_id"]

    def _patient_rows(
        self, connection: Connection, breach_id: str, after: str, limit: int
    ) -> list[RowMapping]:
        return list(
            connection.execute(
                select(breach_patients)
                .where(breach_patients.c.breach_id == breach_id, breach_patients.c.patient_id > after)
                .order_by(breach_patients.c.patient_id)
                .limit(limit)
            ).mappings()
        )

    def _people(self, connection: Connection, breach_id: str, rows: list[RowMapping]) -> list[dict[str, Any]]:
        known = self._matcher.persons(connection, [row["patient_id"] for row in rows])
        found = []
        for row in rows:
            person = known.get(row["patient_id"])
            facts = described(person) if person else {"name": "", "numbers": [], "born": None}
            states = self._rows.fields.open(f"{breach_id}/{row['patient_id']}", row["sealed"])["states"]
            found.append(
                {
                    "id": row["patient_id"],
                    **{name: facts[name] for name in ("name", "numbers", "born")},
                    "states": states,
                    **{kind: row[kind] for kind in KINDS},
                    "first": _time(row["first_us"]),
                    "last": _time(row["last_us"]),
                }
            )
        return found

    def _notice(self, row: RowMapping) -> dict[str, Any]:
        said = self._rows.opened(row)["notice"]
        made = self._vault.clock.now().astimezone(self._rows.zone)
        return {"text": self._letter(row).as_text(made), "missing": missing(said)}

    def _letter(self, row: RowMapping) -> Letter:
        """What the rule asks for, and where nobody has said it yet, what is to be said."""
        return to_one(self._letters.house(row), self._rows.opened(row)["notice"])


def _csv(people: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    columns = ("id", "name", "numbers", "born", "states", *KINDS, "first", "last")
    writer.writerow(columns)
    for one in people:
        writer.writerow([safe_cell(_cell(one[name])) for name in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else value


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
