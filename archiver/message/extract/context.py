"""One part being read: its budgets, the text so far, and what was found inside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from archiver.message.charsets import clean
from archiver.message.extract.faults import TooLarge, Unreadable
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Extracted, Inner
from archiver.message.extract.sniff import content_type_of
from archiver.message.model import TextStatus

Reader = Callable[[bytes, "Context"], None]
"""Adds a document's text to the context. Raises Unreadable; anything else it raises counts as damage."""

UNNAMED = "application/octet-stream"
_SHARE = 0.8
"""Of the time allowed, after which a slow document ends with the text it has."""


@dataclass(slots=True)
class _Budget:
    unpacked: int
    entries: int
    until: float


class Context:
    """Budgets are shared by a document and all within it, so that nesting multiplies nothing."""

    def __init__(self, limits: Limits, readers: Mapping[str, Reader], name: str = "") -> None:
        self.limits = limits
        self.name = name
        self.inner: list[Inner] = []
        self._readers = readers
        self._budget = _Budget(limits.unpacked, limits.entries, time.monotonic() + limits.wall * _SHARE)
        self._base_depth = 0
        self._pieces: list[str] = []
        self._left = limits.text
        self._path: list[int] = []
        self._counts: list[int] = [0]
        self._names: list[str] = []

    # --- text -------------------------------------------------------------------------------------

    def add(self, text: str) -> None:
        """Take text. Raises TooLarge when no more fits, after taking what does."""
        if "\0" in text:
            text = text.replace("\0", " ")
        if "\xad" in text:
            text = text.replace("\xad", "")  # a soft hyphen: where a word may be broken
        if not text or text.isspace():
            return
        text = clean(text)
        if len(text) > self._left:
            self._pieces.append(text[: self._left])
            self._left = 0
            raise TooLarge
        self._left -= len(text)
        self._pieces.append(text)

    def mark(self) -> int:
        """A place in the text, for `added_since`."""
        return len(self._pieces)

    def added_since(self, mark: int) -> bool:
        """Whether any text came since a mark."""
        return len(self._pieces) > mark

    # --- budgets ----------------------------------------------------------------------------------

    def check_time(self) -> None:
        """Raises Unreadable (`timeout`) when a slow document must end, with the text that it has."""
        if time.monotonic() > self._budget.until:
            raise Unreadable("timeout")

    def unpacked(self, size: int) -> None:
        """Count bytes that came out of a container. Raises TooLarge past the bound."""
        self._budget.unpacked -= size
        if self._budget.unpacked < 0:
            raise TooLarge

    def room(self, packed: int) -> int:
        """How many bytes one entry of `packed` bytes may unpack to."""
        return min(self._budget.unpacked, max(2**20, packed * self.limits.ratio))

    def entry(self) -> None:
        """Count an entry of an archive. Raises TooLarge past the bound."""
        self._budget.entries -= 1
        if self._budget.entries < 0:
            raise TooLarge

    # --- documents within documents -------------------------------------------------------------------

    def read(self, kind: str, data: bytes) -> TextStatus:
        """Read a document of a known kind and say what became of it. Raises nothing."""
        mark = self.mark()
        try:
            reader = self._readers.get(kind)
            if reader is None:
                return "not_supported"
            reader(data, self)
        except Unreadable as why:
            return why.status
        except MemoryError:
            return "too_large"
        except Exception:  # libraries meet damage with whatever their own code trips over
            return "damaged"
        return "indexed" if self.added_since(mark) else "empty"

    def nested(self, name: str, kind: str, data: bytes, content_type: str = UNNAMED) -> TextStatus:
        """Read a document found inside this one and list it, with what became of it."""
        place = self._enter(name)
        outer, self.name = self.name, name
        try:
            too_deep = self._base_depth + len(self._path) > self.limits.depth
            status: TextStatus = "too_deep" if too_deep else self.read(kind, data)
        finally:
            self.name = outer
            self._leave()
        if content_type == UNNAMED:
            content_type = content_type_of(kind, data)
        self._settle(place, status, len(data), content_type)
        return status

    @contextmanager
    def inside(self, name: str, content_type: str = UNNAMED) -> Iterator[bool]:
        """Read in the body what stands inside this document in another form; False where that is too deep."""
        place = self._enter(name)
        mark = self.mark()
        status: TextStatus = "too_deep"
        try:
            if allowed := self._base_depth + len(self._path) <= self.limits.depth:
                status = "damaged"
            yield allowed
            if allowed:
                status = "indexed" if self.added_since(mark) else "empty"
        except TooLarge:
            status = "too_large"
            raise
        except Unreadable as why:
            status = why.status
        finally:
            self._leave()
            self._settle(place, status, 0, content_type)

    def listed(self, name: str, status: TextStatus, size: int = 0, content_type: str = UNNAMED) -> None:
        """List a thing inside this document that was not read, with why."""
        place = self._enter(name)
        self._leave()
        self._settle(place, status, size, content_type)

    def apart(self, kind: str, data: bytes, name: str) -> Extracted:
        """Read a part of a mail inside this document by itself: its text is not added here."""
        inside = Context(self.limits, self._readers, name)
        inside._budget, inside._left = self._budget, self._left
        inside._base_depth = self._base_depth + len(self._path)
        too_deep = inside._base_depth >= self.limits.depth
        status: TextStatus = "too_deep" if too_deep else inside.read(kind, data)
        return Extracted(inside.text(), status, tuple(inside.inner))

    def text(self) -> str:
        """All text so far."""
        return "\n".join(self._pieces).strip()

    def _enter(self, name: str) -> int:
        self._counts[-1] += 1
        self._path.append(self._counts[-1])
        self._counts.append(0)
        self._names.append(name)
        path = ".".join(map(str, self._path))
        self.inner.append(Inner(path, "/".join(filter(None, self._names)), "", 0, "empty"))
        return len(self.inner) - 1

    def _leave(self) -> None:
        self._path.pop()
        self._counts.pop()
        self._names.pop()

    def _settle(self, place: int, status: TextStatus, size: int, content_type: str) -> None:
        found = self.inner[place]
        self.inner[place] = Inner(found.path, found.name, content_type or UNNAMED, size, status)
