"""Ids: never the same twice, in the order they were made, and as long as a pack's frame has room for."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from archiver.capture import ids


def test_no_two_are_the_same_from_any_thread() -> None:
    with ThreadPoolExecutor(4) as threads:
        made = [
            each
            for chunk in threads.map(lambda _: [ids.new_id("m") for _ in range(5_000)], range(4))
            for each in chunk
        ]
    assert len(set(made)) == 20_000
    assert {len(each) for each in made} == {16}
    assert {each[0] for each in made} == {"m"}


def test_they_sort_as_they_were_made() -> None:
    made = [ids.new_id("m") for _ in range(3_000)]
    assert made == sorted(made)


def test_a_run_that_is_full_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_COUNT_LETTERS", 1)
    run = ids._Run()
    made = [run.next() for _ in range(100)]
    assert len(set(made)) == 100
    assert len({each[:11] for each in made}) == 4


def test_two_processes_that_begin_together_have_runs_of_their_own() -> None:
    command = [sys.executable, "-c", "from archiver.capture.ids import new_id; print(new_id('m'))"]
    begun = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in begun}) == 4
