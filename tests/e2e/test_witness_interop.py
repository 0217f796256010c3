"""Our witness and our client against others' (github.com/transparency-dev/witness, in Go).

Slow: the first build fetches and compiles Go modules.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from archiver.ledger.audit import AuditEvent
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.log import Log
from archiver.ledger.note import Signer
from archiver.ledger.offline import verify_proof_file
from archiver.ledger.proof import format_proof
from archiver.vault import create, open_vault
from config.settings import Settings
from tests.archiver.ledger.conftest import NaiveTree
from tests.servers import gowitness
from tests.support.witness import witness

pytestmark = pytest.mark.slow
LOG = Signer("log.example/captures", bytes(32))
TREE = NaiveTree([b"entry %d" % n for n in range(40)])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gowitness.built(tmp_path_factory.mktemp("go"))


def asked(old: int, size: int, *, signer: Signer = LOG, proof: list[bytes] | None = None) -> str:
    head = NaiveTree(TREE.leaves[:size])
    if proof is None:
        proof = head.subproof(old) if 0 < old < size else []
    signed = sign_checkpoint(Checkpoint(signer.verifier.name, size, head.root()), [signer])
    return json.dumps(
        {
            "old": old,
            "proof": [base64.b64encode(item).decode() for item in proof],
            "checkpoint": base64.b64encode(signed).decode(),
        }
    )


def test_their_client_and_our_witness(program: Path, tmp_path: Path) -> None:
    """Their client understands each answer, and their verifiers both kinds of cosignature."""
    impostor = Signer(LOG.verifier.name, b"i" * 32)
    stranger = Signer("other.example", b"o" * 32)
    lines = [
        (asked(0, 7), "", 0),
        (asked(7, 8), "", 0),
        (asked(8, 8), "", 0),
        (asked(3, 9), "stale", 8),
        (asked(8, 9, proof=[bytes(32)]), "proof", 0),
        (asked(9, 8), "old size", 0),
        (asked(8, 40, signer=impostor), "no signature", 0),
        (asked(0, 7, signer=stranger), "unknown log", 0),
        (asked(8, 40), "", 0),
    ]
    requests = tmp_path / "requests"
    requests.write_text("".join(line + "\n" for line, _, _ in lines))
    with witness(tmp_path / "witness", logs=[LOG.verifier.vkey]) as running:
        said = gowitness.submitted(program, running.url, requests, running.vkeys)
        ids = ["+".join(vkey.split("+")[:2]) for vkey in running.vkeys]
    assert [(one["error"], one["size"]) for one in said] == [(error, size) for _, error, size in lines]
    assert all(sorted(one["keys"]) == sorted(ids) for one in said if not one["error"])


def test_our_client_and_their_witness(program: Path, settings: Settings, tmp_path: Path) -> None:
    """An archive grows under their witness; cut and grown again, it is read-only."""
    create(settings)
    vault = open_vault(settings)
    keys = [vault.publisher.signer(which).verifier.vkey for which in Log]
    vault.close()
    with gowitness.witnessing(program, keys) as (url, vkey):
        ours = settings.model_copy(update={"witnesses": (f"{url} {vkey}",), "witness_quorum": 1})
        vault = open_vault(ours)
        try:
            assert vault.witnessing.look()
            for count in (1, 5, 300):
                for _ in range(count):
                    vault.audit.record(AuditEvent("test.act", "success", "operator"))
                path = tmp_path / "proof"
                path.write_bytes(format_proof(vault.publisher.proof(Log.AUDIT, count - 1)))
                verdict = verify_proof_file(path, keys[1], witnesses=[vkey])
                assert verdict.good, verdict.faults
            assert vault.witnessing.watchers.failing() == []
            assert vault.witnessing.look()
        finally:
            vault.close()
