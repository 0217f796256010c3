"""What HHS is told: the form of each breach, and the log of a year's breaches of fewer than 500 people
(45 CFR 164.408)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from archiver.clock import from_us, to_us
from archiver.store.schema import breaches
from archiver.vault import Vault
from retention.acts import change, look
from retention.breaches import hhs
from retention.breaches.errors import BadBreach
from retention.breaches.hhs import Answer, Form
from retention.breaches.rows import LETTERS, Rows
from retention.breaches.telling import unclosed
from retention.breaches.wording import FEW
from retention.cases.clock import HHS_AT_ONCE, MEDIA_MORE_THAN, NOTICE_DAYS, begin_of, day_of
from search.access import Action, Actor, Gate, Purpose

_FOR: Final = Purpose.SECURITY_INCIDENT
_FIRST_YEAR: Final = 1996


class BreachReports:
    """The forms and logs of one archive's breaches. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._rows = Rows(vault)

    def form(self, actor: Actor, breach_id: str) -> Form:
        """The form of a breach: what people said, and what is known."""
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.hhs", _FOR) as act:
            return self._form(act.connection, self._rows.find(act, breach_id))

    def answer(self, actor: Actor, breach_id: str, answers: Mapping[str, Answer]) -> Form:
        """Answer questions of the form; an empty answer takes one back. Raises BadBreach, WrongState."""
        with change(self._vault, self._gate, actor, Action.BREACH_WORK, "breach.hhs") as act:
            act.purpose = _FOR
            act.detail["answers"] = dict(answers)
            row = self._rows.find(act, breach_id)
            unclosed(row)
            said = self._rows.opened(row)
            kept = {**said.get("hhs", {}), **{name: hhs.read(name, one) for name, one in answers.items()}}
            said["hhs"] = {name: one for name, one in kept.items() if one}
            self._rows.change(act.connection, row, said)
            return self._form(act.connection, self._rows.find(act, breach_id))

    def pdf(self, actor: Actor, breach_id: str) -> bytes:
        """The form as PDF/A-3, its answers as CSV attached. Raises StoreError where it can't be made."""
        form = self.form(actor, breach_id)
        made = self._vault.clock.now().astimezone(self._rows.zone)
        files = {"hhs.csv": (form.as_csv().encode("utf-8", "replace"), "the answers, as a table")}
        return form.letter(self._vault.settings.organisation).pdf(self._vault.archive_id, made, files)

    def log(self, actor: Actor, year: int) -> dict[str, Any]:
        """The log of a calendar year: breaches discovered in it, confirmed by two persons, of fewer than 500
        people: `{year, due_on, breaches: [{id, title, discovered_on, people, told_on, missing}], undecided,
        csv}`. `undecided` are those of the year that nobody has confirmed to be one or none. Raises
        BadBreach.
        """
        with look(self._vault, self._gate, actor, Action.BREACH_READ, "breach.log", _FOR) as act:
            act.detail["year"] = year
            if not _FIRST_YEAR <= year <= 9_000:
                raise BadBreach("a year is written like 2026")
            first, last = (to_us(begin_of(date(one, 1, 1), self._rows.zone)) for one in (year, year + 1))
            rows = (
                act.connection.execute(
                    select(breaches)
                    .where(breaches.c.discovered_us >= first, breaches.c.discovered_us < last)
                    .order_by(breaches.c.discovered_us, breaches.c.id)
                )
                .mappings()
                .all()
            )
            listed, forms, undecided = [], [], []
            for row in rows:
                people = (self._rows.exposure(row) or {}).get("patients", 0)
                if row["confirmed_us"] is None:
                    undecided.append(row["id"])
                elif row["decision"] == "breach" and people < HHS_AT_ONCE:
                    form = self._form(act.connection, row)
                    forms.append(form)
                    listed.append(self._line(act.connection, row, people, form))
            act.objects += [row["id"] for row in rows]
            act.count = len(listed)
            return {
                "year": year,
                "due_on": (date(year, 12, 31) + timedelta(days=NOTICE_DAYS)).isoformat(),
                "breaches": listed,
                "undecided": undecided,
                "csv": hhs.log_csv(forms),
            }

    # --- inside -------------------------------------------------------------------------------

    def _line(self, connection: Connection, row: RowMapping, people: int, form: Form) -> dict[str, Any]:
        told = [one["on"] for one in self._rows.events(connection, row["id"]) if one["kind"] == "hhs"]
        return {
            "id": row["id"],
            "title": self._rows.opened(row)["title"],
            "discovered_on": day_of(from_us(row["discovered_us"]), self._rows.zone).isoformat(),
            "people": people,
            "told_on": told[-1] if told else None,
            "missing": form.missing,
        }

    def _form(self, connection: Connection, row: RowMapping) -> Form:
        said = self._rows.opened(row)
        return Form(row["id"], said.get("hhs", {}), self._known(connection, row, said))

    def _known(self, connection: Connection, row: RowMapping, said: Mapping[str, Any]) -> dict[str, Answer]:
        """What is known without asking anybody."""
        exposure = self._rows.exposure(row) or {}
        settings = self._vault.settings
        events = self._rows.events(connection, row["id"])
        told = sorted(one["on"] for one in events if one["kind"] == "individuals")
        runs = [one for one in events if one["kind"] == LETTERS]
        people = exposure.get("patients", 0)
        states = [
            state
            for state, count in exposure.get("by_state", {}).items()
            if count > MEDIA_MORE_THAN and state != "unknown"
        ]
        discovered = day_of(from_us(row["discovered_us"]), self._rows.zone).isoformat()
        associate = row["held_as"] == "business_associate"
        found: dict[str, Answer] = {
            "report": "Initial breach report",
            "filed_by": "Business associate, for a covered entity" if associate else "Covered entity",
            "associate_name" if associate else "entity_name": settings.organisation,
            "associate_contact" if associate else "contact_name": settings.privacy_contact,
            "breach_start": self._day(exposure.get("first")),
            "breach_end": self._day(exposure.get("last")),
            "discovery_start": discovered,
            "discovery_end": discovered,
            "location": ["Email"],
            "description": said["notice"].get("what_happened") or said["what_happened"],
            "notice_start": told[0] if told else "",
            "notice_end": told[-1] if told else "",
            "media": "Yes" if states else "No",
            "media_states": ", ".join(states),
            "actions_more": said["notice"].get("doing", ""),
        }
        if exposure:
            found["affecting"] = "500 or more" if people >= HHS_AT_ONCE else "Fewer than 500"
            found["individuals"] = str(people)
        if runs:
            lacking = runs[-1]["unreachable"]
            found["substitute"] = "Yes" if lacking else "No"
            found["substitute_how"] = ("10 or more" if lacking >= FEW else "Fewer than 10") if lacking else ""
        return found

    def _day(self, moment: str | None) -> str:
        return day_of(datetime.fromisoformat(moment), self._rows.zone).isoformat() if moment else ""
