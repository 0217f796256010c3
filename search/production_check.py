"""Checks an export with nothing but its folder: manifest signature, every file's hash, every proof."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archiver.errors import LedgerError
from archiver.ledger import canonical
from archiver.ledger.checkpoint import open_cosigned
from archiver.ledger.note import Verifier, open_note, parse_vkey
from archiver.ledger.proof import parse_proof, verify_proof

FIXED = frozenset({"manifest.json", "manifest.note"})


def check_folder(directory: Path, vkey: str | None = None, witnesses: Sequence[str] = ()) -> dict[str, Any]:
    """Verify an export and return `{ok, messages, faults:[{where, what}], vkey, exceptions}`.

    Without `vkey` the key inside the manifest is used: that proves the folder is whole and unchanged
    since it was signed, and by which key; pinning a key obtained elsewhere proves by whom. Each of
    `witnesses` (keys in text form) must have cosigned the checkpoint of every proof. Reads only the
    folder; raises nothing for hostile content, and LedgerError for a bad key of a witness.
    """
    watching = [parse_vkey(key) for key in witnesses]
    faults: list[dict[str, str]] = []

    def fault(where: str, what: str) -> None:
        faults.append({"where": where, "what": what})

    manifest: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    captures = None
    key = vkey or ""
    try:
        text = (directory / "manifest.json").read_bytes()
        manifest = json.loads(text)
        key = vkey or str(manifest["vkey"])
        note = open_note((directory / "manifest.note").read_bytes(), [parse_vkey(key)])
        expected = f"holdfast export manifest\nsha256 {hashlib.sha256(text).hexdigest()}\n"
        if not note.signed_by:
            fault("manifest.note", "it is not signed by the key")
        elif note.text != expected:
            fault("manifest.json", "it is not the manifest that was signed")
        captures = parse_vkey(str(manifest["captures_vkey"]))
        items = [dict(item) for item in manifest["items"]]
    except FileNotFoundError as error:
        fault(Path(error.filename or "").name, "it is missing")
    except LedgerError as error:
        fault("manifest.note", str(error))
    except (OSError, ValueError, KeyError, TypeError):
        fault("manifest.json", "it is not a manifest of an export")
    listed = set(FIXED)
    for item in items:
        listed |= {str(item.get("file")), str(item.get("proof"))}
        for where, what in _check_item(directory, item, captures, watching):
            fault(where, what)
    for path in sorted(directory.rglob("*")) if directory.is_dir() else []:
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name not in listed:
            fault(name, "it is not in the manifest")
    return {
        "ok": not faults,
        "messages": len(items),
        "faults": faults,
        "vkey": key,
        "exceptions": manifest.get("exceptions", []),
    }


def _check_item(
    directory: Path, item: dict[str, Any], captures: Any, watching: Sequence[Verifier]
) -> list[tuple[str, str]]:
    name, proof_name = str(item.get("file")), str(item.get("proof"))
    if not _plain(name, "natives/") or not _plain(proof_name, "proofs/"):
        return [("manifest.json", "an item names a file outside its folder")]
    try:
        raw = (directory / name).read_bytes()
    except OSError:
        return [(name, "it is missing or unreadable")]
    digest = hashlib.sha256(raw).hexdigest()
    if digest != item.get("sha256") or len(raw) != item.get("size"):
        return [(name, "its bytes are not those that were exported")]
    try:
        proof = parse_proof((directory / proof_name).read_bytes())
        verify_proof(proof, captures, others=watching)
        seen = open_cosigned(proof.checkpoint, captures, watching).witnesses
        if missing := {key.name for key in watching} - set(seen):
            return [(proof_name, f"its checkpoint lacks the cosignature of {', '.join(sorted(missing))}")]
        leaf: Any = canonical.loads(proof.leaf or b"")
        if leaf.get("sha256") != digest or leaf.get("id") != item.get("id"):
            return [(proof_name, "it proves another message")]
    except OSError:
        return [(proof_name, "it is missing or unreadable")]
    except (LedgerError, AttributeError) as error:
        return [(proof_name, str(error))]
    return []


def _plain(name: str, folder: str) -> bool:
    rest = name.removeprefix(folder)
    return name.startswith(folder) and rest.isascii() and "/" not in rest and ".." not in rest and rest != ""
