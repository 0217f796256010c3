"""The account of disclosures that a patient may ask for (45 CFR 164.528), and what staff says of the book."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection

from archiver.clock import rfc3339
from archiver.vault import Vault
from config.cases import zone_of
from retention.acts import Act, change, look
from retention.cases.clock import ACCOUNTING_YEARS, begin_of, day_of, years_before
from retention.cases.typed import typed
from retention.disclosures.book import UNSTATED, Book, Disclosure
from retention.disclosures.errors import BadDisclosure
from retention.disclosures.suspensions import Suspensions
from retention.disclosures.words import sentence
from retention.patients.whom import BadPatient, Finder, Whom
from retention.refusals import NotThere
from retention.roster.matches import Person
from retention.roster.shown import described
from search.access import Action, Actor, Gate, Purpose
from search.disclosing import LEFT_OUT, Basis, Recipient, Told, read_basis


class Disclosures:
    """The book of disclosures as people use it. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate, book: Book) -> None:
        self._vault = vault
        self._gate = gate
        self.book = book
        self.suspensions = Suspensions(vault)
        self._finder = Finder(vault)
        self._zone = zone_of(vault.settings.time_zone)

    # --- the account --------------------------------------------------------------------------

    def account(
        self,
        actor: Actor,
        whom: Whom,
        *,
        since: date | None = None,
        until: date | None = None,
        asked_on: date | None = None,
    ) -> dict[str, Any]:
        """The account for one patient: `{patient, from, until, made_at, asked_on, disclosures, for_staff}`.

        `since` and `until` are days, both counted in; without them the six years before `asked_on` (today).
        `disclosures` is all that the patient is told; `for_staff` says what isn't in it and why: counts by
        basis that the rule leaves out (164.528(a)(1)), how many an agency had suspended, how many nobody has
        given a basis (they are in it), and the suspensions. Raises BadPatient, NotThere, BadDisclosure.
        """
        with look(
            self._vault,
            self._gate,
            actor,
            Action.DISCLOSURE_READ,
            "disclosure.account",
            Purpose.PATIENT_REQUEST,
        ) as act:
            person = self.person(act, actor, whom)
            asked = asked_on or self.suspensions.today()
            first, last = _period(asked, self.suspensions.today(), since, until)
            told = self.book.of_patient(
                act.connection,
                (person.id, *person.ids),
                since=begin_of(first, self._zone),
                until=begin_of(last + timedelta(days=1), self._zone),
            )
            act.count = len(told)
            return self._account(act.connection, person, told, asked, first, last)

    def _account(
        self,
        connection: Connection,
        person: Person,
        told: Sequence[Disclosure],
        asked: date,
        first: date,
        last: date,
    ) -> dict[str, Any]:
        today = self.suspensions.today()
        suspensions = self.suspensions.of(connection, (person.id, *person.ids))
        left_out: dict[str, int] = {}
        suspended = 0
        listed = []
        for one in told:
            if one.basis in LEFT_OUT:
                left_out[one.basis] = left_out.get(one.basis, 0) + 1
            elif any(each.covers(one, today) for each in suspensions):
                suspended += 1
            else:
                listed.append(one)
        facts = described(person)
        return {
            "patient": {name: facts[name] for name in ("id", "name", "numbers", "born")},
            "from": first.isoformat(),
            "until": last.isoformat(),
            "asked_on": asked.isoformat(),
            "made_at": rfc3339(self._vault.clock.now()),
            "disclosures": self._grouped(listed),
            "for_staff": {
                "left_out": left_out,
                "suspended": suspended,
                "unstated": sum(one.basis is Basis.UNSTATED for one in listed),
                "suspensions": [one.to_json(today) for one in suspensions],
            },
        }

    def _grouped(self, told: Sequence[Disclosure]) -> builtins.list[dict[str, Any]]:
        """Those of one export to one recipient for one purpose are one line, with how often and the last day
        (164.528(b)(3))."""
        lines: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in told:
            key = (one.about_id or one.act_id, one.recipient, one.basis)
            day = day_of(one.at, self._zone).isoformat()
            line = lines.get(key)
            if line is not None:
                line |= {"last": day, "times": line["times"] + 1, "acts": [*line["acts"], one.act_id]}
                continue
            lines[key] = {
                "date": day,
                "last": day,
                "times": 1,
                "recipient": one.recipient.name,
                "recipient_address": one.recipient.address,
                "what": _hers(one),
                "purpose": sentence(one.basis),
                "legal_basis": str(one.basis),
                "messages": one.messages,
                "acts": [one.act_id],
            }
        return list(lines.values())

    # --- what staff says ----------------------------------------------------------------------

    def list(
        self, actor: Actor, *, unstated: bool = False, limit: int = 100
    ) -> builtins.list[dict[str, Any]]:
        """What left, newest first; `unstated`: only what nobody has given a legal basis."""
        with look(self._vault, self._gate, actor, Action.DISCLOSURE_READ, "disclosure.list") as act:
            where = [UNSTATED] if unstated else []
            found = self.book.acts(act.connection, *where, limit=max(1, limit))
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def state(
        self,
        actor: Actor,
        act_id: str,
        *,
        basis: str = "",
        recipient: Recipient | None = None,
        note: str = "",
    ) -> dict[str, Any]:
        """Say by which right something left, or who got it; what isn't given stays, and what was said before
        stays readable in the records. Raises BadRecipient, BadDisclosure, NotThere."""
        with change(self._vault, self._gate, actor, Action.DISCLOSURE_MANAGE, "disclosure.state") as act:
            said = recipient.checked() if recipient else Recipient()
            act.detail |= {"basis": basis, "recipient": said.name, "address": said.address, "note": note}
            before = self.book.act(act.connection, act_id)
            if before is None:
                raise NotThere("there is no such disclosure; `holdfast disclosures list` shows them")
            act.objects.append(act_id)
            noted = typed("note", note, 2_000, BadDisclosure)
            if not (basis or said.name or said.address or noted):
                raise BadDisclosure("say a legal basis, a recipient or a note")
            kept = Recipient(said.name or before["recipient"], said.address or before["recipient_address"])
            chosen = read_basis(basis) if basis else Basis(before["legal_basis"])
            self.book.say(act.connection, act_id, chosen, kept, noted or before["note"], actor.user_id)
            after = self.book.act(act.connection, act_id)
            assert after is not None
            return after

    def record(
        self, actor: Actor, whom: Whom, *, basis: str, recipient: Recipient, what: str, messages: int = 0
    ) -> dict[str, Any]:
        """Write down what left on another way than an export, now: a call, a print, a screen shown."""
        with change(self._vault, self._gate, actor, Action.DISCLOSURE_MANAGE, "disclosure.record") as act:
            said, chosen = recipient.checked(), read_basis(basis)
            act.detail |= {"basis": basis, "recipient": said.name, "what": what}
            described_as = typed("description", what, 500, BadDisclosure, needed=True, lines=False)
            if not said.name:
                raise BadDisclosure("say who got it")
            person = self.person(act, actor, whom)
            told = Told("hand", "", actor.user_id, "", chosen, said, described_as, messages)
            act_id = self.book.write(act.connection, told, ({person.id: messages}, 0))
            act.objects.append(act_id)
            act.detail |= told.sealed()
            found = self.book.act(act.connection, act_id)
            assert found is not None
            return found

    # --- suspensions --------------------------------------------------------------------------

    def suspend(
        self,
        actor: Actor,
        whom: Whom,
        *,
        basis: str,
        until: date,
        written: bool,
        agency: str = "",
        statement: str,
    ) -> dict[str, Any]:
        """Leave what an agency got out of a patient's accounts until a day, as it asked. Raises BadDisclosure
        (an oral statement lasts 30 days at most), BadPatient, NotThere."""
        with change(self._vault, self._gate, actor, Action.DISCLOSURE_MANAGE, "disclosure.suspend") as act:
            act.detail |= {"basis": basis, "agency": agency, "statement": statement, "until": str(until)}
            person = self.person(act, actor, whom)
            suspension_id = self.suspensions.add(
                act.connection,
                person.id,
                actor.user_id,
                basis=read_basis(basis),
                until=until,
                written=written,
                agency=agency,
                statement=statement,
            )
            act.objects.append(suspension_id)
            (found,) = (one for one in self.suspensions.of(act.connection) if one.id == suspension_id)
            return found.to_json(self.suspensions.today())

    def resume(self, actor: Actor, suspension_id: str) -> None:
        """End a suspension before its day. Raises NotThere, WrongState."""
        with change(self._vault, self._gate, actor, Action.DISCLOSURE_MANAGE, "disclosure.resume") as act:
            self.suspensions.end(act.connection, suspension_id, actor.user_id)
            act.objects.append(suspension_id)

    def suspended(self, actor: Actor) -> builtins.list[dict[str, Any]]:
        """Every suspension, newest first, over or not."""
        with look(self._vault, self._gate, actor, Action.DISCLOSURE_READ, "disclosure.suspensions") as act:
            today = self.suspensions.today()
            found = [one.to_json(today) for one in self.suspensions.of(act.connection)]
            act.count = len(found)
            return found

    def person(self, act: Act, actor: Actor, whom: Whom) -> Person:
        """The one patient whom somebody means, who stands among those the act saw. Raises BadPatient,
        NotThere."""
        act.detail |= whom.detail()
        people = self._finder.find(act.connection, actor, whom)
        if not people:
            raise NotThere("there is no such patient on the roster")
        if len(people) > 1:
            raise BadPatient("several patients are known by this; name one by its id or a record number")
        act.patients += people[0].ids
        return people[0]

    def counts(self) -> Mapping[str, int]:
        """For doctor and the metrics: `{unstated}`."""
        with self._vault.records.read() as connection:
            return {"unstated": self.book.unstated(connection)}


def _period(asked: date, today: date, since: date | None, until: date | None) -> tuple[date, date]:
    earliest = years_before(asked, ACCOUNTING_YEARS)
    first, last = since or earliest, until or asked
    if first < earliest:
        raise BadDisclosure(
            f"an account goes back {ACCOUNTING_YEARS} years before the request, to {earliest} (45 CFR "
            f"164.528(a)(1))"
        )
    if last > today:
        raise BadDisclosure("the period can't end on a day that is still to come")
    if last < first:
        raise BadDisclosure("the period ends before it begins")
    return first, last


def _hers(one: Disclosure) -> str:
    if one.kind == "hand":
        return one.what
    one_only = one.messages == 1
    return f"{'1 e-mail message' if one_only else f'{one.messages:,} e-mail messages'} about the patient"
