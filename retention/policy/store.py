"""The policy in force: read as one value, versioned, and never shorter than what was ever in force before.

Settings that dates follow from (the default years, the States, the provider type, the schedules that the
program brought) are noticed when an archive is opened: a longer reading counts at once, a shorter one only
when two persons accept it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, select, update

from archiver.clock import to_us
from archiver.errors import SealError
from archiver.store import dialect
from archiver.store.schema import policy_baselines, policy_entries, policy_state, rule_confirmations
from archiver.vault import Vault
from retention.acts import by_system
from retention.clock.result import Result
from retention.fields import SealedFields
from retention.law.schedules import Schedule
from retention.policy.rules import rule_token
from retention.policy.terms import OwnTerm, read_term

IN_FORCE: Final = ("in_force", "ending")
"""States of an entry that counts: one whose end was asked for counts until the end is approved."""
OPTIONS: Final = {
    "death_alternative": "A deceased patient's record may go by a State's shorter term after the death",
    "emancipation": "A minor's term may end with the emancipation that the roster tells of",
}
"""Readings of the law that can only shorten: off, until two persons turn one on."""
SCHEDULES: Final = "schedules"
"""Stands among the unconfirmed rules while the program's schedules aren't accepted."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which policy: `epoch` counts changes of dates, `confirmations` those of counsel's word."""

    epoch: int = 0
    confirmations: int = 0


NEVER: Final = Version()
"""Of an archive whose policy nobody has looked at yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """What the organisation's policy says, as one consistent look found it."""

    version: Version
    default_years: int
    jurisdictions: frozenset[str]
    providers: tuple[str, ...]
    terms: tuple[OwnTerm, ...]
    options: frozenset[str]
    confirmed: frozenset[str]
    """Ids of the rules that counsel has confirmed as their data stands."""
    accepted: bool
    """Whether the program's schedules are those in force."""

    @property
    def provider(self) -> str | tuple[str, ...] | None:
        """The provider type as a fact; several are possibilities."""
        return (
            None if not self.providers else self.providers[0] if len(self.providers) == 1 else self.providers
        )

    def unconfirmed(self, result: Result, schedule: Schedule) -> tuple[str, ...]:
        """The rules of the law among a result's candidates that counsel hasn't confirmed, by id."""
        asked = {one.rule_id for one in result.candidates if schedule.rule(one.rule_id) is not None}
        waiting = sorted(asked - self.confirmed)
        return tuple(waiting if self.accepted else [*waiting, SCHEDULES])


