"""`holdfast`, but killed by its own hand right after its N-th commit is durable and before anybody is told.

N is in DIE_AFTER_COMMITS. Run as `python -m tests.support.dies_after_commit serve ...`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from api.cli import main
from archiver.archive import Archive
from archiver.capture.prepare import Prepared
from archiver.commit import Committed

_commit = Archive.commit
_left = [int(os.environ.pop("DIE_AFTER_COMMITS", "1"))]


def _commit_and_die(self: Archive, batch: Sequence[Prepared]) -> list[Committed]:
    done = _commit(self, batch)
    _left[0] -= 1
    if _left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


if __name__ == "__main__":
    # No fault can be ordered at this very instant from outside the process.
    Archive.commit = _commit_and_die  # type: ignore[method-assign]
    sys.exit(main())
