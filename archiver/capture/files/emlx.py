"""Apple Mail's `.emlx`: a line with the message's size, the message, and a property list of its state."""

from __future__ import annotations

import plistlib
import re
from datetime import UTC, datetime
from typing import Any

from archiver.capture.files.items import FileItem, Spot

_SIZE = re.compile(rb"[ \t]*(\d{1,10})[ \t]*\r?\n")
_LARGEST_LIST = 1024 * 1024


def emlx_item(spot: Spot, data: bytes) -> FileItem:
    """Return the message of an `.emlx` file, exactly the bytes its first line counts.

    What the list says goes along: the flags as they stand (`flags`) and when it was received, which is
    informative only. A `.partial.emlx` lacks attachments kept elsewhere, and is noted as `partial`. A size
    that can't be right is noted (`size_wrong`) and everything after its line kept.
    """
    notes: list[tuple[str, str]] = []
    received: datetime | None = None
    if spot.name.lower().endswith(".partial.emlx"):
        notes.append(("partial", "attachments are kept elsewhere"))
    match = _SIZE.match(data)
    if match is None:
        return spot.refused("damaged")
    start, size = match.end(), int(match.group(1))
    tail = data[start + size :]
    if start + size > len(data) or (tail.strip() and not tail.lstrip().startswith(b"<?xml")):
        notes.append(("size_wrong", str(size)))
        raw = data[start:]
    else:
        raw = data[start : start + size]
        state = _state(tail.strip())
        flags, at = state.get("flags"), state.get("date-received")
        if isinstance(flags, int):
            notes.append(("flags", str(flags)))
        if isinstance(at, int | float):
            received = _time(float(at))
    if not raw:
        return spot.refused("empty")
    return spot.found(raw, size=len(data), received_at=received, notes=tuple(notes))


def _state(data: bytes) -> dict[str, Any]:
    if not data or len(data) > _LARGEST_LIST:
        return {}
    try:
        found = plistlib.loads(data, fmt=plistlib.FMT_XML)
    except (
        Exception
    ):  # plistlib and expat raise a dozen kinds for damaged lists; the message needs none of it
        return {}
    return found if isinstance(found, dict) else {}


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
