"""Proof files and the offline verifier, as a stranger would use them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import LedgerError
from archiver.ledger.canonical import leaf
from archiver.ledger.checkpoint import Checkpoint, sign_checkpoint
from archiver.ledger.note import Signer, parse_vkey
from archiver.ledger.offline import main, verify_proof_file
from archiver.ledger.proof import HEADER, Proof, format_proof, make_proof, parse_proof, verify_proof

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GOLDEN_VKEY = "holdfast/golden-archive/captures+25f3e317+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
LOG = Signer("log.example/captures", bytes(32))
MESSAGE = b"Subject: results\r\n\r\nAll well.\r\n"


@pytest.fixture(scope="module")
def proof(naive) -> Proof:
    leaves = [
        leaf({"id": f"m{number}", "sha256": hashlib.sha256(MESSAGE).hexdigest()}) for number in range(11)
    ]
    tree = naive(leaves)
    signed = sign_checkpoint(Checkpoint(LOG.verifier.name, 11, tree.root()), [LOG])
    return make_proof(tree, 4, leaves[4], signed, 11)


def test_round_trip(proof: Proof) -> None:
    assert parse_proof(format_proof(proof)) == proof
    assert verify_proof(proof, LOG.verifier).size == 11
    bare = Proof(proof.index, proof.hashes, proof.checkpoint, None)
    assert parse_proof(format_proof(bare)) == bare
    assert verify_proof(bare, LOG.verifier, leaf=proof.leaf).size == 11
    with pytest.raises(LedgerError, match="carries no leaf"):
        verify_proof(bare, LOG.verifier)
    with pytest.raises(LedgerError, match="another"):
        verify_proof(proof, LOG.verifier, leaf=b"another")


def test_every_flipped_bit_is_refused(proof: Proof) -> None:
    data = format_proof(proof)
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises(LedgerError):
                verify_proof(parse_proof(bytes(changed)), LOG.verifier)


def test_every_truncation_and_a_trailing_byte_are_refused(proof: Proof) -> None:
    data = format_proof(proof)
    for bad in (*(data[:length] for length in range(len(data))), data + b"\n", data + b"x"):
        with pytest.raises(LedgerError):
            verify_proof(parse_proof(bad), LOG.verifier)


def test_another_key_or_another_logs_proof_is_refused(proof: Proof) -> None:
    with pytest.raises(LedgerError):
        verify_proof(proof, Signer(LOG.verifier.name, b"x" * 32).verifier)
    with pytest.raises(LedgerError):
        verify_proof(proof, Signer("log.example/audit", bytes(32)).verifier)


@given(st.binary(max_size=200))
def test_hostile_files_raise_only_ledger_errors(data: bytes) -> None:
    for text in (data, HEADER.encode() + b"\n" + data, HEADER.encode() + b"\nindex 1\n" + data):
        with pytest.raises(LedgerError):
            verify_proof(parse_proof(text), LOG.verifier)


def test_too_large_or_too_deep_proofs_are_refused(proof: Proof) -> None:
    with pytest.raises(LedgerError, match="larger"):
        parse_proof(HEADER.encode() + b"\n" * 1_000_000)
    with pytest.raises(LedgerError, match="high"):
        parse_proof(format_proof(Proof(1, (bytes(32),) * 64, proof.checkpoint, None)))


def test_the_golden_proof_holds() -> None:
    verdict = verify_proof_file(GOLDEN / "proof-v1.tlog-proof", GOLDEN_VKEY, GOLDEN / "message-v1.eml")
    assert verdict.good
    assert (verdict.index, verdict.size, verdict.message_checked) == (3, 6, True)
    assert verdict.leaf["id"] == "golden-3"
    golden = parse_proof((GOLDEN / "proof-v1.tlog-proof").read_bytes())
    assert format_proof(golden) == (GOLDEN / "proof-v1.tlog-proof").read_bytes()
    assert verify_proof(golden, parse_vkey(GOLDEN_VKEY)).origin == "holdfast/golden-archive/captures"


def write(folder: Path, proof: Proof, message: bytes = MESSAGE) -> tuple[str, str]:
    (folder / "a.tlog-proof").write_bytes(format_proof(proof))
    (folder / "a.eml").write_bytes(message)
    return str(folder / "a.tlog-proof"), str(folder / "a.eml")


def test_a_stranger_verifies_from_the_command_line(proof: Proof, tmp_path: Path) -> None:
    file, message = write(tmp_path, proof)
    command = [sys.executable, "-m", "archiver.ledger.offline", file, "--key", LOG.verifier.vkey]
    done = subprocess.run(
        [*command, "--message", message], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: entry 4 of 11 in log.example/captures: message")
    Path(message).write_bytes(MESSAGE + b" ")
    done = subprocess.run(
        [*command, "--message", message], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAULT: the message isn't the one logged")
    assert done.stdout.count("\n") == 1


def test_the_verifier_needs_little() -> None:
    """It must run where only `cryptography` is installed: no database, no zstd, nothing of the service."""
    code = (
        "import sys, archiver.ledger.offline\n"
        "wanted = {'archiver', 'config', 'cryptography', '_cffi_backend', 'cffi'}\n"
        "extra = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - wanted\n"
        "print(sorted(name for name in extra if not name.startswith('_')))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n" + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_a_message_the_verdict_says_so(proof: Proof, tmp_path: Path, capsys) -> None:
    file, _ = write(tmp_path, proof)
    assert main([file, "--key", LOG.verifier.vkey]) == 0
    assert "no message was compared" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("vkey", "key"),
        ("missing", "can't be read"),
        ("garbage", "tlog-proof file"),
        ("message missing", "message can't be read"),
        ("folder", "can't be read"),
    ],
)
def test_each_fault_is_one_clear_line(damage: str, fault: str, proof: Proof, tmp_path: Path, capsys) -> None:
    file, message = write(tmp_path, proof)
    vkey = LOG.verifier.vkey
    if damage == "vkey":
        vkey = vkey[:-2] + "AA"
    elif damage == "missing":
        Path(file).unlink()
    elif damage == "garbage":
        Path(file).write_bytes(b"\xff\xfe")
    elif damage == "message missing":
        Path(message).unlink()
    elif damage == "folder":
        file = str(tmp_path)
    assert main([file, "--key", vkey, "--message", message]) == 1
    out = capsys.readouterr().out
    assert out.startswith("FAULT: ")
    assert fault in out
    assert out.count("\n") == 1
    assert str(tmp_path) not in out


@pytest.mark.parametrize(
    "entry",
    [leaf({"id": "m"}), leaf({"sha256": "\nOK: all well"}), leaf(["sha256"]), b"not json", b'{"a": 1}', b""],
)
def test_a_leaf_that_is_not_about_a_message_is_a_fault(entry: bytes, naive, tmp_path: Path, capsys) -> None:
    tree = naive([b"x", entry])
    signed = sign_checkpoint(Checkpoint(LOG.verifier.name, 2, tree.root()), [LOG])
    file, message = write(tmp_path, make_proof(tree, 1, entry, signed, 2))
    assert main([file, "--key", LOG.verifier.vkey, "--message", message]) == 1
    assert capsys.readouterr().out.count("\n") == 1
