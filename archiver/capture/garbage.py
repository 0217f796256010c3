"""How memory is looked after where mail comes in by the thousand: garbage in cycles, and what glibc keeps."""

from __future__ import annotations

import ctypes
import gc

YOUNG = 50_000
"""So many more objects than were, and the youngest are looked through; Python's own 700 are one message's."""
A_MESSAGE = 200
"""More than a commit makes for each of its messages: none of a large batch's are looked through then."""

# mallopt(3)
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ARENAS = 2
_APART_FROM = 256 * 1024


def rarely(at_once: int = 1) -> None:
    """Leave alone what is loaded already, and look through new objects once in thousands of messages, or
    more where so many are committed `at_once`.

    What a message is made of has no cycles: counting references frees it. Thousands of messages wait beside
    the indexer meanwhile, and looking through them again and again was a tenth of an import's processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(max(YOUNG, A_MESSAGE * at_once), 20, 100)
    _give_back()


def _give_back() -> None:
    """Let glibc hand large blocks back to the system once they are freed, and threads share their heaps.

    Left alone it keeps a heap for each thread, and takes ever larger blocks from them: batches of mail then
    leave holes of the size of the largest one that ever was.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library than glibc, or one that can't be asked
    mallopt(_M_ARENA_MAX, _ARENAS)
    mallopt(_M_MMAP_THRESHOLD, _APART_FROM)
