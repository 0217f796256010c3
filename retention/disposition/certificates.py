"""Certificates of disposition: what was destroyed, by which rule, on whose word; signed by the log's key.

The signed note's first line names what it is, its second is canonical JSON. The items are a document of
their own, bound in by its SHA-256, since a note may not be larger than 256 KiB. Both hold dates that
follow from patients' births: they are kept sealed. The SHA-256 of the note is in a leaf of the captures
log, so that a proof of that leaf shows that the certificate was issued then, and never another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from archiver.errors import LedgerError
from archiver.ledger import canonical
from archiver.ledger.note import Signer, Verifier, open_note, parse_vkey, sign_note
from archiver.ledger.proof import parse_proof, verify_proof

HEADING = "holdfast/disposition-certificate/v1"
METHOD = (
    "deletion of each message's own data key (AES-256-GCM), the only key under which its headers, its text, "
    "its description and what is its own of its journal reports were sealed, and of the own key of each part "
    "of it (attachments, long bodies) that no other living message holds; parts.kept counts those that one "
    "does"
)


def issue(document: dict[str, Any], items: Sequence[bytes], signer: Signer) -> str:
    """The signed note of a certificate over `items`, each its canonical JSON."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item + b"\n")
    bound = {**document, "items": len(items), "items_document_sha256": digest.hexdigest()}
    text = f"{HEADING}\n{canonical.dumps(bound).decode()}\n"
    return sign_note(text, [signer]).decode()


def items_document(items: Sequence[dict[str, Any]]) -> bytes:
    """The document that the certificate binds in: each item's canonical JSON, one a line."""
    return b"".join(canonical.dumps(item) + b"\n" for item in items)


def items_digest(items: Sequence[dict[str, Any]]) -> str:
    """SHA-256 (hex) of the items' document."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(canonical.dumps(item) + b"\n")
    return digest.hexdigest()


def read(note: str) -> dict[str, Any]:
    """What a note says, believing its signature: of one that comes out of our own sealed store."""
    document = canonical.loads(note.split("\n", 2)[1].encode())
    return dict(document) if isinstance(document, dict) else {}


def verify(note: str, items: Sequence[dict[str, Any]], verifier: Verifier) -> dict[str, Any]:
    """The certificate's document, proven to be the archive's own and to speak of exactly these items.

    Needs none of our services. Raises LedgerError for a wrong signature, another kind of note or items
    that were changed.
    """
    heading, _, rest = open_note(note.encode(), [verifier]).text.partition("\n")
    if heading != HEADING or not rest.endswith("\n"):
        raise LedgerError("this note isn't a certificate of disposition")
    document = canonical.loads(rest[:-1].encode())
    if not isinstance(document, dict):
        raise LedgerError("this certificate holds no document")
    if document.get("items_document_sha256") != items_digest(items) or document.get("items") != len(items):
        raise LedgerError("the items aren't those this certificate was signed over")
    return dict(document)


def verify_all(certificate: dict[str, Any], vkey: str | None = None) -> dict[str, Any]:
    """Check all of a certificate as it is handed out: signature, items, and that the log has it.

    `vkey` is the captures log's public key, had from elsewhere; the certificate's own says only that it is
    whole. Returns `{document, logged, size}`; `logged` is False for one without a proof. Raises LedgerError.
    """
    try:
        note, items, own = str(certificate["note"]), list(certificate["items"]), str(certificate["vkey"])
        proof_text = certificate.get("proof")
    except (KeyError, TypeError):
        raise LedgerError("this isn't a certificate as `disposition certificate --json` writes it") from None
    verifier = parse_vkey(vkey or own)
    document = verify(note, items, verifier)
    if proof_text is None:
        return {"document": document, "logged": False, "size": 0}
    proof = parse_proof(str(proof_text).encode())
    checkpoint = verify_proof(proof, verifier)
    leaf = canonical.loads(proof.leaf or b"")
    expected = {
        "type": "disposition",
        "id": document["disposition"],
        "sha256": hashlib.sha256(note.encode()).hexdigest(),
    }
    if not isinstance(leaf, dict) or any(leaf.get(name) != value for name, value in expected.items()):
        raise LedgerError("the proof is of another log entry than this certificate's")
    return {"document": document, "logged": True, "size": checkpoint.size}
