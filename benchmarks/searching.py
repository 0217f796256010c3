"""Search: a page of the newest 20 with its exact total, snippets and both audit entries, at full size."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import islice
from statistics import median

from api.app import App, open_app
from benchmarks.corpus import enron
from benchmarks.measure import percentile
from benchmarks.memory import grow
from benchmarks.queries import questions
from benchmarks.run import Run
from search.access import Actor, Purpose, Role
from search.engine.views import FACETS, Ask
from search.language.parser import parse

TARGET_MS = 50.0
FACETS_MS = 300.0
PAGE = 20
SAMPLE = 4_000

_ACTOR = Actor(user_id="bench", name="bench", role=Role.COMPLIANCE_OFFICER, client="api")


def run(run: Run) -> None:
    """Times of forty queries through the reading room, of the engine alone and of facet views (ms)."""
    home = grow(run)
    asked = questions(islice(enron(run.corpora), SAMPLE))
    app = open_app(home.settings)
    try:
        _warm(app)
        _rooms(run, app, asked)
        _engine(run, app, asked)
        _facets(run, app, asked)
    finally:
        app.close()


def _warm(app: App) -> None:
    """Open connections, load code and read the facts, as a server does when it starts; the queries that count
    are others."""
    app.reader.warm()
    for text in ("warm", "from:warm", "warm*"):
        app.room.search(_ACTOR, Purpose.AUDIT, text, limit=PAGE)


def _rooms(run: Run, app: App, asked: list[str]) -> None:
    first: list[float] = []
    every: dict[str, list[float]] = {text: [] for text in asked}
    spent = time.process_time()
    for turn in range(run.repeat):
        for text in asked:
            begun = time.perf_counter()
            app.room.search(_ACTOR, Purpose.AUDIT, text, limit=PAGE)
            every[text].append((time.perf_counter() - begun) * 1_000)
            if turn == 0:
                first.append(every[text][-1])
    spent = (time.process_time() - spent) / len(asked) / run.repeat
    times = [taken for taken_for_one in every.values() for taken in taken_for_one]
    note = f"{len(asked)} queries, {run.repeat} times each, {run.size:,} messages"
    run.add("search", "reading room, p50", percentile(times, 0.5), "ms", note=note)
    run.add("search", "reading room, p95", percentile(times, 0.95), "ms", target=TARGET_MS, lower=True)
    run.add("search", "reading room, p95 of each query's first time", percentile(first, 0.95), "ms")
    run.add("search", "reading room, processor time (mean)", spent * 1_000, "ms")
    slowest = max(asked, key=lambda text: median(every[text]))
    # Its place in benchmarks/queries.py, not its text: some are made of people's addresses.
    note = f"query {asked.index(slowest) + 1}"
    run.add("search", "reading room, slowest query (median)", median(every[slowest]), "ms", note=note)


def _engine(run: Run, app: App, asked: list[str]) -> None:
    times: list[float] = []
    for _ in range(run.repeat):
        for text in asked:
            tree = parse(text, now=datetime.now(UTC)).tree
            begun = time.perf_counter()
            app.reader.search(tree, limit=PAGE)
            times.append((time.perf_counter() - begun) * 1_000)
    run.add("search", "index engine alone, p50", percentile(times, 0.5), "ms")
    run.add("search", "index engine alone, p95", percentile(times, 0.95), "ms")


def _facets(run: Run, app: App, asked: list[str]) -> None:
    """A first page with all facets and the time line; the facts are in memory, as in a server."""
    ask = Ask(FACETS, 6, True)
    app.room.search(_ACTOR, Purpose.AUDIT, "warm", limit=PAGE, ask=ask)
    times: list[float] = []
    for text in (*asked, "*", "the"):
        begun = time.perf_counter()
        app.room.search(_ACTOR, Purpose.AUDIT, text, limit=PAGE, ask=ask)
        times.append((time.perf_counter() - begun) * 1_000)
    run.add("search", "facet view, p50", percentile(times, 0.5), "ms", note="and of * and the")
    run.add("search", "facet view, p95", percentile(times, 0.95), "ms", target=FACETS_MS, lower=True)
    run.add("search", "facet view, slowest", max(times), "ms")
