"""Receipts: that a hold was in force at an instant, on what, by whom; signed, and provable without us.

A receipt is a JSON document: `note`, a signed note whose text is a heading and canonical JSON; `receipt`,
that JSON again for people to read; and `proof`, the C2SP proof that the audit log has the entry by which
the hold was placed. Criteria name people: only a salted hash of them stands in it, and whoever may read the
hold's report has the salt.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import LedgerError
from archiver.ledger import canonical
from archiver.ledger.log import Log
from archiver.ledger.note import Verifier, open_note, sign_note
from archiver.ledger.proof import format_proof, parse_proof, verify_proof
from archiver.store import dialect
from archiver.store.schema import hold_receipts, users
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.holds import versions
from retention.holds.events import Events
from retention.holds.scope import HoldScope

HEADING: Final = "holdfast/hold-receipt/v1"
_ACTIONS: Final = ("hold.create", "hold.change")


class Receipts:
    """Issues receipts and keeps them. A version has one: what it says never changes."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)
        self._events = Events(vault)

    def of(self, row_id: str) -> dict[str, Any] | None:
        """The receipt of a version, issued now if there is none yet; None while the version is being applied,
        and for holds of older archives. Durable on return. Raises LedgerError, StoreError."""
        with self._vault.records.read() as connection:
            (row,) = (one for one in versions.read(connection, row_id) if one["id"] == row_id)
            kept = self._kept(connection, row)
            index = self._events.placed(connection, versions.known_as(row), row["version"])
            applied = self._events.applied(connection, versions.known_as(row), row["version"])
            name = connection.scalar(select(users.c.name).where(users.c.id == row["created_by"]))
        if kept is not None or index is None or applied is None:
            return kept
        issued = self._vault.clock.now()
        sealed = self._fields.open(row["id"], row["sealed_scope"])
        at, counts = applied
        document = {
            "archive": self._vault.archive_id,
            "hold": versions.known_as(row),
            "version": row["version"],
            "matter": row["matter_id"],
            "placed_at": rfc3339(from_us(row["created_us"])),
            "placed_by": {"id": row["created_by"], "name": name},
            "in_force_at": rfc3339(from_us(row["in_force_us"])),
            "criteria_sha256": commitment(HoldScope.from_json(sealed["scope"]).to_json(), sealed["salt"]),
            "takes_in_new_mail": bool(row["standing"]),
            "matched": {**counts, "at": rfc3339(at)},
            "audit_entry": index,
            "issued_at": rfc3339(issued),
            "captures_checkpoint": self._vault.publisher.publish(Log.CAPTURES).decode(),
        }
        proof = format_proof(self._vault.publisher.proof(Log.AUDIT, index)).decode()
        signer = self._vault.publisher.signer(Log.AUDIT)
        text = f"{HEADING}\n{canonical.dumps(document).decode()}\n"
        receipt = {
            "receipt": document,
            "note": sign_note(text, [signer]).decode(),
            "proof": proof,
            "key": signer.verifier.vkey,
        }
        with self._vault.records.write() as connection:
            # Where two issue at once, one receipt stays.
            if (kept := self._kept(connection, row)) is not None:
                return kept
            connection.execute(
                dialect.insert_or_ignore(connection, hold_receipts),
                {
                    "hold_id": versions.known_as(row),
                    "version": row["version"],
                    "issued_us": to_us(issued),
                    "sealed": self._fields.seal(_bound(row), receipt),
                },
            )
            return self._kept(connection, row)

    def _kept(self, connection: Connection, row: RowMapping) -> dict[str, Any] | None:
        sealed = connection.scalar(
            select(hold_receipts.c.sealed).where(
                hold_receipts.c.hold_id == versions.known_as(row), hold_receipts.c.version == row["version"]
            )
        )
        if sealed is None:
            return None
        receipt: dict[str, Any] = self._fields.open(_bound(row), sealed)
        return receipt


def commitment(criteria: dict[str, Any], salt: str) -> str:
    """SHA-256 (hex) of the salt's bytes and the criteria as JSON: members sorted, no blanks, ASCII only."""
    plain = json.dumps(criteria, sort_keys=True, separators=(",", ":")).encode("ascii")
    return hashlib.sha256(bytes.fromhex(salt) + plain).hexdigest()


def verify(receipt: object, verifier: Verifier) -> dict[str, Any]:
    """The document of a receipt, proven to be what the archive with this key signed and logged.

    Needs none of our services. Raises LedgerError for anything that doesn't hold.
    """
    if not isinstance(receipt, dict) or not all(isinstance(receipt.get(n), str) for n in ("note", "proof")):
        raise LedgerError("this isn't a receipt of a hold: it lacks its note or its proof")
    heading, _, rest = open_note(receipt["note"].encode("utf-8", "replace"), [verifier]).text.partition("\n")
    if heading != HEADING or not rest.endswith("\n"):
        raise LedgerError("this note isn't a receipt of a hold")
    document = canonical.loads(rest[:-1].encode())
    if not isinstance(document, dict) or receipt.get("receipt") != document:
        raise LedgerError("the receipt doesn't say what its signed note says")
    proof = parse_proof(receipt["proof"].encode("utf-8", "replace"))
    verify_proof(proof, verifier)
    entry: Any = canonical.loads(proof.leaf or b"")
    placed_by: Any = document.get("placed_by")
    fits = (
        isinstance(entry, dict)
        and proof.index == document.get("audit_entry")
        and entry.get("action") in _ACTIONS
        and entry.get("outcome") == "success"
        and entry.get("user") == (placed_by.get("id") if isinstance(placed_by, dict) else None)
        and isinstance(entry.get("objects"), list)
        and document.get("hold") in entry["objects"]
        and document.get("matter") in entry["objects"]
    )
    if not fits:
        raise LedgerError("the log entry isn't the placing of this hold")
    return dict(document)


def _bound(row: RowMapping) -> str:
    return f"{versions.known_as(row)}/receipt/{row['version']}"
