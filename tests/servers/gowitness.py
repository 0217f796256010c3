"""A log and client of witnesses in Go that share nothing with ours, built when the tools are set up."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archiver.ledger.note import Verifier

PROGRAM = Path(sys.prefix) / "gowitness"


def built() -> Path:
    """The program. Skips where `scripts/go-witness` couldn't build it, with its reason."""
    if not PROGRAM.exists():
        why = PROGRAM.with_suffix(".why")
        reason = why.read_text().strip() if why.exists() else "run `make test`, which builds it"
        pytest.skip(f"needs the witness's client in Go: {reason}")
    return PROGRAM


def grown(program: Path, url: str, log: Verifier, seed: bytes, vkeys: Sequence[str]) -> list[dict[str, Any]]:
    """What a witness answers to their log of this key, step by step."""
    secret = base64.b64encode(b"\x01" + seed).decode()
    skey = f"PRIVATE+KEY+{log.name}+{log.key_id.hex()}+{secret}"
    done = subprocess.run([program, url, skey, *vkeys], capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
