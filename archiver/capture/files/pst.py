"""Reads Outlook's `.pst` and `.ost` by libpff, in a process of its own: what crashes there costs one item."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, cast

from archiver.capture.files.items import FileItem, FileRefused, Readable, Spot, Why, join

PATIENCE = 300.0
"""Seconds that one item may take."""
_MOST_CRASHES = 50
_LONGEST_HEAD = 1024 * 1024
_WHYS: frozenset[str] = frozenset({"bad_pst", "encrypted", "not_mail", "too_large", "too_deep"})


def pst_items(spot: Spot, stream: Readable, limit: int) -> Iterator[FileItem]:
    """Yield every item of a PST as a converted message, its folders kept; what is no mail is left alone.

    An item at which the reader crashes or hangs is refused (`bad_pst`), and reading goes on after it.
    Raises FileRefused for the file as a whole: `needs_pst_extra` without libpff, `bad_pst` where libpff
    can't open it.
    """
    if importlib.util.find_spec("pypff") is None:
        raise FileRefused("needs_pst_extra")
    done = crashes = 0
    while True:
        reader = _Child(cast("IO[bytes]", stream), done, limit)
        begun: dict[str, Any] | None = None
        try:
            for frame, raw in reader.frames():
                if frame.get("kind") == "end":
                    return
                if frame.get("kind") == "bad":
                    raise FileRefused("bad_pst")
                if frame.get("kind") == "begin":
                    begun, done = frame, done + 1
                else:
                    yield _item(spot, frame, raw)
                    begun = None
        finally:
            reader.close()
        crashes += 1
        if begun is None or crashes > _MOST_CRASHES:
            raise FileRefused("bad_pst")
        yield _item(spot, {**begun, "kind": "refused", "why": "bad_pst"}, b"")


def _item(spot: Spot, frame: dict[str, Any], raw: bytes) -> FileItem:
    """The item a frame tells of. The child reads hostile bytes: its words are checked, too."""
    inner = "/".join(str(name) for name in frame["folder"])
    folder = join(spot.as_folder, inner)
    place = f"!{inner}#{frame['id']}"
    if frame.get("kind") != "item" or not raw:
        why = frame.get("why")
        return spot.refused(cast("Why", why) if why in _WHYS else "bad_pst", place, folder)
    at = frame.get("received")
    try:
        received = datetime.fromisoformat(at).astimezone(UTC) if isinstance(at, str) else None
    except (ValueError, OverflowError):
        received = None
    notes = (("converted", ",".join(sorted({"from_pst", *map(str, frame.get("problems", ()))}))),)
    return spot.found(raw, place, folder, received_at=received, notes=notes)


class _Child:
    """The reading process: the PST is its standard input, frames are its standard output."""

    def __init__(self, file: IO[bytes], skip: int, limit: int) -> None:
        file.seek(0)
        self._limit = limit
        # What libpff prints of a damaged file may be out of the file: it goes nowhere.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "archiver.capture.files.pst_reader", str(skip), str(limit)],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def frames(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield what the child says until it ends, well or badly."""
        out = cast("IO[bytes]", self._process.stdout)
        while True:
            watch = threading.Timer(PATIENCE, self._process.kill)
            watch.daemon = True
            watch.start()
            try:
                sizes = out.read(12)
                if len(sizes) < 12:
                    return
                head, body = struct.unpack(">IQ", sizes)
                if head > _LONGEST_HEAD or body > self._limit:
                    return
                told, raw = out.read(head), out.read(body)
            finally:
                watch.cancel()
            if len(told) < head or len(raw) < body:
                return
            try:
                frame = json.loads(told)
                frame["id"], frame["folder"] = int(frame.get("id", 0)), list(frame.get("folder", ()))
            except (ValueError, TypeError, AttributeError):
                return
            yield frame, raw

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        cast("IO[bytes]", self._process.stdout).close()
