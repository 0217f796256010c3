"""The notices of a breach as they go out: a letter to each patient, what the media of a State are told, and
the substitute notice (45 CFR 164.404(d), 164.406).

Letters are made in runs. To whom each was made out is kept sealed, with the words of its run, so that any
letter can be shown just as it was made (164.414(b): the burden of proof).
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.message.content import Raw
from archiver.store.schema import breach_events, breach_letters, breach_patients
from archiver.vault import Vault
from retention.acts import change, look
from retention.breaches import wording
from retention.breaches.errors import StepMissing
from retention.breaches.rows import LETTERS, Rows
from retention.breaches.wording import Addressee, House
from retention.cases.clock import MEDIA_MORE_THAN, day_of
from retention.cases.paper import Letter
from retention.disclosures.paper import safe_cell
from retention.law.schedules import default_schedule
from retention.refusals import NotThere
from retention.roster.matches import Matcher, Person
from retention.roster.persons import members
from retention.roster.shown import described
from retention.roster.states import state_name
from search.access import Action, Actor, Gate, Purpose
from search.production_files import Manifests, written

CHUNK: Final = 500
_LINES: Final = 5
_FOR: Final = Purpose.SECURITY_INCIDENT


class BreachLetters:
    """The letters of one archive's breaches. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._rows = Rows(vault)
        self._matcher = Matcher(vault)
        self._manifests = Manifests(vault)

    # --- to each patient ----------------------------------------------------------------------

    def make(self, actor: Actor, breach_id: str) -> Iterator[tuple[str, Raw]]:
        """Make a letter to each patient; yield the files of them as `(name, content)`: `recipients.csv` for
        who addresses and posts them, `letters/NUMBER-ID.pdf`, the substitute notice where it is needed, and
        last a signed manifest. About 20 ms for each letter.

        On record with the patients, and kept, before the first byte. Raises StepMissing unless two persons
        decided that it is a breach and the notice lacks nothing.
        """
        with look(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.letters", _FOR) as act:
            row = self._rows.find(act, breach_id)
            said = self._words(row)
            house = self.house(row)
            act.detail["notice"] = said
        made = self._vault.clock.now()
        run = new_id("l")
        count, unreachable = self._keep(actor, breach_id, run, day_of(made, self._rows.zone))
        told = {
            "run": run,
            "words": said,
            "house": asdict(house),
            "letters": count,
            "unreachable": unreachable,
        }
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.letters") as act:
            act.purpose = _FOR
            self._rows.find(act, breach_id)
            act.objects.append(run)
            act.count = count
            act.connection.execute(
                breach_events.insert().values(
                    breach_id=breach_id,
                    kind=LETTERS,
                    at_us=to_us(made),
                    by_id=actor.user_id,
                    sealed=self._rows.fields.seal(f"{breach_id}/event", told),
                )
            )
        yield from self._files(breach_id, run, house, said, made, (count, unreachable))

    def kept(self, actor: Actor, breach_id: str, patient_id: str) -> dict[str, Any]:
        """The last letter that was made for a patient, as `{patient, made_at, text}`. Raises NotThere."""
        letter, made = self._kept(actor, breach_id, patient_id)
        return {
            "patient": patient_id,
            "made_at": rfc3339(made),
            "text": letter.as_text(made.astimezone(self._rows.zone)),
        }

    def kept_pdf(self, actor: Actor, breach_id: str, patient_id: str) -> bytes:
        """The same as PDF/A-3. Raises NotThere, StoreError."""
        letter, made = self._kept(actor, breach_id, patient_id)
        return letter.pdf(self._vault.archive_id, made.astimezone(self._rows.zone))

    # --- to everybody else --------------------------------------------------------------------

    def public(self, actor: Actor, breach_id: str) -> dict[str, Any]:
        """What the media are told and what is posted: `{media: [{state, name, people, text}], substitute,
        missing}`. `media` has the States with more than 500 residents concerned."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.notice", _FOR) as act:
            row = self._rows.find(act, breach_id)
        made = self._vault.clock.now().astimezone(self._rows.zone)
        said = self._rows.opened(row)["notice"]
        house = self.house(row)
        return {
            "media": [
                {
                    "state": state,
                    "name": state_name(state),
                    "people": people,
                    "text": wording.to_media(house, said, state_name(state), people).as_text(made),
                }
                for state, people in self._media(row)
            ],
            "substitute": wording.to_public(house, said).as_text(made),
            "missing": wording.missing(said),
        }

    def public_pdf(self, actor: Actor, breach_id: str, state: str = "") -> bytes:
        """What the media of a State are told, or without one the substitute notice, as PDF/A-3. Raises
        NotThere for a State whose media needn't be told, StoreError."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.notice", _FOR) as act:
            row = self._rows.find(act, breach_id)
        said, house = self._rows.opened(row)["notice"], self.house(row)
        if not state:
            letter = wording.to_public(house, said)
        else:
            people = dict(self._media(row)).get(state)
            if people is None:
                raise NotThere(
                    f"the media are told of States with more than {MEDIA_MORE_THAN} residents concerned; "
                    "that isn't one of them"
                )
            letter = wording.to_media(house, said, state_name(state), people)
        return letter.pdf(self._vault.archive_id, self._vault.clock.now().astimezone(self._rows.zone))

    def house(self, row: RowMapping) -> House:
        """What every notice of a breach names."""
        exposure = self._rows.exposure(row) or {}
        settings = self._vault.settings
        return House(
            row["id"],
            settings.organisation,
            settings.privacy_contact,
            day_of(from_us(row["discovered_us"]), self._rows.zone).isoformat(),
            *(self._day(exposure.get(one)) for one in ("first", "last")),
        )

    # --- inside -------------------------------------------------------------------------------

    def _day(self, moment: str | None) -> str:
        found = datetime.fromisoformat(moment) if moment else None
        return day_of(found, self._rows.zone).isoformat() if found else ""

    def _media(self, row: RowMapping) -> list[tuple[str, int]]:
        states = (self._rows.exposure(row) or {}).get("by_state", {})
        return [(s, n) for s, n in sorted(states.items()) if n > MEDIA_MORE_THAN and s != "unknown"]

    def _words(self, row: RowMapping) -> dict[str, str]:
        if row["decision"] != "breach" or row["confirmed_us"] is None:
            raise StepMissing("letters are made when two persons have decided that it is a breach")
        if row["sealed_exposure"] is None:
            raise StepMissing("nobody has worked out who was exposed: there is nobody to write to")
        said: dict[str, str] = self._rows.opened(row)["notice"]
        if lacks := wording.missing(said):
            raise StepMissing(f"say first, with `holdfast breach notice`, {'; '.join(lacks)}")
        return said

    def _keep(self, actor: Actor, breach_id: str, run: str, today: date) -> tuple[int, int]:
        """Write down to whom, chunk by chunk, so that captures get their turn; how many letters, and how many
        of them have no address. A run without its event counts for nothing."""
        count = unreachable = 0
        after = ""
        while True:
            with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.letters") as act:
                act.purpose = _FOR
                act.objects += [breach_id, run]
                act.reason = "addressed"
                ids = act.connection.scalars(
                    select(breach_patients.c.patient_id)
                    .where(breach_patients.c.breach_id == breach_id, breach_patients.c.patient_id > after)
                    .order_by(breach_patients.c.patient_id)
                    .limit(CHUNK)
                ).all()
                known = self._matcher.persons(act.connection, ids)
                whom = {one: addressee(known.get(one), one, today) for one in ids}
                if whom:
                    act.connection.execute(
                        breach_letters.insert(),
                        [
                            {
                                "run": run,
                                "patient_id": one,
                                "breach_id": breach_id,
                                "sealed": self._rows.fields.seal(f"{run}/{one}", each.to_json()),
                            }
                            for one, each in whom.items()
                        ],
                    )
                act.patients += sorted(members(act.connection, ids))
                act.count = len(ids)
            count += len(ids)
            unreachable += sum(not one.posted for one in whom.values())
            if len(ids) < CHUNK:
                return count, unreachable
            after = ids[-1]

    def _files(
        self,
        breach_id: str,
        run: str,
        house: House,
        said: dict[str, str],
        made: datetime,
        counts: tuple[int, int],
    ) -> Iterator[tuple[str, Raw]]:
        sums: dict[str, str] = {}

        def file(name: str, content: bytes) -> tuple[str, Raw]:
            sums[name] = hashlib.sha256(content).hexdigest()
            return name, content

        there = made.astimezone(self._rows.zone)
        count, unreachable = counts
        yield file("recipients.csv", _csv(self._addressed(run)).encode("utf-8", "replace"))
        if unreachable:
            public = wording.to_public(house, said)
            yield file("substitute-notice.txt", public.as_text(there).encode("utf-8", "replace"))
        for number, (patient, whom) in enumerate(self._addressed(run), start=1):
            letter = wording.to_one(house, said, whom)
            yield file(_name(number, patient), letter.pdf(self._vault.archive_id, there))
        manifest = written(
            {
                "format": "holdfast-breach-letters/1",
                "breach": breach_id,
                "run": run,
                "archive": self._vault.archive_id,
                "made_at": rfc3339(made),
                "letters": count,
                "without_address": unreachable,
                "files": sums,
                "vkey": self._manifests.vkey,
            }
        )
        yield "manifest.json", manifest
        yield "manifest.note", self._manifests.sign(manifest, "holdfast breach letters manifest")

    def _addressed(self, run: str) -> Iterator[tuple[str, Addressee]]:
        after = ""
        while True:
            with self._vault.records.read() as connection:
                rows = connection.execute(
                    select(breach_letters.c.patient_id, breach_letters.c.sealed)
                    .where(breach_letters.c.run == run, breach_letters.c.patient_id > after)
                    .order_by(breach_letters.c.patient_id)
                    .limit(CHUNK)
                ).all()
            for one in rows:
                yield one.patient_id, self._opened(run, one.patient_id, one.sealed)
            if len(rows) < CHUNK:
                return
            after = rows[-1].patient_id

    def _opened(self, run: str, patient_id: str, sealed: bytes) -> Addressee:
        return Addressee.from_json(self._rows.fields.open(f"{run}/{patient_id}", sealed))

    def _kept(self, actor: Actor, breach_id: str, patient_id: str) -> tuple[Letter, datetime]:
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.letter", _FOR) as act:
            self._rows.find(act, breach_id)
            sealed = {
                row.run: row.sealed
                for row in act.connection.execute(
                    select(breach_letters.c.run, breach_letters.c.sealed).where(
                        breach_letters.c.breach_id == breach_id, breach_letters.c.patient_id == patient_id
                    )
                )
            }
            for at, event in reversed(self._runs(act.connection, breach_id)):
                if event["run"] in sealed:
                    act.patients += sorted(members(act.connection, [patient_id]))
                    whom = self._opened(event["run"], patient_id, sealed[event["run"]])
                    return wording.to_one(House(**event["house"]), event["words"], whom), at
            raise NotThere("no letter was made for this patient; `holdfast breach letters` makes them")

    def _runs(self, connection: Connection, breach_id: str) -> Sequence[tuple[datetime, dict[str, Any]]]:
        rows = connection.execute(
            select(breach_events.c.at_us, breach_events.c.sealed)
            .where(breach_events.c.breach_id == breach_id, breach_events.c.kind == LETTERS)
            .order_by(breach_events.c.id)
        )
        return [
            (from_us(row.at_us), self._rows.fields.open(f"{breach_id}/event", row.sealed)) for row in rows
        ]


def addressee(person: Person | None, patient_id: str, today: date) -> Addressee:
    """Who is written to for a patient: herself, her next of kin where she is known to have died
    (164.404(d)(1)(ii)), or the parent or guardian of a minor. Whoever may be of age is written to."""
    if person is None:
        return Addressee(patient_id, (patient_id,))
    name = described(person)["name"] or patient_id
    if described(person)["deceased"]:
        first, whose = f"The next of kin or personal representative of {name}", name
    elif _is_minor(person, today):
        first, whose = f"The parent or guardian of {name}", name
    else:
        first, whose = name, ""
    emails = person.emails
    return Addressee(name, (first, *person.postal.splitlines()), whose, emails[0] if emails else "")


def _is_minor(person: Person, today: date) -> bool:
    born = person.born if isinstance(person.born, tuple) else (person.born,)
    first = min((day for day in born if day is not None), default=None)
    if first is None or any(day is not None and day <= today for day in person.emancipated):
        return False
    majority = default_schedule().majority
    age = min((majority[one] for one in person.states if one in majority), default=18)
    return today < date(first.year + age, first.month, min(first.day, 28) if first.month == 2 else first.day)


def _name(number: int, patient: str) -> str:
    return f"letters/{number:06}-{patient}.pdf"


def _csv(listed: Iterable[tuple[str, Addressee]]) -> str:
    """For who addresses and posts: a line for each letter, `way` post, or substitute where no address is."""
    out = io.StringIO()
    writer = csv.writer(out)
    lines = [f"address_{number}" for number in range(1, _LINES + 1)]
    writer.writerow(("letter", "patient", "name", "to", *lines, "email", "way"))
    for number, (patient, whom) in enumerate(listed, start=1):
        where = list(whom.to[1:])
        where = [*where[: _LINES - 1], ", ".join(where[_LINES - 1 :])]
        cells = (whom.name, whom.to[0], *where, *[""] * (_LINES - len(where)), whom.email)
        way = "post" if whom.posted else "substitute"
        writer.writerow((_name(number, patient), patient, *map(safe_cell, cells), way))
    return out.getvalue()
