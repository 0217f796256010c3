"""Alerts by mail: what they say and don't say, kept until a relay takes them, never in the way of capture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from sqlalchemy import func, select

from archiver.coverage import alerts as alerts_of
from archiver.coverage.relay import send
from archiver.coverage.watch import Watch
from archiver.store.schema import alerts
from archiver.vault import Vault, open_vault
from config.errors import ConfigError
from config.relay import is_address, parse_relay
from config.settings import load
from tests.archiver.coverage.stage import Relay, StillClock, deliver, some
from tests.support.bad_relay import SOON, Line, relay_that

NAME = "mail of Dr Quillfeather"


Tell = Callable[..., Vault]


@pytest.fixture
def telling(vault: Vault, clock: StillClock, relay: Relay) -> Iterator[Tell]:
    """Opens the same archive with somebody to tell."""
    opened: list[Vault] = []

    def tell(**more: object) -> Vault:
        given = {
            "alert_to": ("it@clinic.example", "night@clinic.example"),
            "alert_from": "archive@clinic.example",
            "alert_relay": f"smtp://localhost:{relay.port}?starttls&ca={relay.certificate}",
        }
        opened.append(open_vault(vault.settings.model_copy(update={**given, **more}), clock))
        return opened[-1]

    yield tell
    for one in opened:
        one.close()


def test_one_mail_when_it_opens_one_a_day_and_one_when_it_closes(
    telling: Tell, clock: StillClock, relay: Relay
) -> None:
    told = telling()
    watch = Watch(told)
    source = told.sources.add("imap", NAME).id
    watch.run()
    watch.gaps.open(source, "uid_hole", "aa", 3)
    watch.run()
    watch.run()
    (mail,) = relay.mails()
    assert mail["Subject"] == f"[holdfast] gap: uid_hole at imap source {source}"
    assert mail["To"] == "it@clinic.example, night@clinic.example"
    assert relay.recipients == [["it@clinic.example", "night@clinic.example"]]
    assert relay.encrypted == [True]
    assert "since 2026-03-02T12:00:00Z, 3 counted" in relay.texts()[0]
    for _ in range(25):
        clock.pass_(hours=1)
        watch.run()
    assert len(relay.taken) == 2
    assert "gap still open: uid_hole" in relay.texts()[1]
    watch.gaps.close(source, "uid_hole", "aa")
    watch.run()
    assert len(relay.taken) == 3
    assert "until 2026-03-03T13:00:00Z" in relay.texts()[2]
    assert all("Quillfeather" not in text and "aa" not in text.split() for text in relay.texts())
    assert watch.alerts.waiting() == 0


def test_a_name_is_told_only_where_that_was_asked_for(telling: Tell, clock: StillClock, relay: Relay) -> None:
    told = telling(alert_names=True)
    watch = Watch(told)
    watch.gaps.open(told.sources.add("imap", f"{NAME}\r\nBcc: x@y.example").id, "folder_unreadable", "", 0)
    watch.run()
    (mail,) = relay.mails()
    assert NAME in mail.get_content()
    assert mail["Bcc"] is None


def test_they_wait_for_a_relay_that_is_away(
    telling: Tell, clock: StillClock, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    told = telling()
    watch = Watch(told)
    source = told.sources.add("imap", NAME).id
    relay.answer = "451 it@clinic.example later"
    watch.gaps.open(source, "folder_unreadable", "", 0)
    for _ in range(30):
        clock.pass_(minutes=5)
        watch.run()
        deliver(told, source, some(clock.now().minute))  # nothing waits for the relay
    assert watch.alerts.waiting() == 1
    with told.records.read() as connection:
        tries = connection.scalar(select(func.max(alerts.c.tries)))
    assert tries is not None
    assert 4 <= tries <= 12
    assert "clinic.example" not in caplog.text
    relay.answer = "250 ok"
    later = telling()  # after a restart too
    clock.pass_(hours=1)
    Watch(later).run()
    assert len(relay.taken) == 1


def test_two_processes_send_each_once(telling: Tell, clock: StillClock, relay: Relay) -> None:
    told = telling()
    first, second = Watch(told), Watch(told)
    first.gaps.open(told.sources.add("imap", NAME).id, "folder_unreadable", "", 0)
    claimed = first.alerts._claim()
    assert second.alerts.flush() == 0
    clock.pass_(minutes=11)  # the first was killed with it
    assert second.alerts.flush() == 1
    assert len(claimed) == 1


def test_a_flood_is_one_mail_that_names_every_one(telling: Tell, clock: StillClock, relay: Relay) -> None:
    told = telling()
    watch = Watch(told)
    source = told.sources.add("imap", NAME).id
    for number in range(40):
        watch.gaps.open(source, "uid_hole", f"{number}", number + 1)
    watch.run()
    (mail,) = relay.mails()
    assert mail["Subject"] == "[holdfast] 40 news of gaps"
    assert mail.get_content().count("uid_hole") == 40


def test_nobody_to_tell_is_no_trouble(vault: Vault, watch: Watch) -> None:
    watch.gaps.open(vault.sources.add("imap", NAME).id, "folder_unreadable", "", 0)
    watch.run()
    assert watch.alerts.waiting() == 0


def test_the_daily_report_is_mailed_when_asked_for(telling: Tell, clock: StillClock, relay: Relay) -> None:
    told = telling(coverage_report_mail=True)
    watch = Watch(told)
    source = told.sources.add("journal", NAME).id
    deliver(told, source, some(1), some(1))
    watch.run()
    clock.pass_(hours=20)
    watch.run()
    (text,) = [t for t in relay.texts() if "coverage of" in t]
    assert "[holdfast] coverage of 2026-03-02" in text
    assert f"journal {source}: received 2 = stored 1 + duplicates 1 + refused 0" in text
    assert "Quillfeather" not in text


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alert_to": "it@x.example"}, "alert_relay"),
        ({"alert_relay": "smtp://mail.example"}, "starttls"),
        ({"alert_relay": "smtp://user:secret@mail.example?starttls"}, "reference"),
        ({"alert_relay": "smtps://mail.example?starttls"}, "starttls"),
        ({"alert_relay": "smtp://user@mail.example?starttls"}, "alert_password"),
        ({"alert_password": "hunter2"}, "reference"),
        ({"alert_to": "Bea <bea@x>"}, "plain addresses"),
        ({"coverage_report_mail": "true"}, "alert_to"),
        ({"silence_min_minutes": "1"}, "15"),
        ({"coverage_report_hour": "24"}, "23"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(given, {})
    assert named in str(error.value)
    assert "secret" not in str(error.value)
    assert "hunter2" not in str(error.value)


def test_relays_and_addresses_as_people_write_them() -> None:
    assert parse_relay("smtps://mail.example").port == 465
    relay = parse_relay("smtp://archive%40x.example@[::1]:2525?starttls&ca=/etc/ca.pem")
    assert (relay.host, relay.port, relay.user, relay.ca) == ("::1", 2525, "archive@x.example", "/etc/ca.pem")
    assert relay.loopback
    assert is_address("a.b+c@x-y.example")
    assert not any(is_address(text) for text in ("", "a", "a@", "@b", "a b@c", "a@b\n", "<a@b>", "a@b,c@d"))


def test_a_relay_that_hangs_is_asked_once_for_all_that_wait(
    telling: Tell, clock: StillClock, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def hangs(line: Line) -> None:
        nonlocal asked
        asked += 1
        line.over.wait(60)

    with relay_that(hangs) as (bad, _):
        away = telling(alert_relay=f"smtp://127.0.0.1:{bad.port}")
        monkeypatch.setattr(alerts_of, "send", partial(send, patience=SOON))
        watch = Watch(away)
        for name in ("one", "two", "three"):
            watch.gaps.open(away.sources.add("imap", name).id, "uid_hole", "aa", 3)
        assert watch.alerts.flush() == 0
        assert watch.alerts.waiting() == 3
    assert asked == 1
    monkeypatch.undo()
    clock.pass_(minutes=2)
    assert Watch(telling()).alerts.flush() == 3
    assert len(relay.taken) == 3
