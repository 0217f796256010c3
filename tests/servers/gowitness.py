"""A log and client of witnesses in Go that share nothing with ours, built from the Go module proxy."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archiver.ledger.note import Verifier

SOURCE = Path(__file__).with_name("gowitness")


def built(folder: Path) -> Path:
    """The program, built in a folder. Skips where there is no Go."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go")
    shutil.copytree(SOURCE, folder / "source")
    program = folder / "gowitness"
    command = [go, "build", "-mod=readonly", "-o", str(program), "."]
    done = subprocess.run(command, cwd=folder / "source", capture_output=True, timeout=280, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return program


def grown(program: Path, url: str, log: Verifier, seed: bytes, vkeys: Sequence[str]) -> list[dict[str, Any]]:
    """What a witness answers to their log of this key, step by step."""
    secret = base64.b64encode(b"\x01" + seed).decode()
    skey = f"PRIVATE+KEY+{log.name}+{log.key_id.hex()}+{secret}"
    done = subprocess.run([program, url, skey, *vkeys], capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
