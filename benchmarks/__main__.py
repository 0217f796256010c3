"""`python -m benchmarks [NAME...]`: measure, print, and exit 1 when a target was missed."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    classifying,
    dating,
    floors,
    holding,
    importing,
    ledgers,
    matching,
    memory,
    readers,
    rosters,
    searching,
    smtp,
    soak,
    stages,
)
from benchmarks.corpus import DEFAULT
from benchmarks.measure import machine
from benchmarks.run import Run

# In this order: `memory` makes the large archive that `search` asks.
BENCHMARKS: dict[str, Callable[[Run], None]] = {
    "floors": floors.run,
    "classify": classifying.run,
    "stages": stages.run,
    "import": importing.run,
    "smtp": smtp.run,
    "ledger": ledgers.run,
    "memory": memory.run,
    "search": searching.run,
    "readers": readers.run,
    "holds": holding.run,
    "rosters": rosters.run,
    "matching": matching.run,
    "retention": dating.run,
    "soak": soak.run,
}
ASKED_FOR = frozenset({"soak"})
"""Too long to be part of "all"."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks named, or all; 0 when every target was met, 1 when not, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all")
    parser.add_argument("--corpora", type=Path, default=DEFAULT, help="folder that holds enron/")
    parser.add_argument("--scratch", type=Path, help="where to work; on the disk that is to be measured")
    parser.add_argument("--messages", type=int, default=20_000, help="imported; a quarter of it by SMTP")
    parser.add_argument("--size", type=int, default=100_000, help="messages of the archive searched")
    parser.add_argument("--soak", type=int, default=1_000_000, help="messages of the one long import")
    parser.add_argument("--keep", type=Path, help="folder in which the large archive is kept for later runs")
    parser.add_argument("--repeat", type=int, default=3, help="runs whose median counts")
    parser.add_argument(
        "--misses", action="store_true", help="`classify` shows what it missed: text of the sets"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, the rest on stderr")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    output = sys.stderr if given.json else sys.stdout
    about = machine()
    print(json.dumps(about), file=output, flush=True)
    scratch = Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir=given.scratch))
    run = Run(
        corpora=given.corpora.resolve(),
        scratch=scratch,
        messages=given.messages,
        size=given.size,
        soak=given.soak,
        repeat=given.repeat,
        keep=given.keep,
        misses=given.misses,
        say=lambda line: print(line, file=output, flush=True),
    )
    try:
        for name, benchmark in BENCHMARKS.items():
            if name in given.names or (not given.names and name not in ASKED_FOR):
                benchmark(run)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if given.json:
        print(json.dumps({"machine": about, "figures": [figure.as_json() for figure in run.figures]}))
    return 1 if any(figure.met is False for figure in run.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
