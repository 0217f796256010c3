"""Facts of messages in columns: what facets, sizes, conversations and likenesses are counted from.

A batch of messages is one chunk, and a chunk is whole by itself: names and all. So the writer looks nothing
up and puts nothing between rows all over a table, and a disposed message's values leave with the chunk's
old blobs. Arrays are little-endian.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

if sys.byteorder != "little":
    raise ImportError("the index's columns are read on little-endian machines only")

KINDS: Final = ("sender", "custodian", "source", "record", "state", "attachment")
"""The facts that are sets of names, in the order they are stored in; part of the index format."""

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

_KIND_OF: Final = {"sender": 0, "custodian": 1, "record": 3, "state": 4}
_SOURCE, _ATTACHMENT = 2, 5
HAS_ATTACHMENT: Final = "has:attachment"


class Row(NamedTuple):
    """One message on its way in. `labels` are as `labels.label_of` gives them."""

    rowid: int
    size: int
    labels: Collection[str]
    sources: Sequence[str]
    links: Sequence[int]
    topic: int
    likeness: Sequence[int]


@dataclass(frozen=True, slots=True)
class Sets:
    """A fact of each row: which of the sets it bears (`codes`), and each set's names.

    Set `i` is `flat[ends[i - 1] : ends[i]]`, places in `names`.
    """

    names: list[str]
    codes: Codes
    ends: Ints
    flat: Codes


@dataclass(frozen=True, slots=True)
class Ties:
    """What joins each row to others: `links` to a conversation, up to `ends`; a topic, 0 for none (see
    archiver/message/conversation.py); two keys of likeness, 0 for none."""

    ends: Ints
    links: Keys
    topics: Keys
    likeness: Keys


@dataclass(frozen=True, slots=True)
class Chunk:
    """Facts of some messages. No row id is there twice."""

    rowids: Ints
    sizes: Ints
    sets: tuple[Sets, ...]
    ties: Ties


def no_ties(rows: int) -> Ties:
    """The ties of rows that have none."""
    return Ties(
        np.zeros(rows, np.int64),
        np.empty(0, np.uint64),
        np.zeros(rows, np.uint64),
        np.zeros(2 * rows, np.uint64),
    )


def gather(ends: Ints, flat: npt.NDArray[Any], which: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Ints]:
    """The slices `which` of `flat`, one after the other, and how long each is."""
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if len(ends) else ends
    first = starts[which]
    lengths = ends[which] - first
    before = np.cumsum(lengths) - lengths
    places = np.repeat(first - before, lengths) + np.arange(int(lengths.sum()), dtype=np.int64)
    return flat[places], lengths


def chunk_of(rows: Sequence[Row]) -> Chunk:
    """The chunk of new messages."""
    builders = [_SetsBuilder() for _ in KINDS]
    codes = np.empty((len(KINDS), len(rows)), np.int32)
    for place, row in enumerate(rows):
        found: list[list[str]] = [[] for _ in KINDS]
        for label in row.labels:
            kind, _, value = label.partition(":")
            number = _KIND_OF.get(kind)
            if number is not None:
                found[number].append(value)
        found[_SOURCE] = list(row.sources)
        if HAS_ATTACHMENT in row.labels:
            found[_ATTACHMENT].append("yes")
        for number, builder in enumerate(builders):
            codes[number, place] = builder.code(found[number])
    ends = np.fromiter(accumulate(len(row.links) for row in rows), np.int64, len(rows))
    return Chunk(
        np.fromiter((row.rowid for row in rows), np.int64, len(rows)),
        np.fromiter((row.size for row in rows), np.int64, len(rows)),
        tuple(builder.sets(codes[number]) for number, builder in enumerate(builders)),
        Ties(
            ends,
            _keys(chain.from_iterable(row.links for row in rows)),
            _keys(row.topic for row in rows),
            _keys(chain.from_iterable(tuple(row.likeness) or (0, 0) for row in rows)),
        ),
    )


def _keys(numbers: Iterable[int]) -> Keys:
    return np.array(list(numbers), np.uint64)


class _SetsBuilder:
    """Numbers names and sets of names as they come."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._sets: dict[tuple[str, ...], int] = {}

    def code(self, names: Iterable[str]) -> int:
        """The number of a set."""
        key = tuple(sorted(set(names)))
        known = self._sets.get(key)
        if known is None:
            known = self._sets[key] = len(self._sets)
            for name in key:
                self._names.setdefault(name, len(self._names))
        return known

    def sets(self, codes: Codes) -> Sets:
        """The sets, for rows that bear `codes`."""
        ends = np.fromiter(accumulate(map(len, self._sets)), np.int64, len(self._sets))
        numbers = map(self._names.__getitem__, chain.from_iterable(self._sets))
        return Sets(list(self._names), codes, ends, np.array(list(numbers), np.int32))


