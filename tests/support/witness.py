"""A witness on loopback, as `holdfast witness serve` runs it, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.witness_serving import Bounded, WitnessApp
from archiver.ledger.witness.folder import WitnessFolder
from archiver.ledger.witness.witness import Witness


@dataclass
class RunningWitness:
    """Where it listens and what it is called; `answers` are the status codes it gave so far."""

    url: str
    folder: WitnessFolder
    vkeys: list[str]
    answers: list[int]

    @property
    def setting(self) -> str:
        """It in the setting `witnesses`."""
        return " ".join([self.url, *self.vkeys])


@contextmanager
def witness(
    folder: Path, name: str = "witness.example/w1", logs: list[str] | None = None
) -> Iterator[RunningWitness]:
    """Serve from a folder until the block ends, knowing these logs by their vkeys."""
    place = WitnessFolder(folder)
    for vkey in logs or []:
        place.add_log(vkey)
    answers: list[int] = []
    with place.locked():
        judge = Witness(place, lambda: int(time.time()), name, lambda status, _: answers.append(status))
        with serving(WitnessApp(judge), Bounded) as url:
            yield RunningWitness(url, place, judge.vkeys, answers)


@contextmanager
def serving(app: object, http: type[H11Protocol] | str = "auto", most: int | None = None) -> Iterator[str]:
    """An ASGI application on a free port of loopback; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=http,  # type: ignore[arg-type]
        limit_concurrency=most,
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
