"""The context of a sealed object: which archive, which object, which kind. Bound into its encryption."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, get_args

from archiver.errors import SealError

Kind = Literal[
    "raw",
    "report",
    "skeleton",
    "report-skeleton",
    "part",
    "meta",
    "delivery",
    "field",
    "audit",
    "export",
    "spool",
    "backup",
    "dictionary",
    "types",
    "root-canary",
    "epoch-key",
    "branch-key",
    "data-key",
]
"""What a sealed object or wrapped key is. A blob of one kind never opens as another."""

KINDS: Final[frozenset[str]] = frozenset(get_args(Kind))

_VERSION: Final = b"\x01"
_SHORT: Final = 100
_LONGEST_FIELD: Final = 0xFFFF


def length_prefixed(text: str) -> bytes:
    """Return `text` in UTF-8 behind its length in two bytes (docs/FORMAT.md, section 1).

    Raises SealError where the text can't be encoded or is longer than 65,535 bytes.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise SealError("a name to be bound into a seal isn't valid Unicode; give a plain id") from None
    if len(data) > _LONGEST_FIELD:
        raise SealError("a name to be bound into a seal is longer than 65,535 bytes; give a plain id")
    return len(data).to_bytes(2, "big") + data


def object_context(archive_id: str, object_id: str, kind: Kind) -> bytes:
    """Return the canonical context bytes of one object (docs/FORMAT.md, section 1).

    Two calls agree only where all three arguments agree. Raises SealError for an unknown kind or an
    id that can't be encoded.
    """
    last = _LAST.get(kind)
    if last is None:
        raise SealError("unknown kind of sealed object; use one of archiver.seal.context.KINDS")
    first = _first(archive_id) if len(archive_id) <= _SHORT else _VERSION + length_prefixed(archive_id)
    return first + length_prefixed(object_id) + last


@lru_cache(maxsize=8)
def _first(archive_id: str) -> bytes:
    return _VERSION + length_prefixed(archive_id)


_LAST: Final = {kind: length_prefixed(kind) for kind in KINDS}
