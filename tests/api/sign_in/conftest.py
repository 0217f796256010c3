"""A bench for signing in: accounts on a vault, with a clock and devices of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.sign_in.sign_in_bench import Bench, open_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    """The same on both databases in turn, for what is decided by a statement."""
    with open_bench(tmp_path, database_url) as opened:
        yield opened
