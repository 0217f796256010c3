"""How often Python looks for cycles of garbage, where mail is taken in by the thousand."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""So many more objects than were, and the youngest are looked through; Python's own 700 are one message's."""


def rarely() -> None:
    """Leave alone what is loaded already, and look through new objects once in thousands of messages.

    What a message is made of has no cycles: counting references frees it. Thousands of messages wait beside
    the indexer meanwhile, and looking through them again and again was a tenth of an import's processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
