"""The bounds of one extraction. They bound what is read for search, never what is stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a part, or where said of the child process. Sizes in bytes, times in seconds."""

    text: int = 4 * 2**20
    """Characters of text that one part gives, all that is inside it included."""
    seconds: float = 20.0
    """Wall time of one part; twice that for all parts of a message at least."""
    memory: int = 2**30
    """Address space of the child (RLIMIT_AS)."""
    input: int = 128 * 2**20
    """A part larger than this is not sent to the child."""
    unpacked: int = 128 * 2**20
    """All that the containers within one part unpack to."""
    ratio: int = 200
    """How many times its packed size an entry of an archive may unpack to (a MiB is always allowed)."""
    entries: int = 1_000
    """Entries of all archives within one part."""
    depth: int = 5
    """Documents within documents."""
    ocr: bool = False
    ocr_languages: str = "eng"
    ocr_seconds: float = 60.0
    """What OCR adds to `seconds`."""
    ocr_pages: int = 50

    def to_json(self) -> dict[str, Any]:
        """For the way to the child."""
        return asdict(self)

    @property
    def wall(self) -> float:
        """Seconds until the child is killed over one part."""
        return self.seconds + (self.ocr_seconds if self.ocr else 0.0)
