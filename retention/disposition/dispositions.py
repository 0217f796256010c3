"""Dispositions: proposed by a run, reviewed, decided by a second person, executed, certified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from archiver.clock import to_us
from archiver.errors import SealError
from archiver.ledger.log import Log
from archiver.ledger.proof import format_proof
from archiver.store.schema import dispositions, users
from archiver.vault import Vault
from config.errors import HoldfastError
from retention.acts import Act, change, look
from retention.dating.explain import Explainer
from retention.disposition import certificates, extensions, lists, samples, summaries
from retention.disposition import items as items_of
from retention.disposition.agreeing import ListApprovals
from retention.disposition.execution import Executor, Progress
from retention.disposition.sums import Sums, add_up
from retention.fields import SealedFields
from retention.refusals import ItemsChanged, NotThere, SecondPersonNeeded, WrongState
from search.access import Action, Actor, Gate
from search.approving.approvals import Approvals
from search.approving.kept import Signed

PAGE = 1_000
_REMEMBERED = 8


class Dispositions:
    """The dispositions of one archive. Every call is permitted by the gate and on record when it returns."""

    def __init__(
        self, vault: Vault, gate: Gate, explainer: Explainer, approvals: Approvals | None = None
    ) -> None:
        self._vault = vault
        self._agreeing = ListApprovals(
            vault,
            approvals or Approvals(vault, gate),
            lambda actor, one, sha256, signed: self.approve(actor, one, sha256, signed),
        )
        self._gate = gate
        self._fields = SealedFields(vault)
        self._executor = Executor(vault, gate, explainer)
        self._sums: dict[tuple[str, bytes], Sums] = {}

    # --- looking ------------------------------------------------------------------------------

    def list(self, actor: Actor, limit: int = PAGE, state: str | None = None) -> Sequence[dict[str, Any]]:
        """Dispositions, newest first; of one state, or of all."""
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.list") as act:
            query = select(dispositions).order_by(dispositions.c.created_us.desc(), dispositions.c.id)
            if state is not None:
                query = query.where(dispositions.c.state == state)
            rows = act.connection.execute(query.limit(limit)).mappings().all()
            found = summaries.of(act.connection, self._fields, rows)
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def show(
        self, actor: Actor, disposition_id: str, after: int | None = None, limit: int = PAGE
    ) -> dict[str, Any]:
        """One disposition with its sums, its sample, what was taken off it and a page of its items.

        `next` is the `after` of the following page, if any; sums, sample and exclusions stand on the first.
        """
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.show") as act:
            row = self._find(act, disposition_id)
            start = -(2**63) if after is None else after
            most = min(limit, PAGE)
            items = items_of.read(act.connection, self._fields, disposition_id, after=start, limit=most)
            shown = self._summary(act.connection, row)
            if after is None:
                shown["sums"] = self._summed(act.connection, row).to_json()
                shown["sample"] = samples.latest(act.connection, self._fields, disposition_id)
                shown["excluded"] = summaries.excluded(act.connection, self._fields, disposition_id, PAGE)
            following = items[-1].pk if len(items) == most else None
            return {**shown, "items": [item.to_json() for item in items], "next": following}

    def certificate(self, actor: Actor, disposition_id: str) -> dict[str, Any]:
        """`{id, document, note, items, proof, vkey}`: the signed note, what it says, the items it was signed
        over, and the proof that the log has it. `certificates.verify_all` checks it without us.

        Raises WrongState before the execution.
        """
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.certificate") as act:
            row = self._find(act, disposition_id)
            if row["sealed_certificate"] is None:
                raise WrongState(f"this disposition is {row['state']}; its certificate comes with execution")
            sealed = self._fields.open(disposition_id, row["sealed_certificate"])
        index = row["ledger_index"]
        publisher = self._vault.publisher
        proof = None if index is None else format_proof(publisher.proof(Log.CAPTURES, index)).decode()
        return {
            "id": disposition_id,
            "document": certificates.read(sealed["note"]),
            "note": sealed["note"],
            "items": sealed["items"],
            "proof": proof,
            "vkey": publisher.signer(Log.CAPTURES).verifier.vkey,
        }

    # --- deciding -----------------------------------------------------------------------------

    def exclude(
        self, actor: Actor, disposition_id: str, message_ids: Sequence[str], reason: str
    ) -> dict[str, Any]:
        """Take messages off a list, with a reason; an approval is void then. A later run may list them again.

        Raises BadTerm, WrongState, NotThere (also for a message that isn't on the list).
        """
        self._gate.require(actor, Action.DISPOSITION_DECIDE)
        ready = lists.shorter(self._vault.records, self._fields, message_ids, disposition_id)
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.exclude") as act:
            act.detail["reason"] = reason
            row = self._find(act, disposition_id)
            self._undecided(row)
            pks = list(extensions.find(act, message_ids, reason))
            if len(lists.on_list(act.connection, disposition_id, pks)) != len(pks):
                raise NotThere("a message named isn't on this list; `holdfast disposition show` names those")
            now_us = to_us(self._vault.clock.now())
            left = ready.get(disposition_id)
            lists.take_off(act.connection, self._fields, disposition_id, pks, actor, reason, now_us, left)
            act.count = len(pks)
            return self._summary(act.connection, self._find(act, disposition_id))

    def approve(
        self,
        actor: Actor,
        disposition_id: str,
        list_sha256: str | None = None,
        signed: Signed | None = None,
    ) -> dict[str, Any]:
        """Approve exactly the list that is there, as another person than who made or last changed it.

        `list_sha256` is the hash of the list that was looked at: for another one nothing is approved. Raises
        SecondPersonNeeded, WrongState, ItemsChanged, ReviewMissing, NotThere.
        """
        self._gate.require(actor, Action.DISPOSITION_DECIDE)
        self._agreeing.ready(actor, disposition_id, signed)
        found = self._added_up(disposition_id)
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.approve") as act:
            row = self._find(act, disposition_id)
            if row["state"] != "proposed":
                raise WrongState(f"this disposition is {row['state']}; only a proposed one can be approved")
            lists.whole(row)
            if row["created_by"] == actor.user_id:
                raise SecondPersonNeeded("you proposed this disposition; another person must approve it")
            if row["changed_by"] == actor.user_id:
                raise SecondPersonNeeded("you took messages off this list; another person must approve it")
            now_hash = bytes(row["items_sha256"])
            if list_sha256 is not None and list_sha256.strip().lower() != now_hash.hex():
                raise ItemsChanged("the list isn't the one you looked at any more; show it again and decide")
            act.count = self._check_items(row, found)
            fewest = self._vault.settings.disposition_sample
            samples.require(act.connection, self._fields, disposition_id, fewest)
            act.detail["list_sha256"] = now_hash.hex()
            self._agreeing.agreed(act, actor, row, signed)
            act.connection.execute(
                update(dispositions)
                .where(dispositions.c.id == disposition_id)
                .values(
                    state="approved",
                    approved_sha256=now_hash,
                    decided_us=to_us(self._vault.clock.now()),
                    decided_by=actor.user_id,
                )
            )
            return self._summary(act.connection, self._find(act, disposition_id))

    def reject(self, actor: Actor, disposition_id: str, reason: str = "") -> dict[str, Any]:
        """Reject a disposition whose execution hasn't begun. Its messages may be proposed again by a run."""
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.reject") as act:
            act.detail["reason"] = reason
            row = self._find(act, disposition_id)
            self._undecided(row)
            act.connection.execute(
                update(dispositions)
                .where(dispositions.c.id == disposition_id)
                .values(
                    state="rejected",
                    decided_us=to_us(self._vault.clock.now()),
                    decided_by=actor.user_id,
                    sealed_decision=self._fields.seal(f"{disposition_id}/decision", {"reason": reason}),
                )
            )
            return self._summary(act.connection, self._find(act, disposition_id))

    # --- executing ----------------------------------------------------------------------------

    def execute(
        self,
        actor: Actor,
        disposition_id: str,
        progress: Progress | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Destroy what an approved disposition names, as far as it is due and free of holds right now.

        Each message is re-checked in the transaction that destroys its key; one that may not go is
        skipped with an outcome. After a crash the same call finishes, and `resume` does. Two persons: where
        no person proposed, the executor isn't the approver. Returns the summary with `outcomes` and
        `index_pending`: how many messages' words wait for `Indexer.drain_removals`, which whoever holds
        the index calls. After `seconds` it returns before the end, `executing` still true, and `resume` goes
        on. Raises SecondPersonNeeded, WrongState, ItemsChanged, HoldBeingApplied (retry), NotThere.
        """
        self._gate.require(actor, Action.DISPOSITION_EXECUTE)
        found = self._added_up(disposition_id)
        approval_id = self._agreeing.check(disposition_id, found.sha256)
        with change(self._vault, self._gate, actor, Action.DISPOSITION_EXECUTE, "disposition.execute") as act:
            act.outcome = "begun"
            row = self._find(act, disposition_id)
            if row["state"] != "approved":
                raise WrongState(f"this disposition is {row['state']}; only an approved one can be executed")
            if row["decided_by"] == actor.user_id and not self._is_person(act.connection, row["created_by"]):
                raise SecondPersonNeeded("you approved this disposition; another person must execute it")
            act.count = self._check_items(row, found)
            if bytes(row["approved_sha256"] or b"") != bytes(row["items_sha256"]):
                raise ItemsChanged("this list isn't the one that was approved; reject it")
            if row["begun_us"] is None:
                self._agreeing.use(act, row, approval_id)
                act.connection.execute(
                    update(dispositions)
                    .where(dispositions.c.id == disposition_id)
                    .values(begun_us=to_us(self._vault.clock.now()), begun_by=actor.user_id)
                )
        self._executor.run(actor, disposition_id, progress, seconds)
        with self._vault.records.read() as connection:
            shown = self._summary(connection, self._row(connection, disposition_id))
            return {**shown, "index_pending": summaries.index_pending(connection)}

    def resume(self, progress: Progress | None = None) -> int:
        """Finish executions that were begun and not ended, by a job; how many.

        Where one can't be finished the others are, and what it raised is raised then: as `execute` does.
        """
        with self._vault.records.read() as connection:
            waiting = self._executor.begun(connection)
        failed: HoldfastError | None = None
        for disposition_id, actor in waiting:
            try:
                self._executor.run(actor, disposition_id, progress, None)
            except HoldfastError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return len(waiting)

    # --- inside -------------------------------------------------------------------------------

    def _row(self, connection: Connection, disposition_id: str) -> RowMapping:
        row = (
            connection.execute(select(dispositions).where(dispositions.c.id == disposition_id))
            .mappings()
            .first()
        )
        if row is None:
            raise NotThere("there is no such disposition; `holdfast disposition list` shows them")
        return row

    def _find(self, act: Act, disposition_id: str) -> RowMapping:
        row = self._row(act.connection, disposition_id)
        if row["id"] not in act.objects:
            act.objects.append(row["id"])
        return row

    def _undecided(self, row: RowMapping) -> None:
        if row["state"] not in lists.OPEN:
            raise WrongState(f"this disposition is {row['state']} already")
        if row["begun_us"] is not None:
            raise WrongState(
                "its execution has begun: execute it again to finish; a hold still keeps what it covers"
            )
        lists.whole(row)

    def _added_up(self, disposition_id: str) -> Sums:
        """A list's sums and hash as its items say; before any transaction, as a long one takes seconds."""
        try:
            with self._vault.records.read() as connection:
                return add_up(items_of.read_all(connection, self._fields, disposition_id))
        except SealError:
            return Sums()  # an item was altered: no list has this hash, which the refusal then says

    def _check_items(self, row: RowMapping, found: Sums) -> int:
        if found.sha256 != bytes(row["items_sha256"]):
            raise ItemsChanged("the list was changed just now, or its items by another hand: show it again")
        self._remember(row, found)
        return found.messages

    def _summed(self, connection: Connection, row: RowMapping) -> Sums:
        key = (row["id"], bytes(row["items_sha256"]))
        if key not in self._sums:
            self._remember(row, add_up(items_of.read_all(connection, self._fields, row["id"])))
        return self._sums[key]

    def _remember(self, row: RowMapping, found: Sums) -> None:
        if len(self._sums) >= _REMEMBERED:
            self._sums.clear()
        self._sums[row["id"], bytes(row["items_sha256"])] = found

    def _is_person(self, connection: Connection, user_id: str) -> bool:
        return connection.scalar(select(users.c.id).where(users.c.id == user_id)) is not None

    def _summary(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        return summaries.of(connection, self._fields, [row])[0]
