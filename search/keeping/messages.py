"""The message that somebody wants to say something of: it is there, it lives, and it is in their scope."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from archiver.errors import KeyDestroyed
from archiver.store.schema import messages
from search.access import Actor, OutOfScope
from search.acts import Act
from search.keeping.errors import NotKept
from search.reading_room import ReadingRoom


def living(act: Act, room: ReadingRoom, actor: Actor, ids: Sequence[str]) -> dict[str, int]:
    """The keys of messages by id, all of them or none. Raises NotKept, KeyDestroyed, OutOfScope."""
    wanted = list(dict.fromkeys(ids))
    rows = act.connection.execute(
        select(messages.c.id, messages.c.pk, messages.c.disposed_us).where(messages.c.id.in_(wanted))
    ).all()
    act.objects += [row.id for row in rows]
    # Of what isn't there too, so that the time it takes tells nothing either.
    seen = room.visible(actor, [row.pk for row in rows] or [-1])
    if len(rows) < len(wanted):
        raise NotKept("there is no such message; search again for its id")
    if len(seen) < len(rows):
        raise OutOfScope("there is no such message; search again for its id")
    if any(row.disposed_us is not None for row in rows):
        raise KeyDestroyed("a message was disposed of; nothing more can be said of it")
    return {row.id: row.pk for row in rows}
