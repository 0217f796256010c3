"""Productions: what leaves the archive as evidence. A folder of natives, a signed manifest, and proofs.

`create` freezes which messages; `stream` opens each through the reading room's rules and hands out
`(name, bytes)` pairs, so that nothing is ever written unsealed but where the recipient says. Each download is
written into the book of disclosures (45 CFR 164.528) before its first byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import update

from archiver.capture.prepare import new_id
from archiver.clock import to_us
from archiver.errors import ArchiverError, NotFound, StoreError
from archiver.ledger.log import Log
from archiver.ledger.proof import format_proof
from archiver.message.content import Raw, pieces, whole
from archiver.store import durable
from archiver.store.schema import exports
from archiver.vault import Vault
from search.access import AccessDenied, AccessError, Action, Actor, Gate, OutOfScope, Purpose
from search.approving.approvals import Approvals
from search.disclosing import Basis, Discloser, Recipient, Told, read_basis
from search.errors import SearchError
from search.language import parse
from search.production_access import ExportAccess, SensitiveWithheld
from search.production_files import Manifests, entry
from search.production_rows import NO_SUCH_EXPORT, Export, Rows
from search.reading_room import ReadingRoom

FORMATS = ("eml",)
LATER = ("mbox", "pdf", "loadfile")


class ProductionError(SearchError):
    """An export was asked for in a way that can't be done."""

    code = "bad_export"
    exit_code = 2
    http_status = 400
    audit_code = "export_refused"


