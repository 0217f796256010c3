"""Signed notes and checkpoints: a published vector, hostile forms, every flipped bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import LedgerError
from archiver.ledger.checkpoint import (
    Checkpoint,
    log_origin,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from archiver.ledger.merkle import EMPTY_ROOT
from archiver.ledger.note import Signer, b64decode, b64encode, open_note, parse_vkey, sign_note

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GOLDEN_VKEY = "holdfast/golden-archive/captures+25f3e317+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
GOLDEN_ROOT = b64decode("F490XOC6strMy8RvXrW64gR4r7PLRBlkAgdKxXtf29M=")
# The worked example in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZIn"
    "NIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

LOG = Signer("log.example/captures", bytes(32))
OTHER = Signer("witness.example", b"w" * 32)
CHECKPOINT = Checkpoint("log.example/captures", 7, b"r" * 32)


def test_a_note_made_by_go_is_accepted() -> None:
    key = parse_vkey(GO_VKEY)
    assert key.vkey == GO_VKEY
    note = open_note(GO_NOTE, [key])
    assert note.text.endswith("your problem is.\n")
    assert note.signed_by == (key,)


def test_the_golden_checkpoint_opens() -> None:
    found = open_checkpoint((GOLDEN / "checkpoint-v1.txt").read_bytes(), parse_vkey(GOLDEN_VKEY))
    assert found == Checkpoint(log_origin("golden-archive", "captures"), 6, GOLDEN_ROOT)


def test_signing_is_deterministic() -> None:
    signer = Signer(log_origin("golden-archive", "captures"), bytes(range(32)))
    checkpoint = Checkpoint(signer.verifier.name, 6, GOLDEN_ROOT)
    assert signer.verifier.vkey == GOLDEN_VKEY
    assert sign_checkpoint(checkpoint, [signer]) == (GOLDEN / "checkpoint-v1.txt").read_bytes()


def test_text_may_hold_empty_lines_and_any_unicode() -> None:
    text = "Ognuno sta solo\n\nsul cuor della terra — è\n"
    assert open_note(sign_note(text, [LOG]), [LOG.verifier]).text == text


def test_unknown_signatures_are_passed_over_and_known_ones_must_hold() -> None:
    note = sign_note("text\n", [LOG, OTHER])
    assert open_note(note, [LOG.verifier]).signed_by == (LOG.verifier,)
    assert open_note(note, [OTHER.verifier, LOG.verifier]).signed_by == (LOG.verifier, OTHER.verifier)
    bad = Signer("witness.example", b"w" * 32)
    forged = sign_note("text\n", [LOG]) + bad.line(b"another text\n").encode()
    assert open_note(forged, [LOG.verifier]).signed_by == (LOG.verifier,)
    with pytest.raises(LedgerError, match="bad signature"):
        open_note(forged, [LOG.verifier, OTHER.verifier])
    with pytest.raises(LedgerError, match="isn't signed by the key you trust"):
        open_note(note, [])


def test_a_key_of_the_same_name_is_not_the_same_key() -> None:
    impostor = Signer(LOG.verifier.name, b"i" * 32)
    with pytest.raises(LedgerError, match="isn't signed"):
        open_note(sign_note("text\n", [impostor]), [LOG.verifier])


def test_every_flipped_bit_of_a_note_is_refused() -> None:
    note = sign_checkpoint(CHECKPOINT, [LOG])
    for position in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[position] ^= 1 << bit
            with pytest.raises(LedgerError):
                open_note(bytes(changed), [LOG.verifier])


def test_every_truncation_and_a_trailing_byte_are_refused() -> None:
    note = sign_checkpoint(CHECKPOINT, [LOG])
    for bad in (*(note[:length] for length in range(len(note))), note + b"\n", note + b"x", b"\n" + note):
        with pytest.raises(LedgerError):
            open_note(bad, [LOG.verifier])


@pytest.mark.parametrize(
    "note",
    [b"", b"\n\n", b"text\n", b"text\n\n", b"text\n\n\xe2\x80\x94 a b\n", b"t\n\n- a AAAA\n", b"\xff\n\n\n",
     b"text\r\n\n" + LOG.line(b"text\r\n").encode(), b"t\x00\n\n" + LOG.line(b"t\x00\n").encode()],
)  # fmt: skip
def test_malformed_notes_are_refused(note: bytes) -> None:
    with pytest.raises(LedgerError):
        open_note(note, [LOG.verifier])


def test_size_limits() -> None:
    others = [Signer(f"witness{number}.example", bytes([number + 1]) * 32) for number in range(63)]
    assert open_note(sign_note("t\n", [LOG, *others]), [LOG.verifier]).text == "t\n"
    with pytest.raises(LedgerError, match="64"):
        open_note(sign_note("t\n", [LOG, *others]) + OTHER.line(b"t\n").encode(), [LOG.verifier])
    with pytest.raises(LedgerError, match="256 KiB"):
        open_note(sign_note("x" * 262144 + "\n", [LOG]), [LOG.verifier])


@given(st.binary(max_size=200))
def test_hostile_notes_raise_only_ledger_errors(data: bytes) -> None:
    for note in (data, b"text\n\n\xe2\x80\x94 " + data):
        with pytest.raises(LedgerError):
            open_note(note, [LOG.verifier])


@given(st.text(max_size=80))
def test_hostile_keys_raise_only_ledger_errors(text: str) -> None:
    for vkey in (text, "name+00000000+" + text):
        with pytest.raises(LedgerError):
            parse_vkey(vkey)


def test_every_mistyped_character_of_a_key_is_noticed() -> None:
    vkey = LOG.verifier.vkey
    for position in range(len(vkey)):
        wrong = "A" if vkey[position] != "A" else "B"
        with pytest.raises(LedgerError):
            parse_vkey(vkey[:position] + wrong + vkey[position + 1 :])


def test_what_a_note_cannot_carry_is_not_signed() -> None:
    for text in ("no newline", "control\x07\n", "lone\ud800\n"):
        with pytest.raises(LedgerError):
            sign_note(text, [LOG])
    for name in ("", "a b", "a+b", "a\u3000b"):
        with pytest.raises(LedgerError):
            Signer(name, bytes(32))
    with pytest.raises(LedgerError):
        sign_note("text\n", [])
    with pytest.raises(LedgerError):
        Signer("name", b"short")


def test_a_checkpoint_round_trip() -> None:
    signed = sign_checkpoint(CHECKPOINT, [LOG, OTHER])
    assert open_checkpoint(signed, LOG.verifier, [OTHER.verifier]) == CHECKPOINT
    assert parse_checkpoint(CHECKPOINT.text()) == CHECKPOINT
    empty = Checkpoint(LOG.verifier.name, 0, EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, [LOG]), LOG.verifier) == empty


def test_one_logs_checkpoint_does_not_stand_in_for_anothers() -> None:
    audit = Signer("log.example/audit", b"a" * 32)
    with pytest.raises(LedgerError, match="first be signed by the log"):
        sign_checkpoint(CHECKPOINT, [audit])
    forged = sign_note(CHECKPOINT.text(), [audit])
    with pytest.raises(LedgerError, match="isn't of the log"):
        open_checkpoint(forged, audit.verifier)
    with pytest.raises(LedgerError, match="isn't of the log"):
        open_checkpoint(forged, LOG.verifier, [audit.verifier])


ROOT = b64encode(b"r" * 32)


@pytest.mark.parametrize(
    "text",
    ["", "o\n7\n", f"o\n07\n{ROOT}\n", f"o\n+7\n{ROOT}\n", f"o\n-1\n{ROOT}\n", f"o\n٧\n{ROOT}\n",
     f"\n7\n{ROOT}\n",
     f"o\n7\n{ROOT}\nextension\n", f"o\n7\n{ROOT}", f"o\n7\n{ROOT[:-4]}\n", f"o\n0\n{ROOT}\n",
     f"o\n{2**63}\n{ROOT}\n", f"o\n7 \n{ROOT}\n", f"o\n7\n{ROOT} \n", f"o\n7\n{ROOT.rstrip('=')}\n"],
)  # fmt: skip
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        parse_checkpoint(text)


def test_a_logs_key_is_known_under_each_generations_name() -> None:
    """Whoever trusts a log's key can read what was signed before and after a gap; and nothing else."""
    seed = bytes(range(32))
    origin = log_origin("golden-archive", "captures")
    first, second = Signer(origin, seed), Signer(f"{origin}/2", seed)
    for signer in (first, second):
        for key in (first.verifier, second.verifier, first.verifier.renamed(f"{origin}/11")):
            note = open_note(sign_note("text\n", [signer]), [key])
            assert note.signed_by == (signer.verifier,)
            checkpoint = Checkpoint(signer.verifier.name, 7, b"r" * 32)
            assert open_checkpoint(sign_checkpoint(checkpoint, [signer]), key) == checkpoint
    assert (Checkpoint(f"{origin}/2", 7, b"r" * 32).generation, CHECKPOINT.generation) == (2, 1)
    audit = log_origin("golden-archive", "audit")
    for name in (f"{origin}/1", f"{origin}/02", f"{origin}/0", f"{origin}/2/3", f"{origin}/x", audit,
                 log_origin("another-archive", "captures"), "log.example/captures/2"):  # fmt: skip
        with pytest.raises(LedgerError):
            open_note(sign_note("text\n", [Signer(name, seed)]), [first.verifier])
    impostor = Signer(f"{origin}/2", b"i" * 32)
    with pytest.raises(LedgerError):
        open_note(sign_note("text\n", [impostor]), [first.verifier])
