"""The regular review of activity: which periods there are, what happened in each, and who has signed it.

45 CFR 164.308(a)(1)(ii)(D): regularly review records of information system activity. A signature is an entry
of the log itself, and a row that the database's guards let nobody change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from api.auditing.entry import NOBODY
from api.auditing.period import Period, around, named
from api.auditing.projection import Projection
from api.auditing.reports import SEEING
from api.auditing.unusual import Unusual
from api.errors import BadInput
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import NotFound
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import audit_facts, audit_reviews, users
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.notices.audit_mails import DIGEST, AuditMails
from retention.refusals import WrongState
from search.access import Gate
from search.actors import Action, Actor

MAX_NOTE: Final = 4_000
MOST: Final = 600
"""Periods that are listed: more than ten years of weeks."""
SUBJECT: Final = "Holdfast: review of the archive's activity"
TEXT: Final = """The audit log of the archive, as of {at}.

    Periods that nobody has signed   {unsigned}
    Overdue among them               {overdue}
    Oldest of them                   {oldest}

In {last}, the last whole period:

    Entries                          {entries}
    Looks at mail                    {looks}
    Refused                          {denied}
    Failed sign-ins                  {failures}
    Unusual                          {unusual}

Review and sign it here, after signing in:
{link}

This mail says nothing of anybody's mail.
"""


class Reviews:
    """The reviews of one archive's activity. Safe from any thread."""

    def __init__(
        self, vault: Vault, gate: Gate, projection: Projection, unusual: Unusual, mails: AuditMails
    ) -> None:
        self._vault = vault
        self._gate = gate
        self._projection = projection
        self._unusual = unusual
        self._mails = mails
        self._fields = SealedFields(vault)
        self.zone = unusual.zone

    # --- looking ------------------------------------------------------------------------------

    def periods(self, actor: Actor) -> list[dict[str, Any]]:
        """Every period, newest first: `[{period, from, before, state, signed_by, signed_by_name,
        signed_at}]`.

        `state` is `running`, `due`, `overdue` or `signed`. On record; raises AccessDenied, StoreError.
        """
        self._gate.require(actor, Action.AUDIT_READ)
        self._gate.record(actor, Action.AUDIT_READ, "success", reason="report.reviews")
        self._projection.follow()
        return self._all()

    def show(self, actor: Actor, name: str) -> dict[str, Any]:
        """A period with what happened in it: `{period, from, before, state, counts, actions, findings,
        review}`; `review` is what its signer said, or null. Raises NotFound, BadInput, AccessDenied."""
        self._gate.require(actor, Action.AUDIT_READ)
        self._gate.record(
            actor, Action.AUDIT_READ, "success", reason="report.review", detail={"period": name}
        )
        self._projection.follow()
        period = self._known(name)
        one = next(each for each in self._all() if each["period"] == period.name)
        with self._vault.records.read() as connection:
            row = connection.execute(
                select(audit_reviews).where(audit_reviews.c.period == period.name)
            ).first()
        review = None
        if row is not None:
            said = self._fields.open(f"review/{row.period}", row.sealed)
            review = {
                "note": said["note"],
                "counts": said["counts"],
                "root": said["root"],
                "entry": row.audit_index,
            }
        return {**one, **self._summary(period), "review": review}

    def unsigned(self) -> dict[str, int]:
        """How many whole periods nobody has signed: `{due, overdue}`, for health checks."""
        states = [one["state"] for one in self._all()]
        return {"due": states.count("due"), "overdue": states.count("overdue")}

    # --- signing ------------------------------------------------------------------------------

    def sign(self, actor: Actor, name: str, note: str) -> dict[str, Any]:
        """Sign a whole period as reviewed, with what was found and done about it. Durable on return.

        Raises NotFound, BadInput, WrongState (not over, or signed already), AccessDenied, StepUpNeeded.
        """
        self._gate.require(actor, Action.AUDIT_REVIEW)
        self._projection.follow()
        note = note.strip()
        period = self._known(name)
        if len(note) > MAX_NOTE:
            self._refuse(actor, period, BadInput.audit_code)
            raise BadInput(
                f"a note has {MAX_NOTE:,} characters at most; what is longer belongs to your own files"
            )
        now = to_us(self._vault.clock.now())
        if period.before_us is None or period.before_us > now:
            self._refuse(actor, period, "running")
            raise WrongState("this period isn't over yet; sign it when it is")
        summary = self._summary(period)
        said = {"note": note, "counts": summary["counts"], "findings": summary["findings"]}
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            if self._row(connection, period) is None:
                dialect.lock(connection, dialect.LOCK_AUDIT)
                said["root"] = log.state(connection, Log.AUDIT).root().hex()
                event = self._gate.event(
                    actor,
                    "audit.review",
                    "success",
                    count=summary["counts"]["entries"],
                    reason=str(period.name).lower(),
                    detail=said,
                )
                index = self._vault.audit.record_in(connection, event)
                connection.execute(
                    audit_reviews.insert().values(
                        period=period.name,
                        from_us=period.from_us,
                        before_us=period.before_us,
                        signed_us=now,
                        signed_by=actor.user_id,
                        sealed=self._fields.seal(f"review/{period.name}", said),
                        audit_index=index,
                    )
                )
                return {"period": period.name, "signed_at": rfc3339(from_us(now)), "entry": index}
        self._refuse(actor, period, "signed")
        raise WrongState("somebody has signed this period already")

    # --- telling ------------------------------------------------------------------------------

    def digest(self) -> int:
        """Write the weekly mail to `audit_to`, where there is one; how many. Durable on return."""
        self._projection.follow()
        periods = self._all()
        unsigned = [one for one in periods if one["state"] in ("due", "overdue")]
        whole = next((one for one in periods if one["state"] != "running"), None)
        if whole is None or not self._vault.settings.audit_to:
            return 0
        counts = self._summary(named(self.zone, whole["period"]))["counts"]
        text = TEXT.format(
            at=rfc3339(self._vault.clock.now())[:16] + "Z",
            unsigned=len(unsigned),
            overdue=sum(one["state"] == "overdue" for one in unsigned),
            oldest=unsigned[-1]["period"] if unsigned else "-",
            last=whole["period"],
            link=f"{self._vault.settings.url}/audit/reviews",
            **{name: f"{counts[name]:,}" for name in ("entries", "looks", "denied", "failures", "unusual")},
        )
        with self._vault.records.write() as connection:
            return self._mails.queue(connection, DIGEST, SUBJECT, text)

    # --- inside -------------------------------------------------------------------------------

    def _all(self) -> list[dict[str, Any]]:
        with self._vault.records.read() as connection:
            first = connection.scalar(select(func.min(audit_facts.c.at_us)))
            signed = connection.execute(select(audit_reviews).order_by(audit_reviews.c.from_us)).all()
            names = {row.id: row.name for row in connection.execute(select(users.c.id, users.c.name))}
        if first is None:
            return []
        settings, now = self._vault.settings, self._vault.clock.now()
        found: list[dict[str, Any]] = []
        one = around(self.zone, now, settings.audit_review)
        while (one.before_us or 0) > first and len(found) < MOST:
            by = _signer(one, signed)
            late = from_us(one.before_us or 0) + timedelta(days=settings.audit_review_days) <= now
            over = (one.before_us or 0) <= to_us(now)
            found.append(
                {
                    "period": one.name,
                    **one.to_json(),
                    "state": "signed" if by else "running" if not over else "overdue" if late else "due",
                    "signed_by": by.signed_by if by else None,
                    "signed_by_name": names.get(by.signed_by, "") if by else None,
                    "signed_at": rfc3339(from_us(by.signed_us)) if by else None,
                }
            )
            one = around(self.zone, from_us((one.from_us or 0) - 1), settings.audit_review)
        return found

    def _known(self, name: str) -> Period:
        period = named(self.zone, name)
        if period.name not in {one["period"] for one in self._all()}:
            raise NotFound("there is no such period; `holdfast audit reviews` lists them")
        return period

    def _row(self, connection: Connection, period: Period) -> Row[Any] | None:
        return connection.execute(select(audit_reviews).where(audit_reviews.c.period == period.name)).first()

    def _refuse(self, actor: Actor, period: Period, reason: str) -> None:
        detail = {"period": period.name}
        self._gate.record(actor, "audit.review", "failed", reason=reason, detail=detail)

    def _summary(self, period: Period) -> dict[str, Any]:
        """What happened in a period, by counts; findings in full."""
        within = (audit_facts.c.at_us >= period.from_us, audit_facts.c.at_us < period.before_us)
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(audit_facts.c.action, audit_facts.c.outcome, func.count().label("times"))
                .where(*within)
                .group_by(audit_facts.c.action, audit_facts.c.outcome)
            ).all()
            people = connection.scalar(
                select(func.count(audit_facts.c.user_id.distinct())).where(
                    *within, audit_facts.c.user_id.not_in(sorted(NOBODY))
                )
            )
        findings = [one.to_json() for one in self._unusual.findings(period)]

        def total(*actions: str, outcomes: Sequence[str] = ("success", "empty")) -> int:
            return sum(r.times for r in rows if r.action.startswith(actions) and r.outcome in outcomes)

        bad = ("failed", "denied")
        counts = {
            "entries": sum(row.times for row in rows),
            "people": int(people or 0),
            "looks": sum(row.times for row in rows if row.action in SEEING and row.outcome not in bad),
            "exports": total("export.download"),
            "denied": sum(row.times for row in rows if row.outcome == "denied"),
            "failures": total("session.", "passkey.", "sso.", "link.", outcomes=bad),
            "accounts": total("user.", "token.", "link.", "grant.", "passkey."),
            "policy": total("policy.", "retention.confirm", "retention.revoke", "settings."),
            "holds": total("hold.create", "hold.change", "hold.release", "hold.approve"),
            "disposals": total("disposition.execute", "disposition.destroy"),
            "emergencies": total("emergency."),
            "unusual": len(findings),
        }
        actions = [
            {"action": r.action, "outcome": r.outcome, "count": r.times}
            for r in sorted(rows, key=lambda r: (r.action, r.outcome))
        ]
        return {"counts": counts, "actions": actions, "findings": findings}


def _signer(period: Period, signed: Sequence[Row[Any]]) -> Row[Any] | None:
    """Whose signature covers a period whole; where several do together, as weeks do a month, the last."""
    reached, last = period.from_us or 0, None
    for row in signed:
        if row.from_us <= reached < row.before_us:
            reached, last = row.before_us, row
            if reached >= (period.before_us or 0):
                return last
    return None
