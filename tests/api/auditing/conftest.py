"""An archive with people who look at mail: `place` on SQLite, `anywhere` on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings, load
from tests.api.auditing.stage import Place, open_place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    given = {"home": tmp_path / "home", "root_key": f"file:{tmp_path / 'keys' / 'root.key'}"}
    with open_place(load(given, environ={})) as opened:
        yield opened


@pytest.fixture
def anywhere(settings: Settings) -> Iterator[Place]:
    with open_place(settings) as opened:
        yield opened
