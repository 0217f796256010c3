"""kill -9 of the server at 30 random moments under SMTP load: nothing acknowledged is ever lost."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from archiver.store.schema import messages
from archiver.verify import Scrubber
from search.access import Purpose
from tests.support.holdfast import Home, actor
from tests.support.mail import numbered
from tests.support.smtp import Blaster, blast, endless

KILLS = 30
SEED = 20261122
"""The moments are drawn from it; a failure names the round."""


def shas_of(home: Home) -> dict[str, str]:
    """What the archive says it has, after its own quick verification: SHA-256 -> id."""
    with home.app() as app:
        assert list(Scrubber(app.vault, full=False).run()) == []
        with app.vault.records.read() as connection:
            rows = connection.execute(select(messages.c.sha256, messages.c.id))
            return {bytes(row.sha256).hex(): row.id for row in rows}


@pytest.mark.timeout(1_200)
def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.init()
    feed = home.feed()
    chance = random.Random(SEED)

    def make(number: int) -> bytes:
        # Not of `chance`: senders come in any order, and the moments are to be the same each time.
        return numbered(number, (300, 2_000, 60_000)[number % 3])

    acknowledged: dict[str, str] = {}
    unanswered: list[bytes] = []
    for round_ in range(KILLS):
        # Mail comes in by the committing process itself, and by a listener process beside it.
        home.extra["HOLDFAST_SMTP_PROCESSES"] = str(int(round_ % 3 == 2))
        with home.serving("smtp,index,jobs") as server:
            with Blaster(server.smtp, feed, endless(make, round_ * 100_000)) as blaster:
                # By what was done, not by the clock: on a busy machine as much has happened.
                blaster.wait(chance.randint(0, 40))
                time.sleep(chance.uniform(0, 0.05))
                server.kill()
            acknowledged |= blaster.load.acknowledged
            unanswered += blaster.load.unanswered
        if round_ % 5 == 4:
            kept = shas_of(home)
            assert acknowledged.items() <= kept.items(), f"lost after kill {round_}"
    assert len(acknowledged) > 10 * KILLS
    assert len(unanswered) > KILLS, "the kills never met a message under way"

    # What nobody was told of comes again, as a sender would send it: stored or duplicate, never refused.
    with home.serving("smtp,index") as server:
        again = blast(server.smtp, feed, unanswered)
        assert len(again.acknowledged) == len(set(unanswered))
        assert server.stop() == 0
    acknowledged |= again.acknowledged

    kept = shas_of(home)
    assert acknowledged.items() <= kept.items()
    by_id = {id_: sha256 for sha256, id_ in kept.items()}
    with home.app() as app:
        who = actor()
        sample = chance.sample(sorted(by_id), min(400, len(by_id)))
        for id_ in sample:
            opened = app.room.open(who, Purpose.AUDIT, id_)
            assert hashlib.sha256(opened.raw).hexdigest() == by_id[id_]
    source = home.sources()["feed"]
    assert source["stored"] == len(kept)
    assert source["received"] == source["stored"] + source["duplicates"]
    assert home.verify() == []
