"""The Merkle tree against the published vectors of certificate transparency and against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import LedgerError
from archiver.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_root,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves with which implementations of RFC 6962 are tested, and the published results.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def frontier_of(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf_hash(leaf))
    return frontier


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    return data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]


def test_published_roots() -> None:
    assert Frontier().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, root in enumerate(ROOTS, 1):
        assert frontier_of(LEAVES[:size]).root().hex() == root


@pytest.mark.parametrize(("index", "size"), sorted(INCLUSION))
def test_published_inclusion_proofs(index: int, size: int, naive) -> None:
    proof = inclusion_proof(naive(LEAVES[:size]), index, size)
    assert [item.hex() for item in proof] == INCLUSION[index, size]
    verify_inclusion(leaf_hash(LEAVES[index]), index, size, proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "new"), sorted(CONSISTENCY))
def test_published_consistency_proofs(old: int, new: int, naive) -> None:
    proof = consistency_proof(naive(LEAVES[:new]), old, new)
    assert [item.hex() for item in proof] == CONSISTENCY[old, new]
    verify_consistency(old, bytes.fromhex(ROOTS[old - 1]), new, bytes.fromhex(ROOTS[new - 1]), proof)


@settings(max_examples=80, deadline=None)
@given(leaves=st.lists(st.binary(max_size=4), min_size=1, max_size=70), data=st.data())
def test_all_agrees_with_the_definition(naive, leaves: list[bytes], data) -> None:
    from_definition = naive(leaves)
    size = len(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    frontier = frontier_of(leaves)
    root = frontier.root()
    assert (frontier.size, root) == (size, from_definition.root())
    assert range_root(from_definition, 0, size) == root
    inclusion = inclusion_proof(from_definition, index, size)
    assert inclusion == from_definition.path(index)
    verify_inclusion(leaf_hash(leaves[index]), index, size, inclusion, root)
    consistency = consistency_proof(from_definition, old, size)
    assert consistency == from_definition.subproof(old)
    verify_consistency(old, naive(leaves[:old]).root(), size, root, consistency)


def test_every_proof_up_to_size_20_holds_only_for_what_it_proves(naive) -> None:
    leaves = [bytes([number]) for number in range(20)]
    roots = [naive(leaves[:size]).root() for size in range(21)]
    for size in range(1, 21):
        tree = naive(leaves[:size])
        for index in range(size):
            proof = inclusion_proof(tree, index, size)
            verify_inclusion(leaf_hash(leaves[index]), index, size, proof, roots[size])
            for wrong in range(size):
                if wrong != index:
                    with pytest.raises(LedgerError):
                        verify_inclusion(leaf_hash(leaves[index]), wrong, size, proof, roots[size])
            for bad in (proof[:-1], [*proof, bytes(32)], [bytes(32), *proof], [item[:31] for item in proof]):
                if bad != proof:
                    with pytest.raises(LedgerError):
                        verify_inclusion(leaf_hash(leaves[index]), index, size, bad, roots[size])
        for old in range(size + 1):
            proof = consistency_proof(tree, old, size)
            verify_consistency(old, roots[old], size, roots[size], proof)
            for bad in (proof[:-1], [*proof, bytes(32)]):
                if bad != proof:
                    with pytest.raises(LedgerError):
                        verify_consistency(old, roots[old], size, roots[size], bad)
            with pytest.raises(LedgerError):
                verify_consistency(old, bytes(32), size, roots[size], proof)
            if old:
                with pytest.raises(LedgerError):
                    verify_consistency(old, roots[old], size, bytes(32), proof)


def test_every_flipped_byte_of_a_proof_is_refused(naive) -> None:
    leaves = [bytes([number]) for number in range(13)]
    tree, root, old_root = naive(leaves), naive(leaves).root(), naive(leaves[:6]).root()
    inclusion, consistency = inclusion_proof(tree, 4, 13), consistency_proof(tree, 6, 13)
    for number in range(len(inclusion)):
        for position in range(32):
            changed = [*inclusion]
            changed[number] = flipped(changed[number], position, position % 8)
            with pytest.raises(LedgerError):
                verify_inclusion(leaf_hash(leaves[4]), 4, 13, changed, root)
    for number in range(len(consistency)):
        for position in range(32):
            changed = [*consistency]
            changed[number] = flipped(changed[number], position, position % 8)
            with pytest.raises(LedgerError):
                verify_consistency(6, old_root, 13, root, changed)


def test_a_rewritten_or_shortened_log_is_found(naive) -> None:
    leaves = [bytes([number]) for number in range(30)]
    rewritten = [*leaves]
    rewritten[3] = b"another"
    old_root = naive(leaves[:17]).root()
    proof = consistency_proof(naive(rewritten), 17, 30)
    with pytest.raises(LedgerError, match="rewritten"):
        verify_consistency(17, old_root, 30, naive(rewritten).root(), proof)
    with pytest.raises(LedgerError, match="shrunk"):
        verify_consistency(30, naive(leaves).root(), 17, old_root, [])
    with pytest.raises(LedgerError, match="agree"):
        verify_consistency(17, old_root, 17, naive(rewritten[:17]).root(), [])


@given(st.integers(-2, 2**63), st.integers(-2, 2**63), st.lists(st.binary(max_size=33), max_size=70))
def test_hostile_proofs_raise_only_ledger_errors(index: int, size: int, proof: list[bytes]) -> None:
    with pytest.raises(LedgerError):
        verify_inclusion(bytes(32), index, size, proof, b"r" * 32)
    with pytest.raises(LedgerError):
        verify_consistency(index, bytes(32), size, b"r" * 32, proof)


def test_proofs_of_what_is_not_there_are_refused(naive) -> None:
    for index, size in ((-1, 8), (8, 8), (0, 0)):
        with pytest.raises(LedgerError):
            inclusion_proof(naive(LEAVES), index, size)
    with pytest.raises(LedgerError):
        consistency_proof(naive(LEAVES), 8, 7)


@given(st.lists(st.binary(max_size=3), max_size=300))
def test_a_stored_frontier_goes_on_where_it_was(leaves: list[bytes]) -> None:
    half = frontier_of(leaves[: len(leaves) // 2])
    restored = Frontier.from_bytes(half.to_bytes())
    before = half.to_bytes()
    copy = restored.copy()
    for leaf in leaves[len(leaves) // 2 :]:
        copy.append(leaf_hash(leaf))
    assert copy.root() == frontier_of(leaves).root()
    assert restored.to_bytes() == before


@pytest.mark.parametrize("size", [0, 1, 7, 8, 21])
def test_every_flipped_byte_of_a_frontier_is_refused_or_changes_the_root(size: int) -> None:
    frontier = frontier_of([bytes([number]) for number in range(size)])
    data = frontier.to_bytes()
    for position in range(len(data)):
        for bit in range(8):
            try:
                changed = Frontier.from_bytes(flipped(data, position, bit))
            except LedgerError:
                continue
            assert changed.root() != frontier.root()
    for bad in (data[:-1], data + b"\0", b"", data + bytes(32)):
        with pytest.raises(LedgerError):
            Frontier.from_bytes(bad)
