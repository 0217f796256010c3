"""When a hold must be looked at again: a date, an address to remind, and never a silent end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select

from archiver.clock import from_us, rfc3339, to_us
from archiver.store import dialect
from archiver.store.schema import hold_reviews, holds
from archiver.vault import Vault
from config.relay import is_address
from retention.acts import Act
from retention.fields import SealedFields
from retention.holds import events
from retention.holds.events import Events
from retention.refusals import BadCriteria
from search.access import Actor


class Reviews:
    """The review dates of one archive's holds."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._events = Events(vault)

    def set(
        self,
        act: Act,
        actor: Actor,
        hold_id: str,
        version: int,
        review_on: date | str | None,
        remind: str | None,
        reason: str,
    ) -> None:
        """Set, move or (with no date) take away a review, in an act's transaction. Raises BadCriteria."""
        day = _day(review_on)
        today = self._vault.clock.now().date()
        if remind and (day is None or not is_address(remind)):
            raise BadCriteria("--remind needs a plain address, and --review-on with it")
        if day is not None and day < today:
            raise BadCriteria("a review must not lie in the past; --review-on takes a day from today on")
        self._events.add(
            act.connection,
            hold_id,
            version,
            events.REVIEW_SET,
            actor.user_id,
            review_on=day.isoformat() if day else None,
            remind=remind,
            reason=reason,
        )
        if day is None:
            act.connection.execute(delete(hold_reviews).where(hold_reviews.c.hold_id == hold_id))
            return
        before = timedelta(days=self._vault.settings.hold_review_days)
        row = {
            "hold_id": hold_id,
            "review_on": day,
            "sealed": self._fields.seal(_bound(hold_id), {"remind": remind}),
            "set_us": to_us(self._vault.clock.now()),
            "set_by": actor.user_id,
            "next_us": to_us(datetime(day.year, day.month, day.day, tzinfo=UTC) - before),
        }
        columns = ["review_on", "sealed", "set_us", "set_by", "next_us"]
        dialect.upsert(act.connection, hold_reviews, [row], update=columns)

    def of(self, connection: Connection, hold_id: str, *, full: bool = False) -> dict[str, Any]:
        """`{review_on, overdue}` of a hold, nothing where no review is set; `full` adds who set it and who is
        reminded."""
        row = connection.execute(select(hold_reviews).where(hold_reviews.c.hold_id == hold_id)).first()
        if row is None:
            return {}
        found = {"review_on": row.review_on.isoformat(), "overdue": self._overdue(row.review_on)}
        if full:
            found |= {
                "review_set_by": row.set_by,
                "review_set_at": rfc3339(from_us(row.set_us)),
                "review_remind": self.address(hold_id, row.sealed),
            }
        return found

    def address(self, hold_id: str, sealed: bytes) -> str | None:
        """Who is reminded, opened from a row of `hold_reviews`."""
        found: str | None = self._fields.open(_bound(hold_id), sealed)["remind"]
        return found

    def overdue(self) -> int:
        """How many unreleased holds are past their review."""
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(hold_reviews.c.review_on)
                .join(holds, holds.c.id == hold_reviews.c.hold_id)
                .where(holds.c.state != "released")
            ).all()
        return sum(self._overdue(row.review_on) for row in rows)

    def _overdue(self, day: date) -> bool:
        return day < self._vault.clock.now().date()


def _bound(hold_id: str) -> str:
    return f"{hold_id}/review"


def _day(value: date | str | None) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise BadCriteria("--review-on must be a day as YYYY-MM-DD") from None
