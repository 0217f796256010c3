"""Explains a message's disposal date: why it is still here, and until when; or when and why it went."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.clock import everywhere_today, from_us, rfc3339
from archiver.errors import KeyDestroyed
from archiver.store import standing
from archiver.store.schema import disposition_items, dispositions, messages, users
from archiver.vault import Vault
from retention.acts import look
from retention.dating import reasons
from retention.dating.verdicts import Verdicts
from retention.disposition.extensions import extended
from retention.fields import SealedFields
from retention.law.schedules import Schedule
from retention.policy.store import SCHEDULES
from retention.roster.patients import PatientStore
from search.access import Action, Actor, Gate
from search.policy import may

HOW_TO_CONFIRM: Final = (
    "after counsel's review: holdfast retention schedules confirm RULE_ID --counsel NAME --reason TEXT"
)
HOW_TO_ACCEPT: Final = (
    "look first: holdfast retention policy preview accept schedules; two persons accept them"
)


class Explainer:
    """Says why a message is kept, and until when. Safe from any thread."""

    def __init__(
        self, vault: Vault, schedule: Schedule, patients: PatientStore, gate: Gate | None = None
    ) -> None:
        self._vault = vault
        self._gate = gate or Gate(vault.audit)
        self._fields = SealedFields(vault)
        self.schedule = schedule
        self.verdicts = Verdicts(vault, schedule, patients)

    def explain(self, actor: Actor, object_id: str) -> dict[str, Any]:
        """What the clock and the policy say of a message now; on record before it is returned. It is named by
        its id, a report's, or the SHA-256 (hex) of its bytes, for who has the bytes of what was destroyed.

        `{id, status, because, earliest, disposal_date, permanent, governing, candidates, unconfirmed,
        missing?, facts, anchor, anchor_basis, holds, extended_until}`: `because` says it in sentences, the
        strongest first, `earliest` is the first day on which it could go if all that it waits for were done,
        `status` is due, dated, held, unconfirmed, extended, missing, permanent or destroyed. The basis says
        who vouches for the anchor (docs/adr/0009). Of a message that was disposed of `{id, status, because,
        destroyed}`. An administrator, who sees no mail, gets neither facts nor explanations: they tell of
        patients. Raises NotFound, OutOfScope, KeyDestroyed (gone without a disposition's trace),
        AccessDenied.
        """
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "retention.explain") as act:
            object_id = _by_bytes(act.connection, object_id) or object_id
            act.objects.append(object_id[:64])
            pk = self._vault.archive.find(object_id)
            self._gate.must_see(actor, [pk])
            policy = self.verdicts.policies.current(act.connection)
            verdict = self.verdicts.of([pk], policy).get(pk)
            if verdict is None:
                return self._destroyed(act.connection, pk, object_id, actor)
            document = {"id": object_id, **verdict.result.to_json(), "facts": verdict.facts_json()}
            anchored = act.connection.execute(
                select(messages.c.anchor, messages.c.anchor_basis).where(messages.c.pk == pk)
            ).one()
            document |= {"anchor": anchored.anchor.isoformat(), "anchor_basis": anchored.anchor_basis}
            today = everywhere_today(self._vault.clock.now())
            document["holds"] = [
                {
                    "id": hold["id"],
                    "matter": hold["matter"],
                    "state": hold["state"],
                    "in_force_at": rfc3339(from_us(hold["in_force_us"])),
                }
                for hold in standing.protecting(act.connection, pk)
            ]
            document["unconfirmed"] = [self._waits(rule_id) for rule_id in verdict.unconfirmed]
            own = extended(act.connection, [pk], today).get(pk)
            document["extended_until"] = own.isoformat() if own is not None else None
            document |= reasons.told(verdict, document, today)
            return document if may(actor, Action.ROSTER_READ) else _without_patients(document)

    # --- inside -------------------------------------------------------------------------------

    def _waits(self, rule_id: str) -> dict[str, Any]:
        if rule_id == SCHEDULES:
            return {"rule_id": SCHEDULES, "citation": "the schedules of this version", "how": HOW_TO_ACCEPT}
        rule = self.schedule.rule(rule_id)
        return {
            "rule_id": rule_id,
            "citation": rule.citation if rule is not None else "",
            "how": HOW_TO_CONFIRM.replace("RULE_ID", rule_id),
        }

    def _destroyed(self, connection: Connection, pk: int, object_id: str, actor: Actor) -> dict[str, Any]:
        """What the disposition that ended a message says of it. Raises KeyDestroyed where there is none."""
        row = connection.execute(
            select(dispositions, disposition_items.c.sealed_rule, messages.c.id.label("message_id"))
            .select_from(
                disposition_items.join(dispositions, dispositions.c.id == disposition_items.c.disposition_id)
            )
            .join(messages, messages.c.pk == disposition_items.c.message_pk)
            .where(disposition_items.c.message_pk == pk, disposition_items.c.outcome == "destroyed")
        ).first()
        if row is None:
            raise KeyDestroyed("this message was disposed of; its certificate says when and by which rule")
        at = connection.scalar(select(messages.c.disposed_us).where(messages.c.pk == pk))
        rule = self._fields.open(f"{row.id}/{row.message_id}", row.sealed_rule)
        # Lists of before these were kept have neither.
        rests_on = {name: rule.pop(name, []) for name in ("facts", "others")}
        if not may(actor, Action.ROSTER_READ):
            rule, rests_on = {name: rule.get(name) for name in _SPARED}, {}
        document = {
            "at": rfc3339(from_us(at)) if at is not None else None,
            "disposition": row.id,
            "rule": rule,
            **rests_on,
            "proposed_by": self._name(connection, row.created_by),
            "approved_by": self._name(connection, row.decided_by),
            "executed_by": self._name(connection, row.executed_by or row.begun_by),
            "certificate": f"holdfast disposition certificate {row.id}",
        }
        because = reasons.told_of_destroyed(document)
        return {"id": object_id, "status": "destroyed", "because": because, "destroyed": document}

    @staticmethod
    def _name(connection: Connection, user_id: str | None) -> str | None:
        if user_id is None:
            return None
        return connection.scalar(select(users.c.name).where(users.c.id == user_id)) or user_id


def _by_bytes(connection: Connection, given: str) -> str | None:
    """The id of the message with these bytes: the one that lives, or the one that was destroyed last."""
    if not _SHA256.fullmatch(given.lower()):
        return None
    same = select(messages.c.id).where(messages.c.sha256 == bytes.fromhex(given))
    living = connection.scalar(same.where(messages.c.disposed_us.is_(None)))
    return living or connection.scalar(same.order_by(messages.c.disposed_us.desc()).limit(1))


_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SPARED: Final = ("rule_id", "jurisdiction", "record_type", "citation")
_OF_PATIENTS: Final = ("facts", "because", "advice", "advised_date", "destroy_by")


def _without_patients(document: dict[str, Any]) -> dict[str, Any]:
    governing = document["governing"]
    document["governing"] = {name: governing[name] for name in _SPARED} if governing else None
    document["candidates"] = [{name: one[name] for name in _SPARED} for one in document["candidates"]]
    return {name: value for name, value in document.items() if name not in _OF_PATIENTS}
