"""Fixtures of tests that need a whole house."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.settings import Settings
from tests.retention.whole_house import House, open_house


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    """An empty house in New York whose holds end without cooling off."""
    chosen = {"provider_type": "hospital", "jurisdictions": ("NY",), "hold_cooling_days": 0}
    with open_house(settings.model_copy(update=chosen)) as opened:
        yield opened


@pytest.fixture
def matter(house: House) -> str:
    """A matter of the lawyer's."""
    return str(house.matters.create(house.lawyer, "Doe v. Clinic")["id"])
