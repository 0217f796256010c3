"""A fault after the commit but before the answer: the sender comes again, nothing is lost or doubled."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from tests.support.holdfast import ROOT, Home
from tests.support.mail import bulky, numbered
from tests.support.smtp import Session, blast

DYING = [sys.executable, "-m", "tests.support.dies_after_commit"]


@pytest.fixture
def base(tmp_path: Path, database_url: str) -> Home:
    url = database_url if database_url.startswith("postgresql") else None
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    home = Home(tmp_path, url, {"PYTHONPATH": path})
    home.init()
    return home


def test_server_dies_between_commit_and_answer(base: Home) -> None:
    feed = base.feed()
    mail = [numbered(n) for n in range(12)]
    base.extra["DIE_AFTER_COMMITS"] = "2"
    with base.serving("smtp,index", program=DYING) as server:
        load = blast(server.smtp, feed, mail, connections=4)
        assert server.process.wait(30) == -9
    assert load.unanswered, "the server died without a message under way"
    del base.extra["DIE_AFTER_COMMITS"]

    with base.serving("smtp,index") as server:
        again = blast(server.smtp, feed, mail)
        assert len(again.acknowledged) == len(mail)
        assert server.stop() == 0
    source = base.sources()["feed"]
    assert source["stored"] == len(mail)
    # At least one message was committed and not answered for: its sender's second try repeats it.
    assert source["duplicates"] > len(load.acknowledged)
    assert source["received"] == source["stored"] + source["duplicates"]
    assert load.acknowledged.items() <= again.acknowledged.items()
    assert base.verify() == []


def test_sender_hangs_up_before_the_answer(base: Home) -> None:
    feed = base.feed()
    token = base.user("carol", "compliance_officer")
    mail = [numbered(n) for n in range(6)] + [bulky(n, 1_500_000) for n in range(2)]
    with base.serving() as server:
        for raw in mail:
            with Session(server.smtp) as session:
                assert session.begin(feed).startswith("354")
                session.send_body(raw)
                session.hang_up_unanswered()
        for raw in (numbered(100), bulky(100, 1_500_000)):  # cut off half-way: nothing of it is kept
            with Session(server.smtp) as session:
                assert session.begin(feed).startswith("354")
                session.send_body(raw, part=0.5)
        assert base.sources()["feed"]["received"] == len(mail)
        again = blast(server.smtp, feed, mail)
        assert len(again.acknowledged) == len(mail)
        assert server.stop() == 0
    source = base.sources()["feed"]
    assert (source["stored"], source["duplicates"]) == (len(mail), len(mail))
    for sha256, id_ in again.acknowledged.items():
        raw = base.ok("show", id_, "--raw", "--purpose", "audit", token=token).out
        assert hashlib.sha256(raw).hexdigest() == sha256
    assert base.verify() == []
