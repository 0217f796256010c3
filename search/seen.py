"""Whose mail was seen: the port by which the record of a look learns of its patients (45 CFR 164.312(b)).

Who a message is about is known above this floor (`retention.roster.seen`), so it is given at wiring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class PatientsOf(Protocol):
    """Says whose mail messages are."""

    def __call__(self, pks: Sequence[int]) -> tuple[str, ...]:
        """Roster ids, each once and in order, of everybody whom any of the messages is or may be about.
        Raises StoreError: then there can be no whole record, and so no look."""
        ...


def nobody(pks: Sequence[int]) -> tuple[str, ...]:
    """Of an archive without a roster."""
    return ()
