"""What somebody may see, as data: the mail a grant covers, and the scope that comes of all of them.

A cover is and-ed over what it names and or-ed within each: custodian a or b, and a source x. What it doesn't
name bounds nothing. A scope is `(base or covers) and limits and within and not withheld`; see
`search.scopes`, which turns it into a query and into a condition on rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

SENSITIVE = ("substance_use", "mental_health")
"""Record types that the law guards more than others: records of substance use disorder programmes (42 CFR
Part 2) and psychotherapy notes (45 CFR 164.501, 164.508(a)(2)), as far as the classifier tells them."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Mail by whose it is, what it is about and when it was sent.

    `custodians` are addresses in small letters, `matters`, `sources` and `patients` (persons of the roster)
    ids; `record_types` the names of types; mail sent on the days `[sent_from, sent_before)`, UTC. `tokens`
    are those of the custodians, for the records.
    """

    custodians: frozenset[str] = frozenset()
    matters: frozenset[str] = frozenset()
    patients: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    record_types: frozenset[str] = frozenset()
    sent_from: date | None = None
    sent_before: date | None = None
    tokens: frozenset[bytes] = field(default=frozenset(), compare=False, repr=False)

    @property
    def everything(self) -> bool:
        """Whether it bounds nothing at all."""
        return not self.to_json()

    def to_json(self) -> dict[str, Any]:
        """What it names, for a sealed column; days as ISO text."""
        told: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "tokens" or not value:
                continue
            told[each.name] = value.isoformat() if isinstance(value, date) else sorted(value)
        return told

    @classmethod
    def of(cls, told: Mapping[str, Any], tokens: frozenset[bytes] = frozenset()) -> Cover:
        """The cover that `to_json` told of."""
        read: dict[str, Any] = {}
        for name, value in told.items():
            read[name] = date.fromisoformat(value) if isinstance(value, str) else frozenset(value)
        return cls(**read, tokens=tokens)


@dataclass(frozen=True, slots=True)
class Scope:
    """What an actor may see.

    `everything`: the whole archive, without any bound; then nothing else here counts. Otherwise the base is
    the whole archive (`whole`) or what the holds of `matters` cover (only `holds` of them, if set), and what
    `covers` add to it; of that only what one of `limits` covers, where there are any, and what `within`
    covers (a token's, made for less), and nothing of a `withheld` record type but what is `released`.
    """

    everything: bool
    matters: frozenset[str] = field(default=frozenset())
    holds: frozenset[str] | None = None
    whole: bool = False
    covers: tuple[Cover, ...] = ()
    limits: tuple[Cover, ...] = ()
    withheld: frozenset[str] = frozenset()
    released: tuple[tuple[frozenset[str], Cover], ...] = ()
    within: Cover | None = None
