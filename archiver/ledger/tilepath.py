"""Names and shapes of tiles (c2sp.org/tlog-tiles): which file holds which part of the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from archiver.errors import LedgerError
from archiver.ledger.canonical import MAX_LEAF_BYTES

WIDTH: Final = 256
TILE_HEIGHT: Final = 8
MAX_TILE_LEVEL: Final = 63


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Return the relative path of a hash tile, such as `tile/0/x001/x234/067.p/5`."""
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise LedgerError("a tile's level must be 0 to 63")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """Return the relative path of an entry bundle, such as `tile/entries/000.p/5`."""
    return f"tile/entries/{_index_path(index, width)}"


def tiles_of(level: int, size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (index, width) of every tile of a tile level in a tree of `size` leaves.

    Only tiles that hold a hash numbered `start` or later, partial ones last.
    """
    count = size >> (TILE_HEIGHT * level)
    for index in range(start // WIDTH, -(-count // WIDTH)):
        yield index, min(WIDTH, count - index * WIDTH)


def tile_levels(size: int) -> int:
    """Return how many tile levels a tree of `size` leaves has."""
    levels = 0
    while size >> (TILE_HEIGHT * levels):
        levels += 1
    return levels


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length in two bytes.

    Raises LedgerError for an entry over 65,535 bytes.
    """
    pieces: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_LEAF_BYTES:
            raise LedgerError("a log entry is longer than 65,535 bytes")
        pieces += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(pieces)


def decode_entries(data: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises LedgerError where it is cut short."""
    entries = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise LedgerError("an entry bundle is cut short")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def _index_path(index: int, width: int) -> str:
    if index < 0 or not 1 <= width <= WIDTH:
        raise LedgerError("no such tile")
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
    return path if width == WIDTH else f"{path}.p/{width}"
