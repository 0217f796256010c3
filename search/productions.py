"""Productions: what leaves the archive as evidence. A folder of natives, a signed manifest, and proofs.

`create` freezes which messages; `stream` opens each through the reading room's rules and hands out
`(name, bytes)` pairs, so that nothing is ever written unsealed but where the recipient says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from archiver.archive import Opened
from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import ArchiverError, NotFound, StoreError
from archiver.ledger.log import Log
from archiver.ledger.note import Signer, sign_note
from archiver.ledger.proof import format_proof
from archiver.message.content import Raw, pieces, sha256, whole
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store import durable
from archiver.store.schema import export_items, exports, hold_items, holds, matter_members, messages
from archiver.vault import Vault
from search.access import AccessDenied, Action, Actor, Gate, Purpose, Role
from search.errors import SearchError
from search.language import parse
from search.reading_room import ReadingRoom

FORMATS = ("eml",)
LATER = ("mbox", "pdf", "loadfile")


class ProductionError(SearchError):
    """An export was asked for in a way that can't be done."""

    code = "bad_export"
    exit_code = 2
    http_status = 400
    audit_code = "export_refused"


@dataclass(frozen=True, slots=True)
class _Export:
    id: str
    format: str
    matter_id: str | None
    created_us: int
    spec: dict[str, Any]


