"""The default index engine: SQLite FTS5 in encrypted pages, in one folder, under one key."""

from __future__ import annotations

from search.engine.reader import FtsReader
from search.engine.writer import FtsWriter, erase_index

__all__ = ["FtsReader", "FtsWriter", "erase_index"]
