"""Tiles on disk (c2sp.org/tlog-tiles): a log's hashes and entries as files that are written once."""

from __future__ import annotations

import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from archiver.errors import LedgerError, StoreError
from archiver.ledger.merkle import HASH_BYTES, Frontier, leaf_hash, node_hash, range_root
from archiver.ledger.tilepath import (
    TILE_HEIGHT,
    WIDTH,
    decode_entries,
    encode_entries,
    entries_path,
    tile_levels,
    tile_path,
    tiles_of,
)

# 512 tiles of 8 KiB: every tile a million-leaf tree's proof touches, many times over, in 4 MiB.
_CACHED_TILES: Final = 512


class EntryReader(Protocol):
    """Gives the log's entries."""

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """Return entries [start, end), all of them. Raises LedgerError where one isn't there."""
        ...


class TileReader:
    """Reads the published tree of `size` leaves. A HashReader and an EntryReader. Safe from any thread.

    It believes the tiles: compare `root()` with a signed checkpoint, or use `check()`.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._size = size
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def root(self) -> bytes:
        """Return the tree's root as the highest tiles have it. Raises LedgerError where one is missing."""
        return range_root(self, 0, self._size)

    def read(self, level: int, index: int) -> bytes:
        """Return the root of the leaves [index << level, (index + 1) << level).

        Raises LedgerError where the tree doesn't reach that far or a tile is missing or misshapen.
        """
        if level < 0 or index < 0 or (index + 1) << level > self._size:
            raise LedgerError("the log isn't published that far")
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        number, offset = divmod(first, WIDTH)
        tile = self.tile(tile_level, number)
        return subtree_root(tile[offset * HASH_BYTES : (offset + (1 << height)) * HASH_BYTES])

    def entries(self, start: int, end: int) -> list[bytes]:
        """Return entries [start, end), each checked against its level-0 tile."""
        if not 0 <= start <= end <= self._size:
            raise LedgerError("the log isn't published that far")
        found: list[bytes] = []
        for number, width in tiles_of(0, end, start) if start < end else ():
            bundle = self._bundle(number)
            base = number * WIDTH
            found += bundle[max(0, start - base) : width]
        return found

    def check(self) -> bytes:
        """Recompute every hash of every tile from the entries; return the root so computed.

        Raises LedgerError naming the first file that is missing, misshapen or doesn't fit.
        """
        frontier = Frontier()
        for number, _ in tiles_of(0, self._size):
            for entry in self._bundle(number):
                frontier.append(leaf_hash(entry))
        for level in range(1, tile_levels(self._size)):
            for number, width in tiles_of(level, self._size):
                tile = self.tile(level, number)
                for offset in range(width):
                    below = self.tile(level - 1, number * WIDTH + offset)
                    if subtree_root(below) != _hash_at(tile, offset):
                        raise LedgerError(
                            f"{tile_path(level, number)} doesn't fit the tile below at {offset}"
                        )
        root = frontier.root()
        if root != self.root():
            raise LedgerError("the tiles' root doesn't fit the entries")
        return root

    def tile(self, level: int, number: int) -> bytes:
        """Return the concatenated hashes of a tile, as wide as this tree's size makes it."""
        width = min(WIDTH, (self._size >> (TILE_HEIGHT * level)) - number * WIDTH)
        if level < 0 or number < 0 or width < 1:
            raise LedgerError("the log isn't published that far")
        path = tile_path(level, number, width)
        with self._lock:
            cached = self._cache.get(path)
            if cached is not None:
                self._cache.move_to_end(path)
                return cached
        data, found = self._load(path, tile_path(level, number))
        if len(data) != HASH_BYTES * found:
            raise LedgerError(f"{path} is {len(data)} bytes long, not a tile's length")
        data = data[: HASH_BYTES * width]
        with self._lock:
            self._cache[path] = data
            if len(self._cache) > _CACHED_TILES:
                self._cache.popitem(last=False)
        return data

    def _bundle(self, number: int) -> list[bytes]:
        width = min(WIDTH, self._size - number * WIDTH)
        path = entries_path(number, width)
        data, found = self._load(path, entries_path(number))
        try:
            bundle = decode_entries(data)
        except LedgerError:
            raise LedgerError(f"{path} is cut short") from None
        if len(bundle) != found:
            raise LedgerError(f"{path} holds {len(bundle)} entries, not {found}")
        tile = self.tile(0, number)
        for offset, entry in enumerate(bundle[:width]):
            if leaf_hash(entry) != _hash_at(tile, offset):
                raise LedgerError(f"entry {number * WIDTH + offset} doesn't fit its leaf hash in the tile")
        return bundle[:width]

    def _load(self, path: str, full_path: str) -> tuple[bytes, int]:
        """Return a tile's bytes and its width; the full tile serves where the partial one is gone."""
        for candidate in (path, full_path):
            try:
                data = (self._directory / candidate).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"{candidate} can't be read: {error.strerror}") from None
            _, partial, width = candidate.rpartition(".p/")
            return data, int(width) if partial else WIDTH
        raise LedgerError(f"{path} is missing")


