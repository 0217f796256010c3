"""A heartbeat by the program itself: `source heartbeat`, `serve`, a relay that journals it, `source show`."""

from __future__ import annotations

import asyncio
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from archiver.capture.smtp.quiet import quiet_aiosmtpd
from tests.support.holdfast import Home
from tests.support.loops import Loop


class Organisation:
    """Its mail server: takes a message on loopback and journals a copy to the archive."""

    def __init__(self) -> None:
        self.archive = 0
        self.address = ""
        self.secrets: list[bytes] = []

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        self.secrets += re.findall(rb"X-Holdfast-Heartbeat: (\w+)", envelope.content)
        await asyncio.get_running_loop().run_in_executor(None, self._journal, envelope.content)
        return "250 ok"

    def _journal(self, raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.archive, timeout=30) as client:
            client.sendmail("journal@clinic.example", [self.address], raw)


@contextmanager
def running(organisation: Organisation) -> Iterator[int]:
    quiet_aiosmtpd()
    loop = Loop()
    server = loop.run(
        loop.loop.create_server(
            lambda: SMTP(organisation, enable_SMTPUTF8=False, loop=loop.loop), "127.0.0.1", 0
        )
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.loop.call_soon_threadsafe(server.close)
        loop.close()


def test_it_comes_back_and_is_seen_by_everyone_who_may(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    organisation = Organisation()
    organisation.address = home.feed("exchange")
    with running(organisation) as port, home.serving("smtp,index,jobs") as server:
        organisation.archive = server.smtp
        home.ok(
            *("source", "heartbeat", "exchange", "--to", "probe@clinic.example"),
            *("--via", f"smtp://127.0.0.1:{port}", "--every", "5m", "--within", "2m"),
        )
        # The watch looks at every full minute; this test doesn't wait for it.
        with home.app() as app:
            app.watch.run()
        deadline = time.monotonic() + 110
        shown = home.ok("source", "show", "exchange", "--json").document
        while shown["heartbeat"]["last_arrived"] is None and time.monotonic() < deadline:
            time.sleep(0.2)
            shown = home.ok("source", "show", "exchange", "--json").document
        assert shown["heartbeat"]["last_arrived"] is not None
        assert 0 <= shown["heartbeat"]["latency_seconds"] < 120
        # Its counts may have been read a moment before it came.
        shown = home.ok("source", "show", "exchange", "--json").document
        assert (shown["received"], shown["stored"], shown["gaps"]) == (1, 1, [])
        assert server.stop() == 0
        log = server.errors
    (secret,) = organisation.secrets
    assert "clinic.example" not in log
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert secret not in content, path
            assert b"probe@clinic.example" not in content, path
    assert home.verify() == []
