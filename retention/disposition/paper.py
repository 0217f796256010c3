"""The certificate for people: a PDF/A-3 with the signed note, the items and the proof attached.

It says nothing that the certificate's document doesn't, so it holds no more of patients than that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from archiver.ledger.proof import parse_proof
from retention.disposition.certificates import items_document
from retention.typeset import counted, size, typeset, when

SHOWN: Final = 1_000
"""Messages that the pages list; of more they name the document that lists all."""
RULES: Final = 60
_TEMPLATE: Final = Path(__file__).with_name("certificate.typ")
_MEANINGS: Final = {
    "destroyed": "its key and its description were destroyed; its words leave the index after that",
    "held": "kept: a legal hold covered it",
    "extended": "kept: a person gave it a longer term",
    "not_due": "kept: its term was not over any more by the facts of that moment",
    "unconfirmed": "kept: counsel had not confirmed a rule that applied, or took the word back",
    "refused": "kept: the database’s own guard refused",
    "gone": "destroyed before, under another disposition",
}


def files(certificate: Mapping[str, Any]) -> dict[str, bytes]:
    """The certificate as files, by name: what a stranger needs to check it, and the PDF to read.

    Raises StoreError where the PDF can't be made.
    """
    found = _attachments(certificate)
    found["certificate.json"] = json.dumps(certificate, ensure_ascii=False).encode()
    found["certificate.pdf"] = pdf(certificate)
    return found


def pdf(certificate: Mapping[str, Any]) -> bytes:
    """The certificate as a document to read (see `typeset`). Raises StoreError where it can't be made."""
    executed = datetime.fromisoformat(certificate["document"]["executed"]["at"])
    attached = {name: (data, _ABOUT[name]) for name, data in _attachments(certificate).items()}
    return typeset(_TEMPLATE, _data(certificate), executed, attached)


def _attachments(certificate: Mapping[str, Any]) -> dict[str, bytes]:
    found = {
        "certificate.note": str(certificate["note"]).encode(),
        "items.jsonl": items_document(certificate["items"]),
    }
    if certificate["proof"] is not None:
        found["certificate.tlog-proof"] = str(certificate["proof"]).encode()
    return found


_ABOUT: Final = {
    "certificate.note": "the signed certificate",
    "items.jsonl": "each destroyed message, one a line; bound into the note by its SHA-256",
    "certificate.tlog-proof": "proof that the note is in the captures log",
}


def _data(certificate: Mapping[str, Any]) -> dict[str, Any]:
    document, items = certificate["document"], certificate["items"]
    outcomes = document["outcomes"]
    attached = _attachments(certificate)
    return {
        "id": certificate["id"],
        "archive": document["archive"],
        "title": "Certificate of disposition",
        "about": ["Disposition", f"executed {when(document['executed']['at'])}"],
        "statement": _statement(document),
        "steps": _steps(document),
        "outcomes": [
            {"name": name.replace("_", " "), "meaning": meaning, "count": f"{outcomes[name]:,}"}
            for name, meaning in _MEANINGS.items()
            if name == "destroyed" or outcomes.get(name)
        ],
        "parts": (
            f"Attachments and long bodies kept apart from their messages: {document['parts']['destroyed']:,} "
            f"ended with these messages, {document['parts']['kept']:,} are kept because other messages still "
            "need them."
        ),
        "rules": [
            {
                **{name: str(rule[name]) for name in ("jurisdiction", "rule_id", "citation")},
                "record_type": str(rule["record_type"]).replace("_", " "),
                "messages": f"{rule['messages']:,}",
                "bytes": size(rule["bytes"]),
            }
            for rule in document["rules"][:RULES]
        ],
        "rules_more": max(0, len(document["rules"]) - RULES),
        "review": _review(document),
        "method": f"By {document['method']}.",
        "primary": (
            "Erased on execution: the database’s files and its log were overwritten."
            if document["erased_in_primary"]
            else "Deleted on execution; what the database’s files and log may still hold of it is overwritten"
            " in its own time, and counts as gone with the date below."
        ),
        "backups": (
            "Backups of the key store are kept for a limited time only. The last that could hold one of "
            f"these keys expires by {when(document['complete_after'])}; from then on the destruction is "
            "complete."
        ),
        "note_sha256": hashlib.sha256(attached["certificate.note"]).hexdigest(),
        "items_sha256": document["items_document_sha256"],
        "list_sha256": document["items_sha256"],
        "origin": str(certificate["vkey"]).split("+", 1)[0],
        "vkey": certificate["vkey"],
        "logged": _logged(certificate),
        "items_note": _items_note(len(items)),
        "items": [
            {
                "id": one["id"],
                "sha256": one["sha256"],
                "size": size(one["size"]),
                "due": one["disposal_date"],
                "gone": one["disposed_at"][:10],
                "rule_id": one["rule_id"],
                "entry": str(one["ledger_index"]),
            }
            for one in items[:SHOWN]
        ],
    }


