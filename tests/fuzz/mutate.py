"""Damage to seeds without a fuzzer: the same inputs every time, for the tests that always run."""

# ruff: noqa: E501
# Bytes as programs write them.

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

TOKENS = (
    b"\r\n", b"\n", b"\r", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"--", b"=?", b"?=", b"From ", b"\r\n.\r\n", b"\x1b$B",
    b"%", b"=", b"{", b"}", b"(", b'"', b"\\", b"<", b"&", b"+", b" ", b":", b";", b"\xed\xa0\x80", b"\x80",
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"99999999999999999999", b"-1",
)  # fmt: skip


def mutants(seeds: Sequence[bytes], count: int, seed: int, longest: int = 1 << 14) -> Iterator[bytes]:
    """Yield the seeds, then `count` damaged ones."""
    chance = random.Random(seed)
    yield from (one[:longest] for one in seeds)
    for _ in range(count):
        data = bytearray(chance.choice(seeds)[:longest])
        for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
            _damage(data, seeds, chance)
        yield bytes(data[:longest])


def _damage(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    until = min(len(data), at + chance.choice((1, 2, 4, 16, 64, 1024)))
    match chance.randrange(8):
        case 0 if data:
            place = chance.randrange(len(data))
            data[place] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
        case 2:
            del data[at:until]
        case 3:
            data[at:at] = data[at:until] * chance.choice((1, 2, 50))
        case 4:
            data[at:at] = chance.choice(TOKENS)
        case 5:
            token = chance.choice(TOKENS)
            data[at : at + len(token)] = token
        case 6:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:until] = other[start : start + chance.choice((8, 64, 512))]
        case _:
            del data[at:]
