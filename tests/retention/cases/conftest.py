"""An office whose reminders go by a real relay on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.settings import Settings
from tests.archiver.coverage.conftest import relay
from tests.archiver.coverage.stage import Relay
from tests.retention.case_house import Office, open_office

__all__ = ["relay"]


@pytest.fixture
def office(settings: Settings, relay: Relay) -> Iterator[Office]:
    """Two people are reminded."""
    with open_office(
        settings,
        notice_relay=f"smtp://localhost:{relay.port}?starttls&ca={relay.certificate}",
        notice_from="privacy@clinic.example",
        cases_to=("pat@clinic.example", "ann@clinic.example"),
        public_url="https://archive.clinic.example",
    ) as opened:
        yield opened
