"""What a route says it leaves on record: a row of the tables in `routes` and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from search.actors import Action

API: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Audited:
    """What a route leaves in the audit log, and the right it asks for.

    `actions` are the names that a call of somebody with the right may leave, whatever its outcome;
    without the right it leaves `needs`, denied. A route with neither is open: `why` says for what.
    """

    actions: tuple[str, ...] = ()
    needs: Action | None = None
    why: str = ""


def opened(why: str) -> Audited:
    """A route that anybody may ask, and that leaves nothing."""
    return Audited(why=why)