def _statement(document: Mapping[str, Any]) -> str:
    count = document["outcomes"]["destroyed"]
    messages = counted(count)
    were = "was" if count == 1 else "were"
    if not count:
        return "No message was destroyed under this disposition: at its execution every one was kept."
    return (
        f"{messages} ({size(document['bytes'])}) {were} destroyed under this disposition. At the moment of "
        "its destruction each was checked once more: the longest term that applied to it was over, and no "
        "legal hold covered it."
    )


def _steps(document: Mapping[str, Any]) -> list[dict[str, str]]:
    def said(step: Mapping[str, Any]) -> str:
        return f"{_person(step['by'])}, {when(step['at'])}"

    steps = [
        {"name": "Due as of", "text": str(document["as_of"])},
        {"name": "Proposed by", "text": said(document["proposed"])},
        {"name": "Approved by", "text": said(document["approved"])},
    ]
    if document["begun"]["by"] != document["executed"]["by"]:
        steps.append({"name": "Execution begun by", "text": said(document["begun"])})
    steps.append({"name": "Executed by", "text": said(document["executed"])})
    return steps


def _review(document: Mapping[str, Any]) -> list[dict[str, str]]:
    excluded, sample = document["excluded"], document["sample"]
    by = f", by {', '.join(excluded['by'])}" if excluded["by"] else ""
    found = [{"name": "Taken off the list", "text": f"{counted(excluded['messages'])}{by}"}]
    if sample is None:
        return [*found, {"name": "Sample", "text": "none was drawn"}]
    text = (
        f"{sample['size']:,} of {counted(sample['population'])}, drawn by {sample['drawn_by']},"
        f" {when(sample['drawn_at'])} (seed {sample['seed']})"
    )
    if sample.get("draws", 1) > 1:  # certificates of before don't count them
        text += f"; the last of {sample['draws']:,} samples drawn"
    outcome = f"{sample['good']:,} may go, {sample['bad']:,} must not (and so left the list)"
    who = ", ".join(sample["reviewed_by"]) or "nobody"
    return [
        *found,
        {"name": "Sample", "text": text},
        {"name": "Looked at by", "text": f"{who}: {outcome}"},
    ]


def _logged(certificate: Mapping[str, Any]) -> str:
    if certificate["proof"] is None:
        return "no proof: this certificate is older than proofs of certificates"
    proof = parse_proof(str(certificate["proof"]).encode())
    entries = proof.checkpoint.decode().split("\n")[1]
    return f"entry {proof.index:,}, proven under the signed checkpoint of {int(entries):,} entries"


def _items_note(count: int) -> str:
    if count <= SHOWN:
        return "All of them, in the order of their ids, as in the attached items.jsonl."
    return f"The first {SHOWN:,} of {count:,}; the attached items.jsonl lists all of them."


def _person(name: Any) -> str:
    return {"system": "the archive’s schedule", "operator": "the operator’s command"}.get(
        str(name), str(name)
    )
