"""Pages of the lists that services give newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import Query

MAX_START: Final = 100_000

Limit = Annotated[int, Query(ge=1, le=500, description="how many items at most")]
Cursor = Annotated[int, Query(ge=0, le=MAX_START, description="the `next` of the page before")]


def page_of(fetch: Callable[[int], Sequence[dict[str, Any]]], cursor: int, limit: int) -> dict[str, Any]:
    """`{items, next}` out of a service's list of at most so many items.

    The cursor counts from the newest: what is added meanwhile makes an item come twice, never be missed.
    """
    found = fetch(cursor + limit + 1)
    following = cursor + limit if len(found) > cursor + limit and cursor + limit <= MAX_START else None
    return {"items": list(found[cursor : cursor + limit]), "next": following}
