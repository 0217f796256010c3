"""An archive whose clock stands still until a test moves it, on both databases; and a relay that listens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from archiver.capture.smtp.quiet import quiet_aiosmtpd
from archiver.capture.smtp.tls import self_made_certificate, server_context
from archiver.coverage.watch import Watch
from archiver.vault import Vault, create, open_vault
from config.settings import Settings
from tests.archiver.coverage.stage import Relay, StillClock
from tests.support.loops import Loop


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def vault(settings: Settings, clock: StillClock) -> Iterator[Vault]:
    create(settings)
    opened = open_vault(settings, clock)
    yield opened
    opened.close()


@pytest.fixture
def watch(vault: Vault) -> Watch:
    return Watch(vault)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay that offers STARTTLS, with a certificate of its own for `localhost`."""
    quiet_aiosmtpd()
    made = Relay()
    made.certificate, key = self_made_certificate(tmp_path / "relay", "localhost")
    context = server_context(made.certificate, key)
    loop = Loop()
    server = loop.run(
        loop.loop.create_server(
            lambda: SMTP(made, tls_context=context, enable_SMTPUTF8=False, loop=loop.loop), "127.0.0.1", 0
        )
    )
    made.port = server.sockets[0].getsockname()[1]
    yield made
    loop.loop.call_soon_threadsafe(server.close)
    loop.close()
