"""Notes on messages: what people write beside them. Each is sealed under its message's own key and ends with
it.

Nothing is overwritten: a change is a further version, and a note that is withdrawn keeps the versions it had.
Whoever may read a message may read its notes; only who wrote one changes it. No note is in the search index.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.store.schema import notes, users
from archiver.vault import Vault
from search.access import Action, Actor, Gate, Purpose
from search.acts import Act, change, look
from search.keeping.errors import KeepingError, NotKept
from search.keeping.messages import living
from search.reading_room import ReadingRoom

LONGEST: Final = 10_000


class Notes:
    """The notes of one archive. Every call is permitted by the gate and on record when it returns; no text of
    a note is. All raise AccessDenied, NotKept, and KeyDestroyed for a message that was disposed of."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room

    def add(self, actor: Actor, message_id: str, text: str) -> dict[str, Any]:
        """Write a note beside a message. Raises KeepingError for one that is empty or too long."""
        with change(self._vault, self._gate, actor, Action.NOTE_WRITE, "note.add") as act:
            pk = living(act, self._room, actor, [message_id])[message_id]
            return self._write(act, actor, message_id, pk, new_id("w"), 1, _checked(text))

    def change(self, actor: Actor, message_id: str, note_id: str, text: str) -> dict[str, Any]:
        """Write another version of one's own note. Raises as `add` does."""
        with change(self._vault, self._gate, actor, Action.NOTE_WRITE, "note.change") as act:
            row = self._own(act, actor, message_id, note_id)
            return self._write(
                act, actor, message_id, row["message_pk"], note_id, row["version"] + 1, _checked(text)
            )

    def withdraw(self, actor: Actor, message_id: str, note_id: str) -> dict[str, Any]:
        """Take one's own note back: it is shown no more, but in its history."""
        with change(self._vault, self._gate, actor, Action.NOTE_WRITE, "note.withdraw") as act:
            row = self._own(act, actor, message_id, note_id)
            return self._write(act, actor, message_id, row["message_pk"], note_id, row["version"] + 1, None)

    def of(
        self, actor: Actor, purpose: Purpose | None, message_id: str, *, history: bool = False
    ) -> list[dict[str, Any]]:
        """A message's notes, oldest first: the newest version of each that stands, or with `history` every
        version of all of them."""
        with look(self._vault, self._gate, actor, Action.NOTE_READ, "note.list", purpose) as act:
            pk = living(act, self._room, actor, [message_id])[message_id]
            rows = (
                act.connection.execute(
                    _rows().where(notes.c.message_pk == pk).order_by(notes.c.written_us, notes.c.version)
                )
                .mappings()
                .all()
            )
            if not history:
                newest = {row["note_id"]: row for row in rows}
                first = dict.fromkeys(row["note_id"] for row in rows)
                rows = [newest[note_id] for note_id in first if not newest[note_id]["withdrawn"]]
            found = [self._shown(act.connection, message_id, row) for row in rows]
            act.objects += list(dict.fromkeys(one["id"] for one in found))
            act.count = len(found)
            return found

    # --- inside -------------------------------------------------------------------------------

    def _own(self, act: Act, actor: Actor, message_id: str, note_id: str) -> RowMapping:
        """The newest version of a note of the actor's that stands."""
        pk = living(act, self._room, actor, [message_id])[message_id]
        row = (
            act.connection.execute(
                _rows()
                .where(notes.c.note_id == note_id, notes.c.message_pk == pk)
                .order_by(notes.c.version.desc())
                .limit(1)
            )
            .mappings()
            .first()
        )
        if row is None or row["withdrawn"]:
            raise NotKept("there is no such note on this message; `holdfast note list` shows them")
        act.objects.append(note_id)
        if row["written_by"] != actor.user_id:
            raise NotKept("this note is another person's; write one of your own")
        return row

    def _write(
        self,
        act: Act,
        actor: Actor,
        message_id: str,
        pk: int,
        note_id: str,
        version: int,
        text: str | None,
    ) -> dict[str, Any]:
        if note_id not in act.objects:
            act.objects.append(note_id)
        sealed = self._vault.archive.seal_types(
            act.connection, pk, message_id, _name(message_id, note_id, version), {"text": text}
        )
        act.connection.execute(
            notes.insert().values(
                note_id=note_id,
                version=version,
                message_pk=pk,
                sealed=sealed,
                withdrawn=text is None,
                written_us=to_us(self._vault.clock.now()),
                written_by=actor.user_id,
            )
        )
        row = (
            act.connection.execute(_rows().where(notes.c.note_id == note_id, notes.c.version == version))
            .mappings()
            .one()
        )
        return self._shown(act.connection, message_id, row)

    def _shown(self, connection: Connection, message_id: str, row: RowMapping) -> dict[str, Any]:
        value = self._vault.archive.open_types(
            connection,
            row["message_pk"],
            message_id,
            _name(message_id, row["note_id"], row["version"]),
            row["sealed"],
        )
        return {
            "id": row["note_id"],
            "version": row["version"],
            "text": value["text"] if value else None,
            "withdrawn": bool(row["withdrawn"]),
            "written_at": rfc3339(from_us(row["written_us"])),
            "written_by": row["written_by"],
            "written_by_name": row["by_name"],
        }


def _name(message_id: str, note_id: str, version: int) -> str:
    """What a version's sealed text is bound to."""
    return f"{message_id}/note-{note_id}-{version}"


def _checked(text: str) -> str:
    said = text.strip()
    if not said or len(said) > LONGEST:
        raise KeepingError(f"text: write 1 to {LONGEST:,} characters")
    return said


def _rows() -> Any:
    return select(notes, users.c.name.label("by_name")).join(users, users.c.id == notes.c.written_by)
