"""The desk's search page: results with what is in them (facets, a time line, groups), and a message's kin.

What a person clicks to narrow a result is added to the query in words they can read; nothing is kept in the
page but the query itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, cast, get_args

from fastapi import APIRouter, Request, Response

from api import views
from api.http import auth
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from api.http.ports import App
from search.access import Action, Actor, Purpose
from search.engine.ports import Sort
from search.engine.views import FACETS, Ask, Group, Unit
from search.errors import QueryError
from search.language.render import narrowed

router = APIRouter(include_in_schema=False)

PAGE_SIZE: Final = 20
FACET_VALUES: Final = 6
RELATED: Final = 100
_WIDTH, _HEIGHT, _FOOT = 960, 96, 22
_LABELS: Final = 8
"""Dates below the time line at most; more would run into one another."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the time line: its rectangle, first day, messages, and the words to narrow to it."""

    x: int
    y: int
    width: int
    height: int
    day: str
    count: int
    label: str
    query: str


@router.post("/search")
def search(request: Request, app: AppDep, actor: ActorDep, form: CheckedForm) -> Response:
    """A page of results, or what was wrong with the query."""
    asked = asked_of(form)
    purpose = auth.stated_purpose(app, actor, Action.SEARCH, asked["purpose"])
    return results_page(request, app, actor, asked, purpose, form.get("narrow", ""))


def results_page(
    request: Request, app: App, actor: Actor, asked: dict[str, str], purpose: Purpose, narrow: str = ""
) -> Response:
    """The answer to what `asked_of` gave, narrowed by a few words more where there are any."""
    first = not asked["cursor"]
    group = cast("Group | None", asked["group"] or None)
    try:
        if narrow:
            asked["query"] = narrowed(asked["query"], narrow)
        found = app.room.search(
            actor,
            purpose,
            asked["query"],
            limit=PAGE_SIZE,
            sort=cast("Sort", asked["sort"]),
            cursor=asked["cursor"] or None,
            # What is in the result stands on its first page; the others are quicker without.
            ask=Ask(FACETS if first else (), FACET_VALUES, first, group),
        )
    except QueryError as error:
        return desk_page(
            request, app, actor, "search.html", 400, asked=asked, results=None, fault=str(error), bars=()
        )
    results = views.search_page(found)
    bars = time_line(results["histogram"]) if results["histogram"] else ()
    return desk_page(request, app, actor, "search.html", asked=asked, results=results, fault=None, bars=bars)


@router.post("/messages/{id}/conversation")
def conversation(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The conversation of a message, oldest first."""
    return _kin(request, app, actor, id, form, "conversation")


@router.post("/messages/{id}/similar")
def similar(request: Request, app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The messages whose text is nearly this one's, oldest first."""
    return _kin(request, app, actor, id, form, "similar")


def asked_of(form: dict[str, str]) -> dict[str, str]:
    """What a form asks of the search page; whatever it doesn't know is the default."""
    sort, group = form.get("sort", "newest"), form.get("group", "")
    return {
        "query": form.get("query", ""),
        "purpose": form.get("purpose", ""),
        "sort": sort if sort in get_args(Sort) else "newest",
        "group": group if group in get_args(Group) else "",
        "cursor": form.get("cursor", ""),
    }


def _kin(request: Request, app: App, actor: Actor, id: str, form: dict[str, str], by: Group) -> Response:
    asked = asked_of(form)
    purpose = auth.stated_purpose(app, actor, Action.SEARCH, asked["purpose"])
    found = app.room.related(actor, purpose, id, by, limit=RELATED, after=form.get("after") or None)
    shown = views.related_page(found)
    return desk_page(request, app, actor, "kin.html", asked=asked, found=shown, message_id=id)


def time_line(histogram: dict[str, Any]) -> tuple[Bar, ...]:
    """The bars of a histogram as `views.histogram_view` gives it, laid out for a picture of 960 by 96."""
    bars = histogram["bars"]
    most = max((bar["count"] for bar in bars), default=0)
    step = _WIDTH / max(1, len(bars))
    every = -(-len(bars) // _LABELS)
    room = _HEIGHT - _FOOT
    found = []
    for number, bar in enumerate(bars):
        # What is there is seen, however little it is.
        tall = max(2, round(room * bar["count"] / most)) if bar["count"] else 0
        day = date.fromisoformat(bar["from"])
        found.append(
            Bar(
                round(step * number) + 1,
                room - tall,
                max(1, round(step * 0.85)),
                tall,
                bar["from"],
                bar["count"],
                _label(day, histogram["unit"]) if number % every == 0 else "",
                _query(day, histogram["unit"], bars[number + 1]["from"] if number + 1 < len(bars) else None),
            )
        )
    return tuple(found)


def _label(day: date, unit: Unit) -> str:
    return {"year": f"{day:%Y}", "month": f"{day:%b %Y}"}.get(unit, f"{day:%d %b %Y}")


def _query(day: date, unit: Unit, following: str | None) -> str:
    if unit == "week":
        return f"after:{day} before:{following}" if following else f"after:{day}"
    return "date:" + {"year": f"{day:%Y}", "month": f"{day:%Y-%m}"}.get(unit, f"{day}")
