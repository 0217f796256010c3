"""SMTP in processes beside the committing one: the same promises, whichever of them goes away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import func, select

from archiver.capture.beside import Post, received
from archiver.capture.intake import GroupIntake, JournalAddresses
from archiver.capture.pool import PreparePool
from archiver.capture.ports import Arrival, Receipt
from archiver.capture.prepare import Prepared
from archiver.capture.smtp import listener as listener
from archiver.capture.smtp.listener import Answered, Mail, Refused, RemoteIntake
from archiver.capture.smtp.listeners import Listeners
from archiver.errors import CaptureError, NotFound, StoreError
from archiver.message.content import whole
from archiver.store.schema import messages, refusals
from archiver.vault import Vault, create, open_vault
from config.settings import Endpoint, load
from tests.support.mail import bulky, numbered
from tests.support.smtp import Session

FREE_PORT = {"smtp_listen": Endpoint(host="127.0.0.1", port=0)}


@contextmanager
def listening(vault: Vault, processes: int = 1) -> Iterator[Listeners]:
    settings = vault.settings.model_copy(update=FREE_PORT)
    pool = PreparePool(vault.preparer, settings)
    intake = GroupIntake(vault.archive, vault.sources, pool, on_stored=lambda _: None)
    intake.start()
    listeners = Listeners(settings, intake, processes)
    try:
        listeners.start()
        yield listeners
    finally:
        listeners.stop()
        intake.close()
        pool.close()


def stored(vault: Vault) -> set[str]:
    with vault.records.read() as connection:
        return {bytes(found).hex() for found in connection.scalars(select(messages.c.sha256))}


def feed(vault: Vault) -> str:
    address = vault.sources.add("journal", "feed").address
    assert address is not None
    return address


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Vault]:
    """An archive where it doesn't matter which database it has."""
    settings = load({"home": tmp_path / "home", "root_key": f"file:{tmp_path / 'k' / 'root.key'}"}, {})
    create(settings)
    opened = open_vault(settings)
    yield opened
    opened.close()


def within(seconds: float, done: Callable[[], bool]) -> bool:
    pause = threading.Event()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        pause.wait(0.02)
    return done()


def test_mail_is_durable_here_when_a_listener_says_250(vault: Vault) -> None:
    address = feed(vault)
    with listening(vault, 2) as listeners:
        assert len(listeners.pids) == 2
        with ThreadPoolExecutor(4) as clients:

            def deliver(share: int) -> None:
                with Session(listeners.ports["smtp"]) as session:
                    for number in range(5):
                        raw = numbered(10 * share + number, 500)
                        assert session.deliver(address, raw).startswith("250 2.0.0 stored m")
                        # At that very moment, not a little later.
                        assert hashlib.sha256(raw).hexdigest() in stored(vault)

            list(clients.map(deliver, range(4)))
    source = vault.sources.by_name("feed")
    assert source is not None
    assert (source.received, source.stored) == (20, 20)


def test_a_large_message_goes_over_as_a_sealed_file(one: Vault) -> None:
    address = feed(one)
    raw = bulky(1, 3_000_000)
    with listening(one) as listeners, Session(listeners.ports["smtp"]) as session:
        reply = session.deliver(address, raw)
        assert reply.startswith("250 2.0.0 stored ")
        assert hashlib.sha256(raw).hexdigest() in stored(one)
    assert whole(one.archive.open(reply.split()[-1]).raw) == raw
    assert list(one.settings.spool_dir.iterdir()) == []


def test_a_refusal_is_counted_before_it_is_told(vault: Vault) -> None:
    address = feed(vault)
    vault.settings = vault.settings.model_copy(update={"smtp_max_bytes": 1_048_576})
    with listening(vault) as listeners, Session(listeners.ports["smtp"]) as session:
        assert session.deliver(address, b"Subject: s\r\n\r\n" + b"x" * 2_000_000 + b"\r\n").startswith("552")
        with vault.records.read() as connection:
            assert connection.scalar(select(func.count()).select_from(refusals)) == 1