class PolicyStore:
    """The policy of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, schedule: Schedule) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self.schedule: Final = schedule
        self.tokens: Final = {rule.rule_id: rule_token(vault.blind, rule) for rule in schedule.rules}
        self._ids: Final = {token: rule_id for rule_id, token in self.tokens.items()}
        self._known: Policy | None = None

    def current(self, connection: Connection | None = None) -> Policy:
        """The policy in force, as the connection sees it."""
        if connection is None:
            with self._vault.records.read() as own:
                return self.current(own)
        now, known = version(connection), self._known
        if known is None or known.version != now:
            known = self._known = self._read(connection, now)
        return known

    def notice(self) -> bool:
        """Take in what the settings and the program say now; True when that was something new. Durable."""
        with self._vault.records.read() as connection:
            if not self._news(connection) and version(connection).epoch:
                return False
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            news = self._news(connection)
            first = not version(connection).epoch
            if not news and not first:
                return False
            now = to_us(self._vault.clock.now())
            if news:
                rows = [{"kind": kind, "value": value, "since_us": now} for kind, value in news]
                connection.execute(policy_baselines.insert(), rows)
            bump(connection)
            event = by_system(
                "policy.notice", "success", detail={"first": first, "values": [list(one) for one in news]}
            )
            self._vault.audit.record_in(connection, event)
        return True

    def baselines(self, connection: Connection) -> dict[str, set[str]]:
        """The values that count, by kind, beside those of the settings."""
        found: dict[str, set[str]] = {}
        for row in connection.execute(
            select(policy_baselines.c.kind, policy_baselines.c.value).where(
                policy_baselines.c.ended_by.is_(None)
            )
        ):
            found.setdefault(row.kind, set()).add(row.value)
        return found

    def said_now(self) -> dict[str, set[str]]:
        """What the settings and the program say now, by kind."""
        settings = self._vault.settings
        return {
            "default_years": {str(settings.retention_default_years)},
            "jurisdiction": set(settings.jurisdictions),
            "provider_type": {settings.provider_type} if settings.provider_type else set(),
            "schedules": {self.schedule.version},
        }

    def with_settings_accepted(self, policy: Policy) -> Policy:
        """The policy as it would be if nothing counted but what the settings and the program say now."""
        said = self.said_now()
        return replace(
            policy,
            default_years=self._vault.settings.retention_default_years,
            jurisdictions=frozenset(said["jurisdiction"]),
            providers=tuple(sorted(said["provider_type"])),
        )

    # --- inside -------------------------------------------------------------------------------

    def _news(self, connection: Connection) -> list[tuple[str, str]]:
        known = self.baselines(connection)
        news = [
            (kind, value)
            for kind, values in self.said_now().items()
            # Of the schedules only the first are taken in unasked: others may shorten.
            for value in sorted(values - known.get(kind, set()))
            if kind != SCHEDULES or not known.get(kind)
        ]
        longest = max((int(value) for value in known.get("default_years", ())), default=0)
        # A lower default is nothing new: the highest counts.
        return [one for one in news if one[0] != "default_years" or int(one[1]) > longest]

    def _read(self, connection: Connection, now: Version) -> Policy:
        said, known = self.said_now(), self.baselines(connection)
        both = {kind: values | known.get(kind, set()) for kind, values in said.items()}
        entries = connection.execute(
            select(policy_entries.c.id, policy_entries.c.kind, policy_entries.c.sealed)
            .where(policy_entries.c.state.in_(IN_FORCE), policy_entries.c.kind.in_(("term", "option")))
            .order_by(policy_entries.c.created_us, policy_entries.c.id)
        ).all()
        opened: list[tuple[str, str, dict[str, Any]]] = [
            (row.id, row.kind, self._fields.open(row.id, row.sealed)) for row in entries
        ]
        return Policy(
            version=now,
            default_years=max(map(int, both["default_years"])),
            jurisdictions=frozenset(both["jurisdiction"]),
            providers=tuple(sorted(both["provider_type"])),
            terms=tuple(
                read_term(id_, document["says"], self.schedule)
                for id_, kind, document in opened
                if kind == "term"
            ),
            options=frozenset(document["says"]["option"] for _, kind, document in opened if kind == "option"),
            confirmed=frozenset(self._confirmed(connection)),
            accepted=not known.get(SCHEDULES) or self.schedule.version in known[SCHEDULES],
        )

    def _confirmed(self, connection: Connection) -> Iterator[str]:
        rows = connection.execute(
            select(
                rule_confirmations.c.id, rule_confirmations.c.rule_token, rule_confirmations.c.sealed
            ).where(rule_confirmations.c.revoked_us.is_(None))
        )
        for row in rows:
            rule_id = self._ids.get(bytes(row.rule_token))
            if rule_id is None:
                continue  # the rule's data changed since: counsel hasn't seen what it says now
            try:
                document = self._fields.open(row.id, row.sealed)
            except SealError:
                continue  # nobody's word: the row wasn't made by this archive
            if document["rule_id"] == rule_id:
                yield rule_id


def version(connection: Connection) -> Version:
    """Which policy is in force, as the connection sees it."""
    row = connection.execute(select(policy_state.c.epoch, policy_state.c.confirmations)).first()
    return Version(row.epoch, row.confirmations) if row is not None else Version()


def bump(connection: Connection, *, dates: bool = True) -> None:
    """Say that the policy changed, in the transaction of the change, under LOCK_ARCHIVE.

    With `dates` every message dated before is protected from this commit on until it is dated anew.
    """
    changed = connection.execute(
        update(policy_state).values(
            {policy_state.c.epoch: policy_state.c.epoch + 1}
            if dates
            else {policy_state.c.confirmations: policy_state.c.confirmations + 1}
        )
    )
    if not changed.rowcount:
        connection.execute(policy_state.insert().values(id=1, epoch=1, confirmations=0 if dates else 1))
