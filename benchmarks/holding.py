"""Legal holds at full size: how soon in force, how long matching takes, and what captures wait meanwhile."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from api.app import App, open_app
from archiver.capture.ports import Arrival
from archiver.store import dialect
from benchmarks.corpus import enron
from benchmarks.memory import grow
from benchmarks.queries import questions
from benchmarks.run import Run
from retention.holds import items
from search.access import Actor, Role

IN_FORCE_S = 1.0
SAMPLE = 4_000
BETWEEN_S = 0.002
"""How long whoever asks for the archive's lock rests between two times."""


def run(run: Run) -> None:
    """Seconds from the call to the commit that puts a hold in force, for each kind of criterion."""
    home = grow(run)
    app = open_app(home.settings)
    try:
        mark = time.time_ns()
        user = app.accounts.add_user(f"bench {mark}", Role.COMPLIANCE_OFFICER)
        actor = Actor(user.id, user.name, user.role, "bench")
        other = app.accounts.add_user(f"second {mark}", Role.COMPLIANCE_OFFICER)
        second = Actor(other.id, other.name, other.role, "bench")
        matter = app.matters.create(actor, f"bench {mark}")["id"]
        asked = questions(islice(enron(run.corpora), SAMPLE))
        sender = next(text.removeprefix("custodian:") for text in asked if text.startswith("custodian:"))
        kinds: dict[str, dict[str, Any]] = {
            "one custodian": {"custodians": [sender]},
            "a query": {"query": "meeting"},
            "one source, all mail": {"sources": [app.vault.sources.all()[0].id]},
            "dates, all mail": {"after": "1970-01-02"},
        }
        for name, criteria in kinds.items():
            _place(run, app, actor, second, matter, name, criteria)
    finally:
        app.close()


def _place(
    run: Run, app: App, actor: Actor, second: Actor, matter: str, name: str, criteria: dict[str, Any]
) -> None:
    begun = time.perf_counter()
    with _waits(app) as waits:
        found = app.holds.preview(actor, matter, **criteria)
    note = f"{found['matched']:,} of {run.size:,} messages; a capture waits {max(waits):.2f} s at most"
    run.add("holds", f"{name}: preview with counts", time.perf_counter() - begun, "s", note=note)
    with _waits(app) as waits:
        begun = time.perf_counter()
        hold = app.holds.place(actor, matter, **criteria)["id"]
        placed = time.perf_counter()
        app.holds.resume()
        matched = time.perf_counter()
    run.add("holds", f"{name}: in force", placed - begun, "s", target=IN_FORCE_S, lower=True)
    note = f"a capture waits {max(waits):.2f} s at most"
    run.add("holds", f"{name}: old mail matched", matched - placed, "s", note=note)
    begun = time.perf_counter()
    app.holds.report(actor, hold)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    note = f"{most:,.0f} MiB is the most that the process had so far"
    run.add("holds", f"{name}: report", time.perf_counter() - begun, "s", note=note)
    if name == "one source, all mail":
        run.add("holds", f"{name}: mail to come held", _new_mail(app, hold, criteria), "s")
    app.holds.release(actor, hold)
    app.holds.release(second, hold)


def _new_mail(app: App, hold: str, criteria: dict[str, Any]) -> float:
    """Seconds from handing a message over to the commit that stores it and holds it."""
    raw = b"From: a@bench.example\r\nSubject: %d\r\n\r\nnew\r\n" % time.time_ns()
    before = _count(app, hold)
    begun = time.perf_counter()
    with app.intake(None) as intake:
        intake.submit(Arrival(raw, criteria["sources"][0])).result(60)
        taken = time.perf_counter() - begun
    if _count(app, hold) != before + 1:
        raise RuntimeError("new mail was stored and not held")
    return taken


def _count(app: App, hold: str) -> int:
    with app.vault.records.read() as connection:
        return items.count(connection, hold)


@contextmanager
def _waits(app: App) -> Iterator[list[float]]:
    """How long somebody who wants the lock that every capture takes waits for it, again and again."""
    waits = [0.0]
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(BETWEEN_S):
            begun = time.perf_counter()
            with app.vault.records.write(dialect.LOCK_ARCHIVE):
                waits.append(time.perf_counter() - begun)

    thread = _started(ask)
    try:
        yield waits
    finally:
        stop.set()
        thread.join()


def _started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
