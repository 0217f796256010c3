"""The roster as people look at it: patients, and mail of which nobody knows whose it is, to be decided on.

Everything here is patient information: each look is permitted, for a purpose, and on record when it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from archiver.capture.ids import new_id
from archiver.classify import normalise_identifier
from archiver.clock import from_us, rfc3339, to_us
from archiver.store import tokens
from archiver.store.schema import (
    BY_NAME,
    BY_PHONE,
    CUSTODIAN,
    MATCHING,
    PATIENT,
    match_decisions,
    messages,
    name_book,
    patient_tokens,
    patients,
    redates,
)
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.errors import RetentionError
from retention.fields import SealedFields
from retention.refusals import AlreadyDisposed, NotThere, WrongState
from retention.roster import stale
from retention.roster.decisions import MatchDecisions
from retention.roster.matches import Matched, Matcher, Person
from retention.roster.names import key_of
from retention.roster.shown import described
from retention.roster.tokens import name_token
from search.access import NO_SUCH_MESSAGE, Action, Actor, Gate, OutOfScope, Purpose

PAGE: Final = 100
_LOOKED_AT: Final = 500
NO_SUCH_PATIENT: Final = "there is no such patient on the roster; `holdfast roster list` shows them"


class BadDecision(RetentionError):
    """A decision that says nothing, or of somebody whom the message can't be about."""

    code = "bad_decision"
    http_status = 422


