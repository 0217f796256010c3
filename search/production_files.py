"""The files of an export: what the manifest says of each message, and its signature."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from archiver.archive import Opened
from archiver.clock import from_us, rfc3339
from archiver.ledger.log import Log
from archiver.ledger.note import Signer, sign_note
from archiver.message.content import sha256
from archiver.vault import Vault
from search.access import Actor, Purpose
from search.production_rows import Export


class Manifests:
    """Writes and signs manifests of one archive."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._signer = Signer(f"holdfast/{vault.archive_id}/export", vault.keyring.branch_key("export"))

    @property
    def vkey(self) -> str:
        """The public key that manifests are signed by, as recipients pin it."""
        return self._signer.verifier.vkey

    def manifest(
        self,
        actor: Actor,
        purpose: Purpose | None,
        export: Export,
        entries: Sequence[dict[str, Any]],
        exceptions: Sequence[dict[str, str]],
    ) -> bytes:
        """The manifest of a download, as it is signed."""
        document = {
            "format": "holdfast-export/1",
            "export": export.id,
            "archive": self._vault.archive_id,
            "kind": export.format,
            "created_at": rfc3339(from_us(export.created_us)),
            "created_by": export.spec["by"],
            "downloaded_at": rfc3339(self._vault.clock.now()),
            "downloaded_by": actor.name,
            "purpose": str(purpose),
            "legal_basis": str(export.basis(purpose)),
            "recipient": export.recipient.name,
            "matter": export.matter_id,
            "query": export.spec["query"],
            "interpreted": export.spec["interpreted"],
            "items": entries,
            "exceptions": exceptions,
            "not_searchable": export.spec["not_searchable"],
            "vkey": self.vkey,
            "captures_vkey": self._vault.publisher.signer(Log.CAPTURES).verifier.vkey,
        }
        return written(document)

    def sign(self, manifest: bytes, title: str = "holdfast export manifest") -> bytes:
        """The signed note over a manifest's hash."""
        digest = hashlib.sha256(manifest).hexdigest()
        return sign_note(f"{title}\nsha256 {digest}\n", [self._signer])


def written(document: Mapping[str, Any]) -> bytes:
    """A manifest's bytes."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")


def entry(opened: Opened) -> dict[str, Any]:
    """What a manifest says of a message."""
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
