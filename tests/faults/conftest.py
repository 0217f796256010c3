"""Kills strike files on a disk, where an fsync takes its time and a kill finds things half done."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scratch import DISK

ON_DISK = ("test_database_gone", "test_full_disk", "test_kill_", "test_lost_answer")


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on the disk for tests that kill or run out of it; it stays where a test failed."""
    if not request.path.name.startswith(ON_DISK):
        yield tmp_path
        return
    failed = request.session.testsfailed
    folder = Path(tempfile.mkdtemp(prefix="holdfast-fault-", dir=os.environ[DISK]))
    yield folder
    if request.session.testsfailed == failed:
        shutil.rmtree(folder, ignore_errors=True)
