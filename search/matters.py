"""Which matter a name means to somebody: names are theirs who see the matter, and tell nobody else of it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from archiver.sealed_fields import SealedFields
from archiver.store.schema import matter_members, matters
from archiver.vault import Vault
from search.actors import Actor
from search.policy import own_matters_only


def name_token(vault: Vault, name: str) -> bytes:
    """The token by which a matter is found by its name; white space counts as one blank."""
    return vault.blind.token("matter-name", " ".join(name.split()))


def matter_named(vault: Vault, connection: Connection, actor: Actor | None, which: str) -> str | None:
    """The id of the matter that `which`, an id or a name, means to an actor, among those they see; to nobody
    (None) among all. An id goes before a name that looks like it."""
    token = name_token(vault, which)
    by_id = select(matters.c.id).where(matters.c.id == which)
    by_name = select(matters.c.id).where(matters.c.name_token == token)
    if actor is None or not own_matters_only(actor):
        return connection.scalar(by_id) or connection.scalar(by_name)
    # A matter whose name somebody else's had before bears another token; theirs are few.
    mine = select(matters.c.id, matters.c.sealed).join(
        matter_members, matter_members.c.matter_id == matters.c.id
    )
    fields = SealedFields(vault)
    rows = connection.execute(mine.where(matter_members.c.user_id == actor.user_id)).all()
    if any(row.id == which for row in rows):
        return which
    names = ((row.id, fields.open(row.id, row.sealed)["name"]) for row in rows)
    return next((one for one, name in names if name_token(vault, name) == token), None)
