"""Previews: what a change of policy would do to every message's date, worked out before it may be made.

Every living message is judged once more, by the policy as it would be, and compared with what its row says:
just what the next run will do. Sums only are kept, sealed; where it takes long a job works them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, update

from archiver.capture.ids import new_id
from archiver.clock import everywhere_today, from_us, rfc3339, to_us
from archiver.store.schema import messages, policy_previews
from archiver.vault import Vault
from retention.acts import by_system, change, look
from retention.dating import rows
from retention.dating.verdicts import Verdict, Verdicts
from retention.disposition.extensions import extended
from retention.errors import RetentionError
from retention.fields import SealedFields
from retention.jobs.queue import queue_of
from retention.policy.changes import read_change, shortens, target
from retention.policy.decisions import Decisions
from retention.policy.store import Policy
from retention.refusals import NotThere
from search.access import Action, Actor, Gate

CHUNK: Final = 500
KEEP: Final = timedelta(days=7)
AT_ONCE: Final = 2_000
"""So many messages are compared while the caller waits; more are left to the job."""
HERE, WAITING, DONE, FAILED = "here", "waiting", "done", "failed"
KINDS: Final = ("earlier", "later", "newly_due", "no_longer_due")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a message stands: its date (None: permanent or not known), and whether it may be proposed."""

    day: date | None
    due: bool

    @property
    def order(self) -> date:
        """Where it comes among dates; what has none is kept longest."""
        return self.day or date.max


