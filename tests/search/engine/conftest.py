"""The engines the index contract is tested with, and index documents for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from search.engine.fts import FtsReader, FtsWriter
from tests.search.oracle.plain_engine import PlainWriter
from tests.search.oracle.plain_viewer import PlainViewer

KEY = bytes(range(32))


@dataclass
class Engine:
    """One engine over one folder; whatever it opened is closed at the end of the test."""

    folder: Path
    make_writer: Callable[[Path, bytes], Any]
    make_reader: Callable[[Path, bytes], Any]

    def __post_init__(self) -> None:
        self._opened: list[Any] = []

    def writer(self) -> Any:
        self._opened.append(self.make_writer(self.folder, KEY))
        return self._opened[-1]

    def reader(self) -> Any:
        self._opened.append(self.make_reader(self.folder, KEY))
        return self._opened[-1]

    def close(self) -> None:
        for each in reversed(self._opened):
            each.close()


ENGINES: dict[str, Any] = {"fts5": (FtsWriter, FtsReader), "oracle": (PlainWriter, PlainViewer)}
"""What the contract is tested with. A new engine joins here; the oracle shows that the contract asks for
nothing but what a search is."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The default engine, for tests of what it is made of."""
    engine = Engine(tmp_path / "index", *ENGINES["fts5"])
    yield engine
    engine.close()


@pytest.fixture(params=list(ENGINES))
def any_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Every engine in turn, for the contract."""
    engine = Engine(tmp_path / "index", *ENGINES[request.param])
    yield engine
    engine.close()
