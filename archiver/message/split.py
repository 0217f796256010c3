"""A message's bytes as a skeleton (headers, small bodies) and regions that are kept apart from it.

A region is a stretch of the message that the skeleton leaves out: the body of a large leaf, or, in a
journal report, the whole message it encloses. Putting the regions back gives the very same bytes, which
whoever splits checks before anything is stored. Layout: docs/FORMAT.md, section 9.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from archiver.message import base64_form
from archiver.message.content import Raw, pieces, sha256
from archiver.message.headers import filename_of
from archiver.message.structure import Entity

Form = Literal["verbatim", "base64", "message"]
"""How a region stands in the message: as it is, in base64, or as the message that a report encloses."""

DETACH_FROM: Final = 4 * 1024
"""Bodies of attachments of this many decoded bytes are kept apart."""

DETACH_ANY_FROM: Final = 2**20
"""Bodies of this many bytes are kept apart, whatever they are."""

MAX_REGIONS: Final = 2_000
"""Regions of one message; what comes after them is one more, to its end."""

_SHOWN: Final = frozenset({"text/plain", "text/html"})
_WHITE: Final = b" \t\r\n"
_HEAD: Final = 4


class BadManifest(Exception):
    """A skeleton's manifest isn't of the form; whoever opens it turns this into its own error."""


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch the skeleton leaves out: `at` in the skeleton, `extent` bytes long in the message.

    `sha256` and `size` are of `content`: what the region holds, decoded where the form is `base64`
    (with lines of `line` characters and `eol` between them).
    """

    at: int
    extent: int
    form: Form
    sha256: bytes
    size: int
    content: Raw
    line: int = 0
    eol: bytes = b""

    def stands(self) -> Iterator[bytes]:
        """Yield the region's bytes as they stand in the message."""
        chunks = pieces(self.content)
        return base64_form.encoded(chunks, self.line, self.eol) if self.form == "base64" else chunks


@dataclass(frozen=True, slots=True)
class Split:
    """A message taken apart; `regions` in order of `at`."""

    skeleton: bytes
    regions: tuple[Region, ...]

    def chunks(self) -> Iterator[bytes]:
        """Yield the message's bytes, put together again."""
        at = 0
        for region in self.regions:
            if region.at > at:
                yield self.skeleton[at : region.at]
                at = region.at
            yield from region.stands()
        if at < len(self.skeleton):
            yield self.skeleton[at:]

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return len(self.skeleton) + sum(region.extent for region in self.regions)

    def offset(self, at: int, *, behind: bool) -> int:
        """The place in the message of a place in the skeleton, before or `behind` regions that are there."""
        return at + sum(r.extent for r in self.regions if r.at < at or (behind and r.at == at))

    def part(self, start: int, end: int) -> Split:
        """What lies between two places of the skeleton, as a message of its own."""
        inside = [replace(r, at=r.at - start) for r in self.regions if start <= r.at <= end]
        return Split(self.skeleton[start:end], tuple(inside))

    def around(self, start: int, end: int, digest: bytes, content: Raw) -> Split:
        """The same message with all between two places of the skeleton as one region: what it encloses."""
        before = [r for r in self.regions if r.at < start]
        after = [replace(r, at=r.at - (end - start)) for r in self.regions if r.at > end]
        enclosed = Region(start, len(content), "message", digest, len(content), content)
        return Split(self.skeleton[:start] + self.skeleton[end:], (*before, enclosed, *after))

    def is_of(self, digest: bytes) -> bool:
        """True when what comes out is what `digest` is of: the only proof that counts."""
        found = hashlib.sha256()
        for chunk in self.chunks():
            found.update(chunk)
        return found.digest() == digest


def split(raw: bytes, entity: Entity, message: tuple[int, int] | None = None) -> Split | None:
    """Take a scanned message apart; None where nothing in it is worth it.

    `entity` is `scan(raw)`'s; `message` is the place of the message that a journal report encloses.
    """
    spans = [span for leaf in leaves(entity, raw) if (span := _worth(leaf))]
    if message is not None:
        outside = [s for s in spans if s[1] <= message[0] or s[0] >= message[1]]
        spans = sorted([*outside, (*message, "message")])
    return cut(raw, spans[:MAX_REGIONS])


def cut(raw: bytes, spans: Sequence[tuple[int, int, str]]) -> Split | None:
    """Take `(start, end, how)` stretches out of bytes in memory; how is `base64`, `message` or `verbatim`."""
    kept: list[bytes] = []
    regions: list[Region] = []
    last = at = 0
    for start, end, how in spans:
        region = _region(raw[start:end], at + start - last, how)
        kept.append(raw[last:start])
        at = region.at
        regions.append(region)
        last = end
    kept.append(raw[last:])
    done = Split(b"".join(kept), tuple(regions))
    # Compared, not hashed: the bytes are at hand, and a fault in here must never store anything else.
    return done if regions and b"".join(done.chunks()) == raw else None


