"""Every fuzzing target over damaged inputs, the same each time; `make fuzz` goes on from there."""

from __future__ import annotations

import importlib
import time

import pytest

from tests.fuzz.__main__ import MODULES, NAMES
from tests.fuzz.mutate import mutants

SECONDS = 5.0
"""Processor time that no input may take; the slowest takes a tenth."""


@pytest.mark.parametrize("name", sorted(NAMES))
def test_target(name: str) -> None:
    hammer(name, 150)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_target_for_long(name: str) -> None:
    hammer(name, 15_000)


def hammer(name: str, count: int) -> None:
    module = importlib.import_module(f"tests.fuzz.{NAMES[name]}")
    target = getattr(module, name)
    for number, data in enumerate(mutants(module.seeds(), count, seed=3)):
        began = time.process_time()
        try:
            target(data)
        except BaseException as error:
            # Its bytes are made by us: whoever reads this wants them.
            error.add_note(f"{name}, input {number}: {data[:400]!r}")
            raise
        assert time.process_time() - began < SECONDS, (name, number)


def test_every_target_is_named() -> None:
    for module, names in MODULES.items():
        targets = importlib.import_module(f"tests.fuzz.{module}")
        assert all(callable(getattr(targets, name)) for name in names)
    assert sum(map(len, MODULES.values())) == len(NAMES)
