"""kill -9 of a witness between persisting and answering: it never forgets what it may have said."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.note import Signer, open_note, parse_vkey
from archiver.ledger.witness.request import format_request
from tests.archiver.ledger.conftest import NaiveTree

ROOT = Path(__file__).resolve().parents[2]
LOG = Signer("log.example/captures", bytes(32))
TREE = NaiveTree([b"entry %d" % n for n in range(20)])
# `holdfast witness serve`, which dies around the one step that makes a head durable.
PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv.pop(1))
when = sys.argv.pop(1)
from archiver.ledger.witness.folder import WitnessFolder
from api.cli import main
keep = WitnessFolder.keep
def dying(self, origin, checkpoint):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    keep(self, origin, checkpoint)
    if when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
WitnessFolder.keep = dying
sys.exit(main())
"""


@contextmanager
def serving(folder: Path, when: str = "never") -> Iterator[tuple[str, list[str], subprocess.Popen[bytes]]]:
    command = [sys.executable, "-c", PROGRAM, str(ROOT), when, "witness", "serve", "--folder", str(folder)]
    command += ["--listen", "127.0.0.1:0", "--name", "w.example/1", "--log", LOG.verifier.vkey, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield f"http://{said['http']}", said["vkeys"], process
    finally:
        process.kill()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def signed(size: int) -> bytes:
    root = NaiveTree(TREE.leaves[:size]).root()
    return sign_checkpoint(Checkpoint(LOG.verifier.name, size, root), [LOG])


def submit(url: str, old: int, size: int) -> tuple[int, bytes]:
    proof = NaiveTree(TREE.leaves[:size]).subproof(old) if 0 < old < size else []
    request = urllib.request.Request(f"{url}/add-checkpoint", format_request(old, proof, signed(size)))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize(("when", "remembered"), [("before", b"5\n"), ("after", b"9\n")])
def test_it_remembers_all_that_it_may_have_said(tmp_path: Path, when: str, remembered: bytes) -> None:
    folder = tmp_path / "witness"
    with serving(folder) as (url, vkeys, _):
        assert submit(url, 0, 5)[0] == 200
    with serving(folder, when) as (url, _, process):
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            submit(url, 5, 9)
        assert process.wait(20) == -9
    with serving(folder) as (url, after, _):
        assert after == vkeys
        assert submit(url, 0, 9) == (409, remembered)
        code, lines = submit(url, int(remembered), 9)
        assert code == 200
        keys = [parse_vkey(vkey) for vkey in vkeys]
        assert len(open_note(signed(9) + lines, keys).signed_by) == 2
        assert submit(url, 9, 20)[0] == 200
    assert not list((folder / "heads").glob(".*.tmp"))
