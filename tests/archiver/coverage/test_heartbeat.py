"""Heartbeats through a real relay: sent, journalled back by SMTP to our own door, known, timed, missed."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from archiver.capture.intake import GroupIntake
from archiver.capture.pool import PreparePool
from archiver.capture.smtp.ports import SmtpSettings
from archiver.capture.smtp.server import SmtpListener
from archiver.capture.smtp.tls import self_made_certificate, server_context
from archiver.coverage import beats
from archiver.coverage.gaps import HEARTBEAT_MISSED
from archiver.coverage.heartbeat import Plan
from archiver.coverage.watch import Watch
from archiver.errors import CaptureError
from archiver.store.schema import heartbeat_beats, heartbeats, messages
from archiver.vault import Vault
from tests.archiver.coverage.stage import Relay, StillClock, deliver
from tests.support.loops import Loop

ADDRESS = "probe@clinic.example"


def plan(relay: Relay, **more: object) -> Plan:
    given = {
        "to": ADDRESS,
        "sender": "archive@clinic.example",
        "via": f"smtp://localhost:{relay.port}?starttls&ca={relay.certificate}",
        "every_s": 3_600,
        "within_s": 900,
    }
    return Plan(**{**given, **more})  # type: ignore[arg-type]


def journalled(raw: bytes) -> bytes:
    """The report that an Exchange server makes of a message."""
    head = (
        "From: <MicrosoftExchange@clinic.example>\r\nSubject: journal\r\nX-MS-Journal-Report:\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\n"
        f"Sender: archive@clinic.example\r\nSubject: x\r\nMessage-Id: <1@x>\r\nRecipient: {ADDRESS}\r\n\r\n"
        "--b1\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return head.encode() + raw + b"\r\n--b1--\r\n"


@contextmanager
def our_door(vault: Vault) -> Iterator[int]:
    """The archive's own SMTP listener; gives its port."""
    pair = self_made_certificate(vault.settings.home / "tls", "localhost")
    pool = PreparePool(vault.preparer, vault.settings)
    intake = GroupIntake(vault.archive, vault.sources, pool, on_stored=lambda _: None)
    intake.start()
    settings = SmtpSettings(
        tls=server_context(*pair), spool_directory=vault.settings.spool_dir, host="127.0.0.1", port=0
    )
    listener = SmtpListener(settings, vault.sources, intake)
    loop = Loop()
    loop.run(listener.start())
    try:
        yield listener.port
    finally:
        loop.run(listener.stop(5.0))
        loop.close()
        intake.close()
        pool.close()


