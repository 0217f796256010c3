"""Counsel's confirmations: which rule was signed off as its data stands, on whose word, and when.

A confirmation is bound to the rule's data by its digest: a row that changed afterwards is unconfirmed again.
The database's guard asks this table itself, so a confirmation taken back blocks from its commit on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import SealError
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store import dialect
from archiver.store.schema import rule_confirmations, users
from archiver.vault import Vault
from retention.acts import change, look
from retention.errors import RetentionError, UnknownFact
from retention.fields import SealedFields
from retention.jobs.queue import queue_of
from retention.law.rules import FEDERAL, Rule
from retention.policy.errors import BadPolicy, ReasonNeeded
from retention.policy.rules import rule_digest
from retention.policy.store import PolicyStore, bump
from retention.refusals import WrongState
from search.access import Action, Actor, Gate

MOST_TEXT: Final = 2_000


class Confirmations:
    """Counsel's word on the rules of one archive. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate, policies: PolicyStore) -> None:
        self._vault = vault
        self._gate = gate
        self._policies = policies
        self._fields = SealedFields(vault)

    def select(
        self,
        rule_ids: Sequence[str] = (),
        *,
        state: str | None = None,
        record_type: str | None = None,
        federal: bool = False,
        everything: bool = False,
    ) -> list[Rule]:
        """The rules that are meant: by id, of a State, the federal ones, or all; of a record type.

        Raises UnknownFact for a name nobody knows, BadPolicy where nothing or two things are said.
        """
        schedule = self._policies.schedule
        ways = [bool(rule_ids), state is not None, federal, everything]
        if sum(ways) != 1:
            raise BadPolicy("say which rules: their ids, one State, the federal ones, or all")
        if rule_ids:
            unknown = [rule_id for rule_id in rule_ids if schedule.rule(rule_id) is None]
            if unknown:
                raise UnknownFact("there is no such rule; `holdfast retention schedules` shows their ids")
            chosen = [rule for rule_id in dict.fromkeys(rule_ids) if (rule := schedule.rule(rule_id))]
        elif everything:
            chosen = list(schedule.rules)
        else:
            place = FEDERAL if federal else (state or "").strip().upper()
            if place not in schedule.jurisdictions:
                raise UnknownFact("state: unknown; use a postal code of two letters, like CA")
            chosen = [rule for rule in schedule.rules if rule.jurisdiction == place]
        if record_type is not None:
            name = schedule.canonical(record_type)
            chosen = [rule for rule in chosen if rule.record_type == name]
        if not chosen:
            raise BadPolicy("no rule of the schedules is like that")
        return chosen

    def meant(self, actor: Actor, rule_ids: Sequence[str] = (), **ways: Any) -> list[Rule]:
        """The same as `select` for somebody who may confirm; a refusal is on record."""
        self._gate.require(actor, Action.POLICY_MANAGE)
        try:
            return self.select(rule_ids, **ways)
        except RetentionError as error:
            self._gate.record(actor, "retention.confirm", "failed", reason=error.code)
            raise

    def confirm(self, actor: Actor, rules: Iterable[Rule], *, counsel: str, reason: str) -> dict[str, Any]:
        """Record that counsel has confirmed rules as their data stands. Durable on return.

        Returns `{confirmed, already, rules, audit_entry}`: the ids of those newly confirmed, and the entry
        of the audit log that tells of it (None where all were confirmed before). Raises ReasonNeeded.
        """
        chosen = list(rules)
        with change(self._vault, self._gate, actor, Action.POLICY_MANAGE, "retention.confirm") as act:
            counsel, reason = stated(counsel, "counsel's name"), stated(reason, "a reason")
            known = self._policies.current(act.connection).confirmed
            new = [rule for rule in chosen if rule.rule_id not in known]
            index = _next_entry(act.connection) if new else None
            now = to_us(self._vault.clock.now())
            for rule in new:
                confirmation = new_id("k")
                document = {
                    "rule_id": rule.rule_id,
                    "digest": rule_digest(rule),
                    "schedules": self._policies.schedule.version,
                    "counsel": counsel,
                    "reason": reason,
                }
                act.connection.execute(
                    rule_confirmations.insert().values(
                        id=confirmation,
                        rule_token=self._policies.tokens[rule.rule_id],
                        sealed=self._fields.seal(confirmation, document),
                        created_us=now,
                        created_by=actor.user_id,
                        audit_index=index,
                    )
                )
                act.objects.append(confirmation)
            if new:
                bump(act.connection, dates=False)
            act.count = len(new)
            act.detail |= {
                "counsel": counsel,
                "reason": reason,
                "rules": {rule.rule_id: rule_digest(rule) for rule in new},
            }
        if new:
            queue_of(self._vault).enqueue("retention.recompute")
        return {
            "confirmed": len(new),
            "already": len(chosen) - len(new),
            "rules": [rule.rule_id for rule in new],
            "audit_entry": index,
        }

    def revoke(self, actor: Actor, rules: Iterable[Rule], *, reason: str) -> dict[str, Any]:
        """Take counsel's word back. From this commit on no message goes to which one of the rules applied.

        Returns `{revoked, rules, audit_entry}`. Raises ReasonNeeded, and WrongState where none was confirmed.
        """
        wanted = {rule.rule_id for rule in rules}
        tokens = [self._policies.tokens[rule_id] for rule_id in sorted(wanted)]
        with change(self._vault, self._gate, actor, Action.POLICY_MANAGE, "retention.revoke") as act:
            reason = stated(reason, "a reason")
            act.detail |= {"reason": reason, "rules": sorted(wanted)}
            rows = act.connection.execute(
                select(rule_confirmations.c.id, rule_confirmations.c.rule_token).where(
                    rule_confirmations.c.revoked_us.is_(None), rule_confirmations.c.rule_token.in_(tokens)
                )
            ).all()
            if not rows:
                raise WrongState("none of these rules is confirmed; there is nothing to take back")
            index = _next_entry(act.connection)
            now = to_us(self._vault.clock.now())
            for row in rows:
                act.connection.execute(
                    update(rule_confirmations)
                    .where(rule_confirmations.c.id == row.id)
                    .values(
                        revoked_us=now,
                        revoked_by=actor.user_id,
                        sealed_revocation=self._fields.seal(
                            f"{row.id}/revoked", {"reason": reason, "audit_entry": index}
                        ),
                    )
                )
                act.objects.append(row.id)
            bump(act.connection, dates=False)
            act.count = len(rows)
            by_token = {self._policies.tokens[rule_id]: rule_id for rule_id in wanted}
            revoked = sorted({by_token[bytes(row.rule_token)] for row in rows})
        queue_of(self._vault).enqueue("retention.recompute")
        return {"revoked": len(revoked), "rules": revoked, "audit_entry": index}

    def confirmed(self, actor: Actor) -> frozenset[str]:
        """The ids of the rules whose confirmation stands; on record as a look at the schedules."""
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "retention.schedules") as act:
            return self._policies.current(act.connection).confirmed

    def list(
        self, actor: Actor, limit: int | None = None, rule_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Confirmations, newest first: who, when, on whose word, over which data, and whether they stand.

        `stands` is False where it was revoked, or the rule's data has changed since; with a rule, its own.
        """
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "retention.confirmations") as act:
            query = select(rule_confirmations, users.c.name).join(
                users, users.c.id == rule_confirmations.c.created_by
            )
            if rule_id is not None:
                token = self._policies.tokens.get(rule_id)
                query = query.where(rule_confirmations.c.rule_token == token)
            rows = act.connection.execute(
                query.order_by(rule_confirmations.c.created_us.desc(), rule_confirmations.c.id).limit(limit)
            ).mappings()
            confirmed = self._policies.current(act.connection).confirmed
            found = [self._shown(dict(row), confirmed) for row in rows.all()]
            act.count = len(found)
            return found

    # --- inside -------------------------------------------------------------------------------

    def _shown(self, row: dict[str, Any], confirmed: frozenset[str]) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": row["id"],
            "rule_id": None,
            "stands": False,
            "confirmed_at": rfc3339(from_us(row["created_us"])),
            "confirmed_by": row["name"],
            "audit_entry": row["audit_index"],
            "revoked_at": rfc3339(from_us(row["revoked_us"])) if row["revoked_us"] else None,
        }
        try:
            document = self._fields.open(row["id"], row["sealed"])
        except SealError:
            return shown | {"fault": "this row was not made by this archive; it counts for nothing"}
        rule = self._policies.schedule.rule(document["rule_id"])
        same = rule is not None and rule_digest(rule) == document["digest"]
        return shown | {
            "rule_id": document["rule_id"],
            "digest": document["digest"],
            "counsel": document["counsel"],
            "reason": document["reason"],
            "stands": same and row["revoked_us"] is None and document["rule_id"] in confirmed,
            "changed_since": not same,
        }


def _next_entry(connection: Connection) -> int:
    """The index that the audit entry of this transaction will have: nobody else writes one before."""
    dialect.lock(connection, dialect.LOCK_AUDIT)
    return log.state(connection, Log.AUDIT).size


def stated(text: str, what: str) -> str:
    """A text that a person must say, without the blanks around it. Raises ReasonNeeded, BadPolicy."""
    text = text.strip()
    if not text:
        raise ReasonNeeded(f"say {what}; it is kept with the record")
    if len(text) > MOST_TEXT:
        raise BadPolicy(f"{what}: at most {MOST_TEXT} characters")
    return text