def leaves(entity: Entity, raw: bytes) -> Iterator[Entity]:
    """Yield the leaves that lie in `raw` itself, in order; an encoded message is a leaf too."""
    waiting = [entity]
    while waiting:
        current = waiting.pop()
        inside = [child for child in current.children if child.buffer is raw]
        if inside:
            waiting.extend(reversed(inside))
        elif current.buffer is raw:
            yield current


def is_shown(entity: Entity) -> bool:
    """True for a body that a reader of the message sees as its text: it stays with the message."""
    if entity.content_type not in _SHOWN or filename_of(entity) is not None:
        return False
    return not entity.get("content-disposition").strip().lower().startswith("attachment")


def worth_apart(entity: Entity, extent: int) -> bool:
    """True when a leaf's body of so many bytes, as it stands, is kept apart."""
    if extent >= DETACH_ANY_FROM:
        return True
    size = extent * 3 // 4 if entity.encoding == "base64" else extent
    return size >= DETACH_FROM and not entity.fault and not is_shown(entity)


def _worth(leaf: Entity) -> tuple[int, int, str] | None:
    extent = leaf.end - leaf.body
    if not worth_apart(leaf, extent) or (extent < DETACH_ANY_FROM and not _after_a_blank_line(leaf)):
        return None
    if leaf.encoding != "base64":
        return leaf.body, leaf.end, "verbatim"
    # Line ends after the last line are no part of the form: they stay in the skeleton.
    return leaf.body, leaf.body + len(leaf.buffer[leaf.body : leaf.end].rstrip(_WHITE)), "base64"


def _after_a_blank_line(leaf: Entity) -> bool:
    """False where the body began by itself: without it, the header's end would be sought further down."""
    return leaf.buffer[max(leaf.body - 3, 0) : leaf.body].endswith((b"\n\n", b"\n\r\n"))


def _region(body: bytes, at: int, how: str) -> Region:
    if how == "base64":
        found = base64_form.decode(body)
        if found is not None:
            data, line, eol = found
            return Region(at, len(body), "base64", sha256(data), len(data), data, line, eol)
    form: Form = "message" if how == "message" else "verbatim"
    return Region(at, len(body), form, sha256(body), len(body), body)


# --- the sealed form --------------------------------------------------------------------------------


def packed(done: Split) -> bytes:
    """The bytes that are sealed in place of the message: manifest and skeleton."""
    manifest = {"v": 1, "regions": [_written(region) for region in done.regions]}
    text = json.dumps(manifest, separators=(",", ":")).encode("ascii")
    return b"".join((len(text).to_bytes(_HEAD, "big"), text, done.skeleton))


def unpacked(data: bytes, find: Callable[[Region], Raw]) -> Split:
    """The inverse of `packed`; `find` gives a region's content. Raises BadManifest for any other bytes."""
    length = int.from_bytes(data[:_HEAD], "big")
    try:
        manifest = json.loads(data[_HEAD : _HEAD + length])
        if manifest["v"] != 1:
            raise BadManifest
        told = [_read(value) for value in manifest["regions"]]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise BadManifest from None
    skeleton = data[_HEAD + length :]
    if not _in_order(told, len(skeleton)):
        raise BadManifest
    return Split(skeleton, tuple(replace(region, content=find(region)) for region in told))


def _in_order(regions: Iterable[Region], size: int) -> bool:
    last = 0
    for region in regions:
        if not last <= region.at <= size:
            return False
        last = region.at
    return True


def _written(region: Region) -> dict[str, Any]:
    value: dict[str, Any] = {
        "at": region.at,
        "form": region.form,
        "sha256": region.sha256.hex(),
        "size": region.size,
    }
    if region.form == "base64":
        value |= {"line": region.line, "eol": region.eol.decode("ascii")}
    return value


def _read(value: dict[str, Any]) -> Region:
    form, at, size, line = value["form"], value["at"], value["size"], value.get("line", 0)
    eol = str(value.get("eol", "")).encode("ascii")
    digest = bytes.fromhex(value["sha256"])
    sound = (
        form in get_args(Form)
        and all(type(number) is int and number >= 0 for number in (at, size, line))
        and line % 4 == 0
        and eol in ((b"",) if not line else base64_form.EOLS)
        and len(digest) == 32
    )
    if not sound:
        raise BadManifest
    extent = base64_form.encoded_size(size, line, eol) if form == "base64" else size
    return Region(at, extent, form, digest, size, b"", line, eol)