def take(chunk: Chunk, rows: npt.NDArray[np.intp]) -> Chunk:
    """The chunk with these rows only, and with no name that none of them bears."""
    links, lengths = gather(chunk.ties.ends, chunk.ties.links, rows)
    ties = Ties(
        np.cumsum(lengths), links, chunk.ties.topics[rows], chunk.ties.likeness.reshape(-1, 2)[rows].ravel()
    )
    return Chunk(
        chunk.rowids[rows], chunk.sizes[rows], tuple(_take_sets(sets, rows) for sets in chunk.sets), ties
    )


def _take_sets(sets: Sets, rows: npt.NDArray[np.intp]) -> Sets:
    used, codes = np.unique(sets.codes[rows], return_inverse=True)
    flat, lengths = gather(sets.ends, sets.flat, used)
    named, flat = np.unique(flat, return_inverse=True)
    return Sets(
        [sets.names[place] for place in named],
        codes.astype(np.int32),
        np.cumsum(lengths),
        flat.astype(np.int32),
    )


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Several chunks as one; of a row id in more than one the last one's facts count."""
    rowids = np.concatenate([chunk.rowids for chunk in chunks])
    whole = Chunk(
        rowids,
        np.concatenate([chunk.sizes for chunk in chunks]),
        tuple(_join_sets([chunk.sets[kind] for chunk in chunks]) for kind in range(len(KINDS))),
        _join_ties([chunk.ties for chunk in chunks]),
    )
    kept = last_of_each(rowids)
    return whole if len(kept) == len(rowids) else take(whole, kept)


def last_of_each(rowids: Ints) -> npt.NDArray[np.intp]:
    """The place of the last occurrence of each row id, in ascending order of the row ids."""
    order = np.argsort(rowids, kind="stable")
    ordered = rowids[order]
    last = np.ones(len(ordered), bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    return order[last]


def _join_sets(parts: Sequence[Sets]) -> Sets:
    builder = _SetsBuilder()
    codes = []
    for part in parts:
        starts = [0, *part.ends.tolist()]
        flat = part.flat.tolist()
        renamed = [
            builder.code([part.names[number] for number in flat[start:end]])
            for start, end in pairwise(starts)
        ]
        codes.append(np.array(renamed, np.int32)[part.codes] if renamed else part.codes)
    return builder.sets(np.concatenate(codes))


def _join_ties(parts: Sequence[Ties]) -> Ties:
    shifts = [0, *accumulate(len(part.links) for part in parts)]
    return Ties(
        np.concatenate([part.ends + shift for part, shift in zip(parts, shifts, strict=False)]),
        np.concatenate([part.links for part in parts]),
        np.concatenate([part.topics for part in parts]),
        np.concatenate([part.likeness for part in parts]),
    )


# --- as blobs ------------------------------------------------------------------------------------


def _small(codes: Codes) -> bytes:
    """Numbers from 0 on, in two bytes each where that is enough."""
    narrow = not len(codes) or int(codes.max()) < 1 << 16
    return (b"\2" if narrow else b"\4") + codes.astype(np.uint16 if narrow else np.int32).tobytes()


def _from_small(data: bytes) -> Codes:
    return np.frombuffer(data, np.uint16 if data[0] == 2 else np.int32, offset=1).astype(np.int32)


def facts_to_blobs(chunk: Chunk) -> tuple[bytes, ...]:
    """Row ids, sizes, names and codes, as they are stored."""
    names = orjson.dumps([sets.names for sets in chunk.sets])
    arrays = [
        _small(np.asarray(numbers, np.int32))
        for sets in chunk.sets
        for numbers in (sets.codes, np.diff(sets.ends, prepend=0), sets.flat)
    ]
    head = np.array([len(array) for array in arrays], np.int64).tobytes()
    return chunk.rowids.tobytes(), chunk.sizes.tobytes(), names, head + b"".join(arrays)


def facts_from_blobs(
    rowids: bytes, sizes: bytes, names: bytes, codes: bytes
) -> tuple[Ints, Ints, tuple[Sets, ...]]:
    """The inverse of `facts_to_blobs`."""
    pieces = 3 * len(KINDS)
    at = 8 * pieces
    arrays = []
    for length in np.frombuffer(codes, np.int64, pieces).tolist():
        arrays.append(_from_small(codes[at : at + length]))
        at += length
    sets = tuple(
        Sets(listed, arrays[3 * kind], np.cumsum(arrays[3 * kind + 1], dtype=np.int64), arrays[3 * kind + 2])
        for kind, listed in enumerate(orjson.loads(names))
    )
    return np.frombuffer(rowids, np.int64), np.frombuffer(sizes, np.int64), sets


def ties_to_blobs(ties: Ties) -> tuple[bytes, ...]:
    """Ties as they are stored."""
    return ties.ends.tobytes(), ties.links.tobytes(), ties.topics.tobytes(), ties.likeness.tobytes()


def ties_from_blobs(ends: bytes, links: bytes, topics: bytes, likeness: bytes) -> Ties:
    """The inverse of `ties_to_blobs`."""
    keys = (np.frombuffer(data, np.uint64) for data in (links, topics, likeness))
    return Ties(np.frombuffer(ends, np.int64), *keys)
