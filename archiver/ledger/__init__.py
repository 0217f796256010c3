"""Append-only Merkle logs that a stranger can check: tree, tiles, checkpoints, proofs, offline verifier."""
