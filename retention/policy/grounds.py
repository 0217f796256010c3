"""Grounds: the reasoning behind a message's date, each distinct one stored once and sealed.

A message's row names its grounds by number. So the database itself can say whether every rule that
applied is confirmed, and a forecast over a million messages opens some hundred grounds, not a million rows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.store import dialect
from archiver.store.schema import grounds, grounds_rules
from archiver.vault import Vault
from retention.clock.facts import Facts
from retention.clock.result import Result
from retention.fields import SealedFields
from retention.law.rules import FEDERAL
from retention.law.schedules import Schedule
from retention.policy.terms import OWN_BASIS

SEVERAL: Final = "several"
UNKNOWN: Final = "not known"
NO_TYPE: Final = "correspondence"
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Grounds:
    """Why messages are kept, without what is a single patient's: no date, no explanation.

    `state` and `record_type` are those of the governing rule; where nothing governs, the facts' own.
    """

    state: str
    record_type: str
    governing: str
    rules: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def grounds_of(result: Result, facts: Sequence[Facts], schedule: Schedule) -> Grounds:
    """The grounds of one message's result."""
    governing = result.governing
    # An own term says nothing of State and type: the law's longest rule beside it does.
    law = next((one for one in result.candidates if one.basis != OWN_BASIS), None)
    named = law if governing is not None else None
    return Grounds(
        # A federal rule may govern, but it is some State's mail.
        state=named.jurisdiction if named is not None and named.jurisdiction != FEDERAL else _state(facts),
        record_type=named.record_type if named is not None else _type(facts, schedule),
        governing=governing.rule_id if governing is not None else "",
        rules=tuple(
            sorted(
                {
                    rule_id
                    for c in result.candidates
                    for rule_id in (c.rule_id, *c.rests_on)
                    if schedule.rule(rule_id) is not None
                }
            )
        ),
        own=tuple(sorted({c.rule_id for c in result.candidates if c.basis == OWN_BASIS})),
        missing=result.missing,
    )


class GroundsStore:
    """The grounds of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, tokens: Mapping[str, bytes]) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._tokens = tokens
        self._opened: dict[int, Grounds] = {}
        self._lock = threading.Lock()

    def intern(self, connection: Connection, wanted: Iterable[Grounds]) -> dict[Grounds, int]:
        """The number of each grounds, new ones added, in the caller's write transaction (LOCK_ARCHIVE)."""
        tokens = {one: self._token(one) for one in set(wanted)}
        found = self._find(connection, tokens)
        for one in tokens.keys() - found.keys():
            token = tokens[one]
            connection.execute(
                grounds.insert().values(token=token, sealed=self._fields.seal(token.hex(), asdict(one)))
            )
            number = connection.scalar(select(grounds.c.id).where(grounds.c.token == token))
            assert number is not None
            found[one] = number
            if one.rules:
                connection.execute(
                    dialect.insert_or_ignore(connection, grounds_rules),
                    [{"grounds_id": number, "rule_token": self._tokens[rule]} for rule in one.rules],
                )
        return found

    def open(self, connection: Connection, numbers: Iterable[int]) -> dict[int, Grounds]:
        """Grounds by their numbers."""
        wanted = set(numbers)
        with self._lock:
            found = {number: self._opened[number] for number in wanted & self._opened.keys()}
        lacking = sorted(wanted - found.keys())
        for start in range(0, len(lacking), CHUNK):
            rows = connection.execute(select(grounds).where(grounds.c.id.in_(lacking[start : start + CHUNK])))
            for row in rows:
                found[row.id] = _grounds(self._fields.open(bytes(row.token).hex(), row.sealed))
        with self._lock:
            self._opened |= found
        return found

    # --- inside -------------------------------------------------------------------------------

    def _find(self, connection: Connection, tokens: Mapping[Grounds, bytes]) -> dict[Grounds, int]:
        by_token = {token: one for one, token in tokens.items()}
        found: dict[Grounds, int] = {}
        wanted = list(by_token)
        for start in range(0, len(wanted), CHUNK):
            rows = connection.execute(
                select(grounds.c.id, grounds.c.token).where(
                    grounds.c.token.in_(wanted[start : start + CHUNK])
                )
            )
            found |= {by_token[bytes(row.token)]: row.id for row in rows}
        return found

    def _token(self, one: Grounds) -> bytes:
        # With the rules' own tokens: a rule that changed makes other grounds, to be confirmed anew.
        rules = [self._tokens[rule].hex() for rule in one.rules]
        text = json.dumps([asdict(one), rules], sort_keys=True, separators=(",", ":"))
        return self._vault.blind.token("grounds", text)


def _grounds(document: dict[str, Any]) -> Grounds:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    return Grounds(**values)


def _state(facts: Sequence[Facts]) -> str:
    return _one({place for one in facts for place in one.jurisdictions or ()})


def _type(facts: Sequence[Facts], schedule: Schedule) -> str:
    if any(one.record_types is None for one in facts):
        return UNKNOWN
    return _one({schedule.canonical(name) for one in facts for name in one.record_types or (NO_TYPE,)})


def _one(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else SEVERAL if names else UNKNOWN
