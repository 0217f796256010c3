"""A witness that doesn't answer, or by the byte, or is shown nothing: never in the way, never forgotten."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from archiver.errors import StoreError
from archiver.ledger.log import Log
from archiver.vault import Vault, open_vault
from archiver.witnessing.watchers import TELL_AGAIN
from archiver.witnessing.web import OutsideError, request
from config.settings import Settings
from tests.archiver.witnessing.watching import act, publish, reopened
from tests.support.witness import RunningWitness


@contextmanager
def by_the_byte(first: bytes, each: bytes) -> Iterator[int]:
    """A server that says something and then a byte every twentieth of a second, without an end; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def speak(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(first)
            while not ended.wait(0.05):
                connection.sendall(each)

    def take() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=speak, args=(connection,), daemon=True).start()

    threading.Thread(target=take, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)  # whoever waits in `accept` is not woken by `close`
        listening.close()


@pytest.mark.parametrize(
    ("scheme", "first", "each"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        ("https", b"\x16\x03\x03\x10\x00\x02\x00\x0f\xfc", b"\x00"),
    ],
)
def test_an_answer_by_the_byte_is_cut_off(scheme: str, first: bytes, each: bytes) -> None:
    """Each byte comes in time; the whole never does."""
    with by_the_byte(first, each) as port, pytest.raises(OutsideError) as caught:
        request("POST", f"{scheme}://127.0.0.1:{port}/add-checkpoint", b"x", seconds=0.3)
    assert caught.value.reason == "unreachable"


def test_a_command_does_not_wait_for_one_that_has_been_failing(
    settings: Settings, keys: list[str], one: RunningWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that no busy machine takes one for the other.
    monkeypatch.setattr("archiver.witnessing.witnessing.SECONDS", 120.0)
    with by_the_byte(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x") as port:
        silent = " ".join([f"http://127.0.0.1:{port}", *one.vkeys])
        vault = reopened(settings, witnesses=(silent,))
        try:
            act(vault)
            vault.witnessing.watchers.failed("witness:witness.example/w1", "unreachable")
            vault.publisher.publish(Log.AUDIT)
            began = time.monotonic()
            vault.witnessing.run(at_once=True, hurry=True)
            assert time.monotonic() - began < 60
        finally:
            vault.close()


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(settings: Settings, one: RunningWitness, clock: Clock) -> Iterator[Vault]:
    """An archive with a witness, in a process that has run for long."""
    vault = open_vault(settings.model_copy(update={"witnesses": (one.setting,)}), clock)
    vault.witnessing._began -= 86_400
    yield vault
    vault.close()


def test_a_witness_that_is_shown_nothing_new_is_failing(
    served: Vault, one: RunningWitness, clock: Clock
) -> None:
    """It answers, but nobody publishes: there is nothing to show it, and that is what it fails by."""
    outside = served.witnessing
    (client,) = outside.clients
    act(served, 2)
    publish(served)
    assert outside.unseen_since(client, Log.AUDIT) is None
    act(served)
    assert outside.unseen_since(client, Log.AUDIT) is not None
    outside.run(at_once=True)
    assert outside.watchers.failing() == []  # not yet late
    clock.moment += timedelta(minutes=20)
    assert [late.name for late in outside.late()] == [client.name]
    outside.run(at_once=True)
    (failing,) = outside.watchers.failing()
    assert (failing.name, failing.failure) == (f"witness:{client.name}", "nothing_published")
    publish(served)
    assert (outside.watchers.failing(), outside.late()) == ([], [])


def test_one_that_was_never_asked_is_not_left_out(served: Vault) -> None:
    (watcher,) = served.witnessing.watchers.all()
    assert (watcher.name, watcher.ok_us, watcher.failing_us) == ("witness:witness.example/w1", None, None)


def test_people_are_told_after_a_while_and_again_each_day(served: Vault, clock: Clock) -> None:
    watchers = served.witnessing.watchers
    (name,) = watchers.names
    watchers.failed(name, "unreachable")
    assert watchers.to_tell() == []
    assert [one.name for one in watchers.to_tell(at_once=(name,))] == [name]
    clock.moment += timedelta(minutes=served.settings.witness_alarm_minutes)
    for _ in range(3):
        assert [one.name for one in watchers.to_tell()] == [name]
        watchers.told(name)
        assert watchers.to_tell() == []
        clock.moment += TELL_AGAIN
    watchers.ok(name)
    assert watchers.to_tell() == []


def test_a_ledger_folder_that_cannot_be_written_is_an_error_of_ours(served: Vault) -> None:
    """Whoever publishes each second must hear of it like of any trouble, and find it mended afterwards."""
    act(served)
    publish(served)
    lock = served.publisher.folder(Log.AUDIT) / "publish.lock"
    lock.unlink()
    lock.mkdir()
    act(served)
    with pytest.raises(StoreError, match="ledger folder"):
        served.publisher.publish(Log.AUDIT)
    lock.rmdir()
    publish(served)
    assert served.witnessing.late() == []
