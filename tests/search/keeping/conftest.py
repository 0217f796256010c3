"""A house with the services of saved searches, alerts, tags and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from config.settings import Settings
from search.keeping.alerts import Alerts
from search.keeping.matching import AlertMatcher
from search.keeping.notes import Notes
from search.keeping.saved import SavedSearches
from search.keeping.tags import Tags
from search.reading_room import ReadingRoom
from search.unsearchable import Unsearchable
from tests.retention.whole_house import House, open_house


@dataclass
class Keeping:
    """What people keep in one house."""

    house: House
    room: ReadingRoom
    saved: SavedSearches
    alerts: Alerts
    matcher: AlertMatcher
    tags: Tags
    notes: Notes
    unsearchable: Unsearchable


def keeping_of(house: House) -> Keeping:
    vault, gate = house.vault, house.gate
    room = ReadingRoom(vault, house.reader, gate)
    return Keeping(
        house=house,
        room=room,
        saved=SavedSearches(vault, gate, room),
        alerts=Alerts(vault, gate, room),
        matcher=AlertMatcher(vault, house.reader, room),
        tags=Tags(vault, gate, room),
        notes=Notes(vault, gate, room),
        unsearchable=Unsearchable(vault, gate, room),
    )


@pytest.fixture
def kept(settings: Settings) -> Iterator[Keeping]:
    """An empty house; copy `settings` for one that differs."""
    with open_house(settings) as house:
        yield keeping_of(house)
