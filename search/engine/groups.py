"""Which messages belong together: connected by what they share, whole sets at a time.

Two rows are joined where they share a key (a Message-ID that one has and the other names, a thread, a key of
likeness), and groups are the connected components. Replies that name no message join the latest message
before them of the same topic. Groups are worked out from the rows that are there, never kept: so they are
the same after a removal as if the removed message had never been, and can be asked for within a scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from search.engine.chunks import Codes, Ints, Keys, gather

_FEW: Final = 8
"""From one part in so many changed on, everything is worked out anew."""
_LAST_NUMBER: Final = 1 << 30
_SIEVE: Final = 1 << 18

Places = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Edges:
    """What every row place bears: keys `keys[ends[p - 1] : ends[p]]`, 0 for none, and where topics count, a
    topic (`Joins.topic`)."""

    ends: Ints
    keys: Keys
    topics: Keys | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows, ascending, where their facts lie, and how many places there are."""

    rowids: Ints
    places: Codes
    room: int


def labelled(rows: Rows, edges: Edges) -> Codes:
    """A number for each place, the same within a group; -1 for places that aren't among the rows."""
    labels = np.full(rows.room, -1, np.int32)
    labels[rows.places] = _components(rows.rowids, rows.places, edges)
    return labels


def relabelled(old: Rows, labels: Codes, new: Rows, edges: Edges) -> Codes:
    """`labelled(new, edges)` up to the numbers, from what it was for `old`: only groups that may have changed
    are worked out."""
    before, after = np.zeros(new.room, bool), np.zeros(new.room, bool)
    before[old.places], after[new.places] = True, True
    came, left = np.flatnonzero(after & ~before), np.flatnonzero(before & ~after)
    last = int(labels.max(initial=-1))
    if _FEW * (len(came) + len(left)) > len(new.rowids) or last > _LAST_NUMBER:
        return labelled(new, edges)
    found = np.full(new.room, -1, np.int32)
    found[: len(labels)] = labels
    # Whoever shares something with a row that came or left is in a group that may have changed.
    near = _sharing(np.concatenate((came, left)), edges)
    near = near[near < new.room]  # what a later state has added lies behind
    changed = np.zeros(last + 2, bool)
    changed[found[near[before[near]]]] = True
    changed[found[left]] = True
    changed[-1] = False  # where -1 points
    found[left] = -1
    numbers = found[new.places]
    some = (numbers < 0) | changed[numbers]
    found[new.places[some]] = last + 1 + _components(new.rowids[some], new.places[some], edges)
    return found


def _sharing(places: Places, edges: Edges) -> Places:
    """The places that bear a key or topic that one of these bears."""
    keys = np.unique(gather(edges.ends, edges.keys, places)[0])
    at = _members(edges.keys, keys[keys != 0])
    near = np.searchsorted(edges.ends, at, side="right")
    if edges.topics is None:
        return near
    topics = edges.topics >> np.uint64(1)
    wanted = np.unique(topics[places])
    return np.concatenate((near, _members(topics, wanted[wanted != 0])))


def _members(values: Keys, wanted: Keys) -> Places:
    """Where `values` are among `wanted`."""
    # The keys are hashes, so their low bits rule out nearly all.
    sieve = np.zeros(_SIEVE, bool)
    sieve[(wanted & np.uint64(_SIEVE - 1)).astype(np.intp)] = True
    likely = np.flatnonzero(sieve[(values & np.uint64(_SIEVE - 1)).astype(np.intp)])
    return likely[np.isin(values[likely], wanted)]


def _components(rowids: Ints, places: Places, edges: Edges) -> Codes:
    """Numbers from 0 on for rows, the same within a group."""
    rows, nodes = _shared(rowids, places, edges)
    label = np.arange(len(rowids), dtype=np.int32)
    if not len(rows):
        return label
    count = int(nodes.max()) + 1
    # Every row takes the least number near it, and tells its own number's row; numbers are then followed to
    # their end. Rounds grow with the logarithm of a group's size (Shiloach and Vishkin, 1982).
    while True:
        least = np.full(count, len(rowids), np.int32)
        np.minimum.at(least, nodes, label[rows])
        near = least[nodes]
        following = label.copy()
        np.minimum.at(following, label[rows], near)
        np.minimum.at(following, rows, near)
        while True:
            further = following[following]
            if np.array_equal(further, following):
                break
            following = further
        if np.array_equal(following, label):
            return label
        label = following


def _shared(rowids: Ints, places: Places, edges: Edges) -> tuple[Places, Places]:
    """Pairs of a row and a node, for each node that several rows have. A node is a key, or a message with the
    replies to its topic."""
    keys, lengths = gather(edges.ends, edges.keys, places)
    rows = np.repeat(np.arange(len(rowids), dtype=np.int32), lengths)
    real = keys != 0
    rows = rows[real]
    distinct, nodes = np.unique(keys[real], return_inverse=True)
    count = len(distinct)
    if edges.topics is not None:
        answering, turns = _turns(rowids, edges.topics[places])
        rows, nodes = np.concatenate((rows, answering)), np.concatenate((nodes, turns + count))
        count += len(rowids)
    several = np.bincount(nodes, minlength=count)[nodes] > 1
    return rows[several], nodes[several]


def _turns(rowids: Ints, topics: Keys) -> tuple[Places, Places]:
    """Rows that have a topic, each with the number of the message that its turn began with."""
    rows = np.flatnonzero(topics).astype(np.int32)
    topic = topics[rows] >> np.uint64(1)
    begins = (topics[rows] & np.uint64(1)) == 0
    order = np.lexsort((rowids[rows], topic))
    rows, topic, begins = rows[order], topic[order], begins[order]
    if len(rows):
        begins[0] = True
        begins[1:] |= topic[1:] != topic[:-1]
    return rows, np.cumsum(begins) - 1
