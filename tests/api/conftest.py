"""Fixtures of the API's tests: one shared house for looking, fresh ones for changing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import House, open_house


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    """A fresh archive with a server, on both databases in turn."""
    with open_house(tmp_path, database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One archive for the tests of a module that don't get in each other's way."""
    with open_house(tmp_path_factory.mktemp("house"), messages=45) as opened:
        yield opened
