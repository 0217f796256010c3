"""What the archive writes down as a message's anchor, by each door: promise 5 to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from archiver.capture.ports import Arrival
from archiver.store.schema import messages
from archiver.vault import Vault, create, open_vault
from archiver.verify import Scrubber
from config.settings import Settings
from tests.archiver.coverage.stage import StillClock

OLD = b"From: a@x.test\r\nTo: b@x.test\r\nDate: Mon, 1 Jan 1990 00:00:00 +0000\r\nSubject: %b\r\n\r\nbody\r\n"
STAMPED = b"Received: from x by mx.clinic.test; Tue, 1 Feb 2011 00:00:00 +0000\r\n" + OLD
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


def report(envelope: bytes, enclosed: bytes) -> bytes:
    return (
        b"From: journal@x.test\r\nTo: j@archive.test\r\nSubject: report\r\nX-MS-Journal-Report:\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        b"Content-Type: text/plain; charset=us-ascii\r\n\r\nSender: a@x.test\r\nSubject: x\r\n"
        b"Message-Id: <1@x.test>\r\nRecipient: b@x.test\r\n" + envelope + b"\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + enclosed + b"\r\n--b--\r\n"
    )


def anchors(vault: Vault, arrivals: list[Arrival]) -> list[tuple[date, str]]:
    vault.archive.commit([vault.preparer.prepare(arrival) for arrival in arrivals])
    with vault.records.read() as connection:
        rows = connection.execute(
            select(messages.c.anchor, messages.c.anchor_basis).order_by(messages.c.seq)
        ).all()
    assert list(Scrubber(vault, full=True).run()) == []
    return [(row.anchor, row.anchor_basis) for row in rows]


@pytest.fixture
def vault(settings: Settings) -> Iterator[Vault]:
    """An archive whose day doesn't end while a test runs."""
    create(settings)
    opened = open_vault(settings, StillClock())
    yield opened
    opened.close()


@pytest.fixture
def source(vault: Vault) -> str:
    return vault.sources.add("journal", "a source").id


def test_a_forged_date_is_kept_to_full_term_by_every_door(vault: Vault, source: str) -> None:
    today = vault.clock.now().date()
    arrivals = [
        # By SMTP, as it is and in a report that repeats the sender's date; by IMAP after the first contact;
        # by an import that nobody vouches for.
        Arrival(OLD % b"smtp", source, smtp_sender="a@x.test"),
        Arrival(
            report(b"SentUtc: 1990-01-01T00:00:00Z\r\n", OLD % b"sent"), source, smtp_sender="", reports=True
        ),
        Arrival(OLD % b"imap", source, received_at=LONG_AGO),
        Arrival(STAMPED % b"file", source),
        Arrival(report(b"ReceivedUtc: 1990-01-01T00:00:00Z\r\n", OLD % b"found"), source, reports=True),
    ]
    assert anchors(vault, arrivals) == [(today, "captured")] * len(arrivals)


def test_who_vouched_is_written_down(vault: Vault, source: str) -> None:
    now = vault.clock.now()
    first = {"received_at": datetime(2012, 3, 1, tzinfo=UTC), "first_reading": True}
    yesterday = (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    arrivals = [
        Arrival(OLD % b"attested", source, attested_by="records office"),
        Arrival(STAMPED % b"received", source, received_by=("mx.clinic.test",)),
        Arrival(OLD % b"imap", source, **first),  # type: ignore[arg-type]
        Arrival(
            report(b"ReceivedUtc: " + yesterday + b"\r\n", OLD % b"journal"),
            source,
            smtp_sender="",
            reports=True,
        ),
        Arrival(
            report(b"ReceivedUtc: 2044-01-01T00:00:00Z\r\n", OLD % b"later"),
            source,
            smtp_sender="",
            reports=True,
        ),
    ]
    assert anchors(vault, arrivals) == [
        (date(1990, 1, 1), "attested"),
        (date(2011, 2, 1), "received"),
        (date(2012, 3, 1), "internaldate"),
        ((now - timedelta(days=1)).date(), "journal"),
        (now.date(), "captured"),
    ]
