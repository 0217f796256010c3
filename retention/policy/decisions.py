"""Decisions on the policy: asked by one person, approved by another where they could shorten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import policy_entries, policy_previews, users
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.errors import RetentionError
from retention.fields import SealedFields
from retention.jobs.queue import queue_of
from retention.policy.accepting import accept, said_of
from retention.policy.agreeing import PolicyApprovals
from retention.policy.changes import ACCEPT, APPROVE, OPTION, REMOVE, SET, Change, read_change, shortens
from retention.policy.confirmations import stated
from retention.policy.errors import PreviewNeeded, ReasonNeeded
from retention.policy.store import IN_FORCE, SCHEDULES, Policy, PolicyStore, bump
from retention.policy.terms import read_term
from retention.refusals import NotThere, SecondPersonNeeded, WrongState
from retention.units.finding import with_unit
from search.access import Action, Actor, Gate
from search.approving.approvals import Approvals
from search.approving.kept import Signed

OPEN: Final = ("asked", "ending")
"""States in which a second person is waited for."""


class Decisions:
    """The policy's entries. Every call is permitted by the gate and on record when it returns."""

    def __init__(
        self, vault: Vault, gate: Gate, policies: PolicyStore, approvals: Approvals | None = None
    ) -> None:
        self._vault = vault
        self._agreeing = PolicyApprovals(approvals or Approvals(vault, gate), self._enact_signed)
        self._gate = gate
        self._policies = policies
        self._fields = SealedFields(vault)

    def enact(
        self,
        actor: Actor,
        document: Mapping[str, Any],
        *,
        preview: str,
        reason: str = "",
        signed: Signed | None = None,
    ) -> dict[str, Any]:
        """Make a change that was previewed: at once where it only lengthens, else ask for it or approve it.

        `preview` is the id of the actor's own finished preview of this very change, by the policy in force.
        The reason is needed for whatever could shorten. Returns the entry as `list` shows it. Raises
        PreviewNeeded, ReasonNeeded, SecondPersonNeeded, WrongState, NotThere, BadPolicy.
        """
        reason = stated(reason, "the reason") if reason.strip() else ""
        self._ready(actor, document, preview, reason, signed)
        with change(self._vault, self._gate, actor, Action.POLICY_MANAGE, "policy.change") as act:
            meant = self.read(act.connection, document)
            act.detail |= {"change": meant.to_json(), "reason": reason}
            policy = self._policies.current(act.connection)
            means = self.resolve(act.connection, meant, policy)
            self._check_preview(act.connection, actor, meant, preview, policy)
            if shortens(means, policy, self._policies.schedule) and not reason:
                raise ReasonNeeded("a change that could shorten needs a reason; it is kept with it")
            waited = self._row(act.connection, meant.id) if meant.do == APPROVE else None
            entry_id = self._enact(act, actor, meant, means, policy, reason)
            act.objects.append(entry_id)
            if waited is not None:
                self._agreeing.agreed(act.connection, actor, waited, means, preview, signed)
            row = self._row(act.connection, entry_id)
            act.reason = row["state"]
            acts = row["state"] not in OPEN
            if acts:
                bump(act.connection)
            shown = self._shown(act.connection, row)
        if acts:
            queue_of(self._vault).enqueue("retention.recompute")
        return shown

    def refuse(self, actor: Actor, entry_id: str, reason: str) -> dict[str, Any]:
        """Turn down, or withdraw, what was asked for; what was in force stays so. Raises as `enact` does."""
        with change(self._vault, self._gate, actor, Action.POLICY_MANAGE, "policy.refuse") as act:
            reason = act.detail["reason"] = stated(reason, "why")
            row = self._row(act.connection, entry_id)
            act.objects.append(row["id"])
            if row["state"] not in OPEN:
                raise WrongState(f"this entry is {_words(row['state'])}; nothing is asked for")
            if row["state"] == "asked":
                self._step(act.connection, row, actor, "refused", reason, state="refused")
            else:
                self._step(act.connection, row, actor, "kept", reason, state="in_force", end_asked_by=None)
            return self._shown(act.connection, self._row(act.connection, entry_id))

    def list(
        self, actor: Actor, limit: int | None = None, *, everything: bool = False
    ) -> list[dict[str, Any]]:
        """The entries in force and asked for, newest first; with `everything` those that ended as well."""
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "policy.list") as act:
            query = select(policy_entries)
            if not everything:
                query = query.where(policy_entries.c.state.in_((*IN_FORCE, "asked")))
            rows = act.connection.execute(
                query.order_by(policy_entries.c.created_us.desc(), policy_entries.c.id).limit(limit)
            ).mappings()
            found = [self._shown(act.connection, row) for row in rows.all()]
            act.count = len(found)
            return found

    def state(self, actor: Actor) -> dict[str, Any]:
        """The policy in force: `{default_years, jurisdictions, provider_types, options, kept, ...}`.

        `kept` names what counts although the settings say it no more.
        """
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "policy.show") as act:
            policy = self._policies.current(act.connection)
            said = self._policies.said_now()
            settings = {name: sorted(values) for name, values in said.items() if name != SCHEDULES}
            return {
                "default_years": policy.default_years,
                "jurisdictions": sorted(policy.jurisdictions),
                "provider_types": list(policy.providers),
                "options": sorted(policy.options),
                "schedules": self._policies.schedule.version,
                "edition": self._policies.schedule.edition,
                "schedules_accepted": policy.accepted,
                "rules": len(self._policies.schedule.rules),
                "rules_confirmed": len(policy.confirmed),
                "settings": settings,
                "kept": {
                    "default_years": str(policy.default_years) not in said["default_years"],
                    "jurisdictions": sorted(policy.jurisdictions - said["jurisdiction"]),
                    "provider_types": sorted(set(policy.providers) - said["provider_type"]),
                },
            }

    def read(self, connection: Connection, document: Mapping[str, Any]) -> Change:
        """A change from plain data; its unit may be given by name. Raises as `read_change` does, and
        BadPolicy for a unit that isn't there."""
        return read_change(with_unit(self._vault, connection, document), self._policies.schedule)

    def resolve(self, connection: Connection, meant: Change, policy: Policy) -> Change:
        """What a change does to the policy: itself, or what it approves. Raises NotThere, WrongState."""
        if meant.do == SET and meant.replaces is not None:
            self._in_force(connection, meant.replaces, "term")
        if meant.do == REMOVE:
            self._in_force(connection, meant.id, "term")
        if meant.do == ACCEPT and meant.what == SCHEDULES and policy.accepted:
            raise WrongState("these schedules are in force already; there is nothing to accept")
        if meant.do == ACCEPT and meant.what == "settings" and self._settled(policy):
            raise WrongState("nothing counts but what the settings say; there is nothing to accept")
        if meant.do == OPTION and meant.on == (meant.option in policy.options):
            raise WrongState("this option is turned so already")
        if meant.do != APPROVE:
            return meant
        row = self._row(connection, meant.id)
        if row["state"] not in OPEN:
            raise WrongState(f"this entry is {_words(row['state'])}; there is nothing to approve")
        if row["state"] == "ending":
            return Change(REMOVE, id=row["id"])
        says = self._fields.open(row["id"], row["sealed"])["says"]
        if row["kind"] == "term":
            return Change(SET, says, replaces=row["replaces"])
        if row["kind"] == "option":
            if says["option"] in policy.options:
                # Twice in force, it would still be on when somebody turned it off.
                raise WrongState("this option is on already; refuse what was asked for")
            return Change(OPTION, option=says["option"], on=True)
        return Change(ACCEPT, what="settings" if row["kind"] == "settings" else SCHEDULES)

    def words(self, connection: Connection, means: Change) -> str:
        """What a change does, in words; `means` as `resolve` gives it."""
        if means.do == SET:
            term = read_term("draft", means.says, self._policies.schedule)
            instead = " instead of another own term" if means.replaces else ""
            return f"own term, {term.scope.words()}: {term.words()}{instead}"
        if means.do == REMOVE:
            row = self._row(connection, means.id)
            says = self._fields.open(row["id"], row["sealed"])["says"]
            return f"end of the own term, {self._in_words(row, says)}"
        if means.do == OPTION:
            return f"option {_words(means.option)} {'on' if means.on else 'off'}"
        return f"only the {means.what} as they stand today count"

    # --- inside -------------------------------------------------------------------------------

    def _ready(
        self, actor: Actor, document: Mapping[str, Any], preview: str, reason: str, signed: Signed | None
    ) -> None:
        """Raises SignatureNeeded where this is an approval that the actor's passkey is to sign."""
        if document.get("do") != APPROVE or signed is not None:
            return
        try:
            with self._vault.records.read() as connection:
                meant = self.read(connection, document)
                row = self._row(connection, meant.id)
                means = self.resolve(connection, meant, self._policies.current(connection))
        except RetentionError:
            return  # refused, and put on record, where it is tried
        self._agreeing.ready(actor, row, means, preview, reason, signed)

    def _enact_signed(
        self, actor: Actor, document: Mapping[str, Any], preview: str, reason: str, signed: Signed | None
    ) -> Any:
        return self.enact(actor, document, preview=preview, reason=reason, signed=signed)

    def _enact(
        self, act: Act, actor: Actor, meant: Change, means: Change, policy: Policy, reason: str
    ) -> str:
        connection = act.connection
        if meant.do == APPROVE:
            return self._approve(connection, actor, meant.id, means, reason)
        if meant.do == REMOVE:
            row = self._in_force(connection, meant.id, "term")
            if row["state"] == "ending":
                raise WrongState("its end is asked for already; another person approves it")
            self._step(
                connection, row, actor, "end_asked", reason, state="ending", end_asked_by=actor.user_id
            )
            return str(row["id"])
        if meant.do == OPTION and not meant.on:
            row = self._option_row(connection, meant.option)
            now = to_us(self._vault.clock.now())
            self._step(connection, row, actor, "ended", reason, state="ended", ended_us=now)
            return str(row["id"])
        two = shortens(means, policy, self._policies.schedule)
        return self._insert(connection, actor, meant, reason, at_once=not two)

    def _insert(
        self, connection: Connection, actor: Actor, meant: Change, reason: str, *, at_once: bool
    ) -> str:
        entry_id = new_id("e")
        now = self._vault.clock.now()
        kind, says = said_of(self._policies, meant)
        step = {
            "did": "set" if at_once else "asked",
            "by": actor.user_id,
            "at": rfc3339(now),
            "reason": reason,
        }
        connection.execute(
            policy_entries.insert().values(
                id=entry_id,
                kind=kind,
                state="in_force" if at_once else "asked",
                sealed=self._fields.seal(entry_id, {"says": says}),
                sealed_steps=self._fields.seal(f"{entry_id}/steps", [step]),
                # A longer one beside a shorter one needs nobody's end: the longest counts.
                replaces=None if at_once else meant.replaces,
                created_us=to_us(now),
                asked_by=actor.user_id,
                in_force_us=to_us(now) if at_once else None,
            )
        )
        return entry_id

    def _approve(
        self, connection: Connection, actor: Actor, entry_id: str, means: Change, reason: str
    ) -> str:
        row = self._row(connection, entry_id)
        ending = row["state"] == "ending"
        if actor.user_id == (row["end_asked_by"] if ending else row["asked_by"]):
            raise SecondPersonNeeded("you asked for this yourself; another person must approve it")
        now = to_us(self._vault.clock.now())
        if ending:
            values: dict[str, Any] = {"state": "ended", "end_approved_by": actor.user_id, "ended_us": now}
            self._step(connection, row, actor, "end_approved", reason, **values)
            return entry_id
        said = self._fields.open(entry_id, row["sealed"])["says"]
        if means.do == ACCEPT and said_of(self._policies, means)[1] != said:
            raise WrongState("the settings or schedules are others now; refuse this and ask anew")
        values = {"state": "in_force", "approved_by": actor.user_id, "in_force_us": now}
        self._step(connection, row, actor, "approved", reason, **values)
        if row["replaces"] is not None:
            self._replace(connection, row, actor, reason, now)
        if means.do == ACCEPT:
            accept(self._policies, connection, entry_id, means, now)
        return entry_id

    def _replace(self, connection: Connection, row: RowMapping, actor: Actor, reason: str, now: int) -> None:
        old = self._row(connection, row["replaces"])
        if old["state"] not in IN_FORCE:
            raise WrongState("the term it replaces is in force no more; refuse this and ask anew")
        self._step(
            connection,
            old,
            actor,
            "replaced",
            reason,
            state="ended",
            end_asked_by=row["asked_by"],
            end_approved_by=actor.user_id,
            ended_us=now,
        )

    def _settled(self, policy: Policy) -> bool:
        then = self._policies.with_settings_accepted(policy)
        return (policy.default_years, policy.jurisdictions, policy.providers) == (
            then.default_years,
            then.jurisdictions,
            then.providers,
        )

    def _check_preview(
        self, connection: Connection, actor: Actor, meant: Change, preview: str, policy: Policy
    ) -> None:
        row = connection.execute(select(policy_previews).where(policy_previews.c.id == preview)).first()
        if row is None or row.state != "done" or row.created_by != actor.user_id:
            raise PreviewNeeded(
                "look at what it would change first: preview it, then repeat with that preview"
            )
        sealed = self._fields.open(preview, row.sealed)
        if sealed["change"] != meant.to_json() or sealed["epoch"] != policy.version.epoch:
            raise PreviewNeeded(
                "the preview is of another change, or the policy changed since; preview it anew"
            )

    def _step(
        self, connection: Connection, row: RowMapping, actor: Actor, did: str, reason: str, **values: Any
    ) -> None:
        steps = self._fields.open(f"{row['id']}/steps", row["sealed_steps"])
        at = rfc3339(self._vault.clock.now())
        steps.append({"did": did, "by": actor.user_id, "at": at, "reason": reason})
        connection.execute(
            update(policy_entries)
            .where(policy_entries.c.id == row["id"])
            .values(**values, sealed_steps=self._fields.seal(f"{row['id']}/steps", steps))
        )

    def _row(self, connection: Connection, entry_id: str) -> RowMapping:
        row = (
            connection.execute(select(policy_entries).where(policy_entries.c.id == entry_id))
            .mappings()
            .first()
        )
        if row is None:
            raise NotThere("there is no such entry; `holdfast retention policy list` shows them")
        return row

    def _in_force(self, connection: Connection, entry_id: str, kind: str) -> RowMapping:
        row = self._row(connection, entry_id)
        if row["kind"] != kind or row["state"] not in IN_FORCE:
            raise WrongState(f"this entry is not a {kind} in force")
        return row

    def _option_row(self, connection: Connection, option: str) -> RowMapping:
        rows = connection.execute(
            select(policy_entries).where(
                policy_entries.c.kind == "option", policy_entries.c.state.in_(IN_FORCE)
            )
        ).mappings()
        for row in rows.all():
            if self._fields.open(row["id"], row["sealed"])["says"]["option"] == option:
                return row
        raise WrongState("this option is not on")

    def _shown(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        says = self._fields.open(row["id"], row["sealed"])["says"]
        steps = self._fields.open(f"{row['id']}/steps", row["sealed_steps"])
        names = {
            one.id: one.name
            for one in connection.execute(
                select(users.c.id, users.c.name).where(users.c.id.in_({step["by"] for step in steps}))
            )
        }
        shown: dict[str, Any] = {
            "id": row["id"],
            "kind": row["kind"],
            "state": row["state"],
            "says": says,
            "words": self._in_words(row, says),
            "replaces": row["replaces"],
            "asked_by": row["end_asked_by"] if row["state"] == "ending" else row["asked_by"],
            "since": rfc3339(from_us(row["in_force_us"])) if row["in_force_us"] else None,
            "ended_at": rfc3339(from_us(row["ended_us"])) if row["ended_us"] else None,
            "steps": [step | {"name": names.get(step["by"], step["by"])} for step in steps],
        }
        return shown

    def _in_words(self, row: RowMapping, says: dict[str, Any]) -> str:
        if row["kind"] == "term":
            term = read_term(row["id"], says, self._policies.schedule)
            return f"{term.scope.words()}: {term.words()}"
        if row["kind"] == "option":
            return f"option {_words(says['option'])}"
        if row["kind"] == "settings":
            return "nothing counts but the settings of that day"
        return f"schedules {says['version'][:12]}"


def _words(name: str) -> str:
    return name.replace("_", " ")
