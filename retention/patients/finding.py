"""Mail about one patient: all of it, by episode and through time, each look permitted and on record.

A patient's mail is what the matcher says is about her, or may be (docs/patients-and-units.md). Everything is
asked within the actor's scope: a lawyer is told of an episode only where mail of their own matters falls into
it, and nothing by which somebody on the roster differs from somebody who isn't.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archiver.clock import rfc3339
from archiver.store.rowid import sent_at_of
from archiver.vault import Vault
from retention.patients.episodes import (
    MARGIN,
    MOST_MARGIN,
    Window,
    between,
    months,
    outside_all,
    window,
    within_any,
)
from retention.patients.whom import BadPatient, Finder, Whom, may_read_roster, shown, tree_of
from retention.refusals import NotThere
from retention.roster.encounters import Encounter, Encounters
from retention.roster.matches import Person
from search.access import Action, Actor, Gate, Purpose
from search.acts import Act, look
from search.engine.ports import Sort
from search.engine.views import Ask
from search.language.tree import all_of
from search.reading_room import Page, ReadingRoom

EVERYTHING: Final = "*"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a patient's mail, and whose it is; `episode` where it was asked by one."""

    page: Page
    patients: tuple[dict[str, Any], ...]
    episode: dict[str, Any] | None


class PatientMail:
    """Finds mail by patient. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._finder = Finder(vault)
        self._encounters = Encounters(vault)

    def search(
        self,
        actor: Actor,
        purpose: Purpose | None,
        whom: Whom,
        *,
        query: str = EVERYTHING,
        episode: str = "",
        apart: bool = False,
        margin: int = MARGIN,
        limit: int = 20,
        sort: Sort = "newest",
        cursor: str | None = None,
        ask: Ask | None = None,
    ) -> Found:
        """A page of the patient's mail that also matches `query`; of one `episode` by its id, or `apart`:
        what was sent in no episode. `margin` are the days around each; `ask` is as in `ReadingRoom.search`.

        On record twice: as a look at the patient, and as any search is. Raises BadPatient, NotThere,
        AccessDenied, PurposeMissing, SearchError.
        """
        with look(self._vault, self._gate, actor, Action.SEARCH, "patient.search", purpose) as act:
            people = self._asked(act, actor, whom, {"query": query, "episode": episode, "margin": margin})
            _check(margin)
            tree = tree_of(people)
            one: dict[str, Any] | None = None
            if episode or apart:
                if episode and apart:
                    raise BadPatient("ask for one episode, or for what was in none")
                pks = [] if may_read_roster(actor) else self._room.matching(actor, tree)
                seen = self._episodes(act, actor, people, pks, margin)
                if apart:
                    tree = all_of([tree, outside_all(span for _, span in seen)])
                else:
                    chosen = [(each, span) for each, span in seen if each.id == episode]
                    if not chosen and may_read_roster(actor):
                        raise NotThere("there is no such episode of this patient; the timeline lists them")
                    tree = all_of([tree, within_any(span for _, span in chosen)])
                    one = next((_described(each, span) for each, span in chosen), None)
        page = self._room.search(
            actor,
            purpose,
            query,
            limit=limit,
            sort=sort,
            cursor=cursor,
            within=tree,
            said=whom.said,
            ask=ask,
        )
        hidden = not may_read_roster(actor) and not page.total
        patients = () if hidden else tuple(shown(person, actor, purpose) for person in people)
        return Found(page, patients, None if hidden else one)

    def timeline(
        self, actor: Actor, purpose: Purpose | None, whom: Whom, *, margin: int = MARGIN
    ) -> dict[str, Any]:
        """A patient's episodes and the time between them with how much of her mail was sent in each, and how
        much in each month: `{patients, total, first, last, margin_days, episodes, between, undated, months,
        not_searchable}`.

        Episodes may overlap, so their counts may add up to more than the total; those of `between` and the
        mail of any episode come to just that.
        """
        with look(self._vault, self._gate, actor, Action.SEARCH, "patient.timeline", purpose) as act:
            people = self._asked(act, actor, whom, {"margin": margin})
            _check(margin)
            pks = self._room.matching(actor, tree_of(people))
            act.count = len(pks)
            episodes = self._episodes(act, actor, people, pks, margin)
            undated = sum(each.first is None for each in self._seen(act, people))
            told = people if pks or may_read_roster(actor) else []
            return {
                "patients": [shown(person, actor, purpose) for person in told],
                "total": len(pks),
                "first": _sent(pks[:1]),
                "last": _sent(pks[-1:]),
                "margin_days": margin,
                "episodes": [
                    _described(each, span) | {"messages": span.count(pks)} for each, span in episodes
                ],
                "between": [
                    _span(one) | {"messages": one.count(pks)} for one in between(span for _, span in episodes)
                ],
                "undated": undated if may_read_roster(actor) else 0,
                "months": [{"month": month, "messages": count} for month, count in months(pks)],
                "not_searchable": self._room.not_searchable(actor),
            }

    # --- inside -------------------------------------------------------------------------------

    def _asked(self, act: Act, actor: Actor, whom: Whom, detail: Mapping[str, Any]) -> Sequence[Person]:
        act.detail |= {**whom.detail(), **{name: value for name, value in detail.items() if value}}
        people = self._finder.find(act.connection, actor, whom)
        act.objects += [person.id for person in people]
        return people

    def _episodes(
        self, act: Act, actor: Actor, people: Sequence[Person], pks: Sequence[int], margin: int
    ) -> list[tuple[Encounter, Window]]:
        """The episodes whose time is known, of which somebody who may not read the roster is told only those
        that mail in their scope (`pks`) falls into, whatever margin they ask for."""
        found = []
        for each in self._seen(act, people):
            span, usual = window(each, margin), window(each, min(margin, MARGIN))
            if span is not None and usual is not None and (may_read_roster(actor) or usual.count(pks)):
                found.append((each, span))
        return found

    def _seen(self, act: Act, people: Sequence[Person]) -> list[Encounter]:
        return self._encounters.of_records(act.connection, [one for person in people for one in person.ids])


def _check(margin: int) -> None:
    if not 0 <= margin <= MOST_MARGIN:
        raise BadPatient(f"the margin is 0 to {MOST_MARGIN} days")


def _described(one: Encounter, span: Window) -> dict[str, Any]:
    return {
        "id": one.id,
        "first": one.first.isoformat() if one.first else None,
        "last": one.last.isoformat() if one.last else None,
        "open": one.last is None,
        "stay": one.stay,
        "kind": one.kind,
        **_span(span),
    }


def _span(span: Window) -> dict[str, Any]:
    return {
        "from": rfc3339(span.start) if span.start else None,
        "until": rfc3339(span.end) if span.end else None,
    }


def _sent(pks: Sequence[int]) -> str | None:
    return rfc3339(sent_at_of(pks[0])) if pks else None
