"""Who cared for whom: providers of a patient, and patients of a provider.

Two sources, told apart: encounters, where a FHIR roster names who took part, and mail, in which somebody
wrote or received what is about a patient. Within the actor's scope, as in `retention.patients.finding`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection

from archiver.vault import Vault
from retention.patients.whom import BadPatient, Finder, Whom, may_read_roster, shown, tree_of
from retention.roster import persons
from retention.roster.encounters import Encounters, Known
from retention.roster.matches import Person
from search.access import Action, Actor, Gate, Purpose
from search.acts import look
from search.correspondents import Correspondents
from search.language.tree import Tag
from search.reading_room import ReadingRoom

PAGE: Final = 100
MOST: Final = 500
_CHUNK: Final = 500
_ADDRESS: Final = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")


@dataclass(slots=True)
class _Provider:
    """Somebody in a patient's mail, or at her encounters."""

    name: str = ""
    npi: str = ""
    addresses: tuple[str, ...] = ()
    sent: int = 0
    received: int = 0
    encounters: int = 0
    first: date | None = None
    last: date | None = None
    known: bool = False

    def to_json(self, own: frozenset[str]) -> dict[str, Any]:
        """As answers have it; `own` are the patient's own addresses."""
        messages = self.sent + self.received
        return {
            "addresses": list(self.addresses),
            "name": self.name or None,
            "npi": self.npi or None,
            "known_from": [
                source for source, there in (("encounters", self.known), ("mail", messages)) if there
            ],
            "patient": not own.isdisjoint(self.addresses),
            "messages": messages,
            "sent": self.sent,
            "received": self.received,
            "encounters": self.encounters,
            "first_encounter": self.first.isoformat() if self.first else None,
            "last_encounter": self.last.isoformat() if self.last else None,
        }


@dataclass(slots=True)
class _Relation:
    """A patient in a provider's mail, or at a provider's encounters."""

    messages: int = 0
    maybe: int = 0
    encounters: int = 0


