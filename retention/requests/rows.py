"""A request as it stands in the records: read, opened, and told of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.clock import from_us, rfc3339
from archiver.store.schema import (
    exports,
    messages,
    patient_requests,
    request_items,
    request_letters,
    users,
)
from archiver.vault import Vault
from config.cases import zone_of
from retention.acts import Act
from retention.cases.agreeing import DENY, settled
from retention.cases.clock import day_of, urgency
from retention.fields import SealedFields
from retention.refusals import NotThere
from retention.requests.errors import CaseClosed
from retention.requests.marks import GROUNDS, REVIEWABLE, Mark
from retention.roster.matches import Matcher
from retention.roster.shown import described
from search.disclosing import Recipient


@dataclass(frozen=True, slots=True)
class Tally:
    """The items of a request by mark. `sha256` is over every message's id and mark: what a denial is for."""

    marks: Mapping[Mark, int]
    unmarked: int
    sha256: bytes

    @property
    def total(self) -> int:
        """All items."""
        return sum(self.marks.values()) + self.unmarked

    @property
    def given(self) -> int:
        """What the patient gets."""
        return self.marks.get(Mark.GIVEN, 0)

    @property
    def denies(self) -> bool:
        """Whether something of her records is withheld, or nothing of what was found is given."""
        return any(self.marks.get(one, 0) for one in GROUNDS) or (self.total > 0 and not self.given)