class TileWriter:
    """Publishes a growing log into a folder. One writer at a time: the caller holds the log's lock."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def publish(self, source: EntryReader, old_size: int, new_size: int) -> bytes:
        """Write all tiles of the tree of `new_size` leaves that the one of `old_size` lacks; return its root.

        All is durable on return; sign no checkpoint before. `source` must give entries from the start of
        the old tree's last level-0 tile on. After a crash at any point, the same call again, or one
        with a larger `new_size`, completes the work; `old_size` 0 makes every tile anew from the entries.
        Raises LedgerError where a file already there differs, or where the old tiles are missing;
        StoreError where the disk refuses.
        """
        if not 0 <= old_size <= new_size:
            raise LedgerError("a log can't shrink")
        folders: set[Path] = set()
        try:
            if old_size < new_size:
                self._publish_entries(source, old_size, new_size, folders)
                self._publish_upper(old_size, new_size, folders)
                self._sync(folders)
                self._remove_superseded(old_size, new_size)
        except OSError as error:
            raise StoreError(
                f"a ledger tile can't be written: {error.strerror}; nothing was signed"
            ) from None
        return TileReader(self._directory, new_size).root()

    def _publish_entries(self, source: EntryReader, old_size: int, new_size: int, folders: set[Path]) -> None:
        for number, width in tiles_of(0, new_size, old_size):
            start = number * WIDTH
            entries = source.entries(start, start + width)
            if len(entries) != width:
                raise LedgerError("the log's entries end before its size")
            hashes = b"".join(map(leaf_hash, entries))
            if not hashes.startswith(self._published(0, number, old_size)):
                raise LedgerError(
                    f"{tile_path(0, number)} was published with other entries: the log was rewritten"
                )
            self._write(entries_path(number, width), encode_entries(entries), folders)
            self._write(tile_path(0, number, width), hashes, folders)

    def _publish_upper(self, old_size: int, new_size: int, folders: set[Path]) -> None:
        below = TileReader(self._directory, new_size)
        for level in range(1, tile_levels(new_size)):
            old_count, new_count = (size >> (TILE_HEIGHT * level) for size in (old_size, new_size))
            if old_count == new_count:
                return
            for number, width in tiles_of(level, new_size, old_count):
                start = number * WIDTH
                known = self._published(level, number, old_size)
                fresh = (
                    subtree_root(below.tile(level - 1, index))
                    for index in range(start + len(known) // HASH_BYTES, start + width)
                )
                self._write(tile_path(level, number, width), known + b"".join(fresh), folders)

    def _published(self, level: int, number: int, old_size: int) -> bytes:
        """Return the hashes of a tile that the old tree had already."""
        if old_size >> (TILE_HEIGHT * level) <= number * WIDTH:
            return b""
        return TileReader(self._directory, old_size).tile(level, number)

    def _write(self, path: str, data: bytes, folders: set[Path]) -> None:
        """Write one file whole or find it there already; its folders are to be synced in any case."""
        target = self._directory / path
        folders.add(target.parent)
        try:
            present = target.read_bytes()
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            # One name: what a crash leaves behind is overwritten by the next try.
            temporary = target.with_name(target.name + ".tmp")
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            return
        if present != data:
            raise LedgerError(f"{path} is there with other content; a published tile never changes")

    def _sync(self, folders: set[Path]) -> None:
        """Make names durable: each folder written to and all above it, up to the log's own."""
        above = {up for folder in folders for up in folder.parents if up.is_relative_to(self._directory)}
        for folder in folders | above:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _remove_superseded(self, old_size: int, new_size: int) -> None:
        """Remove the partial tiles that full ones now stand in for."""
        for level in range(tile_levels(new_size)):
            first = (old_size >> (TILE_HEIGHT * level)) // WIDTH
            for number in range(first, (new_size >> (TILE_HEIGHT * level)) // WIDTH):
                full = [tile_path(level, number), *([entries_path(number)] if level == 0 else ())]
                for path in full:
                    # A partial tile that stays is harmless, so a failure here is none of publishing.
                    shutil.rmtree(self._directory / (path + ".p"), ignore_errors=True)


def subtree_root(hashes: bytes) -> bytes:
    """Return the root over a power-of-two number of concatenated hashes."""
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _hash_at(tile: bytes, offset: int) -> bytes:
    return tile[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]
