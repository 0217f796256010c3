"""One import of a whole archive at once: are memory and rate at its end what they were at its beginning?"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from benchmarks.corpus import varied, write_mbox
from benchmarks.home import Home, captured, waiting
from benchmarks.measure import RssWatch, children_seconds, seconds
from benchmarks.run import Run

FILES = 10
MOST_MIB = 600.0
SLOWEST = 0.8
"""The rate of the last tenth, as a share of the first tenth's; both of what is searchable."""


def run(run: Run) -> None:
    """Import `--soak` messages in one command; peak memory, and the rates of its first and last tenth."""
    home = Home((run.keep or run.scratch) / "soak")
    home.run("init")
    tenth = run.soak // FILES
    files = _write(run, tenth)
    spent = children_seconds()
    with (
        home.records() as records,
        home.start("import", *map(str, files)) as process,
        RssWatch(process.pid, lambda: captured(records) - waiting(records), every=1.0) as watch,
    ):
        output = ""

        def wait() -> None:
            nonlocal output
            output, _ = process.communicate()

        took = seconds(wait)
    result = json.loads(output)
    if process.returncode or result["stored"] + result["duplicates"] != tenth * FILES:
        raise RuntimeError("the import of the soak benchmark lost messages")
    for tenths in range(FILES):
        rate = watch.rate(tenths * tenth, (tenths + 1) * tenth)
        main, tree = watch.peak(tenths * tenth, (tenths + 1) * tenth)
        run.say(
            f"          to {(tenths + 1) * tenth:>9,}: {rate:7,.0f} msg/s, {main / 2**20:4,.0f} MiB, "
            f"{tree / 2**20:4,.0f} MiB with workers"
        )
    first, last = watch.rate(0, tenth), watch.rate((FILES - 1) * tenth, FILES * tenth)
    main, tree = watch.peak(-1, 1 << 62)
    run.add("soak", f"{tenth * FILES:,} messages, start to all searchable", tenth * FILES / took, "msg/s")
    run.add("soak", "importer, most resident memory", main / 2**20, "MiB", target=MOST_MIB, lower=True)
    run.add("soak", "the same with all its processes", tree / 2**20, "MiB", note="what they share each time")
    once = watch.most_once / 2**20
    run.add("soak", "all processes, shared memory once", once, "MiB", target=MOST_MIB, lower=True)
    spent = (children_seconds() - spent) / result["read"] * 1e6
    run.add("soak", "processor time of all processes", spent, "us/msg")
    run.add("soak", "rate of the last tenth to the first", last / first, "times", target=SLOWEST)


def _write(run: Run, tenth: int) -> list[Path]:
    made = varied(run.corpora, tenth * FILES)
    files = []
    for number in range(FILES):
        path = run.scratch / f"soak-{number}.mbox"
        write_mbox(path, islice(made, tenth))
        files.append(path)
    return files
