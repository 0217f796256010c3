"""Opaque ids."""

from __future__ import annotations

import os
import secrets
import threading
import time

_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"
"""Five bits each, in the order that databases sort them by."""
_EPOCH = 1_767_225_600
"""The first second of 2026."""
_TIME_LETTERS, _RANDOM_LETTERS, _COUNT_LETTERS = 6, 5, 4
_WINDOW_SECONDS = 4


class _Run:
    """Ids that follow one another: the window of time in which the run began, 25 random bits, a count.

    Neighbours in time are so neighbours in the index of all ids. At random places each was a page to read and
    to write for each message, where the archive is large. The random bits keep processes apart.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = ""
        self._next = 0

    def next(self) -> str:
        with self._lock:
            if not self._begun or self._next >= 32**_COUNT_LETTERS:
                window = max(0, int(time.time()) - _EPOCH) // _WINDOW_SECONDS
                begun = _written(window, _TIME_LETTERS)
                self._begun = begun + _written(secrets.randbits(5 * _RANDOM_LETTERS), _RANDOM_LETTERS)
                self._next = 0
            number = self._next
            self._next += 1
        return self._begun + _written(number, _COUNT_LETTERS)


def _written(number: int, letters: int) -> str:
    return "".join([_LETTERS[(number >> 5 * place) & 31] for place in range(letters - 1, -1, -1)])


_run = _Run()


def _begin_anew() -> None:
    global _run
    _run = _Run()


# A forked process would go on with the same ids.
os.register_at_fork(after_in_child=_begin_anew)


def new_id(prefix: str) -> str:
    """A fresh opaque id: a letter and 15 more. No secret: who may see what it names is asked each time."""
    return prefix + _run.next()
