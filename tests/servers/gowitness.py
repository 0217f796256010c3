"""The witness and the client of github.com/transparency-dev/witness, built once from the Go module proxy."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("gowitness")


def built(folder: Path) -> Path:
    """The program, built in a folder. Skips where there is no Go."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go")
    place = folder / "gowitness"
    shutil.copytree(SOURCE, place)
    program = folder / "gowitness.bin"
    done = subprocess.run(
        [go, "build", "-o", str(program), "."], cwd=place, capture_output=True, timeout=280, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return program


@contextmanager
def witnessing(program: Path, vkeys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Their witness of these logs, until the block ends: its URL and its vkey."""
    process = subprocess.Popen([program, "serve", *vkeys], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield said["url"], said["vkey"]
    finally:
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def submitted(program: Path, url: str, requests: Path, vkeys: Sequence[str]) -> list[dict[str, Any]]:
    """What their client made of each request in a file."""
    done = subprocess.run(
        [program, "submit", url, str(requests), *vkeys], capture_output=True, timeout=60, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
