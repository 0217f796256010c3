"""What the audit log answers: one user's period, one patient's readers, disclosures, failed sign-ins.

45 CFR 164.308(a)(1)(ii)(C)-(D) and (a)(5)(ii)(C), 164.312(b), 164.528. Each report is itself on record first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from api.auditing.entry import NOBODY, Walk
from api.auditing.period import Period
from api.auditing.projection import Projection
from archiver.clock import from_us, rfc3339
from archiver.errors import NotFound
from archiver.store.schema import audit_facts, audit_objects, audit_patients, users
from archiver.vault import Vault
from retention.disclosures.book import Book
from retention.patients.whom import Finder, Whom
from search.access import Gate
from search.actors import Action, Actor

PAGE: Final = 100
MOST: Final = 500
_CHUNK: Final = 500
_QUARTER_US: Final = 15 * 60 * 1_000_000
"""Every time zone's day begins on a quarter of an hour."""
SEEING: Final = frozenset(
    {
        "search.results",
        "search.unsearchable",
        "message.read",
        "message.raw",
        "disposition.review",
        "disposition.opened",
        "export.download",
    }
)
"""Actions by which somebody got to see mail, or a list of it."""
OPENING: Final = SEEING - {"search.results", "search.unsearchable"}
"""Those of them by which mail was opened or left."""
SEEN: Final = ("success", "empty")
"""Outcomes by which it was: who was refused saw nothing."""
_SIGNING_IN: Final = ("session.", "passkey.", "sso.", "link.", "token.")


