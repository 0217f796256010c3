"""Access that is unlike other access, each finding with the rule, its figures and where to look.

Rules and thresholds are settings (`unusual_*`); none of them is proof of anything, and each says why it was
raised. A reviewer decides (`api.auditing.reviews`). 45 CFR 164.308(a)(1)(ii)(D), 164.312(b).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, FromClause, Row, and_, func, select

from api.auditing.entry import NOBODY
from api.auditing.period import Period, days
from api.auditing.projection import Projection
from api.auditing.reports import OPENING, SEEING, SEEN
from api.auditing.staff import Staff
from api.auditing.watched import Watched
from archiver.clock import from_us, to_us
from archiver.store.schema import audit_facts, audit_objects, audit_patients, users
from archiver.vault import Vault
from search.access import Gate
from search.actors import Action, Actor

NAMED: Final = 20
"""Entries that a finding names; its count is of all."""
_DAY_US: Final = 86_400_000_000
_CHUNK: Final = 500
RULES: Final[Mapping[str, str]] = {
    "volume": "many more messages opened than on this person's own usual day",
    "patients": "many more patients' mail seen than on this person's own usual day",
    "hours": "mail seen at hours or on days when people don't usually work",
    "denials": "many refusals in one day",
    "vip": "mail of a patient on the watch list seen",
    "coworker": "mail of a patient who works here seen",
    "own_record": "mail about oneself seen",
}
"""Every rule, and what it is about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look into. `why` names the figures and the setting that made it one; `entries` are the
    first of the `count` entries it rests on; `patient` is a roster id, `record` a number of theirs."""

    rule: str
    user: str
    user_name: str
    day: str
    count: int
    why: str
    entries: tuple[int, ...]
    patient: str | None = None
    record: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "entries": list(self.entries)}


class Unusual:
    """Looks for unusual access in one archive's audit log. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, projection: Projection, watched: Watched) -> None:
        self._vault = vault
        self._gate = gate
        self._projection = projection
        self._watched = watched
        self._staff = Staff(vault, projection)
        self._settings = vault.settings
        self.zone = ZoneInfo(vault.settings.time_zone)

    def report(self, actor: Actor, period: Period) -> dict[str, Any]:
        """`{from, before, rules: {rule: what it is about}, total, items}`, oldest day first, on record.

        Without a beginning or an end the period is the last seven days. Raises AccessDenied, StoreError.
        """
        self._gate.require(actor, Action.AUDIT_READ)
        period = self.bounded(period)
        self._gate.record(
            actor, Action.AUDIT_READ, "success", reason="report.unusual", detail=period.to_json()
        )
        found = self.findings(period)
        items = [one.to_json() for one in found]
        return {**period.to_json(), "rules": dict(RULES), "total": len(items), "items": items}

    def bounded(self, period: Period) -> Period:
        """The period, of seven days until its end where it has no beginning."""
        before = period.before_us or to_us(self._vault.clock.now()) + 1
        first = period.from_us if period.from_us is not None else before - 7 * _DAY_US
        return Period(first, before, period.name)

    def findings(self, period: Period) -> list[Finding]:
        """What every rule finds in a bounded period. Whoever calls this has permission and a record."""
        self._projection.follow()
        with self._vault.records.read() as connection:
            names = {row.id: row.name for row in connection.execute(select(users.c.id, users.c.name))}
            found = [
                *self._volumes(connection, period, names),
                *self._hours(connection, period, names),
                *self._denials(connection, period, names),
                *self._people(connection, period, names),
            ]
        return sorted(found, key=lambda one: (one.day, one.rule, one.user, one.patient or ""))

    # --- volume -------------------------------------------------------------------------------

    def _volumes(self, connection: Connection, period: Period, names: Mapping[str, str]) -> Iterator[Finding]:
        looks = (
            ("volume", "messages", audit_objects, audit_objects.c.object, OPENING),
            ("patients", "patients' mail", audit_patients, audit_patients.c.token, SEEING),
        )
        assert period.from_us is not None
        assert period.before_us is not None
        earliest = period.from_us - self._settings.unusual_baseline_days * _DAY_US
        day = self._day_of(period.from_us)
        for rule, what, table, counted, actions in looks:
            chosen = and_(_seen(actions), *_between(earliest, period.before_us))
            if rule == "volume":
                chosen = and_(chosen, audit_objects.c.object.like("m%"))
            rows = connection.execute(
                select(audit_facts.c.user_id, day.label("day"), func.count(counted.distinct()).label("seen"))
                .select_from(audit_facts.join(table, table.c.idx == audit_facts.c.idx))
                .where(chosen)
                .group_by(audit_facts.c.user_id, day)
            ).all()
            yield from self._over_own(connection, period, rule, what, rows, names)

    def _over_own(
        self,
        connection: Connection,
        period: Period,
        rule: str,
        what: str,
        rows: Sequence[Row[Any]],
        names: Mapping[str, str],
    ) -> Iterator[Finding]:
        settings = self._settings
        own: dict[str, dict[int, int]] = defaultdict(dict)
        for row in rows:
            own[row.user_id][int(row.day)] = int(row.seen)
        first = self._ordinal(period.from_us or 0)
        for user, per_day in sorted(own.items()):
            for day, seen in sorted(per_day.items()):
                if day < first or seen < settings.unusual_volume_least:
                    continue
                before = [n for d, n in per_day.items() if day - settings.unusual_baseline_days <= d < day]
                if len(before) < 3:
                    usual, basis = float(settings.unusual_volume_least), "no usual day is known of them yet"
                else:
                    usual = max(float(median(before)), 1.0)
                    basis = f"their usual day (the median of {len(before)} days before) is {usual:g}"
                if seen < usual * settings.unusual_volume_factor:
                    continue
                why = (
                    f"{seen} {what} on one day; {basis}, and {settings.unusual_volume_factor:g} times that "
                    "counts as unusual (unusual_volume_factor)"
                )
                actions = OPENING if rule == "volume" else SEEING
                yield self._found(connection, rule, user, day, seen, why, actions, names)

    def _found(
        self,
        connection: Connection,
        rule: str,
        user: str,
        day: int,
        count: int,
        why: str,
        actions: frozenset[str],
        names: Mapping[str, str],
    ) -> Finding:
        on = date.fromordinal(day)
        start, end = _bounds(self.zone, on)
        entries = connection.scalars(
            select(audit_facts.c.idx)
            .where(audit_facts.c.user_id == user, _seen(actions), *_between(start, end))
            .order_by(audit_facts.c.idx)
            .limit(NAMED)
        ).all()
        return Finding(rule, user, names.get(user, ""), on.isoformat(), count, why, tuple(entries))

    def _day_of(self, at_us: int) -> ColumnElement[int]:
        """The day of an entry as an ordinal, by the zone's offset at the period's begin."""
        offset = from_us(at_us).astimezone(self.zone).utcoffset() or timedelta()
        shift = offset // timedelta(microseconds=1)
        since_epoch = (audit_facts.c.at_us + shift) // _DAY_US
        return since_epoch + date(1970, 1, 1).toordinal()

    def _ordinal(self, at_us: int) -> int:
        return from_us(at_us).astimezone(self.zone).date().toordinal()

    # --- hours and refusals -------------------------------------------------------------------

    def _hours(self, connection: Connection, period: Period, names: Mapping[str, str]) -> Iterator[Finding]:
        usual, weekends = self._settings.usual_hours, self._settings.unusual_weekends
        if usual is None and not weekends:
            return
        rows = connection.execute(
            select(audit_facts.c.idx, audit_facts.c.at_us, audit_facts.c.user_id)
            .where(_seen(SEEING), *_within(period))
            .order_by(audit_facts.c.idx)
        )
        odd: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for row in rows:
            moment = from_us(row.at_us).astimezone(self.zone)
            when = ""
            if weekends and moment.weekday() >= 5:
                when = f"on a {moment:%A} (unusual_weekends)"
            elif usual is not None and not usual[0] <= moment.hour < usual[1]:
                when = f"outside {usual[0]:02}-{usual[1]:02} o'clock (unusual_hours)"
            if when:
                odd[row.user_id, moment.date().isoformat(), when].append(row.idx)
        for (user, day, when), entries in odd.items():
            why = f"{len(entries)} looks at mail {when}, times in {self._settings.time_zone}"
            yield Finding("hours", user, names.get(user, ""), day, len(entries), why, tuple(entries[:NAMED]))

    def _denials(self, connection: Connection, period: Period, names: Mapping[str, str]) -> Iterator[Finding]:
        rows = connection.execute(
            select(audit_facts.c.idx, audit_facts.c.at_us, audit_facts.c.user_id)
            .where(_people(), audit_facts.c.outcome == "denied", *_within(period))
            .order_by(audit_facts.c.idx)
        )
        refused: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in rows:
            day = from_us(row.at_us).astimezone(self.zone).date().isoformat()
            refused[row.user_id, day].append(row.idx)
        most = self._settings.unusual_denials
        for (user, day), entries in refused.items():
            if len(entries) >= most:
                why = f"{len(entries)} refusals on one day; {most} count as unusual (unusual_denials)"
                yield Finding(
                    "denials", user, names.get(user, ""), day, len(entries), why, tuple(entries[:NAMED])
                )

    # --- whose mail it was --------------------------------------------------------------------

    @staticmethod
    def _looks_at(
        connection: Connection, joined: FromClause, chosen: ColumnElement[bool], tokens: Sequence[bytes]
    ) -> Iterator[Any]:
        """Looks at the mail of these alone: those at everybody's may be very many."""
        what = (audit_facts.c.idx, audit_facts.c.at_us, audit_facts.c.user_id, audit_patients.c.token)
        for start in range(0, len(tokens), _CHUNK):
            some = audit_patients.c.token.in_(tokens[start : start + _CHUNK])
            yield from connection.execute(select(*what).select_from(joined).where(chosen, some))

    def _people(self, connection: Connection, period: Period, names: Mapping[str, str]) -> Iterator[Finding]:
        joined = audit_facts.join(audit_patients, audit_patients.c.idx == audit_facts.c.idx)
        chosen = and_(_people(), audit_facts.c.outcome.in_(SEEN), *_within(period))
        tokens = connection.scalars(
            select(audit_patients.c.token).distinct().select_from(joined).where(chosen)
        )
        seen = {bytes(token) for token in tokens}
        known = self._staff.among(connection, seen, names) | self._watched.tokens(connection)
        found: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
        for row in self._looks_at(connection, joined, chosen, sorted(seen & known.keys())):
            kind, patient, user = known[bytes(row.token)]
            rule = "vip" if kind == "vip" else "own_record" if user == row.user_id else "coworker"
            day = from_us(row.at_us).astimezone(self.zone).date().isoformat()
            found[rule, row.user_id, day, patient].add(row.idx)
        numbers = self._staff.numbers(connection, {patient for *_, patient in found})
        for (rule, user, day, patient), entries in found.items():
            why = f"{RULES[rule]}, {len(entries)} {'time' if len(entries) == 1 else 'times'} on one day"
            named, number = tuple(sorted(entries)[:NAMED]), numbers.get(patient)
            yield Finding(rule, user, names.get(user, ""), day, len(entries), why, named, patient, number)


def _people() -> ColumnElement[bool]:
    return audit_facts.c.user_id.not_in(sorted(NOBODY))


def _seen(actions: frozenset[str]) -> ColumnElement[bool]:
    return and_(_people(), audit_facts.c.action.in_(actions), audit_facts.c.outcome.in_(SEEN))


def _between(from_us_: int, before_us: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return audit_facts.c.at_us >= from_us_, audit_facts.c.at_us < before_us


def _within(period: Period) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _between(period.from_us or 0, period.before_us or 2**62)


def _bounds(zone: ZoneInfo, day: date) -> tuple[int, int]:
    one = days(zone, day, day + timedelta(days=1))
    return one.from_us or 0, one.before_us or 0
