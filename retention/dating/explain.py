"""Explains a message's disposal date: the facts, every rule that was asked, the one that governs."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

from sqlalchemy import select

from archiver.clock import from_us, rfc3339
from archiver.errors import KeyDestroyed
from archiver.store.schema import hold_items, holds, messages
from archiver.vault import Vault
from retention.acts import look
from retention.clock.facts import Facts
from retention.dating.verdicts import Verdict, Verdicts
from retention.law.schedules import Schedule
from retention.roster.patients import PatientStore
from search.access import Action, Actor, Gate, Role


class Explainer:
    """Says why a message is kept, and until when. Safe from any thread."""

    def __init__(self, vault: Vault, schedule: Schedule, patients: PatientStore) -> None:
        self._vault = vault
        self._gate = Gate(vault.audit)
        self.schedule = schedule
        self.verdicts = Verdicts(vault, schedule, patients)

    def explain(self, actor: Actor, object_id: str) -> dict[str, Any]:
        """What the clock computes for a message now; on record before it is returned.

        `{id, disposal_date, permanent, governing, candidates, missing?, facts, anchor, anchor_basis, holds}`;
        the basis says who vouches for the anchor (docs/adr/0009). An administrator, who sees no mail, gets
        neither facts nor explanations: they tell of patients. Raises NotFound, KeyDestroyed (disposed of),
        AccessDenied.
        """
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "retention.explain") as act:
            act.objects.append(object_id[:64])
            pk = self._vault.archive.find(object_id)
            verdict = self.verdicts.of([pk]).get(pk)
            if verdict is None:
                raise KeyDestroyed(
                    "this message was disposed of; its certificate says when and by which rule"
                )
            document = {"id": object_id, **verdict.result.to_json(), "facts": facts_json(verdict)}
            anchored = act.connection.execute(
                select(messages.c.anchor, messages.c.anchor_basis).where(messages.c.pk == pk)
            ).one()
            document |= {"anchor": anchored.anchor.isoformat(), "anchor_basis": anchored.anchor_basis}
            placed = act.connection.execute(
                select(holds.c.id, holds.c.matter_id, holds.c.state, holds.c.in_force_us)
                .join(hold_items, hold_items.c.hold_id == holds.c.id)
                .where(hold_items.c.message_pk == pk, holds.c.state != "released")
                .order_by(holds.c.created_us, holds.c.id)
            )
            document["holds"] = [
                {
                    "id": hold.id,
                    "matter": hold.matter_id,
                    "state": hold.state,
                    "in_force_at": rfc3339(from_us(hold.in_force_us)),
                }
                for hold in placed
            ]
            return _without_patients(document) if actor.role is Role.ADMINISTRATOR else document


def facts_json(verdict: Verdict) -> list[dict[str, Any]]:
    """The facts a verdict was computed from, known ones only; patient information."""
    return [_plain(one) for one in verdict.facts]


def _plain(facts: Facts) -> dict[str, Any]:
    known = ((field.name, getattr(facts, field.name)) for field in fields(facts))
    return {name: _value(value) for name, value in known if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def _without_patients(document: dict[str, Any]) -> dict[str, Any]:
    kept = ("rule_id", "jurisdiction", "record_type", "citation")
    governing = document["governing"]
    document["governing"] = {name: governing[name] for name in kept} if governing else None
    document["candidates"] = [{name: one[name] for name in kept} for one in document["candidates"]]
    del document["facts"]
    return document