class Rows:
    """Reads and changes the rows of requests. It asks no gate: the services do. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.fields = SealedFields(vault)
        self._matcher = Matcher(vault)

    def today(self) -> date:
        """The day where the organisation is."""
        return day_of(self._vault.clock.now(), zone_of(self._vault.settings.time_zone))

    def find(self, act: Act, request_id: str, *, open_: bool = False) -> RowMapping:
        """A request, among the act's objects. Raises NotThere; CaseClosed where it must be open."""
        row = (
            act.connection.execute(select(patient_requests).where(patient_requests.c.id == request_id))
            .mappings()
            .first()
        )
        if row is None:
            act.detail["asked"] = request_id[:200]
            raise NotThere("there is no such request; `holdfast requests list` shows them")
        if row["id"] not in act.objects:
            act.objects.append(row["id"])
        if row["patient_id"] is not None:
            act.patients.append(row["patient_id"])
        if open_ and row["state"] == "closed":
            raise CaseClosed("this request is closed; open another one for what is asked anew")
        return row

    def load(self, request_id: str) -> RowMapping | None:
        """A request, for who asks the gate and the log themselves."""
        with self._vault.records.read() as connection:
            query = select(patient_requests).where(patient_requests.c.id == request_id)
            return connection.execute(query).mappings().first()

    def opened(self, row: RowMapping) -> dict[str, Any]:
        """What people said of a request."""
        found: dict[str, Any] = self.fields.open(row["id"], row["sealed"])
        return found

    def change(
        self, connection: Connection, row: RowMapping, said: Mapping[str, Any] | None, **values: Any
    ) -> None:
        """Write what changed, in the caller's transaction; `said` is sealed."""
        if said is not None:
            values["sealed"] = self.fields.seal(row["id"], dict(said))
        connection.execute(
            update(patient_requests).where(patient_requests.c.id == row["id"]).values(**values)
        )

    def tally(self, connection: Connection, request_id: str) -> Tally:
        """How the items are marked now."""
        rows = connection.execute(
            select(messages.c.id, request_items.c.mark)
            .join(messages, messages.c.pk == request_items.c.message_pk)
            .where(request_items.c.request_id == request_id)
            .order_by(messages.c.id)
        ).all()
        marks: dict[Mark, int] = {}
        for row in rows:
            if row.mark is not None:
                marks[Mark(row.mark)] = marks.get(Mark(row.mark), 0) + 1
        listed = json.dumps([[row.id, row.mark or ""] for row in rows], separators=(",", ":"))
        unmarked = len(rows) - sum(marks.values())
        return Tally(marks, unmarked, hashlib.sha256(listed.encode()).digest())

    def given(self, connection: Connection, request_id: str) -> Sequence[int]:
        """Keys of the messages that the patient gets."""
        return connection.scalars(
            select(request_items.c.message_pk)
            .where(request_items.c.request_id == request_id, request_items.c.mark == str(Mark.GIVEN))
            .order_by(request_items.c.message_pk)
        ).all()

    def letters(self, connection: Connection, request_id: str) -> list[dict[str, Any]]:
        """The letters of a request, oldest first, without what they say."""
        rows = connection.execute(
            select(request_letters)
            .where(request_letters.c.request_id == request_id)
            .order_by(request_letters.c.made_us, request_letters.c.id)
        ).mappings()
        return [
            {
                "id": row["id"],
                "kind": row["kind"],
                "made_at": rfc3339(from_us(row["made_us"])),
                "made_by": row["made_by"],
            }
            for row in rows
        ]

    def patient_name(self, connection: Connection, row: RowMapping, said: Mapping[str, Any]) -> str:
        """The patient's name: the roster's, or else as the request has it; empty where nobody said it."""
        if row["patient_id"] is not None:
            person = self._matcher.persons(connection, [row["patient_id"]]).get(row["patient_id"])
            if person is not None and (name := described(person)["name"]):
                return str(name)
        found: str = said["whom"].get("name", "")
        return found

    def recipient(self, said: Mapping[str, Any]) -> Recipient:
        """Who asks, as the book of disclosures names them."""
        return Recipient(said["requester"]["name"], said["requester"]["address"])

    # --- telling ------------------------------------------------------------------------------

    def summary(self, row: RowMapping) -> dict[str, Any]:
        """A line of the list: `{id, kind, state, urgency, received_on, due_on, days_left, extended,
        requester, outcome}`."""
        said = self.opened(row)
        today = self.today()
        closed = row["state"] == "closed"
        return {
            "id": row["id"],
            "kind": row["kind"],
            "state": row["state"],
            "urgency": urgency(row["due_on"], today, closed),
            "received_on": row["received_on"].isoformat(),
            "due_on": row["due_on"].isoformat(),
            "days_left": None if closed else (row["due_on"] - today).days,
            "extended": row["extended_us"] is not None,
            "requester": said["requester"]["name"],
            "outcome": row["outcome"],
        }

    def described(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        """All of a request but its messages."""
        said = self.opened(row)
        tally = self.tally(connection, row["id"])
        people = {row["created_by"], row["denial_asked_by"], row["denial_by"], row["closed_by"]} - {None}
        chosen = select(users.c.id, users.c.name).where(users.c.id.in_(people))
        names = {one.id: one.name for one in connection.execute(chosen)}
        downloaded = None
        if row["export_id"] is not None:
            downloaded = connection.scalar(
                select(exports.c.downloaded_us).where(exports.c.id == row["export_id"])
            )
        letters = self.letters(connection, row["id"])
        reviews = [one for one in reversed(letters) if one["kind"] in ("denial", "referral", "review")]
        approved = row["denial_us"] is not None and bytes(row["denial_sha256"] or b"") == tally.sha256
        return {
            **self.summary(row),
            "created_at": rfc3339(from_us(row["created_us"])),
            "created_by": names.get(row["created_by"], row["created_by"]),
            "requester": said["requester"],
            "identity": said.get("identity"),
            "wanted": said.get("wanted", ""),
            "form": said.get("form", ""),
            "fee": said.get("fee"),
            "extension": said.get("extension"),
            "patient": row["patient_id"],
            "patient_name": self.patient_name(connection, row, said),
            "search": said.get("search"),
            "follows": said.get("follows"),
            "withdrawal": said.get("withdrawal"),
            "items": {
                "total": tally.total,
                "unmarked": tally.unmarked,
                "marks": {str(mark): number for mark, number in sorted(tally.marks.items())},
                "sha256": tally.sha256.hex(),
            },
            "denial": {
                "needed": tally.denies and not tally.unmarked,
                "asked_by": names.get(row["denial_asked_by"], row["denial_asked_by"]),
                "asked_at": _time(row["denial_asked_us"]),
                "approved_by": names.get(row["denial_by"], row["denial_by"]) if approved else None,
                "approved_at": _time(row["denial_us"]) if approved else None,
                "approval": settled(connection, DENY, row["id"]) if approved else None,
                "statement": (said.get("denial") or {}).get("statement", ""),
            },
            "reviewable": any(tally.marks.get(one, 0) for one in REVIEWABLE),
            "under_review": next((one["kind"] == "referral" for one in reviews), False),
            "export": row["export_id"],
            "delivered_at": _time(downloaded),
            "letters": letters,
            "closed_at": _time(row["closed_us"]),
            "closed_by": names.get(row["closed_by"], row["closed_by"]),
        }

    def counts(self) -> dict[str, int]:
        """Open requests by urgency: `{in_time, soon, overdue}`."""
        today = self.today()
        found = {"in_time": 0, "soon": 0, "overdue": 0}
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(patient_requests.c.due_on, func.count().label("number"))
                .where(patient_requests.c.state == "open")
                .group_by(patient_requests.c.due_on)
            ).all()
        for row in rows:
            found[urgency(row.due_on, today)] += row.number
        return found


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
