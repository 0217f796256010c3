"""The offline verifier: proof file and public key in, verdict out. For strangers.

`python -m archiver.ledger.offline PROOF --key VKEY [--message FILE] [--witness VKEY]... [--quorum N]` needs
this package and `cryptography`, no archive, no network. It exits 0 where everything holds, else 1 with one
line a fault.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger.canonical import Json, loads
from archiver.ledger.checkpoint import open_cosigned
from archiver.ledger.note import parse_vkey
from archiver.ledger.proof import MAX_PROOF_BYTES, parse_proof, verify_proof

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `faults` is empty where everything holds.

    The rest is set only where the proof itself holds: the log's name, its size, the leaf's number and
    value, whether a message was compared, which of the witnesses asked about had seen the checkpoint (name
    and seconds since 1970), and the log's generation: from 2 on, a restored log that went on after a gap.
    """

    faults: tuple[str, ...]
    origin: str = ""
    size: int = 0
    index: int = 0
    leaf: Json = None
    message_checked: bool = False
    witnesses: tuple[tuple[str, int], ...] = ()
    generation: int = 1

    @property
    def good(self) -> bool:
        """True where nothing is wrong."""
        return not self.faults


def verify_proof_file(
    path: Path,
    vkey: str,
    message: Path | None = None,
    witnesses: Sequence[str] = (),
    quorum: int | None = None,
) -> Verdict:
    """Check a `.tlog-proof` file: signature, inclusion, and the message's SHA-256 where one is given.

    Of the `witnesses`, by their keys, `quorum` must have cosigned its checkpoint; all unless told otherwise.
    Raises nothing for any file contents: every fault is in the verdict.
    """
    try:
        log = parse_vkey(vkey)
        keys = [parse_vkey(key) for key in witnesses]
        proof = parse_proof(_read(path))
        checkpoint = verify_proof(proof, log, others=keys)
        seen = open_cosigned(proof.checkpoint, log, keys).witnesses
        wanted = len({key.name for key in keys}) if quorum is None else quorum
        if len(seen) < wanted:
            raise LedgerError(f"{len(seen)} of the witnesses have cosigned its checkpoint, not {wanted}")
        leaf = loads(proof.leaf or b"")
    except LedgerError as error:
        return Verdict((str(error),))
    except OSError as error:
        return Verdict((f"the proof can't be read: {error.strerror}",))
    faults = () if message is None else _compare(leaf, message)
    return Verdict(
        faults,
        checkpoint.origin,
        checkpoint.size,
        proof.index,
        leaf,
        message is not None,
        tuple(sorted(seen.items())),
        checkpoint.generation,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 (holds), 1 (doesn't); bad usage exits 2."""
    parser = argparse.ArgumentParser(
        prog="python -m archiver.ledger.offline",
        description="Check that a log entry, and a message, are what a signed log says they are.",
    )
    parser.add_argument("proof", type=Path, metavar="PROOF", help="the .tlog-proof file")
    parser.add_argument("--key", required=True, metavar="VKEY", help="the log's public key, name+id+base64")
    parser.add_argument("--message", type=Path, metavar="FILE", help="the message the entry is about")
    parser.add_argument("--witness", action="append", default=[], metavar="VKEY", help="a witness you trust")
    parser.add_argument("--quorum", type=int, metavar="N", help="how many must have cosigned (all)")
    options = parser.parse_args(argv)
    verdict = verify_proof_file(options.proof, options.key, options.message, options.witness, options.quorum)
    for fault in verdict.faults:
        sys.stdout.write(f"FAULT: {fault}\n")
    if verdict.good:
        about = (
            "message, inclusion and signature hold"
            if verdict.message_checked
            else ("inclusion and signature hold; no message was compared")
        )
        sys.stdout.write(f"OK: entry {verdict.index} of {verdict.size} in {verdict.origin}: {about}\n")
        for name, seconds in verdict.witnesses:
            when = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
            sys.stdout.write(f"    {name} had seen this checkpoint at {when}\n")
        if verdict.generation > 1:
            sys.stdout.write(
                f"    generation {verdict.generation}: an older backup was restored; ask for the signed "
                "statement about the gap\n"
            )
    return 0 if verdict.good else 1


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_PROOF_BYTES + 1)


def _compare(leaf: Json, message: Path) -> tuple[str, ...]:
    """Return the faults found between the leaf and the message it is said to be about."""
    expected = leaf.get("sha256") if isinstance(leaf, dict) else None
    if not isinstance(expected, str) or not _SHA256.fullmatch(expected):
        return ("the log entry names no sha256: it isn't about a message",)
    try:
        with message.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return (f"the message can't be read: {error.strerror}",)
    if actual != expected:
        return (f"the message isn't the one logged: its SHA-256 is {actual}, the log entry's {expected}",)
    return ()


if __name__ == "__main__":
    sys.exit(main())
