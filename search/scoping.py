"""What an actor may see at this moment, and which messages that is: asked for every request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection, func, select

from archiver.store.schema import approvals, holds, matter_members, messages, users
from archiver.vault import Vault
from search.access import Action, Actor, Role
from search.cover import SENSITIVE, Cover, Scope
from search.engine.ports import IndexReader
from search.granting.live import Grant, Live, added
from search.policy import may, own_matters_only, roles_with_own_matters
from search.scopes import bounds_of, by_labels, in_scope

HOLD_SIGHT = "hold.sight"
"""Action of an approval that lets a lawyer see what their own hold covers (setting `hold_sight`)."""
_AT_ONCE = 500


class Scoping:
    """Works out scopes from roles, matters, grants and break-glass. Safe from any thread."""

    def __init__(self, vault: Vault, reader: IndexReader) -> None:
        self._vault = vault
        self._reader = reader
        self._live = Live(vault)

    def of(self, actor: Actor) -> Scope:
        """The scope of an actor: see `search.cover.Scope` for how it is put together.

        Somebody whose role doesn't read mail at all sees by a grant only what the grant covers.
        """
        with self._vault.records.read() as connection:
            any_of_theirs = self._live.any(connection, actor.user_id)
            emergency = self._live.emergency(connection, actor.user_id) if any_of_theirs else None
            if emergency is not None:
                whole = emergency.cover.everything and actor.within is None
                return Scope(whole, covers=(emergency.cover,), within=actor.within)
            found = self._live.grants(connection, actor.user_id) if any_of_theirs else []
            own = own_matters_only(actor)
            matters = _matters_of(connection, actor.user_id) if own else frozenset()
            held = None
            if own and self._vault.settings.hold_sight == "approved":
                held = _approved_holds(connection, matters)
        reads = added(found) & {Action.SEARCH, Action.READ}
        whole = not own and (may(actor, Action.READ) or not reads)
        covers = tuple(grant.cover for grant in found if grant.kind == "add" and grant.names & reads)
        limits = tuple(grant.cover for grant in found if grant.kind == "limit")
        withheld: frozenset[str] = frozenset()
        if self._vault.settings.sensitive_needs_grant:
            withheld = frozenset(SENSITIVE)
        whole = whole or any(cover.everything for cover in covers)
        return Scope(
            everything=whole and not limits and not withheld and actor.within is None,
            matters=matters,
            holds=held,
            whole=whole,
            covers=covers,
            limits=limits,
            withheld=withheld,
            released=releases(found),
            within=actor.within,
        )

    def holding(self, actor: Actor) -> Scope:
        """The scope in which somebody weighs what a hold would cover, before there is one.

        Lawyers place holds on anybody's mail and, with the setting `hold_sight` at `at_once`, see what they
        hold: they weigh it in the whole archive. What bounds them besides their matters bounds this too.
        """
        scope = self.of(actor)
        if not own_matters_only(actor) or scope.holds is not None:
            return scope
        bounded = scope.limits or scope.withheld or scope.within
        return replace(scope, whole=True, everything=not bounded)

    def patients(self, actor: Actor) -> frozenset[str] | None:
        """The ids of the roster that somebody may see; None for all of it.

        Whose role reads the roster sees all of it but what limits and a token's bounds name patients for;
        anybody else the patients that grants of `roster.read` name.
        """
        with self._vault.records.read() as connection:
            found = self._live.grants(connection, actor.user_id)
        limits = [one.cover.patients for one in found if one.kind == "limit" and one.cover.patients]
        bounds = [frozenset().union(*limits)] if limits else []
        if actor.within is not None and actor.within.patients:
            bounds.append(actor.within.patients)
        if not may(replace(actor, emergency=False, actions=None), Action.ROSTER_READ):
            adds = [one.cover for one in found if one.kind == "add" and Action.ROSTER_READ in one.names]
            if not any(cover.everything for cover in adds):
                bounds.append(frozenset().union(*(cover.patients for cover in adds)))
        return frozenset.intersection(*bounds) if bounds else None

    def visible(self, actor: Actor, pks: Iterable[int], *, scope: Scope | None = None) -> set[int]:
        """Those of the messages that are in the actor's scope: by the records, and by the index where only it
        knows. A message that it doesn't know yet is then none."""
        wanted = list(pks)
        scope = scope or self.of(actor)
        if scope.everything:
            return set(wanted)
        seen: set[int] = set()
        for start in range(0, len(wanted), _AT_ONCE):
            with self._vault.records.read() as connection:
                rows = connection.scalars(
                    select(messages.c.pk).where(
                        messages.c.pk.in_(wanted[start : start + _AT_ONCE]), in_scope(scope)
                    )
                )
                seen.update(rows)
        bounds = bounds_of(scope)
        if seen and bounds is not None and by_labels(scope):
            seen = self._reader.matching(bounds, sorted(seen))
        return seen

    def sensitive(self, actor: Actor, pks: Iterable[int]) -> set[int]:
        """Those of the messages that are of a sensitive record type and that no grant releases for the actor;
        also those of which the index doesn't know it yet."""
        wanted = sorted(pks)
        with self._vault.records.read() as connection:
            found = releases(self._live.grants(connection, actor.user_id))
        plain = bounds_of(Scope(everything=False, whole=True, withheld=frozenset(SENSITIVE), released=found))
        if plain is None or not wanted:
            return set()
        return set(wanted) - self._reader.matching(plain, wanted)


def releases(found: Iterable[Grant]) -> tuple[tuple[frozenset[str], Cover], ...]:
    """The record types that grants release, each with what of them."""
    return tuple((grant.names, grant.cover) for grant in found if grant.kind == "release")


def _matters_of(connection: Connection, user_id: str) -> frozenset[str]:
    ids = connection.scalars(select(matter_members.c.matter_id).where(matter_members.c.user_id == user_id))
    return frozenset(ids)


def _approved_holds(connection: Connection, matters: frozenset[str]) -> frozenset[str]:
    """The holds of matters that give sight: placed by somebody who sees all mail anyway, or agreed to by
    another person, in every version that still protects."""
    if not matters:
        return frozenset()
    lawyers = [str(role) for role in roles_with_own_matters()]
    rows = connection.execute(
        select(
            holds.c.id,
            func.coalesce(holds.c.root_id, holds.c.id).label("known_as"),
            users.c.role,
            approvals.c.id.label("approval"),
        )
        .join(users, users.c.id == holds.c.created_by)
        .outerjoin(
            approvals,
            (approvals.c.about_id == holds.c.id)
            & (approvals.c.action == HOLD_SIGHT)
            & approvals.c.state.in_(("approved", "used")),
        )
        .where(holds.c.matter_id.in_(sorted(matters)), holds.c.state != "released")
    ).all()
    waiting = {row.known_as for row in rows if Role(row.role) in lawyers and row.approval is None}
    return frozenset(row.known_as for row in rows) - waiting
