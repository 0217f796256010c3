"""Our witness and a log and client in Go that share nothing with it: x/mod's trees, proofs and notes, and
transparency-dev's verifiers of both kinds of cosignature.
"""

from __future__ import annotations

from pathlib import Path

from archiver.ledger.note import Signer
from tests.servers import gowitness
from tests.support.witness import witness

LOG = Signer("log.example/go", b"g" * 32)


def test_a_log_in_go_grows_under_our_witness(tmp_path: Path) -> None:
    program = gowitness.built()
    with witness(tmp_path / "witness", logs=[LOG.verifier.vkey]) as running:
        said = gowitness.grown(program, running.url, LOG.verifier, b"g" * 32, running.vkeys)
        ids = sorted("+".join(vkey.split("+")[:2]) for vkey in running.vkeys)
    assert [(one["size"], one["status"]) for one in said] == [
        (1, 200), (2, 200), (7, 200), (8, 200), (8, 200), (1000, 200),
        (1001, 409), (1200, 422), (1000, 409), (1003, 200),
    ]  # fmt: skip
    assert all(sorted(one["keys"]) == ids for one in said if one["status"] == 200)
    stale, same_size = (one for one in said if one["status"] == 409)
    assert (stale["type"], stale["body"]) == ("text/x.tlog.size", "1000\n")
    assert same_size["type"] != "text/x.tlog.size"
