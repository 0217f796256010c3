"""Tags: an organisation's own labels on messages, such as privileged, responsive, reviewed.

They stand beside the messages, never in them. The names are a list that officers keep, so that a slip of the
pen is no second tag; a name stays that tag's for ever, also when it was retired. Every time a tag is put on
or taken off is a row of its own: who, when. The rows end with the message they are about, and not before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.sealed_fields import SealedFields
from archiver.store import dialect
from archiver.store.relabels import relabel
from archiver.store.schema import messages, taggings, tags, users
from archiver.vault import Vault
from config.errors import HoldfastError
from search.access import AccessError, Action, Actor, Gate, Purpose
from search.acts import change, look
from search.keeping.errors import KeepingError, NameTaken, NotKept, TagRetired, TooManyAtOnce
from search.keeping.messages import living
from search.keeping.tag_labels import TagLabels, borne
from search.language import is_quotable, parse
from search.language.fields import tag_value
from search.reading_room import ReadingRoom

LONGEST_NAME: Final = 60
LONGEST_ABOUT: Final = 500
AT_ONCE: Final = 500
"""Messages that are named by id in one call, and that one transaction of a whole result tags."""
LONGEST_REST: Final = 0.15

Progress = Callable[[int, int], object]
"""Called between transactions with how many are done, and of how many; what it raises ends the work there."""


class Tags:
    """The tags of one archive. Every call is permitted by the gate and on record when it returns.

    `which` is a tag's name or id. All raise AccessDenied, and NotKept for a tag or message that isn't there.
    """

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._fields = SealedFields(vault)
        self._labels = TagLabels(vault)

    # --- the list of names --------------------------------------------------------------------

    def create(self, actor: Actor, name: str, about: str = "") -> dict[str, Any]:
        """Add a tag to the list; `about` says when to use it. Raises NameTaken, KeepingError."""
        with change(self._vault, self._gate, actor, Action.TAG_MANAGE, "tag.create") as act:
            name, about = " ".join(name.split()), about.strip()
            act.detail |= {"name": name[:LONGEST_NAME]}
            if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or not is_quotable(name):
                raise KeepingError(
                    f"a tag needs a printable name of 1 to {LONGEST_NAME} characters, without quotes, and"
                    " with plain - for longer dashes: no query could name it"
                )
            if len(about) > LONGEST_ABOUT:
                raise KeepingError(f"about: at most {LONGEST_ABOUT} characters")
            token = self._token(name)
            if act.connection.scalar(select(tags.c.id).where(tags.c.name_token == token)) is not None:
                raise NameTaken("a tag of this name is or was there; use it, or choose another name")
            tag_id = new_id("g")
            act.objects.append(tag_id)
            act.connection.execute(
                tags.insert().values(
                    id=tag_id,
                    name_token=token,
                    sealed=self._fields.seal(tag_id, {"name": name, "about": about}),
                    created_us=to_us(self._vault.clock.now()),
                    created_by=actor.user_id,
                )
            )
            return self._shown(self._find(act.connection, tag_id))

    def retire(self, actor: Actor, which: str) -> dict[str, Any]:
        """Let a tag be put on no more messages. Those that bear it keep it, and are found by it."""
        with change(self._vault, self._gate, actor, Action.TAG_MANAGE, "tag.retire") as act:
            row = self._find(act.connection, which)
            act.objects.append(row["id"])
            act.connection.execute(
                update(tags)
                .where(tags.c.id == row["id"], tags.c.retired_us.is_(None))
                .values(retired_us=to_us(self._vault.clock.now()), retired_by=actor.user_id)
            )
            return self._shown(self._find(act.connection, row["id"]))

    def list(self, actor: Actor) -> list[dict[str, Any]]:
        """The organisation's tags, by name. How many messages bear one a search says, in one's own scope."""
        with look(self._vault, self._gate, actor, Action.TAG_READ, "tag.list") as act:
            found = [self._shown(row) for row in act.connection.execute(_rows()).mappings()]
            act.count = len(found)
            return sorted(found, key=lambda one: tag_value("tag", one["name"]))

    # --- on messages --------------------------------------------------------------------------

    def of(self, actor: Actor, message_id: str) -> dict[str, Any]:
        """What a message bears: `{message, tags, history}`, the history newest first."""
        with look(self._vault, self._gate, actor, Action.TAG_READ, "tag.show") as act:
            pk = living(act, self._room, actor, [message_id])[message_id]
            rows = act.connection.execute(
                select(taggings, users.c.name.label("by_name"))
                .join(users, users.c.id == taggings.c.by_id, isouter=True)
                .where(taggings.c.message_pk == pk)
                .order_by(taggings.c.id.desc())
            ).mappings()
            names = {row["id"]: self._name(row) for row in act.connection.execute(_rows()).mappings()}
            history = [
                {
                    "tag": names[row["tag_id"]],
                    "put": bool(row["put"]),
                    "at": rfc3339(from_us(row["at_us"])),
                    "by": row["by_id"],
                    "by_name": row["by_name"],
                }
                for row in rows
            ]
            now = sorted({names[tag_id] for _, tag_id in borne(act.connection, [pk])})
            act.count = len(now)
            return {"message": message_id, "tags": now, "history": history}

    def put(self, actor: Actor, which: str, message_ids: Sequence[str], *, on: bool = True) -> dict[str, Any]:
        """Put a tag on messages, or take it off; `{tag, on, changed, unchanged}`. All of them or none.

        Raises TagRetired, TooManyAtOnce, KeyDestroyed.
        """
        name = "tag.put" if on else "tag.take"
        with change(self._vault, self._gate, actor, Action.TAG_PUT, name) as act:
            row = self._usable(act.connection, which, on)
            act.objects.append(row["id"])
            if not 0 < len(message_ids) <= AT_ONCE:
                raise TooManyAtOnce(f"name 1 to {AT_ONCE} messages at once, or a query")
            found = living(act, self._room, actor, message_ids)
            changed = self._put(act.connection, row["id"], sorted(found.values()), actor, on)
            act.count = changed
            return {
                "tag": self._name(row),
                "on": on,
                "changed": changed,
                "unchanged": len(found) - changed,
            }

    def apply(
        self,
        actor: Actor,
        purpose: Purpose | None,
        which: str,
        query: str,
        *,
        on: bool = True,
        most: int | None = None,
        progress: Progress = lambda _done, _total: None,
    ) -> dict[str, Any]:
        """Put a tag on all that a query finds in the actor's scope now, or take it off.

        Page by page, so that mail gets its turn; recorded when it begins, and once with the count when it
        ends or stops. Done again after a stop, it changes only what is left. `most` refuses a larger result
        before anything is changed. Returns `{tag, on, interpreted, matched, changed}`. Raises QueryError,
        TagRetired, TooManyAtOnce, PurposeMissing, and what `progress` raises.
        """
        self._gate.require(actor, Action.TAG_PUT)
        self._gate.require(actor, Action.SEARCH, purpose)
        name, detail = "tag.apply", {"query": query, "on": on}
        changed = 0
        objects: tuple[str, ...] = ()
        try:
            parsed = parse(query, now=self._vault.clock.now())
            with self._vault.records.read() as connection:
                row = self._usable(connection, which, on)
            objects = (row["id"],)
            act_id = new_id("b")
            self._gate.record(actor, name, "begun", purpose, objects=(*objects, act_id), detail=detail)
            found = self._room.matching(actor, parsed.tree)
            if most is not None and len(found) > most:
                raise TooManyAtOnce(
                    f"the query finds more than {most:,} messages; narrow it, or use `holdfast tag apply`"
                )
            for start in range(0, len(found), AT_ONCE):
                progress(start, len(found))
                changed += self._page(actor, row["id"], found[start : start + AT_ONCE], on, act_id)
            progress(len(found), len(found))
        except HoldfastError as error:
            outcome: Any = "denied" if isinstance(error, AccessError) else "failed"
            self._gate.record(
                actor,
                name,
                outcome,
                purpose,
                objects=objects,
                count=changed,
                reason=error.code,
                detail=detail,
            )
            raise
        except BaseException:
            self._gate.record(
                actor,
                name,
                "failed",
                purpose,
                objects=objects,
                count=changed,
                reason="stopped",
                detail=detail,
            )
            raise
        self._gate.record(
            actor, name, "success", purpose, objects=(*objects, act_id), count=changed, detail=detail
        )
        return {
            "tag": self._name(row),
            "on": on,
            "interpreted": parsed.interpreted,
            "matched": len(found),
            "changed": changed,
        }

    # --- inside -------------------------------------------------------------------------------

    def _page(self, actor: Actor, tag_id: str, pks: Sequence[int], on: bool, act_id: str) -> int:
        begun = time.monotonic()
        # Holds may have been released since the result was frozen.
        mine = sorted(self._room.visible(actor, pks))
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            if on:
                self._usable(connection, tag_id, on)
            alive = connection.scalars(
                select(messages.c.pk).where(messages.c.pk.in_(mine), messages.c.disposed_us.is_(None))
            ).all()
            changed = self._put(connection, tag_id, alive, actor, on, act_id)
        time.sleep(min(time.monotonic() - begun, LONGEST_REST))
        return changed

    def _put(
        self,
        connection: Connection,
        tag_id: str,
        pks: Sequence[int],
        actor: Actor,
        on: bool,
        act: str | None = None,
    ) -> int:
        """Write a row for each message that isn't so yet, and have the index learn of it; how many."""
        bearing = {pk for pk, _ in borne(connection, pks, tag_id)}
        changed = [pk for pk in pks if (pk in bearing) is not on]
        if not changed:
            return 0
        now = to_us(self._vault.clock.now())
        row = {"tag_id": tag_id, "put": on, "at_us": now, "by_id": actor.user_id, "act": act}
        connection.execute(taggings.insert(), [{**row, "message_pk": pk} for pk in changed])
        relabel(connection, changed, now)
        return len(changed)

    def _token(self, name: str) -> bytes:
        return self._vault.blind.token("tag-name", tag_value("tag", name))

    def _find(self, connection: Connection, which: str) -> RowMapping:
        row = (
            connection.execute(
                _rows().where((tags.c.id == which) | (tags.c.name_token == self._token(which)))
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotKept("there is no such tag; `holdfast tag list` shows them")
        return row

    def _usable(self, connection: Connection, which: str, on: bool) -> RowMapping:
        row = self._find(connection, which)
        if on and row["retired_us"] is not None:
            raise TagRetired("this tag is retired; use another one")
        return row

    def _name(self, row: RowMapping) -> str:
        return str(self._fields.open(row["id"], row["sealed"])["name"])

    def _shown(self, row: RowMapping) -> dict[str, Any]:
        retired = row["retired_us"]
        return {
            "id": row["id"],
            **self._fields.open(row["id"], row["sealed"]),
            "created_at": rfc3339(from_us(row["created_us"])),
            "created_by": row["created_by"],
            "created_by_name": row["by_name"],
            "retired_at": rfc3339(from_us(retired)) if retired is not None else None,
        }


def _rows() -> Any:
    return select(tags, users.c.name.label("by_name")).join(users, users.c.id == tags.c.created_by)
