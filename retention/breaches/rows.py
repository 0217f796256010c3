"""A breach as it stands in the records: read, opened, and told of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.clock import from_us, rfc3339
from archiver.store.schema import breach_events, breach_patients, breaches, users
from archiver.vault import Vault
from config.cases import zone_of
from retention.acts import Act
from retention.cases.agreeing import DECIDE, settled
from retention.cases.clock import Deadline, HeldAs, breach_deadlines, day_of, urgency, years_after
from retention.cases.reminders import Due
from retention.fields import SealedFields
from retention.refusals import NotThere

LETTERS = "letters"
"""An event that isn't about who was told: letters were made."""
KEEP_YEARS = 6
"""164.316(b)(2)(i), 164.414(b), 164.530(j)(2): kept at least so long. Here: never deleted, a guard sees to
it."""
FACTORS: Mapping[str, str] = {
    "nature": "the nature and extent of the information: the kinds of identifiers, and how likely "
    "somebody can be "
    "identified by it (164.402(2)(i))",
    "who": "the unauthorized person who used it or to whom it was disclosed (164.402(2)(ii))",
    "acquired": "whether it was actually acquired or viewed (164.402(2)(iii))",
    "mitigated": "the extent to which the risk has been mitigated (164.402(2)(iv))",
}
DECISIONS: Mapping[str, str] = {
    "breach": "a breach: everybody concerned must be told",
    "low_probability": "a low probability that the information was compromised: no notice (164.402(2))",
    "exception": "no breach by an exception of 164.402(1)(i) to (iii)",
}