class Providers:
    """Relations between patients and providers. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._finder = Finder(vault)
        self._encounters = Encounters(vault)

    def of_patient(
        self, actor: Actor, purpose: Purpose | None, whom: Whom, *, limit: int = PAGE, offset: int = 0
    ) -> dict[str, Any]:
        """Who wrote or received mail about a patient, and who saw her: `{patients, total, count, providers,
        next}`, most mail first; `total` messages, `count` providers.

        An address counts a message once: as sent where it is among the writers, else as received. Raises
        BadPatient, NotThere, AccessDenied, PurposeMissing.
        """
        with look(self._vault, self._gate, actor, Action.SEARCH, "patient.providers", purpose) as act:
            act.detail |= whom.detail()
            people = self._finder.find(act.connection, actor, whom)
            act.objects += [person.id for person in people]
            pks = self._room.matching(actor, tree_of(people))
            may = may_read_roster(actor)
            told = people if may or pks else []
            found = self._at_her_encounters(act.connection, told)
            _count(found, self._room.correspondents(actor, pks))
            listed = sorted(
                # Who is in no mail of theirs is told to those who may read the roster.
                (one for one in found.values() if may or one.sent or one.received),
                key=lambda one: (-(one.sent + one.received), -one.encounters, one.addresses, one.name),
            )
            act.count = len(listed)
            own = frozenset(email.casefold() for person in told for email in person.emails)
            return {
                "patients": [shown(person, actor, purpose) for person in told],
                "total": len(pks),
                "count": len(listed),
                "providers": [one.to_json(own) for one in listed[offset : offset + _limit(limit)]],
                "next": offset + limit if len(listed) > offset + limit else None,
            }

    def patients_of(
        self, actor: Actor, purpose: Purpose | None, provider: str, *, limit: int = PAGE, offset: int = 0
    ) -> dict[str, Any]:
        """The patients whom a provider's mail is about, and those whom the provider saw: `{provider, total,
        count, patients, next}`, most mail first. `maybe` of a patient's messages may be about another one.

        `provider` is an e-mail address. Raises BadPatient, AccessDenied, PurposeMissing.
        """
        with look(self._vault, self._gate, actor, Action.SEARCH, "patient.providers", purpose) as act:
            act.detail["provider"] = provider
            address = provider.strip().casefold()
            if _ADDRESS.fullmatch(address) is None:
                raise BadPatient("name the provider by an e-mail address")
            pks = self._room.matching(actor, Tag("custodian", address))
            related = self._in_mail(act.connection, pks)
            known = self._encounters.with_address(act.connection, address)
            self._at_encounters(act.connection, known, related, everybody=may_read_roster(actor))
            ordered = sorted(related, key=lambda one: (-related[one].messages, -related[one].encounters, one))
            page = ordered[offset : offset + _limit(limit)]
            people = self._finder.matcher.persons(act.connection, page)
            act.objects += [one for one in page if one in people]
            act.count = len(ordered)
            tell = bool(pks) or may_read_roster(actor)
            return {
                "provider": {
                    "address": address,
                    "names": [one.name for one in known if tell],
                    "npis": [one.npi for one in known if tell and one.npi],
                },
                "total": len(pks),
                "count": len(ordered),
                "patients": [
                    shown(people[one], actor, purpose) | _relation(related[one])
                    for one in page
                    if one in people
                ],
                "next": offset + limit if len(ordered) > offset + limit else None,
            }

    # --- inside -------------------------------------------------------------------------------

    def _at_her_encounters(self, connection: Connection, people: Sequence[Person]) -> dict[str, _Provider]:
        found: dict[str, _Provider] = {}
        for one in self._encounters.of_records(connection, [i for person in people for i in person.ids]):
            names = dict(one.by)
            known = self._encounters.known(connection, names)
            # Somebody named twice, in a role and by name, was there once.
            there = {known[key].id if key in known else key.hex(): key for key in names}
            for who, key in there.items():
                if who not in found:
                    found[who] = _clinician(known.get(key), names[key])
                found[who].encounters += 1
                found[who].first = min((d for d in (found[who].first, one.first) if d), default=None)
                found[who].last = max(
                    (d for d in (found[who].last, one.last or one.first) if d), default=None
                )
        return found

    def _in_mail(self, connection: Connection, pks: Sequence[int]) -> dict[str, _Relation]:
        found: dict[str, _Relation] = {}
        for start in range(0, len(pks), _CHUNK):
            matched = self._finder.matcher.match(connection, pks[start : start + _CHUNK])
            for one in matched.values():
                unsure = frozenset[str]().union(*one.ambiguous)
                for match in one.matches:
                    relation = found.setdefault(match.person, _Relation())
                    relation.messages += 1
                    relation.maybe += match.person in unsure
        return found

    def _at_encounters(
        self, connection: Connection, known: Iterable[Known], related: dict[str, _Relation], everybody: bool
    ) -> None:
        for clinician in known:
            seen = self._encounters.seen_by(connection, clinician)
            persons_of = persons.members(connection, seen)
            for record, count in seen.items():
                person = persons_of.get(record, record)
                if person in related or everybody:
                    related.setdefault(person, _Relation()).encounters += count


def _count(found: dict[str, _Provider], mail: Iterable[Correspondents]) -> None:
    """Count each message once for everybody who wrote or received it, whichever of their addresses it names;
    who wasn't among those found is from then on."""
    of_address: dict[str, list[_Provider]] = {}
    for provider in found.values():
        for address in provider.addresses:
            of_address.setdefault(address, []).append(provider)

    def behind(addresses: Iterable[str]) -> dict[int, _Provider]:
        people: dict[int, _Provider] = {}
        for address in addresses:
            if address not in of_address:
                found[address] = _Provider(addresses=(address,))
                of_address[address] = [found[address]]
            people |= {id(one): one for one in of_address[address]}
        return people

    for message in mail:
        writers = behind(message.wrote)
        for one in writers.values():
            one.sent += 1
        for number, one in behind(message.received).items():
            one.received += number not in writers


def _clinician(known: Known | None, shown_as: str) -> _Provider:
    if known is None:
        return _Provider(name=shown_as, known=True)
    addresses = tuple(dict.fromkeys(address.casefold() for address in known.emails))
    return _Provider(known.name or shown_as, known.npi, addresses, known=True)


def _relation(one: _Relation) -> dict[str, Any]:
    sources = (("encounters", one.encounters), ("mail", one.messages))
    return {
        "known_from": [source for source, count in sources if count],
        "messages": one.messages,
        "maybe": one.maybe,
        "encounters": one.encounters,
    }


def _limit(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise BadPatient(f"a page has 1 to {MOST} lines")
    return limit
