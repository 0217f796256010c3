"""The log sent on, to real receivers: in order, at least once, and nothing here waits for any of them."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import select, update

from api.auditing.forwarding import AT_ONCE, Forwarder
from api.auditing.sending import SinkError
from archiver.capture.smtp.tls import self_made_certificate
from archiver.store.schema import audit_mails, audit_sinks
from config.settings import Settings
from config.sinks import parse_sink
from search.access import Purpose
from tests.api.auditing.receivers import fhir_receiver, syslog_receiver
from tests.api.auditing.stage import Place


def forwarder(place: Place, *sinks: str) -> Forwarder:
    """A forwarder to these; the settings are the archive's from then on."""
    vault = place.app.vault
    vault.settings = vault.settings.model_copy(update={"audit_sinks": sinks})
    return Forwarder(vault, place.app.auditing.projection, place.app.auditing.mails)


def drained(send: Forwarder, name: str) -> int:
    total = 0
    while taken := send.step(name):
        total += taken
    return total


def sequence(messages: list[bytes]) -> list[int]:
    """The index of each message's entry."""
    found = [re.search(rb'\[meta sequenceId="(\d+)"\]', one) for one in messages]
    return [int(one[1]) - 1 for one in found if one]


def many(place: Place, count: int) -> None:
    for _ in range(count):
        place.app.operator_event("walk.step")


def test_syslog_over_tls(place: Place, tmp_path: Path) -> None:
    with syslog_receiver(tmp_path / "tls") as receiver:
        sink = f"siem=syslog+tls://localhost:{receiver.port}?ca={receiver.certificate}&from=start"
        send = forwarder(place, sink)
        place.read(place.officer, *place.jane)
        many(place, AT_ONCE)
        size = place.size()
        assert drained(send, "siem") == size
        assert receiver.faults == []
        assert sequence(receiver.messages) == list(range(size))
        for one in receiver.messages:
            xml = one.partition(b"\xef\xbb\xbf")[2]
            assert ElementTree.fromstring(xml).tag == "AuditMessage"
        for sealed in (*place.roster.values(), "home.example"):
            assert sealed.encode() not in b"".join(receiver.messages)
        assert send.step("siem") == 0
        (state,) = send.state()
        assert (state["waiting"], state["why"]) == (0, None)


@pytest.mark.parametrize("cut", [1, 10_000])
def test_a_receiver_that_dies_in_the_middle(place: Place, tmp_path: Path, cut: int) -> None:
    """What it had read and not kept is sent again."""
    with syslog_receiver(tmp_path / "tls") as receiver:
        send = forwarder(
            place,
            f"siem=syslog+tls://localhost:{receiver.port}?ca={receiver.certificate}&from=start&format=cef",
        )
        many(place, 50)
        receiver.fail_after = cut
        with pytest.raises(SinkError):
            drained(send, "siem")
        assert send.state()[0]["sent"] == 0
        drained(send, "siem")
        assert sequence(receiver.messages)[: place.size()] == list(range(place.size()))


def test_one_that_never_says_goodbye_is_believed_in_the_end(place: Place, tmp_path: Path) -> None:
    with syslog_receiver(tmp_path / "tls") as receiver:
        receiver.wordless = True
        send = forwarder(
            place, f"siem=syslog+tls://localhost:{receiver.port}?ca={receiver.certificate}&from=start"
        )
        for _ in range(2):
            with pytest.raises(SinkError) as caught:
                send.step("siem")
            assert caught.value.why == "closed_early"
        assert drained(send, "siem") == place.size()


def test_a_stranger_gets_nothing(place: Place, tmp_path: Path) -> None:
    with syslog_receiver(tmp_path / "tls") as receiver:
        send = forwarder(place, f"siem=syslog+tls://localhost:{receiver.port}?from=start")
        with pytest.raises(SinkError) as caught:
            send.step("siem")
        assert caught.value.why == "certificate"
        assert receiver.messages == []


def test_fhir_feed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with fhir_receiver() as receiver:
        send = forwarder(
            place, f"ehr=http://127.0.0.1:{receiver.port}/fhir/?token=file:{tmp_path / 'token'}&from=start"
        )
        place.read(place.officer, place.jane[0], place.john[0])
        receiver.refuse_from = 5
        with pytest.raises(SinkError) as caught:
            drained(send, "ehr")
        assert caught.value.why == "http_503"
        assert send.state()[0]["sent"] == 5
        receiver.refuse_from = None
        drained(send, "ehr")
        assert receiver.paths == {"/fhir/AuditEvent"}
        assert receiver.tokens == {"Bearer s3cret"}
        indices = [int(one["extension"][0]["valueString"]) for one in receiver.events]
        assert indices == list(range(place.size()))


