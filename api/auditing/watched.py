"""Patients whose readers are looked at more closely: known persons, and co-workers with their own record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select, update

from api.auditing.projection import Projection
from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import NotFound
from archiver.store.schema import audit_watched, users
from archiver.vault import Vault
from retention.acts import change, look
from retention.errors import RetentionError
from retention.fields import SealedFields
from retention.patients.whom import Finder, Whom
from retention.roster.persons import members
from search.access import Gate
from search.actors import Action, Actor

KINDS: Final = ("vip", "staff")


class BadWatch(RetentionError):
    """It isn't said whose readers are to be watched, or as what."""

    code = "bad_watch"
    exit_code = 2
    http_status = 422


class Watched:
    """The list of one archive. Whom it names is sealed; a keyed token finds their readers."""

    def __init__(self, vault: Vault, gate: Gate, projection: Projection) -> None:
        self._vault = vault
        self._gate = gate
        self._projection = projection
        self._fields = SealedFields(vault)
        self._finder = Finder(vault)

    def add(
        self, actor: Actor, kind: str, patient: str, *, user: str = "", reason: str = ""
    ) -> dict[str, Any]:
        """Watch a patient, by record number or roster id, as `vip` or `staff`; `user` is the user that a
        co-worker is, by name or id: whoever reads it then reads their own. Raises BadWatch, NotFound."""
        with change(self._vault, self._gate, actor, Action.AUDIT_REVIEW, "audit.watch") as act:
            act.detail |= {"kind": kind, "patient": patient, "reason": reason}
            if kind not in KINDS:
                raise BadWatch(f"watch a patient as one of {', '.join(KINDS)}")
            # No database takes a NUL, and no number, id or name has one.
            sound = patient.isprintable() and user.isprintable()
            people = self._finder.find(act.connection, actor, Whom(patient=patient)) if sound else []
            if len(people) != 1:
                raise NotFound("name just one patient of the roster, by record number or roster id")
            user_id = None
            if user:
                named = or_(users.c.id == user, users.c.name == user.strip())
                user_id = act.connection.scalar(select(users.c.id).where(named))
                if user_id is None:
                    raise NotFound("there is no such user; `holdfast users list` shows them")
            watch_id = new_id("w")
            act.connection.execute(
                audit_watched.insert().values(
                    id=watch_id,
                    kind=kind,
                    user_id=user_id,
                    sealed=self._fields.seal(watch_id, {"patient": people[0].id, "reason": reason}),
                    added_us=to_us(self._vault.clock.now()),
                    added_by=actor.user_id,
                )
            )
            act.objects.append(watch_id)
            return {"id": watch_id, "kind": kind, "user": user_id}

    def end(self, actor: Actor, watch_id: str, reason: str = "") -> dict[str, Any]:
        """Watch a patient no more; the line stays on the list as ended. Raises NotFound."""
        with change(self._vault, self._gate, actor, Action.AUDIT_REVIEW, "audit.unwatch") as act:
            act.detail["reason"] = reason
            now = to_us(self._vault.clock.now())
            ended = act.connection.execute(
                update(audit_watched)
                .where(audit_watched.c.id == watch_id, audit_watched.c.ended_us.is_(None))
                .values(ended_us=now, ended_by=actor.user_id)
            )
            if not ended.rowcount:
                raise NotFound("nobody is watched under this id; `holdfast audit watched` lists them")
            act.objects.append(watch_id)
            return {"id": watch_id, "ended_at": rfc3339(from_us(now))}

    def list(self, actor: Actor) -> list[dict[str, Any]]:
        """Whoever is watched: `[{id, kind, patient, user, reason, added_at, added_by}]`, oldest first."""
        with look(self._vault, self._gate, actor, Action.AUDIT_READ, "audit.watched") as act:
            found = [
                {
                    "id": row.id,
                    "kind": row.kind,
                    **self._fields.open(row.id, row.sealed),
                    "user": row.user_id,
                    "added_at": rfc3339(from_us(row.added_us)),
                    "added_by": row.added_by,
                }
                for row in self._living(act.connection)
            ]
            act.count = len(found)
            return found

    def tokens(self, connection: Connection) -> dict[bytes, tuple[str, str, str | None]]:
        """By the token of each record of a watched patient: `(kind, roster id, user or None)`."""
        said = {
            row.id: (row.kind, self._fields.open(row.id, row.sealed)["patient"], row.user_id)
            for row in self._living(connection)
        }
        persons = members(connection, {patient for _, patient, _ in said.values()})
        by_person: dict[str, list[str]] = {}
        for record, person in persons.items():
            by_person.setdefault(person, []).append(record)
        found = {}
        for kind, patient, user in said.values():
            for record in {patient, *by_person.get(persons.get(patient, patient), ())}:
                found[self._projection.token(record)] = (kind, patient, user)
        return found

    @staticmethod
    def _living(connection: Connection) -> Sequence[Row[Any]]:
        chosen = select(audit_watched).where(audit_watched.c.ended_us.is_(None))
        return connection.execute(chosen.order_by(audit_watched.c.added_us, audit_watched.c.id)).all()
