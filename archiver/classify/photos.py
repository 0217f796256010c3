"""Pictures that may show a face or a body: told by type and size, since they have no text."""

from __future__ import annotations

from archiver.classify.model import PHIFinding
from archiver.message.model import ParsedMessage

SMALLEST = 20_000
"""Bytes. What is smaller is taken for a logo or a signature; a picture for diagnosis may be of any size."""
_DRAWN = frozenset({"image/svg+xml", "image/x-icon", "image/vnd.microsoft.icon"})
_ANY_SIZE = frozenset(
    {"application/dicom", "image/dicom", "image/dicom-rle", "image/tiff", "image/heic", "image/heif"}
)


def photos(parsed: ParsedMessage, end: int) -> list[PHIFinding]:
    """Return one finding of type `photo` for each such part, without text, at `end`, the text's end."""
    found = []
    for part in parsed.parts:
        kind = part.content_type
        if kind.startswith("text/"):
            continue
        if kind in _ANY_SIZE or (kind.startswith("image/") and kind not in _DRAWN and part.size >= SMALLEST):
            found.append(PHIFinding("photo", end, end, "", "picture_part"))
    return found
