"""A ZIP made while it is sent: nothing of it ever lies on a disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator

from archiver.message.content import Raw, pieces


class _Outlet(io.RawIOBase):
    """A file that can't be sought in; what is written waits until it is taken."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def zip_stream(files: Iterable[tuple[str, Raw]]) -> Iterator[bytes]:
    """Yield a ZIP of `(name, content)` pairs, stored as they are, piece by piece."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as bundle:
        for name, content in files:
            # A fixed date: the archive's own times stand in the manifest.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.file_size = len(content)
            with bundle.open(entry, "w") as member:
                for piece in pieces(content):
                    member.write(piece)
                    yield outlet.take()
    yield outlet.take()
