"""Break-glass: reading in an emergency what somebody otherwise couldn't (45 CFR 164.312(a)(2)(ii)).

For an hour at most, only to read, with a reason and a patient or a scope. Privacy officers are told at once,
and another person reviews it by the end of the next business day. Until then, past that day, whoever used it
can't use it again. While it lasts everything its user does is bound by `search.policy.OF_AN_EMERGENCY`, in
each of their sessions, and every entry of theirs in the audit log says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.sealed_fields import SealedFields
from archiver.store import dialect
from archiver.store.schema import access_alarms, emergencies, users
from archiver.vault import Vault
from search import alarms
from search.access import Action, Actor, Gate
from search.actors import PASSKEY
from search.acts import change
from search.approving.persons import check_second
from search.granting.covering import Covering
from search.granting.errors import BadGrant, NoSuchGrant, WrongGrantState
from search.policy import may

VERDICTS: Final = ("justified", "unjustified")
LEAST_REASON: Final = 10


class Emergencies:
    """The emergencies of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, covering: Covering) -> None:
        self._vault = vault
        self._gate = gate
        self._covering = covering
        self._fields = SealedFields(vault)

    def begin(
        self,
        actor: Actor,
        *,
        reason: str,
        cover: Mapping[str, Any] | None = None,
        everything: bool = False,
        minutes: int | None = None,
    ) -> dict[str, Any]:
        """Break the glass: from this moment on, for `minutes`. The alarm is durable with it.

        `cover` names what is needed (`search.granting.covering`); `everything` says that it can't be named.
        Raises BadGrant, WrongGrantState (it is on already), AccessDenied (also while a review is missing).
        """
        with change(self._vault, self._gate, actor, Action.EMERGENCY_USE, "emergency.begin") as act:
            reason = " ".join(reason.split())[:2_000]
            if len(reason) < LEAST_REASON:
                raise BadGrant(f"reason: say what the emergency is, in at least {LEAST_REASON} characters")
            most = self._vault.settings.break_glass_minutes
            minutes = most if minutes is None else minutes
            if not 1 <= minutes <= most:
                raise BadGrant(f"minutes: it lasts 1 to {most} minutes")
            read = self._covering.read(act.connection, cover or {})
            if read.everything and not everything:
                raise BadGrant(
                    "say whose mail is needed: a patient, a custodian ..., or that it is everything"
                )
            if self._running(act.connection, actor.user_id) is not None:
                raise WrongGrantState("break-glass is on already; end it first, or go on reading")
            now = self._vault.clock.now()
            emergency_id = new_id("e")
            told = {"cover": {} if everything else read.to_json(), "reason": reason}
            act.connection.execute(
                emergencies.insert().values(
                    id=emergency_id,
                    user_id=actor.user_id,
                    sealed=self._fields.seal(emergency_id, told),
                    begun_us=to_us(now),
                    until_us=to_us(now + timedelta(minutes=minutes)),
                    views=0,
                    review_by_us=to_us(next_business_day(now)),
                )
            )
            act.count = alarms.tell_officers(act.connection, self._vault.clock, alarms.BEGUN, actor.user_id)
            act.objects.append(emergency_id)
            act.detail |= told
            return self._shown(self._row(act.connection, emergency_id))

    def end(self, actor: Actor) -> dict[str, Any]:
        """End one's own before its time. Raises NoSuchGrant where none is on."""
        with change(self._vault, self._gate, actor, Action.EMERGENCY_USE, "emergency.end") as act:
            row = self._running(act.connection, actor.user_id)
            if row is None:
                raise NoSuchGrant("break-glass isn't on")
            act.objects.append(row["id"])
            act.connection.execute(
                update(emergencies)
                .where(emergencies.c.id == row["id"])
                .values(ended_us=to_us(self._vault.clock.now()))
            )
            return self._shown(self._row(act.connection, row["id"]))

    def list(self, actor: Actor) -> list[dict[str, Any]]:
        """Those one may review, or one's own; newest first. On record."""
        self._gate.require(actor, Action.EMERGENCY_READ)
        reviews = may(actor, Action.EMERGENCY_REVIEW)
        query = _joined().order_by(emergencies.c.begun_us.desc())
        if not reviews:
            query = query.where(emergencies.c.user_id == actor.user_id)
        with self._vault.records.read() as connection:
            found = [self._shown(row) for row in connection.execute(query).mappings()]
        self._gate.record(actor, "emergency.list", "success" if found else "empty", count=len(found))
        return found

    def review(self, actor: Actor, emergency_id: str, verdict: str, text: str) -> dict[str, Any]:
        """Say, as another person, whether it was justified. Durable on return, and final.

        Raises BadGrant, NoSuchGrant, WrongGrantState, SecondPersonMissing, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.EMERGENCY_REVIEW, "emergency.review") as act:
            text = " ".join(text.split())[:2_000]
            if verdict not in VERDICTS:
                raise BadGrant(f"verdict: use {' or '.join(VERDICTS)}")
            if len(text) < LEAST_REASON:
                raise BadGrant(f"text: say what you looked at, in at least {LEAST_REASON} characters")
            row = self._row(act.connection, emergency_id)
            act.objects += [emergency_id, row["user_id"]]
            act.reason = verdict
            act.detail["text"] = text
            signed = actor.method == PASSKEY
            check_second(act.connection, self._vault.clock, row["user_id"], actor.user_id, signed=signed)
            if row["reviewed_us"] is not None:
                raise WrongGrantState("this emergency was reviewed already")
            now = to_us(self._vault.clock.now())
            if row["ended_us"] is None and row["until_us"] > now:
                raise WrongGrantState("this emergency isn't over yet")
            act.connection.execute(
                update(emergencies)
                .where(emergencies.c.id == emergency_id, emergencies.c.reviewed_us.is_(None))
                .values(
                    reviewed_us=now,
                    reviewed_by=actor.user_id,
                    verdict=verdict,
                    sealed_review=self._fields.seal(f"{emergency_id}/review", {"text": text}),
                )
            )
            return self._shown(self._row(act.connection, emergency_id))

    def remind(self) -> int:
        """Tell the privacy officers once of those not reviewed in time, by a job; how many notices."""
        now = to_us(self._vault.clock.now())
        told = 0
        with self._vault.records.write() as connection:
            late = connection.execute(
                select(emergencies.c.user_id, func.max(emergencies.c.review_by_us).label("due"))
                .where(emergencies.c.reviewed_us.is_(None), emergencies.c.review_by_us <= now)
                .group_by(emergencies.c.user_id)
            ).all()
            for row in late:
                key = {"user_id": row.user_id, "code": alarms.LATE}
                connection.execute(dialect.insert_or_ignore(connection, access_alarms), [{**key, "at_us": 0}])
                fresh = connection.execute(
                    update(access_alarms)
                    .where(
                        access_alarms.c.user_id == row.user_id,
                        access_alarms.c.code == alarms.LATE,
                        access_alarms.c.at_us < row.due,
                    )
                    .values(at_us=now)
                )
                if fresh.rowcount:
                    told += alarms.tell_officers(connection, self._vault.clock, alarms.LATE, row.user_id)
        return told

    def banner(self, actor: Actor) -> dict[str, Any] | None:
        """What every page says while it lasts: `{id, until}`; None where none is on."""
        with self._vault.records.read() as connection:
            row = self._running(connection, actor.user_id)
        return None if row is None else {"id": row["id"], "until": _time(row["until_us"])}

    def counts(self) -> dict[str, int]:
        """How many are on, wait for a review, and are late: for metrics and the doctor."""
        now = to_us(self._vault.clock.now())
        ended = emergencies.c.ended_us.is_not(None) | (emergencies.c.until_us <= now)
        waiting = emergencies.c.reviewed_us.is_(None)
        with self._vault.records.read() as connection:

            def count(*where: Any) -> int:
                return connection.scalar(select(func.count()).select_from(emergencies).where(*where)) or 0

            return {
                "on": count(~ended),
                "unreviewed": count(waiting, ended),
                "late": count(waiting, emergencies.c.review_by_us <= now),
            }

    # --- inside -------------------------------------------------------------------------------

    def _running(self, connection: Connection, user_id: str) -> RowMapping | None:
        now = to_us(self._vault.clock.now())
        return (
            connection.execute(
                _joined().where(
                    emergencies.c.user_id == user_id,
                    emergencies.c.ended_us.is_(None),
                    emergencies.c.until_us > now,
                )
            )
            .mappings()
            .first()
        )

    @staticmethod
    def _row(connection: Connection, emergency_id: str) -> RowMapping:
        row = connection.execute(_joined().where(emergencies.c.id == emergency_id)).mappings().first()
        if row is None:
            raise NoSuchGrant("there is no such emergency; `holdfast break-glass list` shows them")
        return row

    def _shown(self, row: RowMapping) -> dict[str, Any]:
        told = self._fields.open(row["id"], row["sealed"])
        now = to_us(self._vault.clock.now())
        on = row["ended_us"] is None and row["until_us"] > now
        review = None
        if row["sealed_review"] is not None:
            review = self._fields.open(f"{row['id']}/review", row["sealed_review"])["text"]
        return {
            "id": row["id"],
            "user": row["user_id"],
            "user_name": row["user_name"],
            "reason": told["reason"],
            "cover": told["cover"],
            "on": on,
            "begun_at": _time(row["begun_us"]),
            "until": _time(row["until_us"]),
            "ended_at": _time(row["ended_us"]),
            "messages_opened": row["views"],
            "review_by": _time(row["review_by_us"]),
            "late": row["reviewed_us"] is None and row["review_by_us"] <= now,
            "reviewed_at": _time(row["reviewed_us"]),
            "reviewed_by": row["reviewed_by"],
            "verdict": row["verdict"],
            "review": review,
        }


def next_business_day(moment: datetime) -> datetime:
    """The same time of the next day from Monday to Friday, UTC."""
    day = moment + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day


def _joined() -> Any:
    return select(emergencies, users.c.name.label("user_name")).join(
        users, users.c.id == emergencies.c.user_id
    )


def _time(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
