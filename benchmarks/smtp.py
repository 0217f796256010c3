"""SMTP to a durable 250, with everything on, from another process at eight connections."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

from benchmarks.home import Home, captured, waiting
from benchmarks.measure import family, percentile, processor_seconds
from benchmarks.run import Run

CONNECTIONS = 8
WARM_UP = 200
TARGET = 800.0
P99_MS = 100.0
SEARCHABLE_MS = 2_000.0


def run(run: Run) -> None:
    """Messages a second to the `250`, its p50 and p99, and the wait until the last one is searchable."""
    number = max(CONNECTIONS, run.messages // 4)
    rates: list[float] = []
    times: list[float] = []
    waits: list[float] = []
    committing: list[float] = []
    listening: list[float] = []
    for turn in range(run.repeat):
        home = Home(run.scratch / f"smtp-{turn}")
        home.run("init")
        address = home.run("source", "add", "journal", "bench")["address"]
        with home.serving("smtp,index") as server:
            _deliver(run, server.smtp_port, address, 0, WARM_UP)
            before = {pid: processor_seconds(pid) for pid in family(server.pid)}
            took, answers, wait = _measure(run, home, server.smtp_port, address, number)
            spent = {pid: (processor_seconds(pid) - began) / number * 1e6 for pid, began in before.items()}
            committing.append(spent.pop(server.pid))
            listening.append(sum(spent.values()))
        rates.append(number / took)
        times += answers
        waits.append(wait)
        run.say(f"          run {turn + 1}: {rates[-1]:,.0f} msg/s")
    note = f"{number:,} messages, {CONNECTIONS} connections, median of {len(rates)}"
    run.add("smtp", "to a durable 250, everything on", median(rates), "msg/s", target=TARGET, note=note)
    run.add("smtp", "processor time: commit and index", median(committing), "us/msg")
    run.add("smtp", "processor time: listeners (SMTP, preparing)", median(listening), "us/msg")
    run.add("smtp", "DATA to its 250, p50", percentile(times, 0.50) * 1_000, "ms")
    p99 = percentile(times, 0.99) * 1_000
    run.add("smtp", "DATA to its 250, p99", p99, "ms", target=P99_MS, lower=True)
    run.add(
        "smtp",
        "last 250 until everything is searchable",
        median(waits) * 1_000,
        "ms",
        target=SEARCHABLE_MS,
        lower=True,
    )


def _measure(run: Run, home: Home, port: int, address: str, number: int) -> tuple[float, list[float], float]:
    with home.records() as records:
        done = _deliver(run, port, address, WARM_UP, number)
        while waiting(records):
            time.sleep(0.005)
        wait = time.monotonic() - done["ended"]
        if captured(records) != number + WARM_UP:
            raise RuntimeError("not every acknowledged message is in the captures log")
    return done["ended"] - done["begun"], done["times"], wait


def _deliver(run: Run, port: int, address: str, skip: int, number: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.smtp_client"]
    arguments = [str(port), address, str(run.corpora), str(skip), str(number), str(CONNECTIONS)]
    done = subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
