"""Search as it is used: twenty people ask at once, a question a second each, while new mail comes in."""

from __future__ import annotations

import queue
import smtplib
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import count, islice

from api.app import App, open_app
from archiver.capture import garbage
from archiver.capture.intake import SWITCH_SECONDS
from benchmarks.corpus import enron
from benchmarks.home import Serving
from benchmarks.measure import percentile
from benchmarks.memory import grow
from benchmarks.queries import questions
from benchmarks.run import Run
from search.access import Actor, Purpose, Role
from search.engine.views import FACETS, Ask
from search.language.parser import parse

READERS = 20
SECONDS = 30.0
PAUSE = 1.0
MAIL_A_SECOND = 20
SAMPLE = 4_000
PAGE = 20
TARGET_MS = 50.0
FACETS_MS = 300.0
SEARCHABLE_MS = 2_000.0

_ACTOR = Actor(user_id="bench", name="bench", role=Role.COMPLIANCE_OFFICER, client="api")


def run(run: Run) -> None:
    """Times of the mix for twenty readers, one of them with facets, and how soon new mail is searchable."""
    home = grow(run)
    asked = questions(islice(enron(run.corpora), SAMPLE))
    address = home.run("source", "add", "journal", f"readers-{time.time_ns()}")["address"]
    app = open_app(home.settings)
    # As in a server, which takes mail in beside its readers.
    sys.setswitchinterval(SWITCH_SECONDS)
    garbage.rarely()
    try:
        app.reader.warm()
        for text in ("warm", "from:warm", "warm*"):
            app.room.search(_ACTOR, Purpose.AUDIT, text, limit=PAGE, ask=Ask(FACETS, 6, True))
        with home.serving("smtp,index") as server:
            pages, views, lags = _together(server, address, app, asked)
    finally:
        app.close()
    note = f"{READERS} readers, a question a second each, {MAIL_A_SECOND} new messages a second, {run.size:,}"
    run.add("readers", "page of results, p50", percentile(pages, 0.5), "ms", note=note)
    run.add("readers", "page of results, p95", percentile(pages, 0.95), "ms", target=TARGET_MS, lower=True)
    run.add("readers", "facets and time line, p50", percentile(views, 0.5), "ms")
    run.add("readers", "facets, p95", percentile(views, 0.95), "ms", target=FACETS_MS, lower=True)
    note = f"one message a second, {len(lags)} in all"
    run.add("readers", "from 250 to found by a search, slowest", max(lags), "ms", note=note)
    run.add("readers", "the same, p95", percentile(lags, 0.95), "ms", target=SEARCHABLE_MS, lower=True)


def _together(
    server: Serving, address: str, app: App, asked: list[str]
) -> tuple[list[float], list[float], list[float]]:
    """Times of pages and of facet views, and from each sought message's 250 until a search finds it (ms)."""
    pages: list[float] = []
    views: list[float] = []
    lags: list[float] = []
    sought: queue.Queue[tuple[str, float] | None] = queue.Queue()
    until = time.monotonic() + SECONDS

    def read(number: int) -> None:
        # Each begins elsewhere in the mix and in the second.
        time.sleep(PAUSE * number / READERS)
        ask = Ask(FACETS, 6, True) if number == 0 else None
        for turn in count(number * 2):
            if time.monotonic() > until:
                return
            begun = time.perf_counter()
            app.room.search(_ACTOR, Purpose.AUDIT, asked[turn % len(asked)], limit=PAGE, ask=ask)
            taken = time.perf_counter() - begun
            (views if number == 0 else pages).append(taken * 1_000)
            time.sleep(max(0.0, PAUSE - taken))

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
            for number in count():
                if time.monotonic() > until:
                    sought.put(None)
                    return
                word = f"live{time.time_ns()}"
                client.sendmail("a@bench.test", [address], f"Subject: new\r\n\r\n{word}\r\n".encode())
                if number % MAIL_A_SECOND == 0:
                    sought.put((word, time.perf_counter()))
                time.sleep(1 / MAIL_A_SECOND)

    def seek() -> None:
        while (one := sought.get()) is not None:
            word, answered = one
            while not app.reader.count(parse(word, now=datetime.now(UTC)).tree):
                time.sleep(0.01)
            lags.append((time.perf_counter() - answered) * 1_000)

    threads = [threading.Thread(target=work) for work in (send, seek)]
    threads += [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return pages, views, lags
