"""What a matter's custodians are told: its texts, who answers questions, and who is told of the silent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from archiver.clock import from_us, rfc3339, to_us
from archiver.store import dialect
from archiver.store.schema import notice_plans
from archiver.vault import Vault
from config.relay import is_address
from retention.acts import Act
from retention.fields import SealedFields
from retention.notices import letters
from retention.refusals import BadCriteria
from search.access import Actor


@dataclass(frozen=True, slots=True)
class Plan:
    """A matter's notices. `contact` answers questions, `manager` is told of those who don't acknowledge."""

    contact: str
    manager: str
    remind_days: int
    escalate_days: int
    subject: str = letters.SUBJECT
    text: str = letters.TEXT
    release_subject: str = letters.RELEASE_SUBJECT
    release_text: str = letters.RELEASE_TEXT

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        return asdict(self)


class Plans:
    """The notice plans of one archive's matters."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def of(self, connection: Connection, matter_id: str) -> Plan | None:
        """A matter's plan, None before one was set."""
        row = connection.execute(select(notice_plans).where(notice_plans.c.matter_id == matter_id)).first()
        if row is None:
            return None
        return Plan(
            **self._fields.open(_bound(matter_id), row.sealed),
            remind_days=row.remind_days,
            escalate_days=row.escalate_days,
        )

    def described(self, connection: Connection, matter_id: str) -> dict[str, Any]:
        """A matter's plan as a document; only its matter where there is none."""
        row = connection.execute(select(notice_plans).where(notice_plans.c.matter_id == matter_id)).first()
        plan = self.of(connection, matter_id)
        if row is None or plan is None:
            return {"matter": matter_id}
        told = {"set_at": rfc3339(from_us(row.set_us)), "set_by": row.set_by}
        return {"matter": matter_id, **plan.to_json(), **told}

    def set(self, act: Act, actor: Actor, matter_id: str, changes: dict[str, Any]) -> None:
        """Change what is given of a matter's plan, in an act's transaction; the first must name contact and
        manager. Mails that wait keep the text they were queued with. Raises BadCriteria."""
        settings = self._vault.settings
        before = self.of(act.connection, matter_id)
        values: dict[str, Any] = {
            "contact": "",
            "manager": "",
            "remind_days": settings.notice_remind_days,
            "escalate_days": settings.notice_escalate_days,
            **(before.to_json() if before else {}),
            **{name: value for name, value in changes.items() if value is not None},
        }
        for name in letters.ALLOWED:
            if changes.get(name) is not None:
                values[name] = letters.check(name, values[name])
        for name in ("contact", "manager"):
            if not is_address(values[name]):
                raise BadCriteria(f"a matter's notices need a plain address as --{name}: ada@example.org")
        if not (1 <= values["remind_days"] <= 90 and 1 <= values["escalate_days"] <= 365):
            raise BadCriteria("people are reminded every 1 to 90 days and the manager is told after 1 to 365")
        plan = Plan(**values)
        act.detail["plan"] = plan.to_json()
        sealed = plan.to_json()
        row = {
            "matter_id": matter_id,
            "remind_days": sealed.pop("remind_days"),
            "escalate_days": sealed.pop("escalate_days"),
            "sealed": self._fields.seal(_bound(matter_id), sealed),
            "set_us": to_us(self._vault.clock.now()),
            "set_by": actor.user_id,
        }
        columns = [name for name in row if name != "matter_id"]
        dialect.upsert(act.connection, notice_plans, [row], update=columns)


def _bound(matter_id: str) -> str:
    return f"{matter_id}/notices"