class Productions:
    """Exports of one archive. Safe from any thread."""

    def __init__(
        self,
        vault: Vault,
        room: ReadingRoom,
        gate: Gate,
        discloser: Discloser | None = None,
        approvals: Approvals | None = None,
    ) -> None:
        """`discloser` is the book of disclosures; only tests of exports alone do without."""
        self._vault = vault
        self._room = room
        self._gate = gate
        self._discloser = discloser
        self._rows = Rows(vault)
        self._manifests = Manifests(vault)
        self._access = ExportAccess(vault, gate, room, self._rows, approvals or Approvals(vault, gate))

    @property
    def vkey(self) -> str:
        """The public key that manifests are signed by, as recipients pin it."""
        return self._manifests.vkey

    def create(
        self,
        actor: Actor,
        purpose: Purpose | None,
        *,
        matter: str | None = None,
        query: str | None = None,
        pks: Sequence[int] | None = None,
        format: str = "eml",
        recipient: Recipient | None = None,
        basis: str = "",
    ) -> dict[str, Any]:
        """Freeze the messages of a matter's holds, of a query, or just these, as an export. Durable on
        return.

        `pks` are the keys of messages that a case chose; those outside the actor's scope aren't given out.
        `recipient` and `basis` (a `search.disclosing.Basis`) say whom it is for and by which right.
        Raises AccessDenied, PurposeMissing, ProductionError, BadRecipient, SearchError, NotFound.
        """
        self._gate.require(actor, Action.EXPORT, purpose)
        if format in LATER:
            raise ProductionError(f"the format {format} comes in a later version; use --format eml")
        if format not in FORMATS:
            raise ProductionError("the format must be eml")
        if sum(one is not None for one in (matter, query, pks)) != 1:
            raise ProductionError("say what to export: either --matter M or --query Q")
        to = (recipient or Recipient()).checked()
        interpreted = None
        if query is not None:
            try:
                parsed = parse(query, now=self._vault.clock.now())
            except SearchError as error:
                self._gate.record(
                    actor, Action.EXPORT, "failed", purpose, reason=error.code, detail={"query": query}
                )
                raise
            interpreted = parsed.interpreted
            chosen: Sequence[int] = self._room.matching(actor, parsed.tree)
        elif pks is not None:
            seen = self._room.visible(actor, pks)
            chosen = [pk for pk in pks if pk in seen]
        else:
            chosen = self._held(actor, str(matter))
        export_id = new_id("x")
        spec = {
            "query": query,
            "interpreted": interpreted,
            "by": actor.name,
            "not_searchable": self._room.not_searchable(actor) if matter is None else {},
            **_said(to, basis),
        }
        with self._vault.records.write() as connection:
            self._rows.add(
                connection,
                export_id,
                spec,
                chosen,
                format=format,
                purpose=str(purpose),
                matter_id=matter,
                created_us=to_us(self._vault.clock.now()),
                created_by=actor.user_id,
            )
            self._access.made(connection, actor, export_id, chosen)
            event = self._gate.event(
                actor,
                Action.EXPORT,
                "success" if chosen else "empty",
                purpose,
                objects=(export_id,),
                count=len(chosen),
                detail=spec,
            )
            self._vault.audit.record_in(connection, event)
        return self.status(actor, export_id)

    def list(self, actor: Actor, limit: int = 100) -> Sequence[dict[str, Any]]:
        """The newest exports that the actor may see."""
        self._gate.require(actor, Action.EXPORT, Purpose.OPERATIONS)
        ids = self._rows.newest(actor, limit)
        self._gate.record(actor, "export.list", "success", count=len(ids))
        return self._rows.statuses(ids)

    def status(self, actor: Actor, export_id: str) -> dict[str, Any]:
        """An export's state and size. Raises NotFound, AccessDenied."""
        self._gate.require(actor, Action.EXPORT, Purpose.OPERATIONS)
        self._seen(actor, "export.status", export_id)
        self._gate.record(actor, "export.status", "success", objects=(export_id,))
        return self._rows.status(export_id)

    def state(
        self, actor: Actor, export_id: str, *, recipient: Recipient | None = None, basis: str = ""
    ) -> dict[str, Any]:
        """Say whom an export is for, or by which right it goes; what isn't given stays. It counts for later
        downloads: what was downloaded before is mended in the book (`Disclosures.state`).

        Raises BadRecipient, NotFound, AccessDenied.
        """
        self._gate.require(actor, Action.EXPORT, Purpose.OPERATIONS)
        export = self._seen(actor, "export.recipient", export_id)
        said = _said((recipient or Recipient()).checked(), basis)
        with self._vault.records.write() as connection:
            self._rows.respecify(connection, export, **{name: one for name, one in said.items() if one})
            self._access.restated(connection, actor, export_id)
            event = self._gate.event(actor, "export.recipient", "success", objects=(export_id,), detail=said)
            self._vault.audit.record_in(connection, event)
        return self._rows.status(export_id)

    def basis(self, actor: Actor, purpose: Purpose | None, export_id: str) -> Basis:
        """The legal basis that a download would be written down with (`Export.basis`). Raises as `stream`."""
        self._gate.require(actor, Action.EXPORT, purpose)
        return self._seen(actor, "export.download", export_id, purpose).basis(purpose)

    def stream(self, actor: Actor, purpose: Purpose | None, export_id: str) -> Iterator[tuple[str, Raw]]:
        """Yield the export's files as `(name, content)`; the signed manifest comes last.

        A message that can't be opened any more is listed in the manifest with its reason, never left
        out in silence. Every message is on record before its bytes are yielded, and the disclosure with it.
        """
        self._gate.require(actor, Action.EXPORT, purpose)
        export = self._seen(actor, "export.download", export_id, purpose)
        items = self._rows.items(export_id)
        approval_id = self._approved(actor, purpose, export_id)
        allowed = self._room.visible(actor, [pk for pk, _ in items])
        withheld = self._access.withheld(actor, export, sorted(allowed))
        allowed -= withheld
        self._record(actor, purpose, export, items, [pk for pk, _ in items if pk in allowed])
        entries: list[dict[str, Any]] = []
        exceptions: list[dict[str, str]] = []
        for pk, message_id in items:
            try:
                if pk in withheld:
                    raise SensitiveWithheld("sensitive: it leaves in a matter, by a basis, or by a grant")
                if pk not in allowed:
                    raise AccessDenied("outside the downloader's matters")
                opened = self._room.produce(message_id)
                told = entry(opened)
                yield told["file"], opened.content
                yield (
                    told["proof"],
                    format_proof(self._vault.publisher.proof(Log.CAPTURES, opened.record.row["seq"])),
                )
                entries.append(told)
            except (ArchiverError, AccessDenied) as error:
                exceptions.append({"id": message_id, "why": error.code})
        text = self._manifests.manifest(actor, purpose, export, entries, exceptions)
        yield "manifest.json", text
        yield "manifest.note", self._manifests.sign(text)
        with self._vault.records.write() as connection:
            now = to_us(self._vault.clock.now())
            self._access.use(connection, export_id, approval_id)
            connection.execute(update(exports).where(exports.c.id == export_id).values(downloaded_us=now))

    def write(self, actor: Actor, purpose: Purpose | None, export_id: str, directory: Path) -> dict[str, Any]:
        """Write the export into a new or empty folder. Durable on return."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise ProductionError("the folder for the export must be empty; name another one")
            manifest: dict[str, Any] = {}
            for name, content in self.stream(actor, purpose, export_id):
                path = directory / name
                path.parent.mkdir(exist_ok=True)
                durable.write_pieces(path, pieces(content))
                if name == "manifest.json":
                    manifest = json.loads(whole(content))
        except OSError as error:
            raise StoreError(f"the export can't be written there: {error.strerror}") from None
        return {
            "id": export_id,
            "directory": str(directory),
            "messages": len(manifest["items"]),
            "exceptions": manifest["exceptions"],
            "legal_basis": manifest["legal_basis"],
            "vkey": self.vkey,
        }

    # --- inside -------------------------------------------------------------------------------

    def _approved(self, actor: Actor, purpose: Purpose | None, export_id: str) -> str | None:
        try:
            return self._access.check(export_id)
        except AccessError as error:
            self._gate.record(
                actor, "export.download", "denied", purpose, objects=(export_id,), reason=error.code
            )
            raise

    def _held(self, actor: Actor, matter_id: str) -> Sequence[int]:
        scope = self._room.scope(actor)
        if not scope.everything and matter_id not in scope.matters:
            self._gate.record(actor, Action.EXPORT, "denied", objects=(matter_id,), reason="scope")
            raise AccessDenied("you are not a member of this matter")
        return self._rows.held(matter_id)

    def _record(
        self,
        actor: Actor,
        purpose: Purpose | None,
        export: Export,
        items: Sequence[tuple[int, str]],
        pks: Sequence[int],
    ) -> None:
        """The look and the disclosure, in one transaction: neither is on record without the other."""
        patients = self._discloser.patients_in(pks) if self._discloser else None
        seen = self._room.patients_of(pks)
        with self._vault.records.write() as connection:
            told = Told(
                kind="export",
                about_id=export.id,
                by_id=actor.user_id,
                purpose=str(purpose or ""),
                basis=export.basis(purpose),
                recipient=export.recipient,
                what=f"e-mail messages, {len(pks):,} in export {export.id}",
                messages=len(pks),
            )
            act: tuple[str, ...] = ()
            if self._discloser is not None and patients is not None:
                act = (self._discloser.write(connection, told, patients),)
            event = self._gate.event(
                actor,
                "export.download",
                "success",
                purpose,
                objects=(export.id, *act, *(message_id for _, message_id in items)),
                count=len(items),
                detail=told.sealed(),
                patients=seen,
            )
            self._vault.audit.record_in(connection, event)

    def _seen(self, actor: Actor, action: str, export_id: str, purpose: Purpose | None = None) -> Export:
        """An export that the actor may see. Raises NotFound, AccessDenied, on record."""
        try:
            found = self._rows.load(export_id)
        except NotFound:
            asked = {"asked": export_id[:200]}
            self._gate.record(actor, action, "failed", purpose, reason="not_found", detail=asked)
            raise
        if not self._rows.may_see(actor, export_id):
            self._gate.record(actor, action, "denied", purpose, objects=(export_id,), reason="scope")
            raise OutOfScope(NO_SUCH_EXPORT)
        return found


def _said(recipient: Recipient, basis: str) -> dict[str, str]:
    stated = str(read_basis(basis)) if basis else ""
    return {"recipient": recipient.name, "address": recipient.address, "basis": stated}
