"""JSON documents read piece by piece: a FHIR Bundle of any size, entry by entry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from retention.errors import RosterError

CHUNK: Final = 1 << 20
MAX_PIECE: Final = 64 << 20
"""The largest entry, and the most that may stand around the entries."""

_MARKS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]|"', re.DOTALL)
_ENTRY: Final = re.compile(rb'"entry"\s*:\s*\Z')


def bundle(read: Callable[[int], bytes]) -> Iterator[tuple[int, Any]]:
    """The resources of a JSON document in order: `(number from 1, entry object)`.

    A Bundle gives its entries, each `{"resource": ..., "fullUrl": ...}`; any other resource gives itself
    as one entry. Memory is that of the largest entry. Raises RosterError, which names the entry.
    """
    number = 0
    around = bytearray()
    for is_entry, piece in _pieces(read):
        if not is_entry:
            around += piece
            if len(around) > MAX_PIECE:
                raise RosterError(f"the document has over {MAX_PIECE >> 20} MiB besides its entries")
            continue
        number += 1
        entry = loads(piece, f"entry {number}")
        if not isinstance(entry, dict):
            raise RosterError(f"entry {number}: must be a JSON object")
        yield number, entry
    document = loads(bytes(around), "the document")
    if not isinstance(document, dict) or "resourceType" not in document:
        raise RosterError("the document is no FHIR resource: it has no resourceType")
    if document["resourceType"] == "Bundle":
        if document.get("entry", []) != []:
            raise RosterError("the Bundle's entries can't be read: entry must be an array of objects")
        return
    if number:
        raise RosterError("the document has entries and is no Bundle")
    yield 1, {"resource": document}


def loads(piece: bytes, where: str) -> Any:
    """Parse JSON. Raises RosterError with where it stands, never with what it says."""
    try:
        return orjson.loads(piece)
    except orjson.JSONDecodeError:
        raise RosterError(f"{where}: not JSON in UTF-8") from None


def _pieces(read: Callable[[int], bytes]) -> Iterator[tuple[bool, bytes]]:
    """The bytes of a document: `(True, an element of the top `entry` array)`, `(False, the rest)`."""
    buffer = bytearray()
    at = start = depth = 0  # looked at up to `at`, given out up to `start`
    inside = False  # of the array of entries: there depth is 2 between the elements
    more = read(CHUNK).removeprefix(b"\xef\xbb\xbf")
    while more:
        buffer += more
        for match in _MARKS.finditer(buffer, at):
            mark, place = match.group(), match.start()
            if mark == b'"':  # a string that goes on in the next chunk
                at = place
                break
            at = match.end()
            if mark in b"{[":
                if inside and depth == 2:
                    _only_commas(buffer[start:place])
                    start = place
                depth += 1
                if depth == 2 and mark == b"[" and _ENTRY.search(buffer[max(start, place - 200) : place]):
                    yield False, bytes(buffer[start:at])
                    inside, start = True, at
            elif mark in b"]}":
                depth -= 1
                if depth < 0:
                    raise RosterError("the document's brackets don't match")
                if inside and depth == 2:
                    yield True, bytes(buffer[start:at])
                    start = at
                elif inside and depth == 1:
                    _only_commas(buffer[start:place])
                    inside, start = False, place
        else:
            at = len(buffer)
        if not inside and at - start > CHUNK + 256:
            yield False, bytes(buffer[start : at - 256])
            start = at - 256
        del buffer[:start]
        at, start = at - start, 0
        if len(buffer) > MAX_PIECE:
            raise RosterError(f"an entry is larger than {MAX_PIECE >> 20} MiB")
        more = read(CHUNK)
    if inside or depth:
        raise RosterError("the document ends in the middle")
    yield False, bytes(buffer)


def _only_commas(between: bytes | bytearray) -> None:
    if between.strip(b" \t\r\n,"):
        raise RosterError("the Bundle has an entry that is no JSON object")
