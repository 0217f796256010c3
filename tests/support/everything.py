"""Everything that a `holdfast` process may come to import."""

from __future__ import annotations

import gc

import api.app
import api.http
import api.serving
import archiver.compaction
from api.cli import verbs

__all__ = ["api", "archiver"]

verbs()
gc.collect()
# What is loaded stays: no process that is forked from here looks through it again.
gc.freeze()
