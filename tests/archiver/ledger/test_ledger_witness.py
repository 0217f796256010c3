"""A witness against what c2sp.org/tlog-witness and tlog-cosignature say, by others' proofs and signatures.

Proofs come from the naive tree of RFC 6962's definitions; Ed25519 cosignatures are checked by OpenSSL over
the message as the specification spells it.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.errors import LedgerError, StoreError
from archiver.ledger.checkpoint import Checkpoint, open_cosigned, sign_checkpoint
from archiver.ledger.note import Cosigner, NotSigned, Signer, open_note, parse_vkey, sign_note
from archiver.ledger.witness.folder import WitnessFolder
from archiver.ledger.witness.request import MAX_HASHES, SIZE_TYPE, format_request, parse_request
from archiver.ledger.witness.witness import TEXT_TYPE, Answer, Witness
from tests.archiver.ledger.conftest import NaiveTree

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GOLDEN_LOG = "holdfast/golden-archive/captures+25f3e317+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
LOG = Signer("log.example/captures", bytes(32))
OTHER = Signer("other.example/log", b"o" * 32)
NOW = 1_790_000_000
TREE = NaiveTree([b"entry %d" % n for n in range(40)])


def body(
    old: int, size: int, tree: NaiveTree = TREE, signer: Signer = LOG, proof: list[bytes] | None = None
) -> bytes:
    head = NaiveTree(tree.leaves[:size])
    signed = sign_checkpoint(Checkpoint(signer.verifier.name, size, head.root()), [signer])
    if proof is None:
        proof = head.subproof(old) if 0 < old < size else []
    return format_request(old, proof, signed)


@pytest.fixture
def folder(tmp_path: Path) -> WitnessFolder:
    place = WitnessFolder(tmp_path / "witness")
    place.add_log(LOG.verifier.vkey)
    return place


def start(folder: WitnessFolder) -> Witness:
    return Witness(folder, lambda: NOW, "witness.example/w1")


@pytest.fixture
def witness(folder: WitnessFolder) -> Witness:
    return start(folder)


# --- cosignatures ---------------------------------------------------------------------------------


def test_openssl_accepts_the_ed25519_cosignature(witness: Witness, tmp_path: Path) -> None:
    answer = witness.add_checkpoint(body(0, 7))
    line = answer.body.splitlines()[0].decode()
    dash, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, len(raw)) == ("—", "witness.example/w1", 4 + 8 + 64)
    vkey = witness.vkeys[0].split("+", 2)
    public = base64.b64decode(vkey[2])
    assert public[:1] == b"\x04"
    assert raw[:4] == hashlib.sha256(b"witness.example/w1\n" + public).digest()[:4] == bytes.fromhex(vkey[1])
    assert int.from_bytes(raw[4:12], "big") == NOW
    root = base64.b64encode(NaiveTree(TREE.leaves[:7]).root()).decode()
    message = f"cosignature/v1\ntime {NOW}\nlog.example/captures\n7\n{root}\n"
    (tmp_path / "message").write_text(message)
    (tmp_path / "signature").write_bytes(raw[12:])
    # An Ed25519 key as RFC 8410 wraps it.
    (tmp_path / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + public[1:])
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin",
               "-in", "message", "-sigfile", "signature"]  # fmt: skip
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120).returncode == 0
    (tmp_path / "message").write_text(message.replace(str(NOW), str(NOW + 1)))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120).returncode != 0


def test_both_kinds_of_cosignature_tell_when(witness: Witness) -> None:
    signed = parse_request(body(0, 7)).checkpoint
    whole = signed + witness.add_checkpoint(body(0, 7)).body
    keys = [parse_vkey(vkey) for vkey in witness.vkeys]
    assert [(key.kind, len(key.public)) for key in keys] == [(4, 32), (6, 1312)]
    assert [parse_vkey(key.vkey) for key in keys] == keys
    for known in (keys, keys[:1], keys[1:]):
        found = open_cosigned(whole, LOG.verifier, known)
        assert found.checkpoint.size == 7
        assert found.witnesses == {"witness.example/w1": NOW}
    assert open_cosigned(signed, LOG.verifier, keys).witnesses == {}


def test_a_cosignature_of_another_checkpoint_or_time_is_refused() -> None:
    cosigner = Cosigner("w.example", b"a" * 32, b"b" * 32)
    text = Checkpoint("log.example/captures", 3, b"r" * 32).text()
    other = Checkpoint("log.example/captures", 4, b"r" * 32).text()
    signed = sign_note(text, [LOG])
    for line in cosigner.lines(text.encode(), NOW).splitlines(keepends=True):
        assert open_note(signed + line.encode(), cosigner.verifiers).times == (NOW,)
        dash, name, encoded = line.rstrip("\n").split(" ")
        for position in (4, 11, 12, 60):  # the time, then the signature
            raw = bytearray(base64.b64decode(encoded))
            raw[position] ^= 1
            forged = f"{dash} {name} {base64.b64encode(raw).decode()}\n".encode()
            with pytest.raises(NotSigned):
                open_note(signed + forged, cosigner.verifiers)
    for line in cosigner.lines(other.encode(), NOW).splitlines(keepends=True):
        with pytest.raises(NotSigned):
            open_note(signed + line.encode(), cosigner.verifiers)


def test_only_checkpoints_are_cosigned() -> None:
    with pytest.raises(LedgerError):
        Cosigner("w.example", b"a" * 32, b"b" * 32).lines(b"any text\n", NOW)
    with pytest.raises(LedgerError):
        Cosigner("w.example", b"a" * 32, b"b" * 32).lines(TREE.leaves[0], NOW)


def test_the_golden_cosigned_checkpoint_opens() -> None:
    data = (GOLDEN / "cosigned-v1.txt").read_bytes()
    keys = [parse_vkey(line) for line in (GOLDEN / "cosigned-v1.vkeys").read_text().splitlines()]
    found = open_cosigned(data, parse_vkey(GOLDEN_LOG), keys)
    assert (found.checkpoint.size, found.witnesses) == (6, {"witness.example/golden": 1_790_000_000})
    note = open_note(data, keys)
    assert [key.kind for key in note.signed_by] == [4, 6]


# --- the protocol ---------------------------------------------------------------------------------


def test_a_growing_log_is_cosigned_step_by_step(witness: Witness) -> None:
    sizes = [0, 1, 2, 7, 8, 8, 31, 40]
    for old, size in zip([0, *sizes], sizes, strict=False):
        answer = witness.add_checkpoint(body(old, size))
        assert answer.status == 200, (old, size, answer.body)


def status(answer: Answer) -> int:
    return answer.status


def test_each_refusal_is_the_specified_one(witness: Witness) -> None:
    assert status(witness.add_checkpoint(body(0, 7, signer=OTHER))) == 404
    impostor = Signer("log.example/captures", b"i" * 32)
    assert status(witness.add_checkpoint(body(0, 7, signer=impostor))) == 403
    good = body(0, 7)
    assert status(witness.add_checkpoint(good[:-10] + b"AAAAAAAA=\n")) in (400, 403)
    assert status(witness.add_checkpoint(body(8, 7))) == 400
    stale = witness.add_checkpoint(body(3, 7))
    assert (stale.status, stale.body, stale.content_type) == (409, b"0\n", SIZE_TYPE)
    assert status(witness.add_checkpoint(body(0, 7, proof=[bytes(32)]))) == 422
    assert status(witness.add_checkpoint(good)) == 200
    behind = witness.add_checkpoint(body(0, 9))
    assert (behind.status, behind.body) == (409, b"7\n")
    assert status(witness.add_checkpoint(body(7, 9, proof=[bytes(32)] * 3))) == 422
    assert status(witness.add_checkpoint(body(7, 7))) == 200
    empty = sign_note("log.example/captures\n0\n" + "A" * 43 + "=\n", [LOG])
    assert status(witness.add_checkpoint(format_request(0, [], empty))) == 409
    assert status(witness.add_checkpoint(b"")) == 400


def test_a_log_of_no_leaves_has_the_empty_root(witness: Witness) -> None:
    empty = sign_note("log.example/captures\n0\n" + "A" * 43 + "=\n", [LOG])
    assert status(witness.add_checkpoint(format_request(0, [], empty))) == 422
    assert status(witness.add_checkpoint(body(0, 0))) == 200


def test_a_cut_tail_and_a_second_history_are_refused(witness: Witness) -> None:
    assert status(witness.add_checkpoint(body(0, 30))) == 200
    cut = NaiveTree(TREE.leaves[:20])
    # Cut and signed again: the log no longer has what the witness has seen.
    assert witness.add_checkpoint(body(20, 20, cut)).body == b"30\n"
    assert status(witness.add_checkpoint(body(30, 20, cut))) == 400
    # Cut and grown on: as long as before, and longer.
    grown = NaiveTree([*cut.leaves, *(b"another %d" % n for n in range(20))])
    same = witness.add_checkpoint(body(30, 30, grown))
    assert (same.status, same.content_type) == (409, TEXT_TYPE)
    assert status(witness.add_checkpoint(body(30, 35, grown))) == 422
    # And the true one goes on.
    assert status(witness.add_checkpoint(body(30, 35))) == 200


def test_extension_lines_of_others_logs_are_passed_over(witness: Witness) -> None:
    root = base64.b64encode(NaiveTree(TREE.leaves[:5]).root()).decode()
    signed = sign_note(f"log.example/captures\n5\n{root}\nsomething more\n", [LOG])
    answer = witness.add_checkpoint(format_request(0, [], signed))
    assert answer.status == 200
    assert len(open_note(signed + answer.body, [parse_vkey(vkey) for vkey in witness.vkeys]).signed_by) == 2


def test_what_it_cosigned_it_hands_out(witness: Witness) -> None:
    hashed = hashlib.sha256(b"log.example/captures").hexdigest()
    assert witness.last_checkpoint(hashed).status == 404
    witness.add_checkpoint(body(0, 7) + OTHER.line(b"x").encode())
    found = open_cosigned(
        witness.last_checkpoint(hashed).body, LOG.verifier, [parse_vkey(vkey) for vkey in witness.vkeys]
    )
    assert (found.checkpoint.size, found.witnesses) == (7, {"witness.example/w1": NOW})
    assert b"other.example" not in witness.last_checkpoint(hashed).body


def test_it_remembers_across_restarts_and_in_one_process(folder: WitnessFolder) -> None:
    with folder.locked():
        assert start(folder).add_checkpoint(body(0, 12)).status == 200
        with pytest.raises(StoreError, match="another witness"), WitnessFolder(folder.path).locked():
            raise AssertionError
    again = start(folder)
    assert again.add_checkpoint(body(0, 20)).body == b"12\n"
    assert again.vkeys == start(folder).vkeys
    with pytest.raises(LedgerError, match="folder of its own"):
        Witness(folder, lambda: NOW, "another.example")


def test_a_damaged_memory_stops_it(folder: WitnessFolder, witness: Witness) -> None:
    witness.add_checkpoint(body(0, 12))
    (head,) = (folder.path / "heads").iterdir()
    data = bytearray(head.read_bytes())
    data[25] ^= 1
    head.write_bytes(data)
    with pytest.raises(LedgerError):
        witness.add_checkpoint(body(12, 20))


def test_of_many_at_once_each_size_is_taken_once(witness: Witness) -> None:
    answers: list[Answer] = []
    ready = threading.Barrier(8)

    def submit(size: int) -> None:
        ready.wait()
        answers.append(witness.add_checkpoint(body(0, size)))

    threads = [threading.Thread(target=submit, args=(size,)) for size in range(5, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    (size,) = {answer.body for answer in answers if answer.status == 409}
    assert 5 <= int(size) <= 12


# --- hostile input --------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_hostile_bodies_are_refused_and_change_nothing(witness: Witness, data: bytes) -> None:
    good = body(0, 7)
    cut = len(data) % len(good)
    for hostile in (data, b"old 0\n\n" + data, b"old 0\n" + data, good[:cut] + data, data + good):
        if hostile != good:
            assert witness.add_checkpoint(hostile).status in (400, 403, 404, 409, 422)
    assert witness.add_checkpoint(body(1, 7)).body == b"0\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_is_cosigned(witness: Witness, position: int, bit: int) -> None:
    whole = bytearray(body(5, 7, proof=[]))
    whole[position % len(whole)] ^= 1 << bit
    assert witness.add_checkpoint(bytes(whole)).status != 200
    assert witness.add_checkpoint(body(1, 7)).body == b"0\n"


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_HASHES))
def test_a_request_is_read_as_it_was_written(old: int, hashes: Sequence[bytes]) -> None:
    found = parse_request(format_request(old, hashes, b"anything\n\nat all\n"))
    assert (found.old_size, list(found.hashes), found.checkpoint) == (
        old,
        list(hashes),
        b"anything\n\nat all\n",
    )


def test_more_hashes_than_any_tree_is_high_are_refused(witness: Witness) -> None:
    assert witness.add_checkpoint(body(1, 7, proof=[bytes(32)] * 64)).status == 400


@pytest.mark.parametrize("line", ["+", "name+00000000+AAAA", GOLDEN_LOG[:-2] + "A4", "x y z"])
def test_a_bad_list_of_logs_is_named_by_its_line(folder: WitnessFolder, line: str) -> None:
    with (folder.path / "logs").open("a") as file:
        file.write(f"# a comment\n\n{line}\n")
    with pytest.raises(LedgerError, match="line 4"):
        start(folder)


def test_a_witness_is_no_log(folder: WitnessFolder) -> None:
    key = Cosigner("w.example", b"a" * 32, b"b" * 32).verifiers[0]
    with pytest.raises(LedgerError):
        folder.add_log(key.vkey)
