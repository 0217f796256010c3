"""Search as it is used: twenty people ask at once, a question a second each, while new mail comes in."""

from __future__ import annotations

import smtplib
import threading
import time
from itertools import count, islice

from api.app import App, open_app
from benchmarks.corpus import enron
from benchmarks.home import Home, Serving, waiting
from benchmarks.measure import percentile
from benchmarks.memory import grow
from benchmarks.queries import questions
from benchmarks.run import Run
from search.access import Actor, Purpose, Role
from search.engine.views import FACETS, Ask

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
    try:
        for text in ("warm", "from:warm", "warm*"):
            app.room.search(_ACTOR, Purpose.AUDIT, text, limit=PAGE, ask=Ask(FACETS, 6, True))
        with home.serving("smtp,index") as server:
            pages, views, lag = _together(home, server, address, app, asked)
    finally:
        app.close()
    note = f"{READERS} readers, a question a second each, {MAIL_A_SECOND} new messages a second, {run.size:,}"
    run.add("readers", "page of results, p50", percentile(pages, 0.5), "ms", note=note)
    run.add("readers", "page of results, p95", percentile(pages, 0.95), "ms", target=TARGET_MS, lower=True)
    run.add("readers", "facets and time line, p50", percentile(views, 0.5), "ms")
    run.add("readers", "facets, p95", percentile(views, 0.95), "ms", target=FACETS_MS, lower=True)
    run.add("readers", "last 250 until searchable", lag, "ms", target=SEARCHABLE_MS, lower=True)


def _together(
    home: Home, server: Serving, address: str, app: App, asked: list[str]
) -> tuple[list[float], list[float], float]:
    pages: list[float] = []
    views: list[float] = []
    until = time.monotonic() + SECONDS
    done = threading.Event()

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
                if done.is_set():
                    return
                body = f"Subject: live {number}\r\n\r\nnew mail {time.time_ns()}\r\n".encode()
                client.sendmail("a@bench.test", [address], body)
                time.sleep(1 / MAIL_A_SECOND)

    sender = threading.Thread(target=send)
    readers = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in (sender, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    done.set()
    sender.join()
    ended = time.perf_counter()
    with home.records() as records:
        while waiting(records):
            time.sleep(0.005)
    return pages, views, (time.perf_counter() - ended) * 1_000
