"""Canonical JSON for ledger leaves: RFC 8785 without floating point (docs/FORMAT.md, section 7)."""

from __future__ import annotations

import json
from typing import Final

from archiver.errors import LedgerError

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]

MAX_LEAF_BYTES: Final = 65_535
MAX_DEPTH: Final = 32

_LARGEST_INTEGER: Final = 2**53 - 1


def dumps(value: object) -> bytes:
    """Return the one canonical encoding of str, int, bool, None, list and dict, nested at most 32 deep.

    Raises LedgerError for anything else: floats, integers beyond 2**53 - 1 (RFC 8785, 3.2.2.3: other
    readers would round them), member names that aren't strings, lone surrogates.
    """
    try:
        return _encode(_ordered(value, 0)).encode("utf-8")
    except UnicodeEncodeError:
        raise LedgerError("a ledger leaf holds a lone surrogate; leave raw text out of leaves") from None


def leaf(value: object) -> bytes:
    """Return `dumps(value)`, or raise LedgerError where it is longer than a log entry may be (65,535)."""
    data = dumps(value)
    if len(data) > MAX_LEAF_BYTES:
        raise LedgerError("a ledger leaf is longer than 65,535 bytes; log a hash of its details instead")
    return data


def loads(data: bytes) -> Json:
    """Return the value whose canonical encoding `data` is. Raises LedgerError for any other bytes."""
    try:
        value: Json = _decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise LedgerError("a ledger leaf isn't JSON of the kind that leaves are made of") from None
    if dumps(value) != data:
        raise LedgerError("a ledger leaf isn't in canonical form")
    return value


def _ordered(value: object, depth: int) -> object:
    """Return a copy whose objects' members are in canonical order, everything checked on the way."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
            raise LedgerError("a ledger leaf holds an integer beyond 2**53 - 1; write it as a string")
        return value
    if depth == MAX_DEPTH:
        raise LedgerError("a ledger leaf is nested more than 32 deep")
    if isinstance(value, list):
        return [_ordered(item, depth + 1) for item in value]
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise LedgerError("a ledger leaf has a member whose name isn't a string")
        # RFC 8785, 3.2.3: UTF-16 code units; by code points U+E000 would come before U+10000.
        names = sorted(value, key=None if all(map(str.isascii, value)) else _utf16)
        return {name: _ordered(value[name], depth + 1) for name in names}
    raise LedgerError(f"a ledger leaf can't hold a {type(value).__name__}")


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _no_float(text: str) -> Json:
    raise ValueError("floating point")


# Made once: `json.dumps` and `json.loads` make one for each call with settings of its own.
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode: Final = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).decode