class Productions:
    """Exports of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, room: ReadingRoom, gate: Gate) -> None:
        self._vault = vault
        self._room = room
        self._gate = gate
        self._key = vault.keyring.branch_key("field")
        self._signer = Signer(f"holdfast/{vault.archive_id}/export", vault.keyring.branch_key("export"))

    @property
    def vkey(self) -> str:
        """The public key that manifests are signed by, as recipients pin it."""
        return self._signer.verifier.vkey

    def create(
        self,
        actor: Actor,
        purpose: Purpose | None,
        *,
        matter: str | None = None,
        query: str | None = None,
        format: str = "eml",
    ) -> dict[str, Any]:
        """Freeze the messages of a matter's holds, or of a query, as an export. Durable on return.

        Raises AccessDenied, PurposeMissing, ProductionError, SearchError, NotFound.
        """
        self._gate.require(actor, Action.EXPORT, purpose)
        if format in LATER:
            raise ProductionError(f"the format {format} comes in a later version; use --format eml")
        if format not in FORMATS:
            raise ProductionError("the format must be eml")
        if (matter is None) == (query is None):
            raise ProductionError("say what to export: either --matter M or --query Q")
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
            pks: Sequence[int] = self._room.matching(actor, parsed.tree)
        else:
            pks = self._held(actor, str(matter))
        export_id = new_id("x")
        now = to_us(self._vault.clock.now())
        spec = {
            "query": query,
            "interpreted": interpreted,
            "by": actor.name,
            "not_searchable": self._room.not_searchable(actor) if query is not None else {},
        }
        with self._vault.records.write() as connection:
            connection.execute(
                exports.insert().values(
                    id=export_id,
                    state="ready",
                    format=format,
                    purpose=str(purpose),
                    matter_id=matter,
                    sealed_spec=seal(self._key, self._context(export_id), json.dumps(spec).encode()),
                    created_us=now,
                    created_by=actor.user_id,
                )
            )
            for start in range(0, len(pks), 2_000):
                rows = [
                    {"export_id": export_id, "position": position, "message_pk": pk}
                    for position, pk in enumerate(pks[start : start + 2_000], start)
                ]
                connection.execute(export_items.insert(), rows)
            event = self._gate.event(
                actor,
                Action.EXPORT,
                "success" if pks else "empty",
                purpose,
                objects=(export_id,),
                count=len(pks),
                detail=spec,
            )
            self._vault.audit.record_in(connection, event)
        return self.status(actor, export_id)

    def list(self, actor: Actor, limit: int = 100) -> Sequence[dict[str, Any]]:
        """The newest exports that the actor may see."""
        self._gate.require(actor, Action.EXPORT, Purpose.OPERATIONS)
        with self._vault.records.read() as connection:
            ids = connection.scalars(
                select(exports.c.id).order_by(exports.c.created_us.desc()).limit(limit)
            ).all()
        self._gate.record(actor, "export.list", "success", count=len(ids))
        return [self._status(export_id) for export_id in ids if self._may_see(actor, export_id)]

    def status(self, actor: Actor, export_id: str) -> dict[str, Any]:
        """An export's state and size. Raises NotFound, AccessDenied."""
        self._gate.require(actor, Action.EXPORT, Purpose.OPERATIONS)
        self._recorded_load(actor, "export.status", export_id)
        if not self._may_see(actor, export_id):
            self._gate.record(actor, "export.status", "denied", objects=(export_id,), reason="scope")
            raise AccessDenied("this export is another person's; ask a compliance officer")
        self._gate.record(actor, "export.status", "success", objects=(export_id,))
        return self._status(export_id)

    def stream(self, actor: Actor, purpose: Purpose | None, export_id: str) -> Iterator[tuple[str, Raw]]:
        """Yield the export's files as `(name, content)`; the signed manifest comes last.

        A message that can't be opened any more is listed in the manifest with its reason, never left
        out in silence. Every message is on record before its bytes are yielded.
        """
        self._gate.require(actor, Action.EXPORT, purpose)
        export = self._recorded_load(actor, "export.download", export_id)
        if not self._may_see(actor, export_id):
            self._gate.record(
                actor, "export.download", "denied", purpose, objects=(export_id,), reason="scope"
            )
            raise AccessDenied("this export is another person's; ask a compliance officer")
        items = self._items(export_id)
        allowed = self._room.visible(actor, [pk for pk, _ in items])
        self._gate.record(
            actor,
            "export.download",
            "success",
            purpose,
            objects=(export_id, *(message_id for _, message_id in items)),
            count=len(items),
        )
        entries: list[dict[str, Any]] = []
        exceptions: list[dict[str, str]] = []
        for pk, message_id in items:
            try:
                if pk not in allowed:
                    raise AccessDenied("outside the downloader's matters")
                opened = self._room.produce(message_id)
                entry = self._entry(opened)
                yield entry["file"], opened.content
                yield (
                    entry["proof"],
                    format_proof(self._vault.publisher.proof(Log.CAPTURES, opened.record.row["seq"])),
                )
                entries.append(entry)
            except (ArchiverError, AccessDenied) as error:
                exceptions.append({"id": message_id, "why": error.code})
        manifest = self._manifest(actor, purpose, export, entries, exceptions)
        text = json.dumps(manifest, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")
        yield "manifest.json", text
        yield "manifest.note", self._sign(text)
        with self._vault.records.write() as connection:
            now = to_us(self._vault.clock.now())
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
            "vkey": self.vkey,
        }

    # --- inside -------------------------------------------------------------------------------

    def _held(self, actor: Actor, matter_id: str) -> Sequence[int]:
        scope = self._room.scope(actor)
        if not scope.everything and matter_id not in scope.matters:
            self._gate.record(actor, Action.EXPORT, "denied", objects=(matter_id,), reason="scope")
            raise AccessDenied("you are not a member of this matter")
        with self._vault.records.read() as connection:
            return connection.scalars(
                select(messages.c.pk)
                .where(
                    messages.c.pk.in_(
                        select(hold_items.c.message_pk)
                        .join(holds, holds.c.id == hold_items.c.hold_id)
                        .where(holds.c.matter_id == matter_id, holds.c.state != "released")
                    )
                )
                .order_by(messages.c.pk)
            ).all()

    def _items(self, export_id: str) -> Sequence[tuple[int, str]]:
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(messages.c.pk, messages.c.id)
                .join(export_items, export_items.c.message_pk == messages.c.pk)
                .where(export_items.c.export_id == export_id)
                .order_by(export_items.c.position)
            ).all()
        return [(row.pk, row.id) for row in rows]

    def _entry(self, opened: Opened) -> dict[str, Any]:
        row, meta = opened.record.row, opened.record.meta
        parts = [p for p in meta["parts"] if p["text_status"] not in ("indexed", "empty")]
        return {
            "id": row["id"],
            "file": f"natives/{row['id']}.eml",
            "sha256": sha256(opened.content).hex(),
            "size": opened.size,
            "captured_at": rfc3339(from_us(row["captured_us"])),
            "sources": sorted({d.source_id for d in opened.record.deliveries}),
            "custodians": sorted({c for d in opened.record.deliveries for c in d.detail["custodians"]}),
            "log_index": row["seq"],
            "proof": f"proofs/{row['id']}.tlog-proof",
            "parse_failed": bool(row["parse_failed"]),
            "not_searchable_parts": [part["path"] for part in parts],
            "not_searchable_why": {part["path"]: part["text_status"] for part in parts},
        }

    def _manifest(
        self,
        actor: Actor,
        purpose: Purpose | None,
        export: _Export,
        entries: Sequence[dict[str, Any]],
        exceptions: Sequence[dict[str, str]],
    ) -> dict[str, Any]:
        return {
            "format": "holdfast-export/1",
            "export": export.id,
            "archive": self._vault.archive_id,
            "kind": export.format,
            "created_at": rfc3339(from_us(export.created_us)),
            "created_by": export.spec["by"],
            "downloaded_at": rfc3339(self._vault.clock.now()),
            "downloaded_by": actor.name,
            "purpose": str(purpose),
            "matter": export.matter_id,
            "query": export.spec["query"],
            "interpreted": export.spec["interpreted"],
            "items": entries,
            "exceptions": exceptions,
            "not_searchable": export.spec["not_searchable"],
            "vkey": self.vkey,
            "captures_vkey": self._vault.publisher.signer(Log.CAPTURES).verifier.vkey,
        }

    def _sign(self, manifest: bytes) -> bytes:
        digest = hashlib.sha256(manifest).hexdigest()
        return sign_note(f"holdfast export manifest\nsha256 {digest}\n", [self._signer])

    def _recorded_load(self, actor: Actor, action: str, export_id: str) -> _Export:
        try:
            return self._load(export_id)
        except NotFound:
            asked = {"asked": export_id[:200]}
            self._gate.record(actor, action, "failed", reason="not_found", detail=asked)
            raise

    def _load(self, export_id: str) -> _Export:
        with self._vault.records.read() as connection:
            row = connection.execute(select(exports).where(exports.c.id == export_id)).mappings().first()
        if row is None:
            raise NotFound("there is no such export; `holdfast export status` lists them")
        spec = json.loads(open_sealed(self._key, self._context(export_id), row["sealed_spec"]))
        return _Export(row["id"], row["format"], row["matter_id"], row["created_us"], spec)

    def _may_see(self, actor: Actor, export_id: str) -> bool:
        if actor.role is not Role.LEGAL:
            return True
        with self._vault.records.read() as connection:
            row = connection.execute(
                select(exports.c.created_by, exports.c.matter_id).where(exports.c.id == export_id)
            ).one()
            member = connection.execute(
                select(matter_members.c.user_id).where(
                    matter_members.c.user_id == actor.user_id, matter_members.c.matter_id == row.matter_id
                )
            ).first()
        return bool(row.created_by == actor.user_id or member is not None)

    def _status(self, export_id: str) -> dict[str, Any]:
        with self._vault.records.read() as connection:
            row = connection.execute(select(exports).where(exports.c.id == export_id)).mappings().one()
            count = connection.scalar(
                select(func.count()).select_from(export_items).where(export_items.c.export_id == export_id)
            )
        return {
            "id": row["id"],
            "state": row["state"],
            "format": row["format"],
            "messages": int(count or 0),
            "matter": row["matter_id"],
            "created_at": _time(row["created_us"]),
            "downloaded_at": _time(row["downloaded_us"]),
        }

    def _context(self, export_id: str) -> bytes:
        return object_context(self._vault.archive_id, export_id, "field")


def _time(us: int | None) -> str | None:
    moment: datetime | None = from_us(us) if us is not None else None
    return rfc3339(moment) if moment else None
