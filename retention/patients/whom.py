"""Whom somebody means: a patient by any mark that the roster knows, and how it is told who she is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, func, select

from archiver.classify import normalise_identifier
from archiver.seal.blind import BlindIndex
from archiver.store.schema import BY_ADDRESS, BY_BIRTH, BY_KEY, BY_NUMBER, patient_tokens, patients
from archiver.vault import Vault
from retention.errors import RetentionError
from retention.refusals import NotThere
from retention.roster.evidence import BIRTH, birth_value
from retention.roster.matches import Matcher, Person
from retention.roster.names import key_of
from retention.roster.shown import described
from search.access import Action, Actor, Purpose
from search.language.tree import Query, Tag, any_of
from search.policy import may, shows_identifiers

_Mark = list[tuple[bytes, tuple[int, ...]]]
"""Tokens any of which somebody bears, each with the kinds it may be of."""
_NUMBERS: Final = ("mrn", "ssn", "mbi", "health_plan_id", "medicaid_id")
"""What a number that somebody writes may be."""


class BadPatient(RetentionError):
    """It isn't said whom somebody means, or not so that it can only be one."""

    code = "bad_patient"
    exit_code = 2
    http_status = 422


@dataclass(frozen=True, slots=True)
class Whom:
    """A patient as somebody names her; all that is given must be right.

    `patient` is an id of the roster, a record number of any system, an SSN or a plan's number; `name` needs a
    `born` (YYYY-MM-DD).
    """

    patient: str = ""
    name: str = ""
    born: str = ""
    address: str = ""

    @property
    def said(self) -> str:
        """All of it, as text."""
        return " ".join(filter(None, (self.patient, self.name, self.born, self.address)))

    def detail(self) -> dict[str, str]:
        """What an audit event says of it; sealed there."""
        return {name: value for name, value in asdict(self).items() if value}


class Finder:
    """Finds the patients whom somebody means. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.matcher = Matcher(vault)

    def find(self, connection: Connection, actor: Actor, whom: Whom) -> list[Person]:
        """The patient; for somebody who may not read the roster whoever it may be, and nobody is no error:
        what they are told must not depend on who is on the roster.

        Raises BadPatient, NotThere.
        """
        marks = self._marks(whom)
        if not whom.patient.strip() and not marks:
            raise BadPatient("say whom: a record number, a name with a birth date, or an e-mail address")
        found = self._bearers(connection, whom, marks)
        people = self.matcher.persons(connection, found)
        if may_read_roster(actor):
            if not people:
                raise NotThere("there is no such patient on the roster; `holdfast roster list` shows them")
            if len(people) > 1:
                raise BadPatient(
                    "several patients are known by this; name one by its id, which the roster lists"
                )
        return [people[one] for one in sorted(people)]

    def _bearers(self, connection: Connection, whom: Whom, marks: Sequence[_Mark]) -> set[str]:
        person = func.coalesce(patients.c.person, patients.c.id)
        found: set[str] | None = None
        if which := whom.patient.strip():
            own = person_ids = set(
                connection.scalars(
                    select(person).where((patients.c.id == which) | (patients.c.person == which))
                )
            )
            if not own:
                person_ids = self._with(connection, _numbers(self._vault.blind, which))
            found = person_ids
        for mark in marks:
            bearers = self._with(connection, mark)
            found = bearers if found is None else found & bearers
        return found or set()

    def _marks(self, whom: Whom) -> list[_Mark]:
        blind = self._vault.blind
        marks: list[_Mark] = []
        if whom.name.strip() or whom.born.strip():
            key = key_of(whom.name)
            if key is None or not whom.born.strip():
                raise BadPatient("a name needs a first and a last name, and a birth date with it")
            try:
                born = date.fromisoformat(whom.born.strip()).isoformat()
            except ValueError:
                raise BadPatient("the birth date must be YYYY-MM-DD") from None
            marks.append([(blind.token(BIRTH, birth_value(key, born)), (BY_BIRTH,))])
        if whom.address.strip():
            marks.append([(blind.token("address", whom.address), (BY_ADDRESS,))])
        return marks

    def _with(self, connection: Connection, mark: _Mark) -> set[str]:
        person = func.coalesce(patients.c.person, patients.c.id)
        found: set[str] = set()
        for token, kinds in mark:
            ids = select(patient_tokens.c.patient_id).where(
                patient_tokens.c.token == token,
                patient_tokens.c.kind.in_(kinds) | patient_tokens.c.kind.is_(None),
            )
            found.update(connection.scalars(select(person).where(patients.c.id.in_(ids))))
        return found


def may_read_roster(actor: Actor) -> bool:
    """Whether somebody's role lets them look at the roster itself."""
    return may(actor, Action.ROSTER_READ)


def tree_of(people: Sequence[Person]) -> Query:
    """The query that matches all mail about these patients, and nobody else's."""
    return any_of([Tag("patient", one) for person in people for one in person.ids])


def shown(person: Person, actor: Actor, purpose: Purpose | None) -> dict[str, Any]:
    """A patient as an answer tells of her: `{id, name, numbers, born, records}`, of which those who may not
    read the roster get name and numbers only where lists show them identifiers, and no birth date."""
    facts = described(person)
    told = {name: facts[name] for name in ("id", "name", "numbers", "born", "records")}
    if may_read_roster(actor):
        return told
    told |= {"born": None, "records": None}
    return told if shows_identifiers(actor.role, purpose) else told | {"name": None, "numbers": None}


def _numbers(blind: BlindIndex, value: str) -> _Mark:
    return [
        (blind.token(kind, normal), (BY_NUMBER, BY_KEY))
        for kind in _NUMBERS
        if (normal := normalise_identifier(kind, value))
    ]