def test_a_listener_that_was_killed_is_begun_anew_and_its_senders_wait(one: Vault) -> None:
    address = feed(one)
    with listening(one) as listeners:
        (first,) = listeners.pids
        with Session(listeners.ports["smtp"]) as session:
            assert session.deliver(address, numbered(1, 300)).startswith("250")
            os.kill(first, signal.SIGKILL)
            with pytest.raises(ConnectionError):
                session.deliver(address, numbered(2, 300))
        # The socket is open all the time: a connection waits, it isn't refused.
        with Session(listeners.ports["smtp"]) as session:
            assert session.deliver(address, numbered(2, 300)).startswith("250")
        assert listeners.pids != [first]


def test_a_taken_address_is_said_at_once(one: Vault) -> None:
    with listening(one) as listeners:
        taken = Endpoint(host="127.0.0.1", port=listeners.ports["smtp"])
        settings = one.settings.model_copy(update={"smtp_listen": taken})
        other = Listeners(settings, cast("GroupIntake", None), 1)
        with pytest.raises(CaptureError, match="in use"):
            other.start()
        other.stop()


def test_what_keeps_a_listener_from_beginning_is_said(one: Vault) -> None:
    lost = one.settings.model_copy(
        update={"root_key": f"file:{one.settings.home.parent / 'lost.key'}", **FREE_PORT}
    )
    others = Listeners(lost, cast("GroupIntake", None), 1)
    try:
        with pytest.raises(Exception, match="root key"):
            others.start()
    finally:
        others.stop()
    assert others.pids == []


def test_stop_lets_a_message_under_way_end(one: Vault) -> None:
    address = feed(one)
    raw = numbered(7, 4_000)
    with listening(one) as listeners:
        (pid,) = listeners.pids
        with Session(listeners.ports["smtp"]) as session:
            assert session.begin(address).startswith("354")
            session.send_body(raw, part=0.5)
            stopping = threading.Thread(target=listeners.stop)
            stopping.start()
            time.sleep(0.3)
            session.send_rest(raw, part=0.5)
            assert session.reply().startswith("250")
        stopping.join(60)
        assert not stopping.is_alive()
        assert hashlib.sha256(raw).hexdigest() in stored(one)
        assert within(30, lambda: not _runs(pid))


def test_the_loss_of_the_committing_process_ends_a_listener(one: Vault) -> None:
    """As after `kill -9` of the server: both pipes close, and the listener answers try-later and ends."""
    address = feed(one)
    with listening(one) as listeners:
        (pid,) = listeners.pids
        with Session(listeners.ports["smtp"]) as session:
            assert session.begin(address).startswith("354")
            tender = listeners._tenders[0]
            tender._stopping.set()
            assert tender._mouth is not None
            tender._mouth.close()
            session.send_body(numbered(3, 300))
            with contextlib.suppress(ConnectionError):  # it may be gone before it can say so
                assert session.reply().startswith(("451", "421"))
        assert within(30, lambda: not _runs(pid))
        assert stored(one) <= {hashlib.sha256(numbered(3, 300)).hexdigest()}


# --- the listener's side alone ---------------------------------------------------------------------


class _Line:
    """A listener's intake whose other end is in the test's hands."""

    def __init__(self, vault: Vault, source_id: str) -> None:
        self.hears, self._said = Pipe(duplex=False)
        self.intake = RemoteIntake(Post(self._said), vault.preparer, JournalAddresses(vault.sources))
        self.arrival = Arrival(raw=numbered(1, 100), source_id=source_id)

    def close(self) -> None:
        self.hears.close()
        self._said.close()


@pytest.fixture
def line(one: Vault) -> Iterator[_Line]:
    made = _Line(one, one.sources.add("import", "one").id)
    yield made
    made.close()


def test_a_listener_takes_no_more_than_it_may_have_under_way(line: _Line, monkeypatch) -> None:
    monkeypatch.setattr(line.intake, "_room", threading.Semaphore(2))
    first, _ = line.intake.submit(line.arrival), line.intake.submit(line.arrival)
    third: Future[Future[Receipt]] = ThreadPoolExecutor(1).submit(line.intake.submit, line.arrival)
    time.sleep(0.1)
    assert not third.done()
    line.intake.answered(Answered(1, Receipt("m1", "stored")))
    assert first.result(30) == Receipt("m1", "stored")
    assert not third.result(30).done()


