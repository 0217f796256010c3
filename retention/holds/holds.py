"""Legal holds: placed at once, changed by versions, reported, released by two persons and a cooling-off."""

from __future__ import annotations

import builtins
import contextlib
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from archiver.vault import Vault
from config.errors import HoldfastError
from retention.acts import change, look
from retention.holds import versions
from retention.holds.agreeing import HoldApprovals
from retention.holds.apply import HoldApplier, Rest
from retention.holds.ending import Ending
from retention.holds.matters import find_matter, open_matter
from retention.holds.placing import Placing
from retention.holds.preview import Preview
from retention.holds.receipts import Receipts
from retention.holds.report import Reporting
from retention.holds.reviews import Reviews
from retention.jobs.queue import queue_of
from retention.refusals import BadCriteria, HoldBeingApplied, NotThere, WrongState
from search.access import Action, Actor, Gate
from search.approving.approvals import Approvals
from search.approving.kept import Signed
from search.engine.ports import IndexReader
from search.errors import SearchError


class _Later(Exception):
    """Whoever asked isn't kept waiting any longer."""


class Holds:
    """The holds of one archive.

    Every call is permitted by the gate, limited to the actor's matters, and on record when it returns.
    """

    def __init__(
        self, vault: Vault, gate: Gate, reader: IndexReader, approvals: Approvals | None = None
    ) -> None:
        self._vault = vault
        self._gate = gate
        self._applier = HoldApplier(vault, reader)
        self._placing = Placing(vault, self._applier)
        self._ending = Ending(vault)
        self._agreeing = HoldApprovals(
            vault,
            approvals or Approvals(vault, gate),
            lambda actor, hold_id, signed: self.approve(actor, hold_id, signed=signed),
        )
        self._reporting = Reporting(vault)
        self._preview = Preview(vault, reader, gate)
        self._receipts = Receipts(vault)
        self.reviews = Reviews(vault)

    # --- placing ------------------------------------------------------------------------------

    def create(
        self,
        actor: Actor,
        matter: str,
        *,
        reason: str = "",
        review_on: date | str | None = None,
        remind: str | None = None,
        seconds: float | None = None,
        **criteria: Any,
    ) -> dict[str, Any]:
        """Place a hold as `place` does, and match the mail that is here.

        What takes longer than `seconds` is left to `resume`, and `state` is `applying` until then.
        """
        placed = self.place(actor, matter, reason=reason, review_on=review_on, remind=remind, **criteria)
        self._apply(placed["id"], seconds)
        return self._summary_of(placed["id"])

    def place(
        self,
        actor: Actor,
        matter: str,
        *,
        reason: str = "",
        review_on: date | str | None = None,
        remind: str | None = None,
        **criteria: Any,
    ) -> dict[str, Any]:
        """Place a hold on what meets all the criteria (see `read_scope`), old mail and new.

        In force, durably, on return: `in_force_at`. It is `applying` and nothing at all can be destroyed, as
        quick for a million messages as for one, until `resume` has matched the mail that is here. Returns
        `{id, matter, state, in_force_at, matched, version}`. On `review_on` somebody must look at it again,
        `remind` is the address that is told so. Raises NoCriterion, BadCriteria, CircularQuery, QueryError,
        NotThere, MatterClosed, AlreadyDisposed, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.create") as act:
            act.detail |= {"matter": matter, "reason": reason}
            scope = self._placing.read(act, criteria)
            row = open_matter(self._vault, act.connection, actor, matter)
            hold_id = self._placing.insert(act.connection, actor, row["id"], scope, reason)
            self._agreeing.placed(act.connection, actor, hold_id, row["id"])
            act.objects += [hold_id, row["id"]]
            if review_on is not None or remind:
                self.reviews.set(act, actor, hold_id, 1, review_on, remind, "")
            self._placing.note(act, actor, hold_id, 1, reason, scope)
        return self._summary_of(hold_id)

    def preview(self, actor: Actor, matter: str, **criteria: Any) -> dict[str, Any]:
        """What a hold of these criteria would cover now, as counts: nothing is kept of it.

        Returns `{matched, bytes, custodians: {address: count}, sources: [{id, name, messages, bytes}],
        months: [{month, messages, bytes}], also_held}`, the last how many are under other holds already;
        with a query also `not_searchable`: how many messages within the other criteria it can't see fully,
        yet, or at all. Counted is what whoever asks may see (`search.scoping.Scoping.holding`): a preview
        leaves no hold behind, so it must tell no more than a search. Raises OutOfScope besides.
        """
        with look(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.preview") as act:
            act.detail["matter"] = matter
            scope = self._placing.read(act, criteria)
            row = open_matter(self._vault, act.connection, actor, matter)
            act.objects.append(row["id"])
            found = self._preview.of(act.connection, actor, scope)
            act.count = found["matched"]
            return found

    def change(
        self,
        actor: Actor,
        hold_id: str,
        *,
        reason: str,
        add: bool = False,
        seconds: float | None = None,
        **criteria: Any,
    ) -> dict[str, Any]:
        """Give a hold another scope: a version of its own, in force like a new hold from its commit.

        Of `criteria` (see `read_scope`), a kind given takes the place of the hold's own, an empty one clears
        it, None or absent leaves it; with `add` the names given join the hold's own. What only earlier
        versions cover stays held: where the new scope doesn't cover all of theirs, this asks for their
        release, which another person approves and which cools off. Returns the summary with `effect`
        (`widened` or `narrowing_requested`) and `drops_out`, how many messages that release would let go.
        Raises what `place` does, BadCriteria without a reason or where nothing changes, WrongState once its
        release was asked for or approved.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.change") as act:
            act.detail["reason"] = reason
            found = versions.find(act, actor, hold_id)
            if not reason.strip():
                raise BadCriteria("a change of scope needs a reason; give --reason")
            if versions.state_of(found) not in ("active", "applying"):
                raise WrongState("this hold is being released; reinstate it, or place another hold")
            newest = found[-1]
            open_matter(self._vault, act.connection, actor, newest["matter_id"])
            before = self._placing.scope_of(newest)
            scope = self._placing.changed(act, newest, criteria, add)
            if scope.covers(before) and before.covers(scope):
                raise BadCriteria("that is the scope it has already; nothing was changed")
            row_id = self._placing.insert(
                act.connection, actor, newest["matter_id"], scope, reason, of=newest
            )
            self._agreeing.placed(act.connection, actor, row_id, newest["matter_id"])
            earlier = versions.taking(found)
            narrows = not all(scope.covers(self._placing.scope_of(row)) for row in earlier)
            if narrows:
                self._ending.ask_narrowing(act, actor, earlier)
            act.objects.append(row_id)
            act.reason = effect = "narrowing_requested" if narrows else "widened"
            self._placing.note(act, actor, versions.known_as(newest), newest["version"] + 1, reason, scope)
        self._apply(row_id, seconds)
        with self._vault.records.read() as connection:
            now = versions.read(connection, row_id)
            return {
                **versions.summary(connection, now),
                "effect": effect,
                "drops_out": versions.dropping_out(connection, now) if narrows else 0,
            }

    def resume(self, rest: Rest = time.sleep) -> builtins.list[str]:
        """Finish holds left `applying`, at start and by a job; return the ids of those still so."""
        return self._applier.resume(rest)

    def standing_queries(self, pks: Sequence[int]) -> None:
        """The indexer's callback: hold new mail that a query hold covers."""
        self._applier.standing_queries(pks)

    def match_again(self, since_us: int) -> None:
        """The rebuilder's callback: match the query holds made since then, by the index now in use."""
        self._applier.match_again(since_us)

    # --- looking ------------------------------------------------------------------------------

    def list(self, actor: Actor, limit: int = 1_000) -> builtins.list[dict[str, Any]]:
        """The holds of the actor's matters, newest first."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.list") as act:
            found = [
                versions.summary(act.connection, one)
                | self.reviews.of(act.connection, versions.known_as(one[0]))
                for one in versions.pages(act.connection, actor, limit)
            ]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def report(self, actor: Actor, hold_id: str) -> dict[str, Any]:
        """One hold: criteria, versions, who placed it and when, counts, and how its release stands."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.report") as act:
            found = versions.find(act, actor, hold_id)
            matter = find_matter(self._vault, act.connection, actor, found[0]["matter_id"])
            report = self._reporting.report(act.connection, found, matter)
            return report | self.reviews.of(act.connection, report["id"], full=True)

    def receipt(self, actor: Actor, hold_id: str, version: int | None = None) -> dict[str, Any]:
        """The signed receipt of a hold's newest version, or of the one named (see `receipts`).

        Raises HoldBeingApplied, NotThere (no such version, or one placed before receipts were kept).
        """
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.receipt") as act:
            found = versions.find(act, actor, hold_id)
            wanted = [row for row in found if version in (None, row["version"])]
            if not wanted:
                raise NotThere("this hold has no such version; `holdfast hold report` shows them")
            if wanted[-1]["state"] == "applying":
                raise HoldBeingApplied("this hold is in force and being applied; ask again in a moment")
        receipt = self._receipts.of(wanted[-1]["id"])
        if receipt is None:
            raise NotThere("this hold was placed before receipts were kept; its report says all there is")
        return receipt

    # --- ending -------------------------------------------------------------------------------

    def release(
        self, actor: Actor, hold_id: str, reason: str = "", version: int | None = None
    ) -> dict[str, Any]:
        """Ask for a hold's release, or approve what another person asked for.

        The first call returns state `release_requested`: the hold protects as before. The second, by
        another person, returns `cooling`: it keeps what it has until `cooling_until` and takes in no new
        mail. `version` is that of the scope that was looked at: for another one nothing is done. Raises
        SecondPersonNeeded, WrongState, NotThere, AccessDenied.
        """
        self._agreeing.ready(actor, hold_id, None)
        with change(self._vault, self._gate, actor, Action.HOLD_RELEASE, "hold.release") as act:
            act.detail["reason"] = reason
            found = versions.find(act, actor, hold_id)
            state = versions.state_of(found)
            if state in ("cooling", "released"):
                raise WrongState(f"this hold is {state} already; there is nothing to release")
            _looked_at(found, version)
            if state == "release_requested":
                self._ending.approve(act, actor, found, reason)
                self._agreeing.agreed(act, actor, found, None)
            else:
                self._ending.ask(act, actor, found, reason)
        return self._summary_of(hold_id)

    def approve(
        self,
        actor: Actor,
        hold_id: str,
        reason: str = "",
        version: int | None = None,
        signed: Signed | None = None,
    ) -> dict[str, Any]:
        """Approve, as a second person, what waits for one: a narrower scope or the release of the hold.

        What then drops out cools off. `version` is that of the scope that was looked at: had it been changed
        since, another one would be approved, and so nothing is. Raises SecondPersonNeeded, WrongState,
        NotThere, AccessDenied.
        """
        self._agreeing.ready(actor, hold_id, signed)
        with change(self._vault, self._gate, actor, Action.HOLD_RELEASE, "hold.approve") as act:
            act.detail["reason"] = reason
            found = versions.find(act, actor, hold_id)
            _looked_at(found, version)
            self._ending.approve(act, actor, found, reason)
            self._agreeing.agreed(act, actor, found, signed)
        return self._summary_of(hold_id)

    def reinstate(
        self, actor: Actor, hold_id: str, reason: str = "", seconds: float | None = None
    ) -> dict[str, Any]:
        """Take back a release, or a narrowing, that was asked for or is cooling off: at once, by one person.

        Mail that came in the meantime is matched. Raises WrongState, NotThere, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.reinstate") as act:
            act.detail["reason"] = reason
            again = self._ending.reinstate(act, actor, versions.find(act, actor, hold_id), reason)
        for row_id in again:
            self._apply(row_id, seconds)
        return self._summary_of(hold_id)

    def review(
        self,
        actor: Actor,
        hold_id: str,
        *,
        review_on: date | str | None,
        remind: str | None = None,
        reason: str = "",
    ) -> dict[str, Any]:
        """Say when a hold must be looked at again, and at which address somebody is reminded of it.

        Past that day the hold protects as before and counts as overdue. Raises BadCriteria, NotThere.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.review") as act:
            act.detail["reason"] = reason
            found = versions.find(act, actor, hold_id)
            root = versions.known_as(found[0])
            self.reviews.set(act, actor, root, found[-1]["version"], review_on, remind, reason)
            return versions.summary(act.connection, found) | self.reviews.of(act.connection, root)

    def finish_cooling(self, rest: Rest = time.sleep) -> Sequence[str]:
        """Release what has cooled off, by a job; return the ids of the holds concerned."""
        return self._ending.finish(rest)

    # --- inside -------------------------------------------------------------------------------

    def _apply(self, row_id: str, seconds: float | None) -> None:
        end = None if seconds is None else time.monotonic() + seconds

        def rest(pause: float) -> None:
            if end is not None and time.monotonic() + pause > end:
                raise _Later
            time.sleep(pause)

        # In force it is all the same; `resume` finishes what can't be finished now.
        try:
            self._applier.apply(row_id, rest)
        except SearchError as error:
            self._applier.waits(row_id, error)
        except _Later:
            with contextlib.suppress(HoldfastError):  # it is due within minutes anyway
                queue_of(self._vault).enqueue("holds.resume")
            return
        self._receipts.of(row_id)

    def _summary_of(self, hold_id: str) -> dict[str, Any]:
        with self._vault.records.read() as connection:
            found = versions.read(connection, hold_id)
            return versions.summary(connection, found)


def _looked_at(found: versions.Versions, version: int | None) -> None:
    if version is not None and version != found[-1]["version"]:
        raise WrongState("the hold has another scope than the one you looked at; look again and decide")
