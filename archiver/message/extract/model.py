"""What goes to the extraction child and what comes back: plain values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from archiver.message.model import TextStatus

REQUEST = struct.Struct(">I")
"""Before a request: the size of its JSON header. The documents follow, one after another."""
ANSWER = struct.Struct(">II")
"""Before each answer: the sizes of its JSON part and of its text (UTF-8)."""


@dataclass(frozen=True, slots=True)
class Job:
    """One document to read. `data` is all of it, or chunks of it that add up to `size` bytes."""

    kind: str
    data: bytes | Iterable[bytes]
    size: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Inner:
    """A document inside another. `path` counts within it (`2.1`), `name` leads to it (`a.zip/b.doc`)."""

    path: str
    name: str
    content_type: str
    size: int
    status: TextStatus


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a document and of all inside it; what became of it, and of each thing inside it."""

    text: str
    status: TextStatus
    inner: tuple[Inner, ...] = ()
