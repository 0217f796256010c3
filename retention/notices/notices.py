"""Notices as people handle them: planned for a matter, previewed, begun, sent again, confirmed."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger.audit import AuditEvent
from archiver.store import dialect
from archiver.store.schema import notice_mails, notice_starts, notices
from archiver.vault import Vault
from retention.acts import change, look
from retention.holds import versions
from retention.holds.matters import find_matter, open_matter
from retention.holds.versions import Versions
from retention.notices.outbox import ESCALATION, NOTICE
from retention.notices.plans import Plan, Plans
from retention.notices.reports import returned_mail
from retention.notices.returned import Returned
from retention.notices.telling import Telling
from retention.refusals import BadCriteria, NotThere, WrongState
from search.access import Action, Actor, Gate, OutOfScope

SAMPLE: Final = "(each custodian's own address)"
_EVERY: Final = 2**31 - 1
DAY_US: Final = 86_400_000_000


_NO_SUCH = "there is no such notice; `holdfast hold notices` shows yours"


class Notices:
    """The notices of one archive. What people call is permitted by the gate and on record on return."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._plans = Plans(vault)
        self.telling = Telling(vault)
        self.returned = Returned(vault, self.telling.outbox)

    # --- a matter's plan ----------------------------------------------------------------------

    def plan(self, actor: Actor, matter: str) -> dict[str, Any]:
        """What a matter's custodians are told, by whom and how often; only its id where nothing is set."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "notice.plan") as act:
            row = find_matter(self._vault, act.connection, actor, matter)
            act.objects.append(row["id"])
            return self._plans.described(act.connection, row["id"])

    def set_plan(self, actor: Actor, matter: str, **changes: Any) -> dict[str, Any]:
        """Change what is given: `contact`, `manager`, `remind_days`, `escalate_days`, `subject`, `text`,
        `release_subject`, `release_text`. Raises BadCriteria, NotThere, MatterClosed, AccessDenied."""
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "notice.plan") as act:
            row = open_matter(self._vault, act.connection, actor, matter)
            act.objects.append(row["id"])
            self._plans.set(act, actor, row["id"], changes)
            return self._plans.described(act.connection, row["id"])

    # --- a hold's notices ---------------------------------------------------------------------

    def preview(self, actor: Actor, hold_id: str) -> dict[str, Any]:
        """Whom a hold's notices would go to and what they would say; nothing is sent or kept."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "notice.preview") as act:
            found = versions.find(act, actor, hold_id)
            plan = self._planned(act.connection, found)
            root = versions.known_as(found[0])
            subject, text = self.telling.letter(plan, root, SAMPLE)
            people = sorted(self.telling.custodians(found).values())
            act.count = len(people)
            return {
                "hold": root,
                "to": people,
                "from": self._vault.settings.notice_from or None,
                "subject": subject,
                "text": text,
                "remind_days": plan.remind_days,
                "escalate_days": plan.escalate_days,
                "manager": plan.manager,
            }

    def send(self, actor: Actor, hold_id: str, seconds: float | None = None) -> builtins.list[dict[str, Any]]:
        """Begin to tell a hold's custodians; whom it names later is told by itself. Returns its notices.

        Those who were told already aren't told again. That all are told is durable when this returns, and the
        mails are queued; the job queues what would take longer than `seconds`. Raises BadCriteria (no plan,
        nobody named), WrongState (released, no relay), NotThere, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "notice.start") as act:
            found = versions.find(act, actor, hold_id)
            root = versions.known_as(found[0])
            self._planned(act.connection, found)
            if not versions.protecting(found):
                raise WrongState("this hold is released; there is nothing to tell of")
            if not self._vault.settings.notice_relay:
                raise WrongState("no relay is set for notices; set notice_relay and notice_from")
            if not self.telling.custodians(found):
                raise BadCriteria("this hold names no custodian, so there is nobody to tell")
            row = {
                "hold_id": root,
                "started_us": to_us(self._vault.clock.now()),
                "started_by": actor.user_id,
            }
            act.connection.execute(dialect.insert_or_ignore(act.connection, notice_starts), row)
            act.count = len(self.telling.due(act.connection, root).new)
            self.telling.step_in(act.connection, root, actor.user_id)
        self.telling.catch_up(root, seconds, actor.user_id)
        with self._vault.records.read() as connection:
            return self._of_hold(connection, found)

    def resend(self, actor: Actor, notice_id: str) -> dict[str, Any]:
        """Send one custodian's notice again, with the same link, in the words of the plan as it is now.

        Raises NotThere, WrongState (ended, or a mail of it waits already), AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "notice.resend") as act:
            row = act.connection.execute(select(notices).where(notices.c.id == notice_id)).mappings().first()
            if row is None:
                raise NotThere(_NO_SUCH)
            act.objects.append(row["id"])
            try:
                found = versions.find(act, actor, row["hold_id"])
            except OutOfScope:
                raise OutOfScope(_NO_SUCH) from None
            if row["ended_us"] is not None:
                raise WrongState("the hold has ended for this custodian")
            waits = select(notice_mails.c.id).where(
                notice_mails.c.notice_id == notice_id,
                notice_mails.c.sent_us.is_(None),
                ~notice_mails.c.dropped,
            )
            if (mail := act.connection.scalar(waits)) is not None:
                # It is tried again at once rather than twice.
                act.connection.execute(
                    update(notice_mails)
                    .where(notice_mails.c.id == mail)
                    .values(next_us=to_us(self._vault.clock.now()))
                )
            else:
                plan = self._planned(act.connection, found)
                subject, text = self.telling.letter(plan, row["hold_id"], self.telling.link(notice_id))
                self.telling.outbox.queue(
                    act.connection,
                    hold_id=row["hold_id"],
                    notice_id=notice_id,
                    kind=NOTICE,
                    to=self.telling.address(row),
                    subject=subject,
                    text=text,
                    by=actor.user_id,
                )
            (notice,) = (one for one in self._of_hold(act.connection, found) if one["id"] == notice_id)
            return notice

    def list(
        self, actor: Actor, matter: str | None = None, hold: str | None = None
    ) -> builtins.list[dict[str, Any]]:
        """The notices of the actor's holds, or of one matter or hold: `{id, hold, matter, custodian, state,
        notified, acknowledged_at, reminders, next_reminder, escalated_at, ended_at, mails}`.

        `state` is `not_told` (nobody said that the hold's custodians be told; `id` is null), `waiting`,
        `failing`, `sent`, `reminded`, `escalated`, `acknowledged` or `ended`.
        """
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.notices") as act:
            wanted = find_matter(self._vault, act.connection, actor, matter)["id"] if matter else None
            pages = (
                [versions.find(act, actor, hold)]
                if hold
                else [
                    found
                    for found in versions.pages(act.connection, actor, _EVERY)
                    if wanted in (None, found[0]["matter_id"])
                ]
            )
            told = [one for found in pages for one in self._of_hold(act.connection, found)]
            act.objects += sorted({one["hold"] for one in told})
            act.count = len(told)
            return told

    # --- answers ------------------------------------------------------------------------------

    def acknowledge(self, secret: str) -> str | None:
        """Confirm a notice by the end of its link: `acknowledged`, `ended`, or None for an unknown one.

        Whoever has the link is taken for the custodian. Durable and on record on return; a second time
        changes nothing. Records nothing for an unknown link: the caller bounds how many are tried.
        """
        digest = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
        with self._vault.records.read() as connection:
            known = connection.scalar(select(notices.c.id).where(notices.c.secret == digest))
        if known is None:
            return None
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            row = connection.execute(select(notices).where(notices.c.id == known)).mappings().one()
            if row["ended_us"] is not None:
                return "ended"
            if row["acknowledged_us"] is None:
                now = to_us(self._vault.clock.now())
                connection.execute(update(notices).where(notices.c.id == known).values(acknowledged_us=now))
                self.telling.outbox.drop(connection, known)
                event = AuditEvent(
                    action="notice.acknowledge",
                    outcome="success",
                    user_id="anonymous",
                    client="notice",
                    objects=(known, row["hold_id"]),
                )
                self._vault.audit.record_in(connection, event)
        return "acknowledged"

    def bounced(self, report: bytes) -> str | None:
        """Note that a notice came back (RFC 3464), given the mail that says so; the id of the mail that did.

        None for a mail that isn't a failure report, or not about a mail of ours. Idempotent.
        """
        mail_id = returned_mail(report)
        return mail_id if mail_id is not None and self.telling.outbox.bounced(mail_id) else None

    def unanswered(self) -> dict[str, int]:
        """For `doctor`: `{unacknowledged, escalated, failing}` of the holds that are told of."""
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(notices.c.escalated_us).where(
                    notices.c.ended_us.is_(None), notices.c.acknowledged_us.is_(None)
                )
            ).all()
        return {
            "unacknowledged": len(rows),
            "escalated": sum(row.escalated_us is not None for row in rows),
            "failing": self.telling.outbox.failing(),
        }

    # --- inside -------------------------------------------------------------------------------

    def _planned(self, connection: Connection, found: Versions) -> Plan:
        plan = self._plans.of(connection, found[0]["matter_id"])
        if plan is None:
            raise BadCriteria("set first who answers questions: `holdfast matter notice` with --contact")
        return plan

    def _of_hold(self, connection: Connection, found: Versions) -> builtins.list[dict[str, Any]]:
        root, matter = versions.known_as(found[0]), found[0]["matter_id"]
        rows = connection.execute(
            select(notices).where(notices.c.hold_id == root).order_by(notices.c.created_us, notices.c.id)
        )
        mails: dict[str | None, builtins.list[RowMapping]] = {}
        for mail in connection.execute(
            select(notice_mails)
            .where(notice_mails.c.hold_id == root)
            .order_by(notice_mails.c.queued_us, notice_mails.c.id)
        ).mappings():
            mails.setdefault(mail["notice_id"], []).append(mail)
        escalations = [mail for mail in mails.get(None, ()) if mail["kind"] == ESCALATION]
        plan = self._plans.of(connection, matter)
        known, open_ = [], set()
        for row in rows.mappings():
            told = self._described(row, matter, plan, mails.get(row["id"], []))
            if row["escalated_us"] is not None:
                # One mail to the manager names all who were silent then.
                naming = (mail for mail in escalations if mail["queued_us"] >= row["escalated_us"])
                told["mails"] += [_mail(mail) for mail in islice(naming, 1)]
            known.append(told)
            if row["ended_us"] is None:
                open_.add(bytes(row["token"]))
        begun = connection.scalar(
            select(notice_starts.c.hold_id).where(
                notice_starts.c.hold_id == root, notice_starts.c.ended_us.is_(None)
            )
        )
        known += [
            {
                "id": None,
                "hold": root,
                "matter": matter,
                "custodian": address,
                "state": "not_told" if begun is None else "waiting",
                "notified": None,
            }
            for token, address in self.telling.custodians(found).items()
            if token not in open_
        ]
        return known

    def _described(
        self, row: RowMapping, matter: str, plan: Plan | None, mails: Sequence[RowMapping]
    ) -> dict[str, Any]:
        next_us = row["next_reminder_us"]
        if next_us is None and row["sent_us"] is not None and plan is not None:
            next_us = row["sent_us"] + plan.remind_days * DAY_US
        silent = row["acknowledged_us"] is None and row["ended_us"] is None
        return {
            "id": row["id"],
            "hold": row["hold_id"],
            "matter": matter,
            "custodian": self.telling.address(row),
            "state": _state(row, mails),
            "notified": _moment(row["sent_us"]),
            "acknowledged_at": _moment(row["acknowledged_us"]),
            "reminders": row["reminders"],
            "next_reminder": _moment(next_us) if silent else None,
            "escalated_at": _moment(row["escalated_us"]),
            "ended_at": _moment(row["ended_us"]),
            "mails": [_mail(mail) for mail in mails],
        }


def _mail(mail: RowMapping) -> dict[str, Any]:
    return {
        "id": mail["id"],
        "kind": mail["kind"],
        "queued_at": _moment(mail["queued_us"]),
        "queued_by": mail["queued_by"],
        "sent_at": _moment(mail["sent_us"]),
        "tries": mail["tries"],
        "failure": mail["failure"],
        "bounced_at": _moment(mail["bounced_us"]),
        "dropped": bool(mail["dropped"]),
    }


def _state(row: RowMapping, mails: Sequence[RowMapping]) -> str:
    if row["ended_us"] is not None:
        return "ended"
    if row["acknowledged_us"] is not None:
        return "acknowledged"
    last = next((mail for mail in reversed(mails) if not mail["dropped"]), None)
    came_back = any(mail["bounced_us"] is not None for mail in mails)
    if last is not None and (last["failure"] or (came_back and last["sent_us"] is None)):
        return "failing"
    if row["sent_us"] is None:
        return "waiting"
    if row["escalated_us"] is not None:
        return "escalated"
    return "reminded" if row["reminders"] else "sent"


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
