"""Fixtures of tests that find mail by patient."""

from __future__ import annotations

import pytest

from retention.patients.finding import PatientMail
from retention.patients.providers import Providers
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House


@pytest.fixture
def room(house: House) -> ReadingRoom:
    """The house's reading room."""
    return ReadingRoom(house.vault, house.reader, house.gate)


@pytest.fixture
def mail_of(house: House, room: ReadingRoom) -> PatientMail:
    """Finds mail by patient."""
    return PatientMail(house.vault, house.gate, room)


@pytest.fixture
def providers(house: House, room: ReadingRoom) -> Providers:
    """Finds who cared for whom."""
    return Providers(house.vault, house.gate, room)
