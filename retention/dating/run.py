"""The retention run: brings disposal dates up to date and proposes what is due for disposition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, case, func, select

from archiver.clock import everywhere_today
from archiver.store.schema import messages
from archiver.vault import Vault
from retention.acts import by_system
from retention.dating import rows
from retention.dating.cells import Cells
from retention.dating.computing import compute
from retention.dating.explain import Explainer
from retention.disposition.extensions import is_extended
from retention.disposition.proposing import Proposer
from retention.policy.store import SCHEDULES

CHUNK = 500
Progress = Callable[[int], None]


class RetentionRun:
    """Runs retention over the whole archive. One at a time is enough; two at once do no harm."""

    def __init__(self, vault: Vault, explainer: Explainer) -> None:
        self._vault = vault
        self._verdicts = explainer.verdicts
        self._cells = Cells(vault, explainer.verdicts)
        self._proposer = Proposer(vault, explainer.verdicts)

    def run(
        self,
        as_of: date | None = None,
        proposed_by: str = "operator",
        propose: bool = True,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Compute every date that isn't up to date; then propose what is due, in lists of bounded length.

        `as_of` defaults to today, as it is everywhere on Earth; a later one proposes early, and the
        execution still waits for each message's own day. Returns `{as_of, examined, computed, due, held,
        unconfirmed, extended, missing, permanent, disposition, proposed, dispositions, waiting}`: `due` are
        past their date and nothing keeps them, `held` past it but held, `unconfirmed` past it but a rule
        that applied isn't confirmed (`waiting` names the rules), `extended` past it but with a longer term of
        their own, `missing` kept for want of a fact, `disposition` the first list's id or None,
        `dispositions` all of them, `proposed` how many messages are on them (those in an open disposition
        already are not proposed again). While the program's schedules aren't accepted no date is computed
        and nothing is proposed. `progress` is called with the number of messages computed since its last
        call. On record, durable.
        """
        day = as_of or everywhere_today(self._vault.clock.now())
        accepted = self._verdicts.policies.current().accepted
        computed = self.refresh(progress) if accepted else 0
        made = self._proposer.propose(day, proposed_by) if propose and accepted else []
        proposed = sum(count for _, count in made)
        with self._vault.records.read() as connection:
            counts = self._count(connection, day)
            waiting = self.waiting(connection, day)
        counts |= {"computed": computed, "disposition": made[0][0] if made else None, "proposed": proposed}
        lists = [disposition_id for disposition_id, _ in made]
        self._vault.audit.record(
            by_system(
                "retention.run",
                "success",
                proposed_by,
                objects=tuple(lists),
                count=proposed,
                detail={**counts, "waiting": waiting},
            )
        )
        return {**counts, "dispositions": lists, "waiting": waiting}

    def simulate(self, on: date, progress: Progress | None = None) -> dict[str, Any]:
        """What a run would find on a day, from today's mail, facts and policy; nothing is changed.

        `{as_of, examined, due, held, unconfirmed, missing, permanent, later, by: [...]}`; `by` has the same
        counts for each State and record type. Every message examined is in exactly one count.
        """
        return self._cells.on(on, progress)

    def finish_lists(self) -> int:
        """End lists whose making a stop cut short; how many. Durable."""
        return self._proposer.finish()

    def refresh(self, progress: Progress | None = None) -> int:
        """Compute every date that isn't up to date; how many were. Durable chunk by chunk."""
        policies = self._verdicts.policies
        policies.notice()
        rows.tell_unconfirmed(self._vault)
        done = 0
        for chunk in rows.stale(self._vault.records, self._verdicts, policies.current()):
            computed = len(compute(self._vault, self._verdicts, chunk))
            done += computed
            if progress is not None:
                progress(computed)
        return done

    def waiting(self, connection: Connection, day: date) -> list[dict[str, Any]]:
        """The rules that counsel has still to confirm before what is due may go, the most needed first."""
        policy = self._verdicts.policies.current(connection)
        past = and_(messages.c.disposed_us.is_(None), ~messages.c.permanent, messages.c.disposal_date <= day)
        found = self._cells.waiting(connection, policy, past)
        listed = [{"rule_id": rule, "messages": count} for rule, count in found.most_common()]
        return listed if policy.accepted else [{"rule_id": SCHEDULES, "messages": 0}, *listed]

    def _count(self, connection: Connection, day: date) -> dict[str, Any]:
        past = and_(~messages.c.permanent, messages.c.disposal_date <= day)
        held, own = rows.is_held(), is_extended(day)
        kinds = {
            "due": and_(past, ~held, ~messages.c.unconfirmed, ~own),
            "held": and_(past, held),
            "unconfirmed": and_(past, ~held, messages.c.unconfirmed),
            "extended": and_(past, ~held, ~messages.c.unconfirmed, own),
            "missing": and_(~messages.c.permanent, messages.c.disposal_date.is_(None)),
            "permanent": messages.c.permanent,
        }
        query = select(
            func.count().label("examined"),
            *(func.sum(case((kind, 1), else_=0)).label(name) for name, kind in kinds.items()),
            # In the table's own order: SQLite would go by the index of the living, and read a page for each.
        ).where(messages.c.pk > rows.FIRST, messages.c.disposed_us.is_(None))
        row = connection.execute(query).mappings().one()
        return {"as_of": day.isoformat(), **{name: int(row[name] or 0) for name in ("examined", *kinds)}}
