"""A matter whose custodians are told by a real relay on loopback."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.archiver.coverage.conftest import relay
from tests.archiver.coverage.stage import Relay
from tests.retention.whole_house import House

__all__ = ["relay"]

ANN, BOB, CAT = "ann@clinic.example", "bob@clinic.example", "cat@clinic.example"
CONTACT, MANAGER = "counsel@clinic.example", "chief@clinic.example"


@dataclass
class Office:
    """The house, its relay, and a matter with a plan."""

    house: House
    relay: Relay
    matter: str

    def hold(self, *custodians: str, send: bool = True, **more: Any) -> str:
        """Place a hold and tell its custodians."""
        hold = self.house.holds.create(
            self.house.lawyer, self.matter, custodians=list(custodians) or [ANN], **more
        )
        if send:
            self.house.notices.send(self.house.lawyer, hold["id"])
            self.run()
        return str(hold["id"])

    def run(self, **later: float) -> dict[str, int]:
        """The job, so much later."""
        self.house.clock.ahead += timedelta(**later)
        return self.house.notices.telling.run()

    def got(self) -> list[tuple[str, str]]:
        """Recipient and subject of each mail the relay took."""
        return [(str(mail["To"]), str(mail["Subject"])) for mail in self.relay.mails()]

    def link(self, number: int = -1) -> str:
        """The secret in the link of a mail."""
        found = re.search(r"/notices/([\w-]+)", self.relay.mails()[number].get_content())
        assert found
        return found[1]

    def states(self, hold: str) -> dict[str, str]:
        """State by custodian."""
        shown = self.house.notices.list(self.house.officer, hold=hold)
        return {one["custodian"]: one["state"] for one in shown}


@pytest.fixture
def office(house: House, matter: str, relay: Relay) -> Office:
    """Reminders every 7 days, the manager told after 21."""
    house.vault.settings = house.vault.settings.model_copy(
        update={
            "notice_relay": f"smtp://localhost:{relay.port}?starttls&ca={relay.certificate}",
            "notice_from": CONTACT,
            "public_url": "https://archive.clinic.example",
        }
    )
    house.notices.set_plan(house.lawyer, matter, contact=CONTACT, manager=MANAGER)
    return Office(house, relay, matter)