class RosterReview:
    """Looks at the roster of one archive, and people's decisions on matches."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)
        self._matcher = Matcher(vault)
        self.decisions = MatchDecisions(vault, gate)

    def status(self, actor: Actor) -> dict[str, int]:
        """How large the roster is and what is still to be done: `{patients, records, names, names_waiting,
        dates_waiting, decisions}`. It tells of nobody, so it needs no purpose."""
        with look(self._vault, self._gate, actor, Action.RETENTION_READ, "roster.status") as act:

            def count(query: Any) -> int:
                return int(act.connection.scalar(query) or 0)

            person = func.coalesce(patients.c.person, patients.c.id)
            return {
                "patients": count(select(func.count(person.distinct()))),
                "records": count(select(func.count()).select_from(patients)),
                "names": count(select(func.count()).select_from(name_book)),
                "names_waiting": count(
                    select(func.count()).select_from(name_book).where(name_book.c.searched_us.is_(None))
                ),
                "dates_waiting": count(select(func.count()).select_from(redates)),
                "decisions": count(
                    select(func.count())
                    .select_from(match_decisions)
                    .where(match_decisions.c.undone_us.is_(None))
                ),
            }

    def find(
        self,
        actor: Actor,
        purpose: Purpose | None,
        *,
        number: str = "",
        address: str = "",
        name: str = "",
        phone: str = "",
        after: str = "",
        limit: int = PAGE,
    ) -> dict[str, Any]:
        """Patients, all of them page by page or those of a number, address, name or telephone number:
        `{items, next}`. A name is found by its first and its last word."""
        with look(self._vault, self._gate, actor, Action.ROSTER_READ, "roster.list", purpose) as act:
            asked = {"number": number, "address": address, "name": name, "phone": phone}
            act.detail |= {what: value for what, value in asked.items() if value}
            wanted = self._tokens(number, address, name, phone)
            person = func.coalesce(patients.c.person, patients.c.id)
            query = select(person.label("person")).where(person > after)
            for token, kinds in wanted:
                ids = select(patient_tokens.c.patient_id).where(
                    patient_tokens.c.token == token,
                    patient_tokens.c.kind.in_(kinds) | patient_tokens.c.kind.is_(None),
                )
                query = query.where(patients.c.id.in_(ids))
            known = self._gate.patients(actor)
            if known is not None:
                query = query.where(patients.c.id.in_(sorted(known)))
            listed = list(act.connection.scalars(query.distinct().order_by("person").limit(limit + 1)))
            people = self._matcher.persons(act.connection, listed[:limit])
            act.objects += list(people)
            act.count = len(people)
            items = [described(people[one]) for one in listed[:limit]]
            return {"items": items, "next": listed[limit - 1] if len(listed) > limit else None}

    def show(self, actor: Actor, purpose: Purpose | None, which: str) -> dict[str, Any]:
        """One patient, by id or record number, with every record and how much mail is matched. Raises
        NotThere."""
        with look(self._vault, self._gate, actor, Action.ROSTER_READ, "roster.show", purpose) as act:
            person = self._person(act.connection, which)
            act.objects.append(person.id)
            known = self._gate.patients(actor)
            if known is not None and not known & {person.id, *person.ids}:
                raise OutOfScope(NO_SUCH_PATIENT)
            pks = self._messages_of(act.connection, person)
            seen = self._gate.visible(actor, pks)
            return {
                **described(person),
                "records": [record.to_json() for record in person.records],
                "messages": len(pks if seen is None else seen),
            }

    # --- ambiguous matches --------------------------------------------------------------------

    def ambiguous(
        self, actor: Actor, purpose: Purpose | None, after: str = "", limit: int = PAGE
    ) -> dict[str, Any]:
        """Messages that may be about one of several patients, oldest capture first: `{items: [{message,
        sent_at, captured_at, candidates: [...]}], next}`. Each keeps the longest term of all."""
        with look(self._vault, self._gate, actor, Action.ROSTER_READ, "roster.ambiguous", purpose) as act:
            known = self._gate.patients(actor)
            start = int(after) if after.lstrip("-").isdigit() else -1
            found: list[tuple[Any, Matched]] = []
            for rows in self._bearing_shared(act.connection, start):
                pks = [row.pk for row in rows]
                seen = self._gate.visible(actor, pks)
                matched = self._matcher.match(act.connection, pks if seen is None else sorted(seen))
                for row in rows:
                    one = matched.get(row.pk)
                    if one is None or not one.ambiguous:
                        continue
                    if known is None or {match.person for match in one.matches} <= known:
                        found.append((row, one))
                if len(found) > limit:
                    break
            shown = found[:limit]
            people = self._matcher.persons(
                act.connection, {m.person for _, one in shown for m in one.matches}
            )
            items = [self._ambiguous(act.connection, row, one, people) for row, one in shown]
            act.objects += [item["message"] for item in items]
            act.count = len(items)
            return {"items": items, "next": str(shown[-1][0].seq) if len(found) > limit else None}

    def decide(
        self, actor: Actor, message_id: str, about: Sequence[str], reason: str, none: bool = False
    ) -> dict[str, Any]:
        """Say which of a message's possible patients it is about (ids or record numbers), or `none` of them.

        From this commit on the message's date is void until it is computed by this decision. A patient who
        comes onto the roster later isn't decided on. Raises NotThere, AlreadyDisposed, BadDecision,
        AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.ROSTER_DECIDE, "roster.decide") as act:
            act.detail["reason"] = reason
            act.objects.append(message_id[:64])
            if not reason.strip():
                raise BadDecision("say why: --reason")
            if bool(about) == none:
                raise BadDecision("name the patients it is about, or none of them")
            pk = self._alive(act.connection, actor, message_id)
            # What was decided before isn't asked: whoever decides anew may choose among all of them.
            matched = self._matcher.match(act.connection, [pk], decided=False).get(pk, Matched())
            possible = {match.person for match in matched.matches}
            chosen = {self._person(act.connection, one).id for one in about}
            if not chosen <= possible:
                raise BadDecision("the message can't be about that patient: nothing in it points there")
            now = to_us(self._vault.clock.now())
            decided = []
            for person in sorted(possible):
                decision_id = new_id("y")
                decided.append(
                    {
                        "id": decision_id,
                        "message_pk": pk,
                        "patient_id": person,
                        "about": person in chosen,
                        "sealed_reason": self._fields.seal(decision_id, {"reason": reason}),
                        "decided_us": now,
                        "decided_by": actor.user_id,
                    }
                )
            if not decided:
                raise BadDecision("the message is matched to nobody; there is nothing to decide")
            self._undo(act, actor, pk)
            act.connection.execute(match_decisions.insert(), decided)
            act.objects += [str(one["id"]) for one in decided]
            _felt(act.connection, pk)
        return {"message": message_id, "decisions": self.decisions.of_message(pk)}

    def undo(self, actor: Actor, message_id: str, reason: str) -> dict[str, Any]:
        """Take back what was decided on a message; then it may be about any of them again."""
        with change(self._vault, self._gate, actor, Action.ROSTER_DECIDE, "roster.undo") as act:
            act.detail["reason"] = reason
            act.objects.append(message_id[:64])
            pk = self._alive(act.connection, actor, message_id)
            if not self._undo(act, actor, pk):
                raise WrongState("nothing is decided on this message")
            _felt(act.connection, pk)
        return {"message": message_id, "decisions": self.decisions.of_message(pk)}

    # --- inside -------------------------------------------------------------------------------

    def _alive(self, connection: Connection, actor: Actor, message_id: str) -> int:
        row = connection.execute(
            select(messages.c.pk, messages.c.disposed_us).where(messages.c.id == message_id)
        ).first()
        if row is None:
            raise NotThere(NO_SUCH_MESSAGE)
        self._gate.must_see(actor, [row.pk])
        if row.disposed_us is not None:
            raise AlreadyDisposed("this message was disposed of; its certificate says when and why")
        return int(row.pk)

    def _tokens(
        self, number: str, address: str, name: str, phone: str
    ) -> list[tuple[bytes, tuple[int, ...]]]:
        blind = self._vault.blind
        found: list[tuple[bytes, tuple[int, ...]]] = []
        if number.strip():
            found.append((blind.token("mrn", normalise_identifier("mrn", number)), MATCHING))
        if address.strip():
            found.append((blind.token("address", address), MATCHING))
        if name.strip():
            key = key_of(name)
            if key is None:
                raise BadDecision("name: give a first and a last name")
            found.append((name_token(blind, key), (BY_NAME,)))
        if phone.strip():
            found.append((blind.token("phone", normalise_identifier("phone", phone)), (BY_PHONE,)))
        return found

    def _person(self, connection: Connection, which: str) -> Person:
        person = func.coalesce(patients.c.person, patients.c.id)
        found = set(
            connection.scalars(select(person).where((patients.c.id == which) | (patients.c.person == which)))
        )
        if not found:
            number = self._vault.blind.token("mrn", normalise_identifier("mrn", which))
            ids = select(patient_tokens.c.patient_id).where(
                patient_tokens.c.token == number,
                patient_tokens.c.kind.in_(MATCHING) | patient_tokens.c.kind.is_(None),
            )
            found = set(connection.scalars(select(person).where(patients.c.id.in_(ids))))
        if not found:
            raise NotThere(NO_SUCH_PATIENT)
        if len(found) > 1:
            raise BadDecision("several patients have this number; name one by its id")
        return self._matcher.persons(connection, found)[found.pop()]

    def _messages_of(self, connection: Connection, person: Person) -> set[int]:
        ids = select(patients.c.id).where((patients.c.person == person.id) | (patients.c.id == person.id))
        borne = select(patient_tokens.c.token).where(
            patient_tokens.c.patient_id.in_(ids),
            patient_tokens.c.kind.in_(MATCHING) | patient_tokens.c.kind.is_(None),
        )
        bearers = tokens.bearers(lambda field, token: field.in_((CUSTODIAN, PATIENT)) & token.in_(borne))
        pks = sorted(connection.scalars(select(bearers.subquery())))
        matched = self._matcher.match(connection, pks)
        return {pk for pk, one in matched.items() if any(m.person == person.id for m in one.matches)}

    def _bearing_shared(self, connection: Connection, after: int) -> Iterator[Sequence[Any]]:
        """The messages from there on that bear a token which several persons share, some at a time: who
        they are is worked out once, since most may turn out to be about one person."""
        person = func.coalesce(patients.c.person, patients.c.id)
        # Few of a roster's tokens are on several records: only of these is it asked whose and of what kind
        # they are. Their index alone tells which; to ask the kind first read a page for each token there is.
        several = (
            select(patient_tokens.c.token)
            .group_by(patient_tokens.c.token)
            .having(func.count() > 1)
            .subquery()
        )
        shared = (
            select(patient_tokens.c.token)
            .join(several, several.c.token == patient_tokens.c.token)
            .join(patients, patients.c.id == patient_tokens.c.patient_id)
            .where(patient_tokens.c.kind.in_(MATCHING))
            .group_by(patient_tokens.c.token)
            .having(func.count(person.distinct()) > 1)
            .cte("shared")
        )
        these = select(shared.c.token)
        bearers = tokens.bearers(lambda field, token: field.in_((CUSTODIAN, PATIENT)) & token.in_(these))
        query = (
            select(messages.c.pk, messages.c.id, messages.c.seq, messages.c.sent_us, messages.c.captured_us)
            .where(
                messages.c.pk.in_(select(bearers.subquery())),
                messages.c.disposed_us.is_(None),
                messages.c.seq > after,
            )
            .order_by(messages.c.seq)
            .execution_options(yield_per=_LOOKED_AT)
        )
        with connection.execute(query) as result:
            yield from result.partitions()

    def _ambiguous(
        self, connection: Connection, row: Any, matched: Matched, people: dict[str, Person]
    ) -> dict[str, Any]:
        possible = frozenset().union(*matched.ambiguous)
        return {
            "message": row.id,
            "sent_at": rfc3339(from_us(row.sent_us)),
            "captured_at": rfc3339(from_us(row.captured_us)),
            "candidates": [
                {**described(people[m.person]), "why": list(m.why)}
                for m in matched.matches
                if m.person in possible and m.person in people
            ],
        }

    def _undo(self, act: Act, actor: Actor, pk: int) -> int:
        return act.connection.execute(
            update(match_decisions)
            .where(match_decisions.c.message_pk == pk, match_decisions.c.undone_us.is_(None))
            .values(undone_us=to_us(self._vault.clock.now()), undone_by=actor.user_id)
        ).rowcount


def _felt(connection: Connection, pk: int) -> None:
    stale.void(connection, [pk], reindex=True)
    stale.next_version(connection)
