"""The statement about a gap: which head others had seen of a log, which one the records have, who says so.

A signed note (c2sp.org/signed-note) by the keys of the generations that it begins:

    holdfast/log-gap/v1
    <canonical JSON: v, at, id, asked_by, approved_by, reason, logs>
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from archiver.errors import LedgerError
from archiver.ledger import canonical
from archiver.ledger.generations import split_origin
from archiver.ledger.note import Signer, Verifier, open_note, sign_note

HEADER: Final = "holdfast/log-gap/v1"


def make(document: Mapping[str, Any], signers: Sequence[Signer]) -> bytes:
    """Sign a statement. The document holds ids, sizes, roots, a salted hash of the reason; no free text."""
    text = canonical.dumps(dict(document)).decode("utf-8")
    return sign_note(f"{HEADER}\n{text}\n", signers)


def read(statement: bytes, keys: Sequence[Verifier]) -> dict[str, Any]:
    """The document of a statement that every log it is about has signed. Raises LedgerError otherwise.

    `keys` are logs' keys under any generation's name.
    """
    heading, _, rest = statement.partition(b"\n")
    try:
        document = canonical.loads(rest.partition(b"\n")[0])
        if heading.decode("ascii", "replace") != HEADER or not isinstance(document, dict):
            raise LedgerError("this is no statement about a gap of a log")
        logs: Any = document["logs"]
        origins = {str(said["origin"]) for said in logs.values()}
        known = {split_origin(key.name)[0]: key for key in keys}
        signing = [known[split_origin(origin)[0]].renamed(origin) for origin in sorted(origins)]
    except (KeyError, AttributeError, TypeError):
        raise LedgerError("the statement is about a log whose key isn't given") from None
    signed = {key.name for key in open_note(statement, signing).signed_by}
    if signed != origins:
        raise LedgerError("the statement isn't signed by every log it is about")
    return document


def digest(statement: bytes) -> str:
    """What the leaf of a gap names: the hexadecimal SHA-256 of the statement."""
    return hashlib.sha256(statement).hexdigest()
