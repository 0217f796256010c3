"""The record types that count for a message: what the rules found, what was learnt, what people said.

The rules' types stand in the description sealed at capture and never change. What later rules found besides
is added to them, and what was learnt. A correction in force takes the place of all that; for the clock one
person's word only ever adds: see `retention.dating.verdicts`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, delete, exists, select

from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store.schema import corrections, found_types, learnt_models, learnt_types

IN_FORCE: Final = "in_force"
BY_RULES, BY_LEARNING, BY_PERSON = "rules", "learnt", "person"
# Made once: building a statement takes as long as running it for a page of messages.
_PKS: BindParameter[Sequence[int]] = bindparam("pks", expanding=True)
_LEARNT = select(learnt_types).where(learnt_types.c.message_pk.in_(_PKS))
_FOUND = select(found_types).where(found_types.c.message_pk.in_(_PKS))
_CORRECTED = select(corrections.c.message_pk, corrections.c.id, corrections.c.sealed).where(
    corrections.c.message_pk.in_(_PKS), corrections.c.state == IN_FORCE
)
Open = Callable[[bytes, str], Any]
"""Opens a sealed value, given what it was sealed as."""


def correction_name(message_id: str, number: int) -> str:
    """What a correction's sealed value is bound to."""
    return f"{message_id}/correction-{number}"


def learnt_name(message_id: str) -> str:
    """What a message's learnt types are bound to."""
    return f"{message_id}/learnt"


def found_name(message_id: str) -> str:
    """What the types that later rules found of a message are bound to."""
    return f"{message_id}/found"


def seal_types(archive_id: str, key: bytes, name: str, value: Any) -> bytes:
    """Seal a JSON value under a message's own data key: it can be read as long as the message can."""
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return seal(key, object_context(archive_id, name, "types"), plain.encode("utf-8", "surrogatepass"))


def open_types(archive_id: str, key: bytes, name: str, sealed: bytes) -> Any:
    """Open what `seal_types` sealed. Raises SealError."""
    plain = open_sealed(key, object_context(archive_id, name, "types"), sealed)
    return json.loads(plain.decode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class Said:
    """What is sealed of a message's record types beyond its description; most messages have none of it."""

    correction: tuple[int, bytes] | None = None
    """The one in force, with its number."""
    learnt: bytes | None = None
    found: bytes | None = None


def said_of(connection: Connection, pks: Sequence[int]) -> dict[int, Said]:
    """What is said of those messages of which anything is."""
    said: dict[int, Said] = {}
    among = {"pks": list(pks)}
    for row in connection.execute(_LEARNT, among):
        said.setdefault(row.message_pk, Said()).learnt = row.sealed
    for row in connection.execute(_FOUND, among):
        said.setdefault(row.message_pk, Said()).found = row.sealed
    for row in connection.execute(_CORRECTED, among):
        said.setdefault(row.message_pk, Said()).correction = (row.id, row.sealed)
    return said


def laid_over(
    meta: dict[str, Any], archive_id: str, key: bytes, message_id: str, said: Said
) -> dict[str, Any]:
    """A description with the record types that count: `record_types`, those of the rules at capture beside
    them as `record_types_by_rules`, what later rules found as `record_types_found`, and `record_types_by`
    whom they are by. Of a correction on one person's word `record_types_besides` are all that go on counting
    for the clock; None where two persons agreed that nothing else does. Raises SealError."""
    rules: list[Any] = meta.get("record_types") or []
    found: list[str] = []
    types, by = list(rules), BY_RULES
    if said.found is not None:
        value = open_types(archive_id, key, found_name(message_id), said.found)
        found = [one["type"] for one in value]
        types = _more(types, value)
    if said.learnt is not None:
        value = open_types(archive_id, key, learnt_name(message_id), said.learnt)
        types, by = _more(types, value), BY_LEARNING
    besides: list[str] | None = []
    if said.correction is not None:
        number, sealed = said.correction
        value = open_types(archive_id, key, correction_name(message_id, number), sealed)
        besides = None
        if value.get("agreed") is not True:
            besides = [*(name for name, _ in rules), *found, *value.get("besides", ())]
        types, by = [[name, 1.0] for name in value["types"]], BY_PERSON
    return {
        **meta,
        "record_types": types,
        "record_types_by_rules": rules,
        "record_types_found": found,
        "record_types_by": by,
        "record_types_besides": besides,
    }


def _more(types: list[Any], value: list[Any]) -> list[Any]:
    there = {name for name, _ in types}
    return [*types, *([one["type"], one["confidence"]] for one in value if one["type"] not in there)]


def forget(connection: Connection, pks: Sequence[int]) -> None:
    """What ends with messages: what was found and learnt of them, and every model they taught.

    Part of the transaction that destroys their keys; models are learnt anew from what is left.
    """
    taught = exists().where(corrections.c.message_pk.in_(pks), corrections.c.state == IN_FORCE)
    connection.execute(delete(learnt_models).where(taught))
    connection.execute(delete(learnt_types).where(learnt_types.c.message_pk.in_(pks)))
    connection.execute(delete(found_types).where(found_types.c.message_pk.in_(pks)))
