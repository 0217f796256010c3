"""`holdfast`, but held after each commit, before anybody is told of it, until a file is there.

So a test meets a command at work, however fast that is and however slow the test. The file's path is in
HELD_UNTIL. Run as `python -m tests.support.held_at_commit import ...`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from api.cli import main
from archiver.archive import Archive
from archiver.capture.prepare import Prepared
from archiver.commit import Committed

_commit = Archive.commit
_until = Path(os.environ.pop("HELD_UNTIL", "/"))


def _commit_and_wait(self: Archive, batch: Sequence[Prepared]) -> list[Committed]:
    done = _commit(self, batch)
    while not _until.exists():
        time.sleep(0.01)
    return done


if __name__ == "__main__":
    Archive.commit = _commit_and_wait  # type: ignore[method-assign]
    sys.exit(main())
