"""`python -m api.demo [--check]`: the demo, told to a person or checked by itself."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from types import FrameType

from api.demo.runner import run
from config.errors import HoldfastError


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo; 0 when all went well, 1 when a check or a step failed."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="check every planted fact, then end")
    args = parser.parse_args()
    # SIGINT by name too: a shell starts what it puts in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    began = time.monotonic()
    checks = None
    if args.check:
        from api.demo.checks import Checks  # only here: the story needs none of it

        checks = Checks()
    try:
        run(checks)
    except KeyboardInterrupt:
        print("\nStopped; nothing of the demo is left on this machine.")
        return 0 if checks is None else 1
    except (HoldfastError, OSError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    if checks is None:
        return 0
    print(f"\n{checks.summary()} in {time.monotonic() - began:.0f} s")
    return 0 if checks.good else 1


if __name__ == "__main__":
    sys.exit(main())