def journals_to(port: int, address: str, as_report: bool) -> Callable[[bytes], None]:
    """What a mail system with a journal rule does with each message."""

    def forward(raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.sendmail("journal@clinic.example", [address], journalled(raw) if as_report else raw)

    return forward


@pytest.mark.parametrize("as_report", [True, False], ids=["report", "copy"])
def test_there_and_back_through_a_real_mail_path(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay, as_report: bool
) -> None:
    source = vault.sources.add("journal", "feed")
    assert source.address is not None
    watch.heartbeats.set(source.id, plan(relay))
    with our_door(vault) as port:
        relay.on_message = journals_to(port, source.address, as_report)
        watch.run()
        assert relay.encrypted == [True]
        assert relay.recipients == [[ADDRESS]]
        pulse = watch.heartbeats.pulses()[source.id]
        assert pulse.latency_us == 0  # the clock stood still
        watch.run()  # not due again
        assert len(relay.taken) == 1
        clock.pass_(minutes=60)
        watch.run()
        assert len(relay.taken) == 2
    assert watch.gaps.find() == []
    with vault.records.read() as connection:
        assert len(connection.execute(select(messages.c.id)).all()) == 2  # archived like any mail
        assert {row.taken for row in connection.execute(select(heartbeat_beats))} == {True}
    line = watch.reports.build(clock.now().date())[1][0]
    assert line["heartbeats"] == {"sent": 2, "arrived": 2, "slowest_seconds": 0.0}


def test_one_that_stays_away_is_a_gap_until_it_or_another_comes(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay
) -> None:
    source = vault.sources.add("journal", "feed").id
    watch.heartbeats.set(source, plan(relay))
    watch.run()
    clock.pass_(minutes=9)
    watch.run()
    assert watch.gaps.find() == []
    clock.pass_(minutes=7)
    watch.run()
    (gap,) = watch.gaps.find()
    assert (gap.kind, gap.count) == (HEARTBEAT_MISSED, 1)
    for _ in range(12):
        clock.pass_(minutes=5)
        watch.run()
    (gap,) = watch.gaps.find()
    assert (gap.kind, gap.count) == (HEARTBEAT_MISSED, 2)
    # The first comes late: the newer one is still overdue.
    deliver(vault, source, relay.taken[0])
    watch.run()
    (gap,) = watch.gaps.find()
    assert gap.count == 1
    deliver(vault, source, relay.taken[1])
    watch.run()
    assert watch.gaps.find() == []
    pulse = watch.heartbeats.pulses()[source]
    assert pulse.latency_us is not None
    assert pulse.latency_us >= 900 * 10**6


def test_a_relay_that_refuses_or_is_away_is_tried_again_and_told_of(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay
) -> None:
    source = vault.sources.add("imap", "box").id
    relay.answer = "451 later"
    watch.heartbeats.set(source, plan(relay))
    watch.run()
    for _ in range(4):
        clock.pass_(minutes=5)
        watch.run()
    (gap,) = watch.gaps.find()
    assert gap.kind == HEARTBEAT_MISSED
    relay.answer = "250 ok"
    clock.pass_(minutes=5)
    watch.run()
    assert len(relay.taken) == 1
    deliver(vault, source, relay.taken[0])
    watch.run()
    assert watch.gaps.find() == []


def test_a_certificate_nobody_vouches_for_gets_nothing(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    source = vault.sources.add("journal", "feed").id
    watch.heartbeats.set(source, plan(relay, via=f"smtp://localhost:{relay.port}?starttls"))
    watch.run()
    assert relay.taken == []
    assert "isn't trusted" in caplog.text
    assert "clinic.example" not in caplog.text


def test_only_its_own_source_and_its_own_word_count(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay
) -> None:
    source, other = vault.sources.add("journal", "a").id, vault.sources.add("journal", "b").id
    watch.heartbeats.set(source, plan(relay))
    watch.run()
    (raw,) = relay.taken
    secret = re.search(rb"X-Holdfast-Heartbeat: (\w+)", raw)
    assert secret is not None
    forged = raw.replace(secret.group(1), b"0" * 32)
    deliver(vault, other, raw)
    deliver(vault, source, forged)
    assert watch.heartbeats.pulses()[source].arrived_us is None
    rewritten = raw.replace(b"X-Holdfast-Heartbeat: ", b"X-Removed: ").replace(
        b"Subject: ", b"Subject: [EXTERNAL] "
    )
    deliver(vault, source, rewritten)
    assert watch.heartbeats.pulses()[source].arrived_us is not None


def test_the_secret_and_the_addresses_are_nowhere_in_the_database(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay
) -> None:
    source = vault.sources.add("journal", "a").id
    watch.heartbeats.set(source, plan(relay))
    watch.run()
    secret = re.search(rb"X-Holdfast-Heartbeat: (\w+)", relay.taken[0])
    assert secret is not None
    with vault.records.read() as connection:
        rows = [
            repr(tuple(bytes(v) if isinstance(v, (bytes, memoryview)) else v for v in row))
            for table in (heartbeats, heartbeat_beats)
            for row in connection.execute(select(table))
        ]
    assert len(rows) == 2
    for row in rows:
        assert secret.group(1).decode() not in row
        assert "clinic.example" not in row


def test_after_a_pause_of_ours_it_is_awaited_anew(
    vault: Vault, clock: StillClock, watch: Watch, relay: Relay
) -> None:
    source = vault.sources.add("journal", "a").id
    watch.heartbeats.set(source, plan(relay, every_s=86_400))
    watch.run()
    clock.pass_(hours=3)
    after = Watch(vault)
    after.run()
    assert after.gaps.find() == []
    clock.pass_(minutes=9)
    after.run()
    assert after.gaps.find() == []
    clock.pass_(minutes=7)
    after.run()
    assert [gap.kind for gap in after.gaps.find()] == [HEARTBEAT_MISSED]
    assert after.heartbeats.end(source)
    assert not after.heartbeats.end(source)
    assert after.gaps.find() == []
    after.run()
    assert after.heartbeats.plan(source) is None


@pytest.mark.parametrize(
    "more",
    [
        {"to": "Bea <bea@clinic.example>"},
        {"to": "bea@clinic.example\r\nBcc: x@y"},
        {"via": "http://mail"},
        {"via": "smtp://u:p@mail?starttls"},
        {"via": "smtp://user@mail.example"},
        {"via": "smtp://user@mail.example?starttls"},
        {"via": "smtp://mail?verify=no"},
        {"every_s": 10},
        {"within_s": 0},
    ],
)
def test_what_cannot_work_is_refused(relay: Relay, more: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(CaptureError) as error:
        plan(relay, **more).check()
    assert "bea@" not in str(error.value)


def test_mail_that_only_looks_like_one_is_no_trouble(vault: Vault) -> None:
    source = vault.sources.add("journal", "a").id
    for text in (
        b"X-Holdfast-Heartbeat: \r\n\r\n",
        b"Subject: Holdfast heartbeat\r\n\r\n",
        b"X-Holdfast-Heartbeat: ",
    ):
        assert beats.recognise(vault.blind, text, "Holdfast heartbeat") is None
        deliver(vault, source, text)
