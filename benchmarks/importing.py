"""`holdfast import` with everything on, and notmuch over the same messages on the same disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks.corpus import enron, write_maildir, write_mbox
from benchmarks.home import Home, captured, waiting
from benchmarks.measure import children_seconds
from benchmarks.run import Run

TARGET = 1_500.0


def run(run: Run) -> None:
    """Messages a second from the start of the command to its end: durable, in the ledger, searchable."""
    mbox = run.scratch / "import.mbox"
    number = write_mbox(mbox, islice(enron(run.corpora), run.messages))
    rates = []
    spent = children_seconds()
    for turn in range(run.repeat):
        rates.append(number / _import(run.scratch / f"import-{turn}", mbox, number))
        run.say(f"          run {turn + 1}: {rates[-1]:,.0f} msg/s")
    ours = median(rates)
    note = f"{number:,} messages, median of {len(rates)}"
    run.add("import", "holdfast import, everything on", ours, "msg/s", target=TARGET, note=note)
    spent = (children_seconds() - spent) / number / run.repeat
    run.add("import", "the same, processor time of all processes", spent * 1e6, "us/msg")
    mbox.unlink()
    spent = children_seconds()
    peer = _notmuch(run)
    if peer is not None:
        run.add("import", "notmuch new: index alone, in plain files", peer, "msg/s", note="the peer")
        spent = (children_seconds() - spent) / number / run.repeat
        run.add("import", "notmuch: processor time", spent * 1e6, "us/msg")
        run.add("import", "holdfast against notmuch", ours / peer, "times")


def _import(folder: Path, mbox: Path, number: int) -> float:
    home = Home(folder)
    home.run("init")
    begun = time.perf_counter()
    result = home.run("import", str(mbox))
    took = time.perf_counter() - begun
    with home.records() as records:
        done = captured(records)
        left = waiting(records)
    if (result["read"], result["stored"] + result["duplicates"], done, left) != (number, number, number, 0):
        raise RuntimeError("the import did not store and index every message")
    shutil.rmtree(folder)
    return took


def _notmuch(run: Run) -> float | None:
    """Messages a second of `notmuch new` over a Maildir of the same messages; None where not installed."""
    program = shutil.which("notmuch")
    if program is None:
        run.say("          notmuch is not installed: no peer to measure")
        return None
    rates = []
    for turn in range(run.repeat):
        folder = run.scratch / f"notmuch-{turn}"
        folder.mkdir()
        number = write_maildir(folder / "mail", islice(enron(run.corpora), run.messages))
        config = folder / "config"
        config.write_text(f"[database]\npath={folder / 'mail'}\n[new]\ntags=new\n", "utf-8")
        environment = {**os.environ, "NOTMUCH_CONFIG": str(config)}
        begun = time.perf_counter()
        subprocess.run([program, "new", "--quiet"], env=environment, check=True, capture_output=True)
        rates.append(number / (time.perf_counter() - begun))
        shutil.rmtree(folder)
    return median(rates)
