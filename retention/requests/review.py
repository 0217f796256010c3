"""The work on a request for access: what was found is marked, denied with two persons, and produced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from archiver.clock import to_us
from archiver.store.schema import messages, request_items, users
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.cases.agreeing import DENY, Agreement, Asked
from retention.cases.typed import typed
from retention.disclosures.accounting import Disclosures
from retention.disclosures.paper import as_letter, told
from retention.patients.whom import Whom
from retention.refusals import NotThere
from retention.requests.errors import BadCase, NotReady
from retention.requests.finding import UNDONE
from retention.requests.letters import ACCOUNT, Letters
from retention.requests.marks import Mark, read_mark
from retention.requests.rows import Rows
from search.access import Action, Actor, Gate, Purpose
from search.approving.approvals import Approvals
from search.approving.kept import Approval, Signed
from search.disclosing import Basis
from search.language import parse
from search.language.tree import Tag, any_of
from search.productions import Productions
from search.reading_room import ReadingRoom
from search.results import Item

PAGE: Final = 200
MOST: Final = 10_000
"""Messages that one call may mark by their ids."""
_FOR: Final = Purpose.PATIENT_REQUEST


class Review:
    """The reviewing of requests. Every call is permitted by the gate and on record when it returns."""

    def __init__(
        self,
        vault: Vault,
        gate: Gate,
        room: ReadingRoom,
        exports: Productions,
        disclosures: Disclosures,
        letters: Letters,
        approvals: Approvals,
    ) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._exports = exports
        self._disclosures = disclosures
        self._letters = letters
        self._rows = Rows(vault)

        def agree(actor: Actor, asked: Approval, signed: Signed | None) -> None:
            self.approve(actor, asked.about_id, asked.request.item_set_sha256, signed)

        self._agreement = Agreement(approvals, DENY, self._waits, agree)

    def items(
        self,
        actor: Actor,
        request_id: str,
        *,
        mark: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> dict[str, Any]:
        """A page of the list, newest first: `{items, next}`, each `{id, sent_at, from, to, subject, mark,
        reason, marked_by}`; `mark` is one of `Mark`, `unmarked`, or None for all. On record as any search is.
        """
        with look(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.items", _FOR) as act:
            row = self._rows.find(act, request_id)
            query = (
                select(request_items, messages.c.id)
                .join(messages, messages.c.pk == request_items.c.message_pk)
                .where(request_items.c.request_id == row["id"])
                .order_by(request_items.c.message_pk.desc())
                .limit(max(1, min(limit, PAGE)))
            )
            if mark == "unmarked":
                query = query.where(request_items.c.mark.is_(None))
            elif mark:
                query = query.where(request_items.c.mark == str(read_mark(mark)))
            if after is not None:
                query = query.where(request_items.c.message_pk < after)
            rows = act.connection.execute(query).mappings().all()
            act.count = len(rows)
            names = self._names(act.connection, {one["marked_by"] for one in rows})
        shown = self._described(actor, [one["id"] for one in rows])
        return {
            "items": [self._item(one, shown.get(one["id"]), names) for one in rows],
            "next": rows[-1]["message_pk"] if len(rows) == max(1, min(limit, PAGE)) else None,
        }

    def mark(
        self,
        actor: Actor,
        request_id: str,
        mark: str,
        message_ids: Sequence[str] = (),
        *,
        unmarked: bool = False,
        query: str = "",
        reason: str = "",
    ) -> dict[str, Any]:
        """Mark messages of the list, or all that have no mark; of these with `query` those that match it.
        Every mark but `given` needs a reason; the last one holds. What was denied or produced by other marks
        is open again.

        Raises BadCase, NotThere for a message that isn't on the list, QueryError, CaseClosed.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.mark") as act:
            act.purpose = _FOR
            act.detail |= {"mark": mark, "reason": reason, "query": query}
            row = self._rows.find(act, request_id, open_=True)
            chosen = read_mark(mark)
            why = typed("reason", reason, 2_000, BadCase)
            if chosen is not Mark.GIVEN and not why:
                raise BadCase("say why a message isn't given")
            if len(message_ids) > MOST:
                raise BadCase(f"one call marks {MOST:,} messages at most")
            if query.strip() and not unmarked:
                raise BadCase("a query chooses among what has no mark yet (--unmarked)")
            pks = self._listed(act, request_id, message_ids, unmarked)
            if query.strip():
                tree = parse(query, now=self._vault.clock.now()).tree
                found = set(self._room.matching(actor, tree))
                pks = [pk for pk in pks if pk in found]
            now_us = to_us(self._vault.clock.now())
            marking = (
                update(request_items)
                .where(
                    request_items.c.request_id == request_id, request_items.c.message_pk == bindparam("pk")
                )
                .values(mark=str(chosen), sealed=bindparam("why"), marked_us=now_us, marked_by=actor.user_id)
            )
            seal = self._rows.fields.seal
            rows = [
                {"pk": pk, "why": seal(f"{request_id}/{pk}", {"reason": why}) if why else None} for pk in pks
            ]
            if rows:
                act.connection.execute(marking, rows)
            act.count = len(pks)
            act.objects += self._ids(act.connection, pks)
            if pks:
                self._rows.change(act.connection, row, None, **UNDONE)
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    # --- denying ------------------------------------------------------------------------------

    def deny(self, actor: Actor, request_id: str, statement: str, elsewhere: str = "") -> dict[str, Any]:
        """Ask that what the marks withhold be denied; another person approves. `statement` says in plain
        language on what ground (164.524(d)(2)(i)), `elsewhere` who keeps what we don't (164.524(d)(3)).

        Raises NotReady while messages are unmarked or nothing is withheld, BadCase, CaseClosed.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.deny") as act:
            act.purpose = _FOR
            act.detail |= {"statement": statement, "elsewhere": elsewhere}
            row = self._rows.find(act, request_id, open_=True)
            said_why = typed("statement", statement, 5_000, BadCase, needed=True)
            keeper = typed("other keeper", elsewhere, 1_000, BadCase)
            tally = self._rows.tally(act.connection, request_id)
            if tally.unmarked or not tally.denies:
                raise NotReady(
                    f"{tally.unmarked:,} messages aren't marked yet"
                    if tally.unmarked
                    else "nothing is denied"
                )
            said = self._rows.opened(row)
            said["denial"] = {"statement": said_why, "elsewhere": keeper}
            self._rows.change(
                act.connection,
                row,
                said,
                denial_asked_us=to_us(self._vault.clock.now()),
                denial_asked_by=actor.user_id,
                denial_sha256=tally.sha256,
                denial_us=None,
                denial_by=None,
            )
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def approve(
        self, actor: Actor, request_id: str, sha256: str | None = None, signed: Signed | None = None
    ) -> dict[str, Any]:
        """Approve a denial as another person than who asked for it, signed by their passkey if they have one;
        `sha256` is the hash of the marks that one looked at (`items.sha256`).

        Raises SecondPersonMissing, SignatureNeeded, ApprovalVoid, NotReady (also when the marks have
        changed).
        """
        self._gate.require(actor, Action.REQUEST_DECIDE)
        if (waiting := self._waits(request_id)) is not None:
            self._agreement.ready(actor, waiting, signed)
        with change(self._vault, self._gate, actor, Action.REQUEST_DECIDE, "request.approve") as act:
            act.purpose = _FOR
            row = self._rows.find(act, request_id, open_=True)
            if row["denial_asked_us"] is None:
                raise NotReady("nobody has asked for a denial, or the marks have changed since")
            tally = self._rows.tally(act.connection, request_id)
            asked = bytes(row["denial_sha256"] or b"")
            if asked != tally.sha256 or (sha256 is not None and sha256.strip().lower() != asked.hex()):
                raise NotReady("the marks aren't those you looked at any more; show the request again")
            act.detail["marks_sha256"] = asked.hex()
            self._agreement.settle(act, actor, self._asked(row), signed)
            self._rows.change(
                act.connection,
                row,
                None,
                denial_us=to_us(self._vault.clock.now()),
                denial_by=actor.user_id,
            )
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def _waits(self, request_id: str) -> Asked | None:
        """What waits for a second person."""
        row = self._rows.load(request_id)
        asked = row is not None and row["state"] == "open" and row["denial_asked_us"] is not None
        return self._asked(row) if row is not None and asked else None

    def _asked(self, row: RowMapping) -> Asked:
        """What a second person approves: the denial of just these marks, in just these words."""
        marks = bytes(row["denial_sha256"] or b"").hex()
        # Keyed, since an approval's file is for strangers.
        words = json.dumps(self._rows.opened(row).get("denial", {}), sort_keys=True).encode()
        params = {
            "request": row["id"],
            "marks_sha256": marks,
            "statement": self._vault.blind.token("denial", hashlib.sha256(words).hexdigest()).hex(),
        }
        return Asked(row["id"], params, marks, row["denial_asked_by"])

    # --- giving -------------------------------------------------------------------------------

    def produce(self, actor: Actor, request_id: str, format: str = "eml") -> dict[str, Any]:
        """Freeze the given messages as an export to the requester, legal basis the individual's own right.
        Returns the request; its `export` is downloaded as any export is. Raises NotReady, ProductionError.
        """
        with look(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.produce", _FOR) as act:
            row = self._rows.find(act, request_id, open_=True)
            said = self._rows.opened(row)
            tally = self._rows.tally(act.connection, request_id)
            if not said.get("identity"):
                raise NotReady("say first how it was checked who asks (45 CFR 164.514(h))")
            if tally.unmarked or not tally.given:
                raise NotReady(
                    f"{tally.unmarked:,} messages aren't marked yet" if tally.unmarked else "nothing is given"
                )
            pks = self._rows.given(act.connection, request_id)
            if hidden := len(pks) - len(self._room.visible(actor, pks)):
                raise NotReady(
                    f"{hidden:,} of them are beyond what you may see; let somebody else produce it"
                )
        export = self._exports.create(
            actor,
            _FOR,
            pks=pks,
            format=format,
            recipient=self._rows.recipient(said),
            basis=str(Basis.INDIVIDUAL),
        )
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.produce") as act:
            act.purpose = _FOR
            row = self._rows.find(act, request_id, open_=True)
            act.objects.append(export["id"])
            act.count = export["messages"]
            if self._rows.tally(act.connection, request_id).sha256 != tally.sha256:
                raise NotReady("the marks were changed meanwhile; produce it again")
            self._rows.change(act.connection, row, None, export_id=export["id"])
            return self._rows.described(act.connection, self._rows.find(act, request_id))

    def account(
        self,
        actor: Actor,
        request_id: str,
        whom: Whom | None = None,
        *,
        since: date | None = None,
        until: date | None = None,
        roster: bool = True,
    ) -> dict[str, Any]:
        """Make the account of disclosures for a request of that kind and keep it as its letter; the account
        as `Disclosures.account` gives it, with `letter`. For who isn't on the roster, `roster` false, the
        letter says that nothing is recorded of them. Raises BadCase for a request for access, NotReady."""
        with look(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.account", _FOR) as act:
            row = self._rows.find(act, request_id, open_=True)
            said = self._rows.opened(row)
            if row["kind"] != "accounting":
                raise BadCase("this request asks for access, not for an account of disclosures")
            if not said.get("identity"):
                raise NotReady("say first how it was checked who asks (45 CFR 164.514(h))")
            asked = whom if whom is not None and whom.said else Whom(**said["whom"])
        if not roster:
            with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.account") as act:
                act.purpose = _FOR
                row = self._rows.find(act, request_id, open_=True)
                letter_id = self._letters.write(act, row, said, ACCOUNT, actor)
                return {"patient": None, "disclosures": [], "letter": letter_id}
        found = self._disclosures.account(actor, asked, since=since, until=until, asked_on=row["received_on"])
        settings = self._vault.settings
        letter = as_letter(
            told(found),
            settings.organisation,
            settings.privacy_contact,
            request_id=request_id,
            requester=said["requester"],
        )
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.account") as act:
            act.purpose = _FOR
            row = self._rows.find(act, request_id, open_=True)
            letter_id = self._letters.keep(act, request_id, ACCOUNT, letter, actor)
            act.count = len(found["disclosures"])
            said = self._rows.opened(row) | {"whom": asked.detail()}
            self._rows.change(act.connection, row, said, patient_id=found["patient"]["id"])
        return {**found, "letter": letter_id}

    # --- inside -------------------------------------------------------------------------------

    def _listed(self, act: Act, request_id: str, message_ids: Sequence[str], unmarked: bool) -> list[int]:
        if bool(message_ids) == unmarked:
            raise BadCase("name messages by their ids, or all that have no mark (--unmarked)")
        query = (
            select(request_items.c.message_pk, messages.c.id)
            .join(messages, messages.c.pk == request_items.c.message_pk)
            .where(request_items.c.request_id == request_id)
        )
        if unmarked:
            rows = act.connection.execute(query.where(request_items.c.mark.is_(None))).all()
            return [row.message_pk for row in rows]
        found: dict[str, int] = {}
        wanted = list(dict.fromkeys(message_ids))
        for start in range(0, len(wanted), 500):
            chunk = query.where(messages.c.id.in_(wanted[start : start + 500]))
            found |= {row.id: row.message_pk for row in act.connection.execute(chunk)}
        if len(found) != len(wanted):
            raise NotThere("a message named isn't on this request's list; `holdfast requests items` shows it")
        return list(found.values())

    @staticmethod
    def _ids(connection: Connection, pks: Sequence[int]) -> list[str]:
        found: list[str] = []
        for start in range(0, len(pks), 500):
            chosen = select(messages.c.id).where(messages.c.pk.in_(pks[start : start + 500]))
            found += connection.scalars(chosen.order_by(messages.c.pk))
        return found

    def _described(self, actor: Actor, ids: Sequence[str]) -> dict[str, Item]:
        if not ids:
            return {}
        page = self._room.search(actor, _FOR, "*", limit=PAGE, within=any_of([Tag("id", one) for one in ids]))
        return {item.id: item for item in page.items}

    def _item(self, row: RowMapping, item: Item | None, names: dict[str, str]) -> dict[str, Any]:
        reason = ""
        if row["sealed"] is not None:
            reason = self._rows.fields.open(f"{row['request_id']}/{row['message_pk']}", row["sealed"])[
                "reason"
            ]
        return {
            "id": row["id"],
            # Mail that the index doesn't have, or that was disposed of since, has nothing to show here.
            "sent_at": item.sent_at if item else None,
            "from": item.from_ if item else None,
            "to": list(item.to) if item else [],
            "subject": item.subject if item else None,
            "mark": row["mark"],
            "reason": reason,
            "marked_by": names.get(row["marked_by"], row["marked_by"]),
        }

    @staticmethod
    def _names(connection: Connection, ids: set[str]) -> dict[str, str]:
        query = select(users.c.id, users.c.name).where(users.c.id.in_(sorted(filter(None, ids))))
        return {row.id: row.name for row in connection.execute(query)}
