"""A real Dovecot with 3,000 real messages, polled by `holdfast serve` and resumed after kill -9."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

from sqlalchemy import func, select

from archiver.capture.files.doors import open_items
from archiver.store.records import Records
from archiver.store.schema import messages, sources
from search.access import Purpose
from tests.servers.dovecot import PASSWORD, USER, dovecot_server, fill
from tests.support.holdfast import Home, actor
from tests.support.mail import numbered


def counts(home: Home) -> tuple[int, int]:
    """Received and stored by all sources so far, from the rows."""
    records = Records(home.settings.database_url)
    try:
        with records.read() as connection:
            row = connection.execute(select(func.sum(sources.c.received), func.sum(sources.c.stored))).one()
    finally:
        records.close()
    return int(row[0]), int(row[1])


def wait_until(home: Home, received: int, timeout: float = 200.0) -> None:
    deadline = time.monotonic() + timeout
    while counts(home)[0] < received:
        assert time.monotonic() < deadline, counts(home)
        time.sleep(0.02)


def test_three_thousand_messages(tmp_path: Path, corpora: Path) -> None:
    paths = [corpora / "enron" / "part-01.mbox", corpora / "spamassassin-public"]
    raws = [item.raw for item in open_items(paths) if item.raw][:3_000]
    assert len(raws) == 3_000
    maildir = tmp_path / "Maildir"
    fill(maildir, raws)
    # Dovecot sends every line end as CRLF: that is what arrives, and what must come out.
    wanted = {
        hashlib.sha256(sent).hexdigest(): sent for sent in (re.sub(rb"\r?\n", b"\r\n", r) for r in raws)
    }
    home = Home(tmp_path / "base", extra={"MAILBOX_PASSWORD": PASSWORD, "HOLDFAST_IMAP_POLL_SECONDS": "1"})
    home.init()
    token = home.user("carol", "compliance_officer")
    with dovecot_server(tmp_path, maildir) as dovecot:
        named = ("--user", USER, "--password", "env:MAILBOX_PASSWORD", "--ca", str(dovecot.ca_file))
        home.ok("source", "add", "imap", "box", f"imaps://localhost:{dovecot.port}/", *named)
        with home.serving("imap,index") as server:
            wait_until(home, 400)
            server.kill()
        received = counts(home)[0]
        assert 400 <= received < 3_000, "the kill came too late to mean anything"
        with home.serving("imap,index") as server:
            while counts(home)[1] < len(wanted):
                assert server.process.poll() is None
                time.sleep(0.1)
            # What was stored but not yet in the checkpoint is read again, and no more than that.
            repeated = counts(home)[0] - 3_000
            assert 0 <= repeated <= 400, repeated
            settled = counts(home)
            time.sleep(3)
            assert counts(home) == settled, "mail that was read is read again with every poll"
            fill(maildir, [numbered(n) for n in range(20)], start=9_000)
            wait_until(home, settled[0] + 20)
            assert counts(home) == (settled[0] + 20, settled[1] + 20)
            assert server.stop() == 0
    wanted |= {hashlib.sha256(numbered(n)).hexdigest(): numbered(n) for n in range(20)}
    with home.app() as app:
        with app.vault.records.read() as connection:
            rows = connection.execute(select(messages.c.sha256, messages.c.id)).all()
        kept = {bytes(row.sha256).hex(): row.id for row in rows}
        assert kept.keys() == wanted.keys()
        for digest in list(wanted)[::10]:
            assert app.room.open(actor(), Purpose.AUDIT, kept[digest]).raw == wanted[digest]
    page = home.ok("search", f"custodian:{USER}", "--json", "--purpose", "audit", token=token).document
    # The last ones may not have been indexed before the stop: then the answer says so.
    assert page["total"] + page["not_searchable"]["waiting"] == len(wanted)
    assert home.verify() == []