def test_a_file_and_a_line_cut_short(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    send = forwarder(place, f"copy=file:{path}?from=start")
    drained(send, "copy")
    with path.open("ab") as file:
        file.write(b'{"n": 99, "cut')
    many(place, 3)
    drained(send, "copy")
    lines = path.read_text().splitlines()
    whole = [json.loads(line)["n"] for line in lines if line.endswith("}")]
    assert whole == list(range(place.size()))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_sink_begins_now(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    send = forwarder(place, f"copy=file:{path}")
    assert send.step("copy") == 0
    start = place.size()
    many(place, 2)
    drained(send, "copy")
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [start, start + 1]


def test_two_processes_take_turns(place: Place, tmp_path: Path) -> None:
    sink = f"copy=file:{tmp_path / 'audit.jsonl'}?from=start"
    one, two = forwarder(place, sink), forwarder(place, sink)
    assert one.step("copy") > 0
    many(place, 1)
    assert two.step("copy") == 0
    # The first has died: its lease ends.
    place.clock.pass_(minutes=3)
    assert two.step("copy") > 0
    many(place, 1)
    assert one.step("copy") == 0


def test_a_dead_sink_touches_nothing_else(place: Place, tmp_path: Path, settings: Settings) -> None:
    """Mail comes in and is read while nobody listens; people are told once; then it catches up."""
    app = place.app
    relayed = {"notice_relay": "smtp://localhost:9", "notice_from": "a@clinic.example"}
    app.vault.settings = app.vault.settings.model_copy(update={**relayed, "audit_to": ("po@clinic.example",)})
    with syslog_receiver(tmp_path / "tls") as receiver:
        port, certificate = receiver.port, receiver.certificate
    send = forwarder(place, f"siem=syslog+tls://localhost:{port}?ca={certificate}&from=start")
    stop = threading.Event()
    thread = threading.Thread(target=send.run, args=("siem", stop), daemon=True)
    thread.start()
    try:
        _until(lambda: send.state()[0]["why"] == "unreachable")
        place.read(place.officer, *place.jane)
        app.room.search(place.officer, Purpose.OPERATIONS, "zebrafinch")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert send.alarm() == 0
    place.clock.pass_(minutes=20)
    assert (send.alarm(), send.alarm()) == (1, 0)
    with app.vault.records.read() as connection:
        assert len(connection.execute(select(audit_mails)).all()) == 1
    failures = [one for one in place.leaves() if one["action"] == "audit.sink"]
    assert [(one["outcome"], one["reason"]) for one in failures] == [("failed", "unreachable")]
    with pytest.raises(SinkError):
        send.step("siem")
    assert len([one for one in place.leaves() if one["action"] == "audit.sink"]) == 1
    with syslog_receiver(tmp_path / "tls") as receiver:
        again = forwarder(
            place, f"siem=syslog+tls://localhost:{receiver.port}?ca={receiver.certificate}&from=start"
        )
        with app.vault.records.write() as connection:
            connection.execute(update(audit_sinks).values(owner=None))
        drained(again, "siem")
        assert sequence(receiver.messages) == list(range(place.size()))
    assert again.state()[0]["failing_since"] is None


def test_nothing_waits_for_a_receiver_that_does_not_answer(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and says nothing: whoever reads mail is done before it is given up."""
    monkeypatch.setattr("api.auditing.sending.SECONDS", 3_600.0)
    certificate, _ = self_made_certificate(tmp_path / "tls", "localhost")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = f"siem=syslog+tls://localhost:{listening.getsockname()[1]}?ca={certificate}&from=start"
        send, stop = forwarder(place, sink), threading.Event()
        thread = threading.Thread(target=send.run, args=("siem", stop), daemon=True)
        thread.start()
        silent, _ = listening.accept()
        try:
            assert silent.recv(1)  # the beginning of TLS: from here on the sender waits for us
            place.read(place.officer, *place.jane)
            place.app.room.search(place.officer, Purpose.OPERATIONS, "zebrafinch")
            assert send.state()[0]["why"] is None
        finally:
            stop.set()
            silent.close()
            thread.join(60)
        assert not thread.is_alive()


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "text",
    [
        "siem",
        "siem=syslog://h:514",
        "Siem=syslog+tls://h",
        "siem=http://elsewhere.example/fhir",
        "siem=syslog+tls://u:p@h",
        "siem=syslog+tls://h?format=fhir",
        "siem=syslog+tls://h?what=1",
        "siem=https://h/fhir?token=secret",
        "siem=syslog+tls://h?cert=/a",
        "siem=file:relative",
        "siem=file:/a?phi=yes",
        "siem=https://h/fhir?phi=perhaps",
    ],
)
def test_sinks_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|option"):
        parse_sink(text)
