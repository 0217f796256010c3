"""The letters of a request, from its acknowledgement to what a review of its denial decided. Written once,
kept as written; each is had as text and as PDF/A."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from archiver.capture.ids import new_id
from archiver.clock import from_us, to_us
from archiver.store.schema import exports, request_letters
from archiver.vault import Vault
from config.cases import zone_of
from retention.acts import Act, change, look
from retention.cases.paper import Letter
from retention.cases.typed import typed
from retention.fields import SealedFields
from retention.refusals import NotThere
from retention.requests import wording
from retention.requests.errors import BadCase, NotReady
from retention.requests.rows import Rows, Tally
from search.access import Action, Actor, Gate, Purpose

ACKNOWLEDGEMENT, EXTENSION, FULFILMENT, DENIAL = "acknowledgement", "extension", "fulfilment", "denial"
ACCOUNT, WITHDRAWAL, REFERRAL, REVIEW = "account", "withdrawal", "referral", "review"
BY_HAND: Final = (ACKNOWLEDGEMENT, FULFILMENT, DENIAL)
"""Letters that somebody asks for; the others come with what they tell of."""


class Letters:
    """The letters of one archive's requests. What people call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)
        self._rows = Rows(vault)

    def make(self, actor: Actor, request_id: str, kind: str, words: str = "") -> dict[str, Any]:
        """Write a letter, with a paragraph of one's own if wanted; the request as it is then.

        Raises NotReady where what it tells of hasn't happened, BadCase, CaseClosed, NotThere.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.letter") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            act.detail |= {"kind": kind, "words": words}
            row = self._rows.find(act, request_id, open_=True)
            if kind not in BY_HAND:
                raise BadCase(f"a letter is one of {', '.join(BY_HAND)}; the others come by themselves")
            own = typed("own words", words, 5_000, BadCase)
            said = self._rows.opened(row)
            self._ready(act.connection, row, said, kind)
            letter_id = self.write(act, row, said, kind, actor, own)
            return self._told(self._find(act, request_id, letter_id))

    def read(self, actor: Actor, request_id: str, letter_id: str) -> dict[str, Any]:
        """A letter as `{id, request, kind, made_at, text}`. Raises NotThere."""
        with self._seen(actor, request_id, letter_id) as row:
            return self._told(row)

    def pdf(self, actor: Actor, request_id: str, letter_id: str) -> bytes:
        """The same as PDF/A-3, its text attached. Raises NotThere, StoreError."""
        with self._seen(actor, request_id, letter_id) as row:
            letter, made = self._opened(row), self._day(row["made_us"])
        return letter.pdf(self._vault.archive_id, made)

    # --- for the other services ---------------------------------------------------------------

    def write(
        self,
        act: Act,
        row: RowMapping,
        said: Mapping[str, Any],
        kind: str,
        actor: Actor,
        words: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a letter in the transaction of an act; its id. `facts` are kept with it, sealed."""
        settings = self._vault.settings
        house = wording.House(settings.organisation, settings.privacy_contact)
        case = wording.Case(
            row["kind"],
            row["received_on"].isoformat(),
            row["due_on"].isoformat(),
            self._rows.patient_name(act.connection, row, said),
            said,
            self._rows.tally(act.connection, row["id"]),
        )
        letter = wording.letter(kind, house, row["id"], case, words)
        return self.keep(act, row["id"], kind, letter, actor, facts)

    def keep(
        self,
        act: Act,
        request_id: str,
        kind: str,
        letter: Letter,
        actor: Actor,
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep a letter that is written already, in the transaction of an act; its id."""
        letter_id = new_id("l")
        act.objects.append(letter_id)
        act.connection.execute(
            request_letters.insert().values(
                id=letter_id,
                request_id=request_id,
                kind=kind,
                made_us=to_us(self._vault.clock.now()),
                made_by=actor.user_id,
                sealed=self._fields.seal(letter_id, {**letter.to_json(), "facts": dict(facts or {})}),
            )
        )
        return letter_id

    def facts_of(self, row: RowMapping) -> dict[str, Any]:
        """What was kept with a letter."""
        found: dict[str, Any] = self._fields.open(row["id"], row["sealed"]).get("facts", {})
        return found

    def outcome(self, connection: Connection, row: RowMapping, said: Mapping[str, Any]) -> str:
        """How a request may be closed: `produced` or `denied`. Raises NotReady saying what is lacking."""
        self._identified(said)
        if row["kind"] == "accounting":
            if not self._has(connection, row["id"], ACCOUNT):
                raise NotReady("make the account first: `holdfast requests account`")
            return "produced"
        tally = self._searched(connection, row, said)
        if tally.denies:
            self._denied(row, tally)
            if not self._has(connection, row["id"], DENIAL, since=row["denial_us"]):
                raise NotReady("write the denial first (45 CFR 164.524(d)(2)): the letter `denial`")
        if tally.given or not tally.total:
            since = self._delivered(connection, row) if tally.given else _searched_us(said)
            # A letter of before counts what she got, or was found, then.
            if not self._has(connection, row["id"], FULFILMENT, since=since):
                raise NotReady("write to the patient what she gets: the letter `fulfilment`")
            return "produced"
        return "denied"

    # --- inside -------------------------------------------------------------------------------

    def _ready(self, connection: Connection, row: RowMapping, said: Mapping[str, Any], kind: str) -> None:
        if kind == ACKNOWLEDGEMENT:
            return
        if row["kind"] == "accounting":
            raise BadCase("a request for an account is answered by the account")
        self._identified(said)
        tally = self._searched(connection, row, said)
        if kind == DENIAL:
            if not tally.denies:
                raise NotReady("nothing is denied: all that was found is given, or isn't of her records")
            self._denied(row, tally)
            if not self._vault.settings.privacy_contact:
                raise NotReady(
                    "a denial names whom to complain to (45 CFR 164.524(d)(2)(iii)): set privacy_contact"
                )
        elif tally.total and not tally.given:
            raise NotReady("nothing is given: the letter is `denial`")
        elif tally.given and row["export_id"] is None:
            raise NotReady("produce the messages first: `holdfast requests produce`")

    def _identified(self, said: Mapping[str, Any]) -> None:
        if not said.get("identity"):
            raise NotReady("say first how it was checked who asks (45 CFR 164.514(h)): `requests change`")

    def _searched(self, connection: Connection, row: RowMapping, said: Mapping[str, Any]) -> Tally:
        if not said.get("search"):
            raise NotReady("search for the patient's mail first: `holdfast requests search`")
        if beyond := said["search"].get("beyond", 0):
            raise NotReady(
                f"{beyond:,} messages about her are beyond what the searcher may see; let somebody search "
                "again who may see them"
            )
        tally = self._rows.tally(connection, row["id"])
        if tally.unmarked:
            raise NotReady(f"{tally.unmarked:,} messages aren't marked yet: `holdfast requests items`")
        return tally

    def _denied(self, row: RowMapping, tally: Tally) -> None:
        if row["denial_us"] is None or bytes(row["denial_sha256"] or b"") != tally.sha256:
            raise NotReady("a denial takes two persons: ask with `requests deny`, another one approves")

    def _delivered(self, connection: Connection, row: RowMapping) -> int:
        """When what is given was produced. Raises NotReady where nobody has downloaded it yet."""
        query = select(exports.c.created_us, exports.c.downloaded_us).where(exports.c.id == row["export_id"])
        found = connection.execute(query).first() if row["export_id"] is not None else None
        if found is None:
            raise NotReady("produce the messages first: `holdfast requests produce`")
        if found.downloaded_us is None:
            raise NotReady(
                "what is given wasn't downloaded yet: "
                f"`holdfast export download {row['export_id']} --purpose patient_request --out DIR`"
            )
        return int(found.created_us)

    def _has(self, connection: Connection, request_id: str, kind: str, since: int | None = None) -> bool:
        query = select(request_letters.c.id).where(
            request_letters.c.request_id == request_id,
            request_letters.c.kind == kind,
            request_letters.c.made_us >= (since or -(2**62)),
        )
        return connection.execute(query.limit(1)).first() is not None

    @contextmanager
    def _seen(self, actor: Actor, request_id: str, letter_id: str) -> Iterator[RowMapping]:
        """A look at one letter, on record when the block ends."""
        with look(
            self._vault, self._gate, actor, Action.REQUEST_READ, "request.letter", Purpose.PATIENT_REQUEST
        ) as act:
            yield self._find(act, request_id, letter_id)

    def _find(self, act: Act, request_id: str, letter_id: str) -> RowMapping:
        self._rows.find(act, request_id)
        row = (
            act.connection.execute(
                select(request_letters).where(
                    request_letters.c.id == letter_id, request_letters.c.request_id == request_id
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotThere("this request has no such letter")
        if row["id"] not in act.objects:
            act.objects.append(row["id"])
        return row

    def _opened(self, row: RowMapping) -> Letter:
        return Letter.from_json(self._fields.open(row["id"], row["sealed"]))

    def _day(self, us: int) -> datetime:
        return from_us(us).astimezone(zone_of(self._vault.settings.time_zone))

    def _told(self, row: RowMapping) -> dict[str, Any]:
        made = self._day(row["made_us"])
        return {
            "id": row["id"],
            "request": row["request_id"],
            "kind": row["kind"],
            "made_at": made.date().isoformat(),
            "text": self._opened(row).as_text(made),
        }


def _searched_us(said: Mapping[str, Any]) -> int:
    return to_us(datetime.fromisoformat(said["search"]["at"]))
