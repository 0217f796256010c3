"""Certificates of disposition: what was destroyed, by which rule, on whose word; signed by the log's key.

The signed note's first line names what it is, its second is canonical JSON. The items are a document of
their own, bound in by its SHA-256, since a note may not be larger than 256 KiB. Both hold dates that
follow from patients' births: they are kept sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from archiver.errors import LedgerError
from archiver.ledger import canonical
from archiver.ledger.note import Signer, Verifier, open_note, sign_note

HEADING = "holdfast/disposition-certificate/v1"
METHOD = (
    "deletion of each message's own data key (AES-256-GCM), the only key under which its headers, its text, "
    "its description and what is its own of its journal reports were sealed, and of the own key of each part "
    "of it (attachments, long bodies) that no other living message holds; parts.kept counts those that one "
    "does"
)


def issue(document: dict[str, Any], items: Sequence[dict[str, Any]], signer: Signer) -> str:
    """The signed note of a certificate over `items`."""
    bound = {**document, "items": len(items), "items_document_sha256": items_digest(items)}
    text = f"{HEADING}\n{canonical.dumps(bound).decode()}\n"
    return sign_note(text, [signer]).decode()


def items_digest(items: Sequence[dict[str, Any]]) -> str:
    """SHA-256 (hex) of the items' canonical JSON, one a line."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(canonical.dumps(item) + b"\n")
    return digest.hexdigest()


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