def test_nothing_under_way_is_acknowledged_once_the_committing_process_is_gone(line: _Line) -> None:
    waiting = line.intake.submit(line.arrival)
    line.intake.abandon()
    with pytest.raises(StoreError):
        waiting.result(30)
    with pytest.raises(StoreError):
        line.intake.submit(line.arrival)
    with pytest.raises(StoreError):
        line.intake.refuse(line.arrival.source_id, "too_large")
    # A late word of a dead process changes nothing.
    line.intake.answered(Answered(1, Receipt("m1", "stored")))
    assert isinstance(waiting.exception(), StoreError)


def test_a_broken_pipe_acknowledges_nothing(line: _Line) -> None:
    line.hears.close()
    with pytest.raises(StoreError):
        line.intake.submit(line.arrival).result(30)


def test_a_message_that_cannot_be_prepared_takes_no_other_with_it(line: _Line) -> None:
    bad = Arrival(raw=line.arrival.raw, source_id=line.arrival.source_id, received_at=cast("None", "never"))
    with pytest.raises(StoreError):
        line.intake.submit(bad).result(30)
    good = line.intake.submit(line.arrival)
    (said,) = received(line.hears)
    assert isinstance(said, Mail)
    assert isinstance(said.prepared, Prepared)
    line.intake.answered(Answered(said.ticket, Receipt("m2", "stored")))
    assert good.result(30).id == "m2"


def test_several_are_prepared_and_handed_over_in_one_write(line: _Line) -> None:
    told: dict[int, Receipt | Exception] = {}
    bad = Arrival(raw=b"x", source_id=line.arrival.source_id, received_at=cast("None", "never"))
    unknown = Arrival(raw=b"x", source_id="no such source")
    arrivals = [line.arrival, bad, unknown, Arrival(raw=numbered(2), source_id=line.arrival.source_id)]
    line.intake.submit_all([(arrival, partial(told.__setitem__, n)) for n, arrival in enumerate(arrivals)])
    assert {n: type(answer) for n, answer in told.items()} == {1: StoreError, 2: NotFound}
    said = list(received(line.hears))
    assert [each.prepared.size for each in said] == [len(arrivals[0].raw), len(arrivals[3].raw)]
    for each in said:
        line.intake.answered(Answered(each.ticket, Receipt(f"m{each.ticket}", "stored")))
    assert [told[n] for n in (0, 3)] == [Receipt(f"m{each.ticket}", "stored") for each in said]


def test_plain_mail_is_prepared_at_once_and_what_needs_waiting_is_left(line: _Line) -> None:
    told: list[Receipt | Exception] = []
    web = b"Content-Type: text/html\r\n\r\n<p>results</p>\r\n"
    items = [
        (arrival, told.append)
        for arrival in (
            line.arrival,
            Arrival(raw=web, source_id=line.arrival.source_id),
            Arrival(raw=numbered(3), source_id=line.arrival.source_id),
        )
    ]
    # Neither the feed nor this month's key is at hand before the first message.
    assert line.intake.submit_at_once(items) == items
    first = line.intake.submit(line.arrival)
    (said,) = received(line.hears)
    line.intake.answered(Answered(said.ticket, Receipt("m0", "stored")))
    assert first.result(30).id == "m0"

    assert line.intake.submit_at_once(items) == [items[1]]
    mail = list(received(line.hears))
    assert [each.prepared.size for each in mail] == [len(items[0][0].raw), len(items[2][0].raw)]
    assert told == []
    for each in mail:
        line.intake.answered(Answered(each.ticket, Receipt(f"m{each.ticket}", "stored")))
    assert told == [Receipt(f"m{each.ticket}", "stored") for each in mail]


