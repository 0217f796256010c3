"""The record types that count for a message: what the rules found, what was learnt, what people said.

The rules' types stand in the description sealed at capture and never change. A correction in force takes
their place; without one, what was learnt is added to them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, exists, select

from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store.schema import corrections, learnt_models, learnt_types

IN_FORCE: Final = "in_force"
BY_RULES, BY_LEARNING, BY_PERSON = "rules", "learnt", "person"
Open = Callable[[bytes, str], Any]
"""Opens a sealed value, given what it was sealed as."""


def correction_name(message_id: str, number: int) -> str:
    """What a correction's sealed value is bound to."""
    return f"{message_id}/correction-{number}"


def learnt_name(message_id: str) -> str:
    """What a message's learnt types are bound to."""
    return f"{message_id}/learnt"


def seal_types(archive_id: str, key: bytes, name: str, value: Any) -> bytes:
    """Seal a JSON value under a message's own data key: it can be read as long as the message can."""
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return seal(key, object_context(archive_id, name, "types"), plain.encode("utf-8", "surrogatepass"))


def open_types(archive_id: str, key: bytes, name: str, sealed: bytes) -> Any:
    """Open what `seal_types` sealed. Raises SealError."""
    plain = open_sealed(key, object_context(archive_id, name, "types"), sealed)
    return json.loads(plain.decode("utf-8", "surrogatepass"))


def said_of(connection: Connection, pks: Sequence[int]) -> dict[int, tuple[int | None, bytes]]:
    """What is sealed of messages beyond their descriptions: the correction in force and its number, or what
    was learnt (number None). Most messages have neither."""
    found: dict[int, tuple[int | None, bytes]] = {
        row.message_pk: (None, row.sealed)
        for row in connection.execute(select(learnt_types).where(learnt_types.c.message_pk.in_(pks)))
    }
    rows = connection.execute(
        select(corrections.c.message_pk, corrections.c.id, corrections.c.sealed).where(
            corrections.c.message_pk.in_(pks), corrections.c.state == IN_FORCE
        )
    )
    found.update({row.message_pk: (row.id, row.sealed) for row in rows})
    return found


def laid_over(
    meta: dict[str, Any], archive_id: str, key: bytes, message_id: str, said: tuple[int | None, bytes]
) -> dict[str, Any]:
    """A description with the record types that count: `record_types`, those of the rules beside them as
    `record_types_by_rules`, and `record_types_by` whom they are by. Raises SealError."""
    number, sealed = said
    rules: list[Any] = meta.get("record_types") or []
    if number is not None:
        value = open_types(archive_id, key, correction_name(message_id, number), sealed)
        types, by = [[name, 1.0] for name in value["types"]], BY_PERSON
    else:
        value = open_types(archive_id, key, learnt_name(message_id), sealed)
        there = {name for name, _ in rules}
        types = [*rules, *([one["type"], one["confidence"]] for one in value if one["type"] not in there)]
        by = BY_LEARNING
    return {**meta, "record_types": types, "record_types_by_rules": rules, "record_types_by": by}


def forget(connection: Connection, pks: Sequence[int]) -> None:
    """What ends with messages: what was learnt of them, and every model they taught.

    Part of the transaction that destroys their keys; models are learnt anew from what is left.
    """
    taught = exists().where(corrections.c.message_pk.in_(pks), corrections.c.state == IN_FORCE)
    connection.execute(delete(learnt_models).where(taught))
    connection.execute(delete(learnt_types).where(learnt_types.c.message_pk.in_(pks)))
