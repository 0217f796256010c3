"""What others keep of our logs, in the form of its first version: each golden file must open for ever."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from archiver.errors import LedgerError
from archiver.ledger.note import parse_vkey
from archiver.ledger.witness.folder import WitnessFolder
from archiver.ledger.witness.request import format_request
from archiver.ledger.witness.witness import Witness
from archiver.witnessing import stamps, statement

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LOG = parse_vkey("holdfast/golden-archive/captures+25f3e317+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4")
CHECKPOINT = (GOLDEN / "checkpoint-v1.txt").read_bytes()


def certificates() -> list[x509.Certificate]:
    return stamps.read_certificates(str(GOLDEN / "stamp-v1-ca.pem"))


def test_a_stamp_holds_after_its_certificate_has_ended() -> None:
    answer = (GOLDEN / "stamp-v1.tsr").read_bytes()
    assert stamps.verify(answer, CHECKPOINT, certificates()).year == 2026
    with pytest.raises(LedgerError, match="doesn't hold"):
        stamps.verify(answer, CHECKPOINT + b"x", certificates())
    for position in range(0, len(answer), 7):
        changed = bytearray(answer)
        changed[position] ^= 0x10
        try:
            when = stamps.verify(bytes(changed), CHECKPOINT, certificates())
        except LedgerError:
            continue
        # What isn't signed may change (a name beside the certificates); what it says may not.
        assert when == stamps.verify(answer, CHECKPOINT, certificates())


def test_openssl_reads_the_golden_stamp(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(CHECKPOINT)
    command = ["openssl", "ts", "-verify", "-data", tmp_path / "data", "-in", GOLDEN / "stamp-v1.tsr",
               "-CAfile", GOLDEN / "stamp-v1-ca.pem", "-no_check_time"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert b"Verification: OK" in done.stdout + done.stderr, done.stderr


def test_a_statement_about_a_gap_is_read_by_any_generations_key() -> None:
    data = (GOLDEN / "gap-v1.note").read_bytes()
    document = statement.read(data, [LOG])
    assert document == statement.read(data, [LOG.renamed(LOG.name + "/7")])
    said = document["logs"]["captures"]
    assert (said["origin"], said["generation"], said["common"]) == (LOG.name + "/2", 2, 2)
    assert [(head["size"], head["signed"]) for head in said["seen"]] == [(6, True)]
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(LedgerError):
            statement.read(bytes(changed), [LOG])
    with pytest.raises(LedgerError):
        statement.read(data, [])


def test_a_witness_of_the_first_version_remembers(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "witness-v1", tmp_path / "w")
    folder = WitnessFolder(tmp_path / "w")
    witness = Witness(folder, lambda: 1_800_000_000)
    assert witness.vkeys == (GOLDEN / "cosigned-v1.vkeys").read_text().split()
    assert witness.origins == ["another origin", LOG.name]
    assert witness.add_checkpoint(format_request(0, [], CHECKPOINT)).body == b"6\n"
    assert witness.add_checkpoint(format_request(6, [], CHECKPOINT)).status == 200
