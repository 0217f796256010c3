"""What a leaf holds, its transfer encoding undone, wherever its bytes are: in the message, or kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archiver.message.content import Raw, head, pieces
from archiver.message.headers import filename_of
from archiver.message.structure import Entity
from archiver.message.transfer import decode_transfer, is_identity

_READ = ("text/", "message/")

LEAF_LIMIT = 16 * 2**20
"""Bytes of a text kept apart that are read at once; the rest is not looked at: `cut`."""
HEAD_LIMIT = 2**20
"""The same for what can be handed on in chunks: enough to see what it is."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """`data` is all of it unless `cut`; `size` of the whole in bytes (where cut and encoded, about so many).

    `good` is False where the encoding was damaged. `content`, where there is one, is all of it in pieces.
    """

    data: bytes
    size: int
    good: bool
    cut: bool = False
    content: Raw | None = None

    def chunks(self) -> Iterator[bytes]:
        """All that can be had of the leaf, piece by piece."""
        return pieces(self.data if self.content is None else self.content)


def read_leaf(entity: Entity) -> Leaf:
    """Decode a leaf's body. Raises what reading it raises, where it is kept apart."""
    apart = entity.apart
    if apart is None:
        data, good = decode_transfer(entity.content, entity.encoding)
        return Leaf(data, len(data), good)
    limit = _limit(entity, apart.form)
    cut = apart.size > limit
    data = head(apart.content, limit)
    # What stands behind it in the skeleton: line ends, unless it was kept apart for its size alone.
    rest = b"" if cut else entity.buffer[entity.body : entity.end]
    if apart.form == "base64":
        return Leaf(data, apart.size, True, cut, apart.content)
    if is_identity(entity.encoding):
        content = apart.content if not rest else None
        return Leaf(data + rest, entity.extent, True, cut, content)
    data, good = decode_transfer(data + rest, entity.encoding)
    share = 3 / 4 if entity.encoding == "base64" else 1.0
    return Leaf(data, int(entity.extent * share) if cut else len(data), good, cut)


def _limit(entity: Entity, form: str) -> int:
    direct = form == "base64" or is_identity(entity.encoding)
    mail = "eml" in (filename_of(entity) or "")
    return HEAD_LIMIT if direct and not mail and not entity.content_type.startswith(_READ) else LEAF_LIMIT