def test_nothing_is_begun_on_the_loop_that_could_keep_it(line: _Line, monkeypatch) -> None:
    """A key store, a directory or a committing process that hangs must not keep every session."""
    told: list[Receipt | Exception] = []
    line.intake.submit(line.arrival)
    line.intake.answered(Answered(next(received(line.hears)).ticket, Receipt("m0", "stored")))
    small = [(line.arrival, told.append)]
    large = [(Arrival(raw=numbered(1, 40_000), source_id=line.arrival.source_id), told.append)]
    assert line.intake.submit_at_once(large) == large
    stranger = [(Arrival(raw=b"x", source_id="no such source"), told.append)]
    assert line.intake.submit_at_once(stranger) == stranger
    with monkeypatch.context() as patch:
        patch.setattr("archiver.seal.keyring._TO_OTHERS", 1 << 20)  # the wraps reserved are used up
        assert line.intake.submit_at_once(small) == small
    with monkeypatch.context() as patch:
        patch.setattr("archiver.seal.keyring._MARGIN_SECONDS", 301.0)  # the key is forgotten in a moment
        assert line.intake.submit_at_once(small) == small
    with monkeypatch.context() as patch:
        patch.setattr("archiver.store.dictionaries.DictionaryStore.at_hand", lambda _: False)
        assert line.intake.submit_at_once(small) == small
    # Nobody reads the pipe: it is filled to a half and no further, and nothing ever waits.
    while line.intake.submit_at_once(small) == []:
        assert len(told) < listener.IN_FLIGHT
    assert told == []
    line.intake.abandon()
    assert line.intake.submit_at_once(small) == []
    assert {type(answer) for answer in told} == {StoreError}


def test_the_loop_does_not_wait_for_room_that_the_threads_took_meanwhile(line: _Line, monkeypatch) -> None:
    told: list[Receipt | Exception] = []
    line.intake.submit(line.arrival)
    line.intake.answered(Answered(next(received(line.hears)).ticket, Receipt("m0", "stored")))
    monkeypatch.setattr(line.intake, "_room", threading.Semaphore(1))
    items = [(line.arrival, told.append), (Arrival(numbered(2), line.arrival.source_id), told.append)]
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(line.intake.submit_at_once, items).result(30) == items[1:]
        (said,) = received(line.hears)
        line.intake.answered(Answered(said.ticket, Receipt("m1", "stored")))
        assert told == [Receipt("m1", "stored")]
        assert thread.submit(line.intake.submit_at_once, items[1:]).result(30) == []


def test_a_broken_pipe_acknowledges_none_of_several(line: _Line) -> None:
    told: list[Receipt | Exception] = []
    line.hears.close()
    line.intake.submit_all([(line.arrival, told.append), (line.arrival, told.append)])
    line.intake.abandon()
    line.intake.submit_all([(line.arrival, told.append)])
    assert [type(answer) for answer in told] == [StoreError] * 3


def test_a_full_disk_there_is_told_here(line: _Line) -> None:
    failed = line.intake.submit(line.arrival)
    line.intake.answered(Answered(1, StoreError("no room"), errno=28))
    error = failed.exception(30)
    assert isinstance(error, StoreError)
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == 28


def test_a_refusal_waits_until_it_is_counted(line: _Line) -> None:
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(line.intake.refuse, line.arrival.source_id, "too_large")
        (said,) = received(line.hears)
        assert said == Refused(1, line.arrival.source_id, "too_large")
        assert not done.done()
        line.intake.answered(Answered(1, None))
        done.result(30)


def test_what_waits_while_a_pipe_is_full_arrives_in_order(line: _Line) -> None:
    hears, said = Pipe(duplex=False)
    post = Post(said)
    items = [(n, b"x" * 50_000) for n in range(40)]
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(lambda: [post.send(item) for item in items])
        got: list[object] = []
        while len(got) < len(items):
            got += received(hears)
        sending.result(30)
    assert got == items
    hears.close()
    said.close()


def test_answers_of_a_full_house_fit_into_a_pipe_unread() -> None:
    """The committing thread must never wait for a listener that doesn't read."""
    hears, said = Pipe(duplex=False)
    post = Post(said)
    answer = Receipt("m" + "a" * 15, "duplicate")
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(post.send, *(Answered(2**31 + n, answer) for n in range(listener.IN_FLIGHT)))
        sent.result(30)
    hears.close()
    said.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
