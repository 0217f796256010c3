"""Real mail by SMTP: what arrives is what was sent, byte for byte."""

from __future__ import annotations

import threading
from pathlib import Path

from archiver.capture.files.doors import open_items
from tests.archiver.capture.doors import FEED, MemoryIntake, Wire, smtp_served, stuffed


def some_mail(corpora: Path) -> list[bytes]:
    """Return about 300 messages of seven corpora, as sent: each ends in CRLF, nothing else is touched."""
    chosen: list[bytes] = []
    for name, step in (
        ("spamassassin-public", 16),
        ("cypherpunks-maildir", 25),
        ("usrp-users-list", 6),
        ("sisimai-bounces", 10),
        ("cpython-email", 1),
        ("mikel-mail", 2),
        ("flanker", 2),
    ):
        raws = [item.raw for item in open_items([corpora / name]) if item.raw]
        chosen += [raw if raw.endswith(b"\r\n") else raw + b"\r\n" for raw in raws[::step]]
    return list(dict.fromkeys(chosen))


def test_real_mail_arrives_byte_for_byte(tmp_path: Path, corpora: Path) -> None:
    mail = some_mail(corpora)
    assert len(mail) > 200
    assert any(len(line) > 1001 for raw in mail for line in raw.split(b"\n"))
    intake = MemoryIntake()
    replies: list[bytes] = []

    def client(mine: list[bytes]) -> None:
        with Wire(served.port) as wire:
            wire.reply()
            wire.ask(b"EHLO x")
            for raw in mine:
                wire.envelope(b"<>", FEED.encode())
                wire.send(stuffed(raw))
                replies.append(wire.reply()[:9])

    # A small threshold, so that many of them go through the spool.
    with smtp_served(tmp_path, intake, spool_above=20_000) as served:
        threads = [threading.Thread(target=client, args=(mail[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(250)
    assert set(replies) == {b"250 2.0.0"}
    assert sorted(intake.raws) == sorted(mail)
