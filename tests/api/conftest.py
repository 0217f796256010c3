"""Fixtures of the API's tests: one shared house for looking, fresh ones for changing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.chromium import Browser, chromium, find_chromium
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The same with one message, for tests about who may come in."""
    with open_house(tmp_path_factory.mktemp("served"), messages=1) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _forgiven(request: pytest.FixtureRequest) -> None:
    """Failed attempts of one test shut out no other of its module."""
    for name in ("served", "shared_house"):
        if name in request.fixturenames:
            request.getfixturevalue(name).app.attempts.forgive()


@pytest.fixture(scope="session")
def chromium_command() -> str:
    if (found := find_chromium()) is None:
        pytest.skip("no `chromium` on this machine; apt install chromium")
    return found


@pytest.fixture
def browser(tmp_path: Path, chromium_command: str) -> Iterator[Browser]:
    """A real browser with an empty profile."""
    with chromium(tmp_path / "profile", chromium_command) as opened:
        yield opened