class Previews:
    """Works out, keeps and shows previews. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate, verdicts: Verdicts, decisions: Decisions) -> None:
        self._vault = vault
        self._gate = gate
        self._verdicts = verdicts
        self._decisions = decisions
        self._fields = SealedFields(vault)

    def ask(
        self,
        actor: Actor,
        document: Mapping[str, Any],
        progress: Progress | None = None,
        *,
        wait: bool = False,
    ) -> dict[str, Any]:
        """Preview a change (see `read_change`); of a large archive the job does it, unless the caller waits.

        Returns as `show` does. Raises BadPolicy, UnknownFact, NotThere for a change of what isn't there.
        """
        schedule = self._verdicts.schedule
        with change(self._vault, self._gate, actor, Action.RETENTION_READ, "retention.preview") as act:
            meant = self._decisions.read(act.connection, document)
            act.detail["change"] = meant.to_json()
            policy = self._verdicts.policies.current(act.connection)
            means = self._decisions.resolve(act.connection, meant, policy)
            total = _living(act.connection)
            here = wait or total <= AT_ONCE
            preview_id = new_id("v")
            act.objects.append(preview_id)
            sealed = {
                "change": meant.to_json(),
                "means": means.to_json(),
                "words": self._decisions.words(act.connection, means),
                "two_persons": shortens(means, policy, schedule),
                "epoch": policy.version.epoch,
            }
            act.connection.execute(
                policy_previews.insert().values(
                    id=preview_id,
                    state=HERE if here else WAITING,
                    sealed=self._fields.seal(preview_id, sealed),
                    done=0,
                    total=total,
                    created_us=to_us(self._vault.clock.now()),
                    created_by=actor.user_id,
                )
            )
        if here:
            self._work(preview_id, progress)
        else:
            queue_of(self._vault).enqueue("retention.preview")
        with self._vault.records.read() as connection:
            return self._shown(connection, preview_id)

    def show(self, actor: Actor, preview_id: str) -> dict[str, Any]:
        """`{id, state, change, words, two_persons, done, total, result}`; `result` is None before `done`."""
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "retention.preview") as act:
            act.objects.append(preview_id)
            return self._shown(act.connection, preview_id)

    def run_waiting(self) -> int:
        """Work out the previews that wait, by a job; how many. Old ones are forgotten."""
        old = to_us(self._vault.clock.now() - KEEP)
        with self._vault.records.write() as connection:
            connection.execute(delete(policy_previews).where(policy_previews.c.created_us < old))
        with self._vault.records.read() as connection:
            waiting = connection.scalars(
                select(policy_previews.c.id)
                .where(policy_previews.c.state == WAITING)
                .order_by(policy_previews.c.created_us)
            ).all()
        for preview_id in waiting:
            try:
                self._work(preview_id, None)
            except RetentionError as error:
                # Another version of the program may know a type or a State no more: others don't wait for it.
                self._failed(preview_id, error.code)
        return len(waiting)

    # --- inside -------------------------------------------------------------------------------

    def _work(self, preview_id: str, progress: Progress | None) -> None:
        with self._vault.records.read() as connection:
            sealed = self._opened(connection, preview_id)
            total = _living(connection)
        means = read_change(sealed["means"], self._verdicts.schedule)
        policies = self._verdicts.policies
        now = policies.current()
        result = self._compared(preview_id, now, target(means, now, policies), total, progress)
        with self._vault.records.write() as connection:
            self._set(
                connection,
                preview_id,
                state=DONE,
                done=result["examined"],
                total=result["examined"],
                sealed_result=self._fields.seal(f"{preview_id}/result", result),
            )
            event = by_system(
                "retention.previewed", "success", objects=(preview_id,), count=result["examined"]
            )
            self._vault.audit.record_in(connection, event)

    def _failed(self, preview_id: str, code: str) -> None:
        with self._vault.records.write() as connection:
            self._set(connection, preview_id, state=FAILED)
            event = by_system("retention.previewed", "failed", objects=(preview_id,), reason=code)
            self._vault.audit.record_in(connection, event)

    def _compared(
        self, preview_id: str, now: Policy, then: Policy, total: int, progress: Progress | None
    ) -> dict[str, Any]:
        today = everywhere_today(self._vault.clock.now())
        by: dict[tuple[str, str], Counter[str]] = {}
        examined = 0
        for pks in self._pages():
            before, after = self._before(pks, now, today), self._verdicts.of(pks, then)
            with self._vault.records.read() as connection:
                protected = rows.held(connection, pks) | set(extended(connection, pks, today))
            for pk, verdict in after.items():
                grounds = self._verdicts.grounds_of(verdict)
                counts = by.setdefault((grounds.state, grounds.record_type), Counter())
                counts["examined"] += 1
                stands = _standing(verdict, pk in protected, today)
                counts.update(_moves(before.get(pk, stands), stands))
            examined += len(after)
            if progress is not None:
                progress(examined, total)
            elif examined % (CHUNK * 20) == 0:
                self._tell(preview_id, examined)
        every = sum(by.values(), Counter[str]())
        names = ("examined", *KINDS)
        return {
            "as_of": today.isoformat(),
            **{name: every[name] for name in names},
            "by": [
                {"state": state, "record_type": record_type, **{name: counts[name] for name in names}}
                for (state, record_type), counts in sorted(by.items())
                if any(counts[name] for name in KINDS)
            ],
        }

    def _before(self, pks: Sequence[int], now: Policy, today: date) -> dict[int, Standing]:
        """How messages stand now: as their rows say, or, where they are stale, as a run would write."""
        current = rows.is_current(self._verdicts, now)
        columns = messages.c
        with self._vault.records.read() as connection:
            protected = rows.held(connection, pks) | set(extended(connection, pks, today))
            found = {
                row.pk: row
                for row in connection.execute(
                    select(
                        columns.pk,
                        columns.disposal_date,
                        columns.permanent,
                        columns.unconfirmed,
                        current.label("current"),
                    ).where(columns.pk.in_(pks), columns.disposed_us.is_(None))
                )
            }
            policy_waits = self._verdicts.policies.current(connection)
        lacking = [pk for pk, row in found.items() if not row.current] if policy_waits.accepted else []
        standing = {
            pk: Standing(
                None if row.permanent else row.disposal_date,
                not row.permanent
                and row.disposal_date is not None
                and row.disposal_date <= today
                and not row.unconfirmed
                and pk not in protected
                and now.accepted,
            )
            for pk, row in found.items()
        }
        judged = self._verdicts.of(lacking, now) if lacking else {}
        return standing | {pk: _standing(one, pk in protected, today) for pk, one in judged.items()}

    def _pages(self) -> Iterator[list[int]]:
        last = -(2**63)
        while True:
            with self._vault.records.read() as connection:
                pks = list(
                    connection.scalars(
                        select(messages.c.pk)
                        .where(messages.c.pk > last, messages.c.disposed_us.is_(None))
                        .order_by(messages.c.pk)
                        .limit(CHUNK)
                    )
                )
            if not pks:
                return
            yield pks
            last = pks[-1]

    def _tell(self, preview_id: str, done: int) -> None:
        with self._vault.records.write() as connection:
            self._set(connection, preview_id, done=done)

    def _set(self, connection: Connection, preview_id: str, **values: Any) -> None:
        connection.execute(update(policy_previews).where(policy_previews.c.id == preview_id).values(**values))

    def _opened(self, connection: Connection, preview_id: str) -> dict[str, Any]:
        row = connection.execute(
            select(policy_previews.c.sealed).where(policy_previews.c.id == preview_id)
        ).first()
        if row is None:
            raise NotThere("there is no such preview; they are kept for a week")
        return dict(self._fields.open(preview_id, row.sealed))

    def _shown(self, connection: Connection, preview_id: str) -> dict[str, Any]:
        sealed = self._opened(connection, preview_id)
        row = connection.execute(select(policy_previews).where(policy_previews.c.id == preview_id)).one()
        result = row.sealed_result
        return {
            "id": preview_id,
            "state": row.state,
            "change": sealed["change"],
            "words": sealed["words"],
            "two_persons": sealed["two_persons"],
            "made_at": rfc3339(from_us(row.created_us)),
            "done": row.done,
            "total": row.total,
            "result": self._fields.open(f"{preview_id}/result", result) if result is not None else None,
        }


def _living(connection: Connection) -> int:
    query = select(func.count()).select_from(messages).where(messages.c.disposed_us.is_(None))
    return int(connection.scalar(query) or 0)


def _standing(verdict: Verdict, protected: bool, today: date) -> Standing:
    day = verdict.disposal_date
    reached = day is not None and day <= today
    return Standing(day, reached and not protected and not verdict.unconfirmed)


def _moves(before: Standing, after: Standing) -> Iterator[str]:
    if after.order < before.order:
        yield "earlier"
    if after.order > before.order:
        yield "later"
    if after.due and not before.due:
        yield "newly_due"
    if before.due and not after.due:
        yield "no_longer_due"
