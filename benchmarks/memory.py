"""Is memory flat? Importer and server are watched while the archive grows to its full size."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

from benchmarks.corpus import varied, write_mbox
from benchmarks.home import Home, captured
from benchmarks.measure import RssWatch
from benchmarks.run import Run
from benchmarks.smtp import CONNECTIONS

STAGES = (0.1, 0.2, 0.5, 1.0)
DELIVERED = 1_000
MOST_MIB = 600.0
MOST_GROWTH = 1.2


def run(run: Run) -> None:
    """Peak resident memory of the importer (with its workers) and of the server at four sizes."""
    grow(run)


def grow(run: Run) -> Home:
    """Make the large archive in four imports, a server taking in mail after each; measure both."""
    if run.large is not None:
        return run.large
    home = Home((run.keep or run.scratch) / f"archive-{run.size}")
    made = home.folder / "made"
    if made.exists():
        run.say(f"          the archive of {run.size:,} messages is there from an earlier run")
        run.large = home
        return home
    home.run("init")
    address = home.run("source", "add", "journal", "bench")["address"]
    sizes = [int(run.size * share) for share in STAGES]
    importer: list[float] = []
    server: list[float] = []
    before = 0
    for stage, size in enumerate(sizes):
        main, tree = _import(run, home, before, size)
        importer.append(main)
        run.add(
            "memory", f"importer, to {size:,} messages", main, "MiB", note=f"{tree:,.0f} with its workers"
        )
        server.append(_serve(run, home, address, run.size + stage * DELIVERED))
        run.add("memory", f"server taking in mail, at {size:,} messages", server[-1], "MiB")
        before = size
    for name, values in (("importer", importer), ("server", server)):
        # From the size at which caches of bounded size are full.
        growth = f"{name}: growth from {sizes[-2]:,} to {sizes[-1]:,}"
        run.add("memory", growth, values[-1] / values[-2], "times", target=MOST_GROWTH, lower=True)
        run.add("memory", f"{name}: most", max(values), "MiB", target=MOST_MIB, lower=True)
    made.touch()
    run.large = home
    return home


def _import(run: Run, home: Home, before: int, size: int) -> tuple[float, float]:
    mbox = run.scratch / "part.mbox"
    write_mbox(mbox, islice(varied(run.corpora, size), before, None))
    with (
        home.records() as records,
        home.start("import", str(mbox)) as process,
        RssWatch(process.pid, lambda: captured(records)) as watch,
    ):
        output, _ = process.communicate()
    if process.returncode or json.loads(output)["refused"]:
        raise RuntimeError("an import of the memory benchmark failed")
    mbox.unlink()
    main, tree = watch.peak(-1, 1 << 62)
    return main / 2**20, tree / 2**20


def _serve(run: Run, home: Home, address: str, skip: int) -> float:
    with (
        home.records() as records,
        home.serving("http,smtp,index,jobs") as server,
        RssWatch(server.pid, lambda: captured(records)) as watch,
    ):
        _deliver(run.corpora, server.smtp_port, address, skip)
    return watch.peak(-1, 1 << 62)[0] / 2**20


def _deliver(corpora: Path, port: int, address: str, skip: int) -> None:
    command = [sys.executable, "-m", "benchmarks.smtp_client"]
    arguments = [str(port), address, str(corpora), str(skip), str(DELIVERED), str(CONNECTIONS)]
    subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
