"""What a hold covers: criteria read strictly, kept sealed, and laid down as rows the database can match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.classify import normalise_identifier
from archiver.clock import to_us
from archiver.errors import NotFound
from archiver.seal.blind import normalise
from archiver.store import dialect
from archiver.store.schema import (
    PATIENT,
    hold_custodians,
    hold_items,
    hold_patients,
    hold_sources,
    messages,
    reports,
)
from archiver.vault import Vault
from retention.holds.custodians import read_custodians, tokens_of
from retention.holds.query import interpret
from retention.refusals import AlreadyDisposed, BadCriteria, NoCriterion, NotThere
from retention.roster.patients import PatientStore

MAX_NAMED = 10_000
"""How many custodians, patients or sources one hold may name; beyond it, place several."""
MAX_MESSAGES = 50_000
"""How many messages."""


@dataclass(frozen=True, slots=True)
class HoldScope:
    """Criteria, and-ed; several custodians (patients, sources) mean any of them. `message_ids` come on top:
    a message named by its id is held whatever else is asked for. `sources` are ids.

    `after` is the first day covered, `before` the first not covered, both UTC. `interpreted` is the
    query in its canonical form, which has no relative dates.
    """

    custodians: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    query: str | None = None
    interpreted: str | None = None
    after: str | None = None
    before: str | None = None
    message_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def standing(self) -> bool:
        """Whether it takes in mail that arrives later; a list of messages alone doesn't."""
        return bool(
            self.custodians or self.patients or self.sources or self.query or self.after or self.before
        )

    @property
    def by_index(self) -> bool:
        """Whether only the search index can say what it covers."""
        return self.query is not None

    @property
    def from_day(self) -> date | None:
        """The first day covered."""
        return date.fromisoformat(self.after) if self.after else None

    @property
    def before_day(self) -> date | None:
        """The first day not covered any more."""
        return date.fromisoformat(self.before) if self.before else None

    @property
    def sent_from_us(self) -> int | None:
        """Microseconds since 1970 of the first instant covered."""
        return _midnight(self.from_day)

    @property
    def sent_before_us(self) -> int | None:
        """Microseconds since 1970 of the first instant after the range."""
        return _midnight(self.before_day)

    def covers(self, other: HoldScope) -> bool:
        """Whether whatever `other` covers, now or later, is covered by this for certain."""
        if not set(other.message_ids) <= set(self.message_ids):
            return False
        if not other.standing:
            return True
        kinds = (
            (_same(self.custodians), _same(other.custodians)),
            (self.patients, other.patients),
            (self.sources, other.sources),
        )
        return (
            self.standing
            and all(not mine or (theirs and set(theirs) <= set(mine)) for mine, theirs in kinds)
            and self.interpreted in (None, other.interpreted)
            and (self.after is None or (other.after is not None and self.after <= other.after))
            and (self.before is None or (other.before is not None and self.before >= other.before))
        )

    def to_json(self) -> dict[str, Any]:
        """The criteria as plain data."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> HoldScope:
        """The inverse of `to_json`."""
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in value.items()}
        return cls(**plain)


def read_scope(
    *,
    now: datetime,
    custodians: Sequence[str] = (),
    patients: Sequence[str] = (),
    query: str | None = None,
    after: date | str | None = None,
    before: date | str | None = None,
    message_ids: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> HoldScope:
    """Read the criteria of a hold; `sources` are ids (see `source_ids`).

    Raises NoCriterion, BadCriteria (a blank or malformed value), CircularQuery, QueryError.
    """
    scope = HoldScope(
        custodians=_people(custodians),
        patients=tuple(_mrn(one) for one in _named("patient", patients)),
        query=query,
        interpreted=interpret(query, now) if query is not None else None,
        after=_day("after", after),
        before=_day("before", before),
        message_ids=_named("message", message_ids, MAX_MESSAGES),
        sources=_named("source", sources),
    )
    if not (scope.standing or scope.message_ids):
        raise NoCriterion(
            "a hold needs --custodian, --patient, --source, --query, --after, --before or --message"
        )
    if scope.after and scope.before and scope.after >= scope.before:
        raise BadCriteria("the hold's dates leave no day between them; --after must be earlier than --before")
    return scope


def source_ids(vault: Vault, which: Sequence[str]) -> list[str]:
    """The ids of sources given by id or name. Raises NotThere."""
    found = []
    for one in which:
        source = vault.sources.by_name(one)
        if source is None:
            try:
                source = vault.sources.get(one.strip())
            except NotFound:
                raise NotThere("there is no such source; `holdfast source list` shows them") from None
        found.append(source.id)
    return found


def lay_down(vault: Vault, connection: Connection, hold_id: str, scope: HoldScope) -> None:
    """Write the tokens a hold is matched by, and the items it names by id.

    Raises NotThere, AlreadyDisposed.
    """
    custodians = custodian_tokens(vault, scope)
    if custodians:
        connection.execute(
            hold_custodians.insert(), [{"hold_id": hold_id, "token": token} for token in sorted(custodians)]
        )
    pairs = patient_pairs(vault, connection, scope)
    if pairs:
        connection.execute(
            hold_patients.insert(),
            [{"hold_id": hold_id, "field": field, "token": token} for field, token in sorted(pairs)],
        )
    if scope.sources:
        connection.execute(
            hold_sources.insert(), [{"hold_id": hold_id, "source_id": one} for one in sorted(scope.sources)]
        )
    pks = named_messages(connection, scope)
    if pks:
        connection.execute(
            hold_items.insert(), [{"hold_id": hold_id, "message_pk": pk} for pk in sorted(pks)]
        )


NO_SUCH: Final = "there is no message of one of these ids; search again for its id"


def named_messages(connection: Connection, scope: HoldScope) -> set[int]:
    """Keys of the messages that a scope names by id, their own or a journal report's. Raises NotThere,
    AlreadyDisposed."""
    left, found = set(scope.message_ids), set()
    by_report = select(reports.c.id, messages.c.pk, messages.c.disposed_us).join(
        messages, messages.c.pk == reports.c.message_pk
    )
    for known in (select(messages.c.id, messages.c.pk, messages.c.disposed_us), by_report):
        named = known.selected_columns[0]
        for chunk in _chunks(sorted(left)):
            for row in connection.execute(known.where(named.in_(chunk))):
                if row.disposed_us is not None:
                    raise AlreadyDisposed(
                        "one of these messages was disposed of; its certificate says when and why"
                    )
                found.add(int(row.pk))
                left.discard(row.id)
    if left:
        raise NotThere(NO_SUCH)
    return found


def custodian_tokens(vault: Vault, scope: HoldScope) -> set[bytes]:
    """The blind tokens of the custodians that a scope names."""
    return {token for one in scope.custodians for token in tokens_of(vault.blind, one)}


def patient_pairs(vault: Vault, connection: Connection, scope: HoldScope) -> set[tuple[int, bytes]]:
    """What the mail of the patients that a scope names bears: (field of `message_tokens`, token)."""
    pairs = {(PATIENT, vault.blind.token("mrn", mrn)) for mrn in scope.patients}
    if scope.patients:
        # All that the roster knows them by now; what it learns later is added to the hold when it does.
        pairs |= PatientStore(vault).hold_pairs(connection, scope.patients)
    return pairs


def _people(values: Sequence[str]) -> tuple[str, ...]:
    """Custodians, each once however often and in whatever case they are named. Raises BadCriteria."""
    named = (one for value in _named("custodian", values) for one in read_custodians(value))
    return _named("custodian", list({normalise(one): one for one in named}.values()))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + dialect.LIST] for start in range(0, len(values), dialect.LIST))


def _named(what: str, values: Sequence[str], most: int = MAX_NAMED) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(value.strip() for value in values))
    if not all(named):
        raise BadCriteria(f"a {what} must not be blank")
    if len(named) > most:
        raise BadCriteria(f"a hold may name {most:,} {what}s; place several holds")
    return named


def _mrn(value: str) -> str:
    mrn = normalise_identifier("mrn", value)
    if not mrn:
        raise BadCriteria("a patient is named by a record number with letters or digits in it")
    return mrn


def _day(name: str, value: date | str | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date()
    try:
        return (value if isinstance(value, date) else date.fromisoformat(value.strip())).isoformat()
    except ValueError:
        raise BadCriteria(f"--{name} must be a day as YYYY-MM-DD") from None


def _same(custodians: Sequence[str]) -> set[str]:
    return {normalise(one) for one in custodians}


def _midnight(day: date | None) -> int | None:
    return to_us(datetime.combine(day, datetime.min.time(), UTC)) if day is not None else None
