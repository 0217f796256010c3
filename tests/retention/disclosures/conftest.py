"""Fixtures of tests of cases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.settings import Settings
from tests.retention.case_house import Office, open_office


@pytest.fixture
def office(settings: Settings) -> Iterator[Office]:
    """An office with two patients on the roster."""
    with open_office(settings) as opened:
        yield opened
