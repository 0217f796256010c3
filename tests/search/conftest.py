"""Fixtures of tests that search a whole house."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.settings import Settings
from search.productions import Productions
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House, open_house


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    """An empty house with all its people."""
    with open_house(settings) as opened:
        yield opened


@pytest.fixture
def room(house: House) -> ReadingRoom:
    """The house's reading room."""
    return ReadingRoom(house.vault, house.reader, house.gate)


@pytest.fixture
def productions(house: House, room: ReadingRoom) -> Productions:
    """The house's exports."""
    return Productions(house.vault, room, house.gate)


@pytest.fixture
def matter(house: House) -> str:
    """A matter of the lawyer's."""
    return str(house.matters.create(house.lawyer, "Doe v. Clinic")["id"])
