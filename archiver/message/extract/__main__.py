"""`python -m archiver.message.extract FILE...`: what the extraction child makes of files, without an archive.

Prints one line a file: status, characters of text, and what was found inside; then counts by kind and status.
With `--text` prints the text too: for whoever holds the files already.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from archiver.message.extract.client import POOL
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Job
from archiver.message.extract.sniff import sniff


def main() -> None:
    """Read the files named on the command line."""
    arguments = argparse.ArgumentParser(prog="python -m archiver.message.extract", description=__doc__)
    arguments.add_argument("files", nargs="+", type=Path)
    arguments.add_argument("--text", action="store_true", help="print the text too")
    arguments.add_argument("--ocr", action="store_true", help="read pictures by Tesseract")
    given = arguments.parse_args()
    limits = Limits(ocr=given.ocr)
    counts: Counter[tuple[str, str]] = Counter()
    write = sys.stdout.write
    for path in sorted(p for f in given.files for p in ([f] if f.is_file() else f.rglob("*")) if p.is_file()):
        data = path.read_bytes()
        kind = sniff(data, path.name)
        started = time.monotonic()
        found = POOL.extract([Job(kind, data, len(data), path.name)], limits)[0]
        taken = (time.monotonic() - started) * 1000
        counts[kind or "-", found.status] += 1
        write(f"{found.status:14}{kind or '-':8}{taken:8.1f} ms{len(found.text):9}  {path}\n")
        for inner in found.inner:
            write(f"    {inner.path:6} {inner.status:14}{inner.size:10}  {inner.name}\n")
        if given.text:
            write(found.text + "\n")
    for (kind, status), count in sorted(counts.items()):
        write(f"{count:6}  {kind:8}{status}\n")


if __name__ == "__main__":
    main()
