"""An archive with people who look at mail, on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.settings import Settings
from tests.api.auditing.stage import Place, open_place


@pytest.fixture
def place(settings: Settings) -> Iterator[Place]:
    with open_place(settings) as opened:
        yield opened
