"""Imports what `holdfast` may need, once, in the process that the tests' other processes are forked from."""

from __future__ import annotations

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
"""Of one process there is one such server, and what it is told to load first is all it loads."""
CONTEXT.set_forkserver_preload(["tests.support.everything"])
