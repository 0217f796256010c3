"""Page cursors: where a page ended, bound to its query and order by a MAC."""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from whoosh.query import Query

from search.errors import BadCursor

_PLACE: Final = struct.Struct(">qdq")
_MAC_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page. `score` is what its time comes after in the order, a rank or a size; `bound` is
    the row id from which on matches were ranked."""

    rowid: int
    score: float = 0.0
    bound: int = 0


def _mac(key: bytes, query: Query, order: str, place: bytes) -> bytes:
    # Keyed, because a plain digest of a short query could be found by trying likely queries.
    asked = repr(query).encode("utf-8", "replace")
    message = b"holdfast-cursor-v2\0" + order.encode() + b"\0" + place + asked
    return hmac.digest(key, message, "sha256")[:_MAC_BYTES]


def write_cursor(key: bytes, query: Query, order: str, place: Place) -> str:
    """Return an opaque, URL-safe cursor."""
    packed = _PLACE.pack(place.rowid, place.score, place.bound)
    return base64.urlsafe_b64encode(packed + _mac(key, query, order, packed)).decode()


def read_cursor(key: bytes, query: Query, order: str, cursor: str) -> Place:
    """Return the place of a cursor that `write_cursor` made for this very query and order.

    Raises BadCursor.
    """
    try:
        data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    packed, mac = data[: _PLACE.size], data[_PLACE.size :]
    if len(packed) != _PLACE.size or not hmac.compare_digest(mac, _mac(key, query, order, packed)):
        raise BadCursor("bad_cursor", "the cursor is not of this query and order; start at the first page")
    return Place(*_PLACE.unpack(packed))
