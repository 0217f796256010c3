"""Runs a piece of work in a process of its own that ends, as by kill -9, at a chosen call.

A point is `module:Class.method` (or `module:function`), `before` or `after` its n-th call.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from config.settings import Settings
from tests.support.preloaded import CONTEXT

DIED = 9

Point = tuple[str, str, int]


def run(work: Callable[..., object], settings: Settings, *points: Point, **more: Any) -> int:
    """Run `work(settings, **more)`; its exit code: 0, or DIED where it came to a point. It is importable."""
    process = CONTEXT.Process(target=_main, args=(work, settings, points, more))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the process didn't end in time"
    return process.exitcode


def _main(
    work: Callable[..., object], settings: Settings, points: tuple[Point, ...], more: dict[str, Any]
) -> None:
    for where, when, number in points:
        module, _, path = where.partition(":")
        *owners, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, name, _deadly(getattr(owner, name), when, number))
    work(settings, **more)


def _deadly(real: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = 0

    @wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls == number:
            os._exit(DIED)
        result = real(*args, **kwargs)
        if when == "after" and calls == number:
            os._exit(DIED)
        return result

    return call
