"""Notices through a real Postfix with a queue of its own, and the failure report that it really writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.retention.notices.conftest import Office
from tests.servers.postfix import postfix_server

ANN, GONE, COUNSEL = "ann@elsewhere.test", "gone@elsewhere.test", "counsel@elsewhere.test"


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_postfix_takes_them_and_tells_what_it_could_not_deliver(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(self: Any, server: Any, session: Any, envelope: Any, address: str, _: Any) -> str:
        if address == GONE:
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    monkeypatch.setattr(type(office.relay), "handle_RCPT", refuses, raising=False)
    with postfix_server(office.relay.port, {}) as postfix:
        settings = {"notice_relay": f"smtp://127.0.0.1:{postfix.port}", "notice_from": COUNSEL}
        office.house.vault.settings = office.house.vault.settings.model_copy(update=settings)
        hold = office.hold(ANN, GONE)
        # Postfix took both: what it can't deliver it says later, to the sender.
        assert office.states(hold) == {ANN: "sent", GONE: "sent"}
        until(lambda: len(office.relay.taken) == 2, lambda: postfix.log.read_text()[-2000:])
    by_recipient = dict(zip([r[0] for r in office.relay.recipients], office.relay.taken, strict=True))
    assert by_recipient.keys() == {ANN, COUNSEL}
    (notice,) = [m for m in office.relay.mails() if m["To"] == ANN]
    assert "/notices/" in notice.get_content()
    assert office.house.notices.bounced(by_recipient[ANN]) is None
    assert office.house.notices.bounced(by_recipient[COUNSEL]) is not None
    assert office.states(hold) == {ANN: "sent", GONE: "failing"}
    assert office.house.notices.unanswered() == {"unacknowledged": 2, "escalated": 0, "failing": 1}
