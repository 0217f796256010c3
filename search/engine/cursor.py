"""Page cursors: where a page ended, bound to its query and order by a MAC."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from whoosh.query import Query

from search.engine.ports import Sort
from search.errors import BadCursor

_PLACE: Final = struct.Struct(">qd")
_MAC_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page; `score` only matters when sorting by relevance."""

    rowid: int
    score: float = 0.0


def _mac(key: bytes, query: Query, sort: Sort, place: bytes) -> bytes:
    # Keyed, because a plain digest of a short query could be found by trying likely queries.
    message = b"holdfast-cursor-v1\0" + sort.encode() + b"\0" + place + repr(query).encode("utf-8", "replace")
    return hmac.digest(key, message, "sha256")[:_MAC_BYTES]


def write_cursor(key: bytes, query: Query, sort: Sort, place: Place) -> str:
    """Return an opaque, URL-safe cursor."""
    packed = _PLACE.pack(place.rowid, place.score)
    return base64.urlsafe_b64encode(packed + _mac(key, query, sort, packed)).decode()


def read_cursor(key: bytes, query: Query, sort: Sort, cursor: str) -> Place:
    """Return the place of a cursor that `write_cursor` made for this very query and order.

    Raises BadCursor.
    """
    try:
        data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    packed, mac = data[: _PLACE.size], data[_PLACE.size :]
    if len(packed) != _PLACE.size or not hmac.compare_digest(mac, _mac(key, query, sort, packed)):
        raise BadCursor("bad_cursor", "the cursor is not of this query and order; start at the first page")
    rowid, score = _PLACE.unpack(packed)
    return Place(rowid, score)