class AuditReports:
    """The reports on one archive's audit log. Safe from any thread.

    Each raises AccessDenied, on record; LedgerError; StoreError where it can't be put on record.
    """

    def __init__(self, vault: Vault, gate: Gate, projection: Projection) -> None:
        self._vault = vault
        self._gate = gate
        self._projection = projection
        self._finder = Finder(vault)
        self._book = Book(vault)
        self.zone = ZoneInfo(vault.settings.time_zone)

    # --- everybody ----------------------------------------------------------------------------

    def summary(self, actor: Actor, period: Period) -> dict[str, Any]:
        """Who did what, how often: `{from, before, total, items}`, each item `{user, user_name, action,
        outcome, count}`, by user and action."""
        self._begin(actor, "summary", period.to_json())
        what = (audit_facts.c.user_id, audit_facts.c.action, audit_facts.c.outcome)
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(*what, func.count().label("times")).where(*_within(period)).group_by(*what)
            ).all()
            names = _names(connection, {row.user_id for row in rows})
        items = [
            {
                "user": row.user_id,
                "user_name": names.get(row.user_id, ""),
                "action": row.action,
                "outcome": row.outcome,
                "count": row.times,
            }
            for row in sorted(rows, key=lambda row: (row.user_id, row.action, row.outcome))
        ]
        return {**period.to_json(), "total": sum(row.times for row in rows), "items": items}

    # --- one user -----------------------------------------------------------------------------

    def of_user(
        self, actor: Actor, user: str, period: Period, *, limit: int = PAGE, after: int | None = None
    ) -> dict[str, Any]:
        """All that one user did: `{user, user_name, from, before, total, messages, patients, denied, failed,
        active_days, actions: [{action, outcome, count}], days: [{day, count}], entries, next}`.

        `user` is a name or an id, or `operator`, `system`, `anonymous`. `messages` and `patients` count those
        seen, each once. Entries come oldest first; `next` is the `after` of the page after. Raises NotFound.
        """
        self._begin(actor, "user", {"user": user, **period.to_json(), "after": after})
        user_id, name = self._user(user)
        chosen = and_(audit_facts.c.user_id == user_id, *_within(period))
        with self._vault.records.read() as connection:
            what = (audit_facts.c.action, audit_facts.c.outcome)
            actions = {
                (row.action, row.outcome): row.times
                for row in connection.execute(
                    select(*what, func.count().label("times")).where(chosen).group_by(*what)
                )
            }
            per_day = self._days(connection, chosen)
            seen = and_(chosen, audit_facts.c.outcome.in_(SEEN))
            opened = and_(seen, audit_facts.c.action.in_(SEEING))
            messages = _distinct(connection, audit_objects.c.object, audit_objects.c.idx, opened)
            patients = _distinct(connection, audit_patients.c.token, audit_patients.c.idx, seen)
        entries, following = self._page(chosen, limit, after)
        return {
            "user": user_id,
            "user_name": name,
            **period.to_json(),
            "total": sum(actions.values()),
            "messages": messages,
            "patients": patients,
            "denied": sum(n for (_, outcome), n in actions.items() if outcome == "denied"),
            "failed": sum(n for (_, outcome), n in actions.items() if outcome == "failed"),
            "active_days": len(per_day),
            "actions": [
                {"action": action, "outcome": outcome, "count": count}
                for (action, outcome), count in sorted(actions.items())
            ],
            "days": [{"day": day, "count": count} for day, count in sorted(per_day.items())],
            "entries": entries,
            "next": following,
        }

    # --- one patient --------------------------------------------------------------------------

    def of_patient(
        self, actor: Actor, patient: str, period: Period, *, limit: int = PAGE, after: int | None = None
    ) -> dict[str, Any]:
        """Who saw mail of a patient, or looked the patient up: `{patient, from, before, total, readers,
        looks, next}`.

        `patient` is a record number or a roster id. Each reader is `{user, user_name, role, looks, first,
        last, purposes}`, each look `{n, at, user, user_name, role, action, outcome, purpose, client, session,
        messages, count, query, asked_in}`, oldest first. Raises NotFound.
        """
        self._begin(actor, "patient", {"patient": patient, **period.to_json(), "after": after})
        with self._vault.records.read() as connection:
            ids = self._records_of(connection, actor, patient)
            tokens = [self._projection.token(one) for one in ids]
            chosen = and_(
                audit_facts.c.idx.in_(select(audit_patients.c.idx).where(audit_patients.c.token.in_(tokens))),
                audit_facts.c.outcome.in_(SEEN),
                *_within(period),
            )
            rows = connection.execute(
                select(
                    audit_facts.c.user_id,
                    audit_facts.c.role,
                    audit_facts.c.purpose,
                    func.count().label("looks"),
                    func.min(audit_facts.c.at_us).label("first"),
                    func.max(audit_facts.c.at_us).label("last"),
                )
                .where(chosen)
                .group_by(audit_facts.c.user_id, audit_facts.c.role, audit_facts.c.purpose)
            ).all()
            names = _names(connection, {row.user_id for row in rows})
        looks, following = self._page(chosen, limit, after)
        return {
            "patient": {"asked": patient, "ids": ids},
            **period.to_json(),
            "total": sum(row.looks for row in rows),
            "readers": _readers(rows, names),
            "looks": [_look(one) for one in looks],
            "next": following,
        }

    def disclosures(self, actor: Actor, patient: str, period: Period) -> dict[str, Any]:
        """The accounting of disclosures (45 CFR 164.528): `{patient, from, before, items}`, each as
        `retention.disclosures.book.Disclosure` has it. Raises NotFound."""
        self._begin(actor, "disclosures", {"patient": patient, **period.to_json()})
        with self._vault.records.read() as connection:
            ids = self._records_of(connection, actor, patient)
            found = self._book.of_patient(
                connection,
                ids,
                since=None if period.from_us is None else from_us(period.from_us),
                until=None if period.before_us is None else from_us(period.before_us),
            )
        items = [one.to_json() for one in found]
        return {"patient": {"asked": patient, "ids": ids}, **period.to_json(), "items": items}

    # --- sign-ins -----------------------------------------------------------------------------

    def sign_ins(
        self, actor: Actor, period: Period, *, limit: int = PAGE, after: int | None = None
    ) -> dict[str, Any]:
        """Sign-ins that failed or were refused: `{from, before, total, good, reasons: [{reason, count}],
        users: [{user, user_name, count}], entries, next}`; `good` is how many succeeded meanwhile."""
        self._begin(actor, "sign_ins", {**period.to_json(), "after": after})
        signing = or_(*(audit_facts.c.action.like(f"{one}%") for one in _SIGNING_IN))
        bad = and_(signing, audit_facts.c.outcome.in_(("failed", "denied")), *_within(period))
        with self._vault.records.read() as connection:
            reasons = connection.execute(
                select(audit_facts.c.reason, func.count()).where(bad).group_by(audit_facts.c.reason)
            ).all()
            who = connection.execute(
                select(audit_facts.c.user_id, func.count()).where(bad).group_by(audit_facts.c.user_id)
            ).all()
            opened = connection.scalar(
                select(func.count())
                .select_from(audit_facts)
                .where(audit_facts.c.action == "session.open", audit_facts.c.outcome == "success",
                       *_within(period))
            )  # fmt: skip
            names = _names(connection, {row[0] for row in who})
        entries, following = self._page(bad, limit, after)
        return {
            **period.to_json(),
            "total": sum(row[1] for row in reasons),
            "good": int(opened or 0),
            "reasons": [
                {"reason": row[0], "count": row[1]} for row in sorted(reasons, key=lambda r: (-r[1], r[0]))
            ],
            "users": [
                {"user": row[0], "user_name": names.get(row[0], ""), "count": row[1]}
                for row in sorted(who, key=lambda r: (-r[1], r[0]))
            ],
            "entries": entries,
            "next": following,
        }

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, actor: Actor, kind: str, detail: Mapping[str, Any]) -> None:
        """Permitted and on record; then the derived tables are brought up to date, this look among them."""
        self._gate.require(actor, Action.AUDIT_READ)
        self._gate.record(actor, Action.AUDIT_READ, "success", reason=f"report.{kind}", detail=detail)
        self._projection.follow()

    def _records_of(self, connection: Connection, actor: Actor, patient: str) -> list[str]:
        """The roster ids of all records of a patient. Raises NotFound."""
        # No database takes a NUL, and no number or id has one.
        people = self._finder.find(connection, actor, Whom(patient=patient)) if patient.isprintable() else []
        if not people:
            raise NotFound("there is no such patient on the roster; name a record number or a roster id")
        return sorted({one for person in people for one in (person.id, *person.ids)})

    def _days(self, connection: Connection, chosen: ColumnElement[bool]) -> Counter[str]:
        """How many of the entries fell on which day here."""
        quarter = (audit_facts.c.at_us // _QUARTER_US).label("quarter")
        rows = connection.execute(
            select(quarter, func.count().label("times")).where(chosen).group_by(quarter)
        ).all()
        found: Counter[str] = Counter()
        for row in rows:
            found[from_us(row.quarter * _QUARTER_US).astimezone(self.zone).date().isoformat()] += row.times
        return found

    def _user(self, user: str) -> tuple[str, str]:
        if user in NOBODY:
            return user, ""
        if not user.isprintable():
            raise NotFound("there is no such user; `holdfast users list` shows them")
        with self._vault.records.read() as connection:
            row = connection.execute(
                select(users.c.id, users.c.name).where(or_(users.c.id == user, users.c.name == user.strip()))
            ).first()
        if row is None:
            raise NotFound("there is no such user; `holdfast users list` shows them")
        return row.id, row.name

    def _page(
        self, chosen: ColumnElement[bool], limit: int, after: int | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """A page of the entries chosen, oldest first, each opened; and the `after` of the next."""
        limit = max(1, min(limit, MOST))
        query = select(audit_facts.c.idx).where(chosen).order_by(audit_facts.c.idx).limit(limit + 1)
        if after is not None:
            query = query.where(audit_facts.c.idx > after)
        with self._vault.records.read() as connection:
            found = connection.scalars(query).all()
        walk = Walk(self._vault)
        entries = []
        for start, stop in _runs(found[:limit]):
            for one in walk.stretch(start, stop):
                entries.append(
                    {**one.to_json(), "query": one.query, "asked_in": (one.detail or {}).get("asked_in")}
                )
        return entries, (found[limit - 1] if len(found) > limit else None)


def _within(period: Period) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if period.from_us is not None:
        found.append(audit_facts.c.at_us >= period.from_us)
    if period.before_us is not None:
        found.append(audit_facts.c.at_us < period.before_us)
    return found


def _distinct(
    connection: Connection, what: ColumnElement[Any], idx: ColumnElement[int], chosen: ColumnElement[bool]
) -> int:
    query = select(func.count(what.distinct())).select_from(audit_facts).join(
        what.table, idx == audit_facts.c.idx
    )  # fmt: skip
    return int(connection.scalar(query.where(chosen)) or 0)


def _names(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _CHUNK):
        rows = connection.execute(
            select(users.c.id, users.c.name).where(users.c.id.in_(wanted[start : start + _CHUNK]))
        )
        found.update({row.id: row.name for row in rows})
    return found


def _readers(rows: Iterable[Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """One line for each user and role, with the purposes stated."""
    by_user: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        one = by_user.setdefault(
            (row.user_id, row.role),
            {
                "user": row.user_id,
                "user_name": names.get(row.user_id, ""),
                "role": row.role,
                "looks": 0,
                "first": row.first,
                "last": row.last,
                "purposes": set(),
            },
        )
        one["looks"] += row.looks
        one["first"], one["last"] = min(one["first"], row.first), max(one["last"], row.last)
        one["purposes"].update({row.purpose} - {""})
    found = [
        {
            **one,
            "first": rfc3339(from_us(one["first"])),
            "last": rfc3339(from_us(one["last"])),
            "purposes": sorted(one["purposes"]),
        }
        for one in by_user.values()
    ]
    return sorted(found, key=lambda one: (-one["looks"], one["user"], one["role"]))


def _look(entry: Mapping[str, Any]) -> dict[str, Any]:
    wanted = ("n", "at", "user", "user_name", "role", "action", "outcome", "purpose", "client", "session")
    messages = [name for name in entry["objects"] if name.startswith("m")]
    return {
        **{name: entry[name] for name in wanted},
        "messages": messages,
        "count": entry["count"],
        "query": entry["query"],
        "asked_in": entry["asked_in"],
    }


def _runs(found: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Indices as stretches, so that neighbours are read at once."""
    start: int | None = None
    last = -1
    for one in found:
        if start is not None and one == last + 1 and one - start < _CHUNK:
            last = one
            continue
        if start is not None:
            yield start, last + 1
        start = last = one
    if start is not None:
        yield start, last + 1
