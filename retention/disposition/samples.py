"""Samples: a person looks at some messages of a list, chosen by chance, before it is approved.

The choice can be made again by anybody: of the list's messages the n with the smallest
SHA-256(seed || ":" || message id). Who says a word on a message has opened it, through the reading room.
"""

from __future__ import annotations

import hashlib
import heapq
import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.opened import Opened
from archiver.store.schema import (
    disposition_draws,
    disposition_items,
    disposition_samples,
    dispositions,
    messages,
)
from archiver.vault import Vault
from retention.acts import Act, change
from retention.disposition import lists
from retention.fields import SealedFields
from retention.refusals import BadTerm, NotThere, ReviewMissing, WrongState
from search.access import Action, Actor, Gate, Purpose
from search.reading_room import ReadingRoom

MOST: Final = 1_000
_SEED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Samples:
    """Draws samples of due lists and keeps what reviewers said. Every call is permitted and on record."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._fields = SealedFields(vault)

    def draw(self, actor: Actor, disposition_id: str, size: int, seed: str | None = None) -> dict[str, Any]:
        """Draw a sample of a list that nobody has approved; it takes the place of an earlier one.

        Without a seed one is made by chance. Raises BadTerm, WrongState, NotThere.
        """
        name = "disposition.sample"
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, name) as act:
            row = _open_list(act, disposition_id)
            if not 1 <= size <= MOST:
                raise BadTerm(f"a sample has 1 to {MOST} messages")
            if seed is not None and not _SEED.fullmatch(seed):
                raise BadTerm("a seed has 1 to 64 letters, digits, dots, dashes or underscores")
            seed = seed or secrets.token_hex(16)
            listed = {
                one.id: one.pk
                for one in act.connection.execute(
                    select(messages.c.id, messages.c.pk)
                    .join(disposition_items, disposition_items.c.message_pk == messages.c.pk)
                    .where(
                        disposition_items.c.disposition_id == disposition_id,
                        disposition_items.c.excluded_us.is_(None),
                    )
                )
            }
            chosen = choose(listed, size, seed)
            number = act.connection.execute(
                disposition_draws.insert().values(
                    disposition_id=disposition_id,
                    seed=seed,
                    asked=size,
                    population=len(listed),
                    items_sha256=row["items_sha256"],
                    drawn_us=to_us(self._vault.clock.now()),
                    drawn_by=actor.user_id,
                )
            ).inserted_primary_key
            assert number is not None
            if chosen:
                act.connection.execute(
                    disposition_samples.insert(),
                    [{"draw_id": number[0], "message_pk": listed[name]} for name in chosen],
                )
            act.count = len(chosen)
            act.detail |= {"seed": seed, "size": size}
            found = latest(act.connection, self._fields, disposition_id)
            assert found is not None
            return found

    def open(self, actor: Actor, purpose: Purpose | None, disposition_id: str, message_id: str) -> Opened:
        """Open a sampled message, as everything is opened: by right, for a purpose, on record.

        Raises AccessDenied, PurposeMissing, NotThere, KeyDestroyed.
        """
        self._gate.require(actor, Action.READ, purpose)
        opened = self._room.open(actor, purpose, message_id, action="disposition.review")
        with change(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.opened") as act:
            draw, pk = self._sampled(act, disposition_id, message_id)
            act.connection.execute(
                update(disposition_samples)
                .where(disposition_samples.c.draw_id == draw, disposition_samples.c.message_pk == pk)
                .values(opened_us=to_us(self._vault.clock.now()), opened_by=actor.user_id)
            )
        return opened

    def mark(
        self, actor: Actor, disposition_id: str, message_id: str, *, good: bool, note: str = ""
    ) -> dict[str, Any]:
        """Say of a sampled message that one opened whether it may go; the last word counts.

        Raises ReviewMissing when this person hasn't opened it, WrongState, NotThere, BadTerm.
        """
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.mark") as act:
            act.detail |= {"good": good, "note": note}
            _open_list(act, disposition_id)
            if len(note) > 2_000:
                raise BadTerm("a note has at most 2,000 characters")
            draw, pk = self._sampled(act, disposition_id, message_id)
            mine = (disposition_samples.c.draw_id == draw) & (disposition_samples.c.message_pk == pk)
            opened_by = act.connection.scalar(select(disposition_samples.c.opened_by).where(mine))
            if opened_by != actor.user_id:
                raise ReviewMissing("open the message first: `holdfast disposition review` shows it")
            act.connection.execute(
                update(disposition_samples)
                .where(mine)
                .values(
                    marked_us=to_us(self._vault.clock.now()),
                    good=good,
                    sealed_note=self._fields.seal(f"{draw}/{pk}", {"note": note}) if note else None,
                )
            )
            found = latest(act.connection, self._fields, disposition_id)
            assert found is not None
            return found

    # --- inside -------------------------------------------------------------------------------

    def _sampled(self, act: Act, disposition_id: str, message_id: str) -> tuple[int, int]:
        row = act.connection.execute(
            select(disposition_samples.c.draw_id, disposition_samples.c.message_pk)
            .join(disposition_draws, disposition_draws.c.id == disposition_samples.c.draw_id)
            .join(messages, messages.c.pk == disposition_samples.c.message_pk)
            .where(disposition_draws.c.disposition_id == disposition_id, messages.c.id == message_id)
            .order_by(disposition_draws.c.id.desc())
            .limit(1)
        ).first()
        newest = act.connection.scalar(
            select(func.max(disposition_draws.c.id)).where(
                disposition_draws.c.disposition_id == disposition_id
            )
        )
        if row is None or row.draw_id != newest:
            raise NotThere("this message isn't in the list's newest sample; `disposition show` names those")
        act.objects += [disposition_id, message_id]
        return row.draw_id, row.message_pk


def choose(message_ids: Sequence[str] | dict[str, Any], size: int, seed: str) -> list[str]:
    """The sample of a list: pure, so that anybody can draw it again. In the order of its ids."""

    def rank(message_id: str) -> bytes:
        return hashlib.sha256(f"{seed}:{message_id}".encode()).digest()

    return sorted(heapq.nsmallest(size, message_ids, key=rank))


def latest(connection: Connection, fields: SealedFields, disposition_id: str) -> dict[str, Any] | None:
    """The newest sample of a list, with what was said of each message; None when none was drawn.

    `draws` is how many were drawn; `must_not` are the messages still on the list of which the last word, in
    this sample or an earlier one, is that they must not go.
    """
    draw = (
        connection.execute(
            select(disposition_draws)
            .where(disposition_draws.c.disposition_id == disposition_id)
            .order_by(disposition_draws.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    if draw is None:
        return None
    rows = (
        connection.execute(
            select(disposition_samples, messages.c.id.label("message_id"), disposition_items.c.excluded_us)
            .join(messages, messages.c.pk == disposition_samples.c.message_pk)
            .join(
                disposition_items,
                (disposition_items.c.message_pk == disposition_samples.c.message_pk)
                & (disposition_items.c.disposition_id == disposition_id),
            )
            .where(disposition_samples.c.draw_id == draw["id"])
            .order_by(messages.c.id)
        )
        .mappings()
        .all()
    )
    return {
        "seed": draw["seed"],
        "asked": draw["asked"],
        "population": draw["population"],
        "list_sha256": bytes(draw["items_sha256"]).hex(),
        "drawn_by": draw["drawn_by"],
        "drawn_at": rfc3339(from_us(draw["drawn_us"])),
        "size": len(rows),
        "good": sum(row["good"] is True for row in rows),
        "bad": sum(row["good"] is False for row in rows),
        "draws": connection.scalar(
            select(func.count()).where(disposition_draws.c.disposition_id == disposition_id)
        ),
        "must_not": _must_not(connection, disposition_id),
        "messages": [_shown(fields, row) for row in rows],
    }


def _must_not(connection: Connection, disposition_id: str) -> list[str]:
    words = connection.execute(
        select(messages.c.id, disposition_samples.c.good)
        .join(disposition_draws, disposition_draws.c.id == disposition_samples.c.draw_id)
        .join(messages, messages.c.pk == disposition_samples.c.message_pk)
        .join(
            disposition_items,
            (disposition_items.c.message_pk == disposition_samples.c.message_pk)
            & (disposition_items.c.disposition_id == disposition_draws.c.disposition_id),
        )
        .where(
            disposition_draws.c.disposition_id == disposition_id,
            disposition_samples.c.good.is_not(None),
            disposition_items.c.excluded_us.is_(None),
        )
        .order_by(disposition_samples.c.marked_us, disposition_samples.c.draw_id)
    )
    last = {row.id: row.good for row in words}
    return sorted(name for name, good in last.items() if not good)


def require(connection: Connection, fields: SealedFields, disposition_id: str, fewest: int) -> None:
    """Raise ReviewMissing unless the list may be approved as far as its sample goes.

    The newest sample must have been looked at wholly, what was found wrong in any must be off the list, and
    `fewest` messages, or all of a shorter list, must have been looked at.
    """
    sample = latest(connection, fields, disposition_id)
    if sample is None:
        if fewest:
            raise ReviewMissing(
                f"a sample of {fewest} messages must be looked at first: `holdfast disposition sample`"
            )
        return
    waiting = [one for one in sample["messages"] if one["good"] is None and not one["excluded"]]
    if waiting:
        raise ReviewMissing(f"look at the whole sample first: {len(waiting)} of it have no word on them yet")
    if sample["must_not"]:
        raise ReviewMissing(
            f"{sample['must_not'][0]} was marked as one that must not go: exclude or extend it first"
        )
    if sample["size"] < min(fewest, sample["population"]):
        raise ReviewMissing(f"the sample has {sample['size']} messages; {fewest} must be looked at")


def _shown(fields: SealedFields, row: RowMapping) -> dict[str, Any]:
    sealed = row["sealed_note"]
    return {
        "id": row["message_id"],
        "opened_by": row["opened_by"],
        "good": row["good"],
        "note": fields.open(f"{row['draw_id']}/{row['message_pk']}", sealed)["note"] if sealed else "",
        "marked_at": rfc3339(from_us(row["marked_us"])) if row["marked_us"] is not None else None,
        "excluded": row["excluded_us"] is not None,
    }


def _open_list(act: Act, disposition_id: str) -> RowMapping:
    row = (
        act.connection.execute(select(dispositions).where(dispositions.c.id == disposition_id))
        .mappings()
        .first()
    )
    if row is None:
        raise NotThere("there is no such disposition; `holdfast disposition list` shows them")
    act.objects.append(row["id"])
    if row["state"] not in lists.OPEN or row["begun_us"] is not None:
        raise WrongState("this disposition is decided: its list can't be reviewed any more")
    lists.whole(row)
    return row