class Rows:
    """Reads and changes the rows of breaches. It asks no gate: the services do. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.fields = SealedFields(vault)
        self.zone = zone_of(vault.settings.time_zone)

    def today(self) -> date:
        """The day where the organisation is."""
        return day_of(self._vault.clock.now(), self.zone)

    def find(self, act: Act, breach_id: str) -> RowMapping:
        """A breach, among the act's objects. Raises NotThere."""
        row = act.connection.execute(select(breaches).where(breaches.c.id == breach_id)).mappings().first()
        if row is None:
            act.detail["asked"] = breach_id[:200]
            raise NotThere("there is no such breach; `holdfast breach list` shows them")
        if row["id"] not in act.objects:
            act.objects.append(row["id"])
        return row

    def load(self, breach_id: str) -> RowMapping | None:
        """A breach, for who asks the gate and the log themselves."""
        with self._vault.records.read() as connection:
            query = select(breaches).where(breaches.c.id == breach_id)
            return connection.execute(query).mappings().first()

    def opened(self, row: RowMapping) -> dict[str, Any]:
        """What people said of a breach."""
        found: dict[str, Any] = self.fields.open(row["id"], row["sealed"])
        return found

    def exposure(self, row: RowMapping) -> dict[str, Any] | None:
        """What was worked out, with `asked`; None before it was."""
        if row["sealed_exposure"] is None:
            return None
        found: dict[str, Any] = self.fields.open(f"{row['id']}/exposure", row["sealed_exposure"])
        return found

    def change(
        self, connection: Connection, row: RowMapping, said: Mapping[str, Any] | None, **values: Any
    ) -> None:
        """Write what changed, in the caller's transaction; `said` is sealed."""
        if said is not None:
            values["sealed"] = self.fields.seal(row["id"], dict(said))
        connection.execute(update(breaches).where(breaches.c.id == row["id"]).values(**values))

    def events(self, connection: Connection, breach_id: str) -> list[dict[str, Any]]:
        """Delays, letters that were made and notices, oldest first; of letters without their words."""
        rows = connection.execute(
            select(breach_events, users.c.name)
            .outerjoin(users, users.c.id == breach_events.c.by_id)
            .where(breach_events.c.breach_id == breach_id)
            .order_by(breach_events.c.id)
        ).mappings()
        return [
            {
                "kind": row["kind"],
                "at": rfc3339(from_us(row["at_us"])),
                "by": row["name"] or row["by_id"],
                "until": row["until_on"].isoformat() if row["until_on"] else None,
                **{
                    name: value
                    for name, value in self.fields.open(f"{breach_id}/event", row["sealed"]).items()
                    if name not in ("words", "house")
                },
            }
            for row in rows
        ]

    def deadlines(self, connection: Connection, row: RowMapping) -> list[Deadline]:
        """Who must be told by when, as things stand: as for a breach until it is decided."""
        if row["decision"] in ("low_probability", "exception") and row["confirmed_us"] is not None:
            return []
        exposure = self.exposure(row) or {}
        delays = [one["until"] for one in self.events(connection, row["id"]) if one["kind"] == "delay"]
        held_as: HeldAs = "business_associate" if row["held_as"] == "business_associate" else "covered_entity"
        return breach_deadlines(
            from_us(row["discovered_us"]),
            self.zone,
            people=exposure.get("patients", 0),
            residents={state: n for state, n in exposure.get("by_state", {}).items() if state != "unknown"},
            held_as=held_as,
            contract_hours=row["contract_hours"],
            delay_until=date.fromisoformat(max(delays)) if delays else None,
        )

    # --- telling ------------------------------------------------------------------------------

    def clocks(self, connection: Connection, row: RowMapping) -> list[dict[str, Any]]:
        """The deadlines as answers have them: `{who, citation, last, moment, why, not_before, urgency,
        told_at}`."""
        told = {one["kind"]: one for one in self.events(connection, row["id"]) if "on" in one}
        today = self.today()
        return [
            {
                "who": one.who,
                "citation": one.citation,
                "last": one.last.isoformat(),
                "moment": rfc3339(one.moment) if one.moment else None,
                "why": one.why,
                "not_before": one.not_before.isoformat() if one.not_before else None,
                "days_left": (one.last - today).days,
                "urgency": urgency(one.last, today, one.who in told),
                "told_at": told[one.who]["on"] if one.who in told else None,
            }
            for one in self.deadlines(connection, row)
        ]

    def summary(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        """A line of the list: `{id, state, title, discovered_at, held_as, decision, confirmed, patients,
        next, urgency}`; `next` is the last day of the first notice that nobody was given yet."""
        clocks = self.clocks(connection, row)
        waiting = [one for one in clocks if one["told_at"] is None]
        closed = row["state"] == "closed"
        first = min(waiting, key=lambda one: str(one["last"]), default=None)
        return {
            "id": row["id"],
            "state": row["state"],
            "title": self.opened(row)["title"],
            "discovered_at": rfc3339(from_us(row["discovered_us"])),
            "held_as": row["held_as"],
            "decision": row["decision"],
            "confirmed": row["confirmed_us"] is not None,
            "patients": connection.scalar(
                select(func.count())
                .select_from(breach_patients)
                .where(breach_patients.c.breach_id == row["id"])
            )
            or 0,
            "next": first["last"] if first and not closed else None,
            "urgency": "closed" if closed else first["urgency"] if first else "in_time",
        }

    def described(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        """All of a breach but its patients."""
        said = self.opened(row)
        people = {row["created_by"], row["decided_by"], row["confirmed_by"], row["closed_by"]} - {None}
        chosen = select(users.c.id, users.c.name).where(users.c.id.in_(people))
        names = {one.id: one.name for one in connection.execute(chosen)}
        created = from_us(row["created_us"])
        return {
            **self.summary(connection, row),
            "what_happened": said["what_happened"],
            "contract_hours": row["contract_hours"],
            "created_at": rfc3339(created),
            "created_by": names.get(row["created_by"], row["created_by"]),
            "exposure": self.exposure(row),
            "factors": {
                name: {"asks": asks, **said["factors"].get(name, {"answer": "", "risk": None})}
                for name, asks in FACTORS.items()
            },
            "decision_reason": said.get("reason", ""),
            "decided_by": names.get(row["decided_by"], row["decided_by"]),
            "decided_at": _time(row["decided_us"]),
            "confirmed_by": names.get(row["confirmed_by"], row["confirmed_by"]),
            "confirmed_at": _time(row["confirmed_us"]),
            "approval": settled(connection, DECIDE, row["id"]) if row["confirmed_us"] else None,
            "clocks": self.clocks(connection, row),
            "events": self.events(connection, row["id"]),
            "notice": said.get("notice", {}),
            "closed_at": _time(row["closed_us"]),
            "kept_at_least_until": years_after(day_of(created, self.zone), KEEP_YEARS).isoformat(),
        }

    def counts(self) -> dict[str, int]:
        """Breaches that aren't closed, by urgency: `{in_time, soon, overdue}`."""
        found = {"in_time": 0, "soon": 0, "overdue": 0}
        for one in self.due():
            found[urgency(one.last, self.today()) if one.last != date.max else "in_time"] += 1
        return found

    def due(self) -> list[Due]:
        """Every breach that isn't closed, with the first deadline that nobody was told by; `date.max` where
        there is none."""
        with self._vault.records.read() as connection:
            rows = connection.execute(select(breaches).where(breaches.c.state != "closed")).mappings().all()
            found = []
            for row in rows:
                told = {one["kind"] for one in self.events(connection, row["id"])}
                last = min(
                    (one.last for one in self.deadlines(connection, row) if one.who not in told),
                    default=date.max,
                )
                found.append(Due("breach", row["id"], last, row["reminded"]))
        return found


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
