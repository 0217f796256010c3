"""The pool that prepares arrivals in other processes, in chunks."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

import pytest

from archiver import vault as vaults
from archiver.capture.checkpoints import RecordsImportJournal
from archiver.capture.pool import CHUNK_MESSAGES, PreparePool, idle_processors, idle_share
from archiver.capture.ports import Arrival
from archiver.capture.prepare import Prepared, delivery_detail, describe
from archiver.errors import StoreError
from archiver.message.envelope import resolve_envelope
from archiver.message.parse import parse
from archiver.vault import Vault
from config.settings import Settings, load

MAIL = (
    b"From: Ann Example <ann@example.org>\r\nTo: Bob <bob@example.org>, cy@example.org\r\nSubject: s\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbody\r\n"
    b'--b\r\nContent-Type: text/plain; name="a.txt"\r\n\r\nattached\r\n--b--\r\n'
)


@pytest.fixture
def one(tmp_path) -> Iterator[tuple[Vault, Settings]]:
    settings = load({"home": tmp_path / "home", "root_key": f"file:{tmp_path / 'k' / 'root.key'}"}, {})
    vaults.create(settings)
    vault = vaults.open_vault(settings)
    yield vault, settings
    vault.close()


@pytest.mark.parametrize("processes", [0, 1])
def test_every_arrival_gets_its_own_preparation(one: tuple[Vault, Settings], processes: int) -> None:
    vault, settings = one
    pool = PreparePool(vault.preparer, settings, processes)
    raws = [MAIL + b"%d\r\n" % number for number in range(3 * CHUNK_MESSAGES + 1)]
    waiting = [pool(Arrival(raw=raw, source_id="s"), frozenset()) for raw in raws]
    pool.close()
    assert all(future.done() for future in waiting)
    assert [f.result().sha256 for f in waiting] == [hashlib.sha256(raw).digest() for raw in raws]


def test_one_arrival_that_fails_takes_no_other_with_it(one: tuple[Vault, Settings]) -> None:
    vault, settings = one
    pool = PreparePool(vault.preparer, settings, 1)
    # No door makes such an arrival; it stands for a fault of ours.
    bad = Arrival(raw=MAIL, source_id="s", received_at=cast("None", "not a time"))
    arrivals = [Arrival(raw=MAIL, source_id="s"), bad, Arrival(raw=MAIL, source_id="s")]
    first, failed, last = [pool(arrival, frozenset()) for arrival in arrivals]
    pool.close()
    assert first.result().sha256 == last.result().sha256
    assert isinstance(failed.exception(), AttributeError)


def test_a_killed_worker_fails_what_it_was_given_and_all_that_comes(one: tuple[Vault, Settings]) -> None:
    vault, settings = one
    pool = PreparePool(vault.preparer, settings, 1)
    assert pool(Arrival(raw=MAIL, source_id="s"), frozenset()).result(120).size == len(MAIL)
    assert pool._feeder is not None
    pool._feeder._workers[0]._beside.process.kill()
    for _ in range(3 * CHUNK_MESSAGES):
        assert isinstance(pool(Arrival(raw=MAIL, source_id="s"), frozenset()).exception(120), StoreError)
    pool.close()


def test_workers_that_cannot_open_the_archive_fail_what_they_are_given(one: tuple[Vault, Settings]) -> None:
    vault, settings = one
    lost = settings.model_copy(update={"root_key": f"file:{settings.home.parent / 'lost.key'}"})
    pool = PreparePool(vault.preparer, lost, 2)
    failed = [pool(Arrival(raw=MAIL, source_id="s"), frozenset()) for _ in range(3)]
    assert all(isinstance(future.exception(120), StoreError) for future in failed)
    pool.close()


def test_a_message_that_is_larger_than_a_chunk_is_handed_over_alone(one: tuple[Vault, Settings]) -> None:
    vault, settings = one
    pool = PreparePool(vault.preparer, settings, 1)
    large = MAIL + b"x" * (2 << 20)
    done = pool(Arrival(raw=large, source_id="s"), frozenset())
    pool.close()
    assert done.result().size == len(large)


def test_descriptions_hold_every_field_of_what_they_describe() -> None:
    parsed = parse(MAIL)
    envelope = resolve_envelope(parsed, None, None, ())
    told = describe(parsed)
    assert told["from"] == [asdict(a) for a in parsed.from_]
    assert told["to"] == [asdict(a) for a in parsed.to]
    assert told["parts"] == [asdict(p) for p in parsed.parts]
    detail = delivery_detail(Arrival(raw=MAIL, source_id="s"), envelope)["envelope"]
    whole = asdict(envelope)
    assert {**detail, "recipients": list(detail["recipients"])} == {
        **whole,
        "recipients": list(whole["recipients"]),
    }


def test_a_later_import_of_a_source_knows_what_an_earlier_one_marked(vault: Vault) -> None:
    def journal(*custodians: str) -> RecordsImportJournal:
        return RecordsImportJournal(vault.records, vault.blind, source.id, custodians, "")

    source = vault.sources.add("import", "a source")
    first = journal()
    assert not first.seen(["item 1"])
    first.mark(["item 1"])
    later = journal()
    assert later.seen(["item 1", "item 2", *map(str, range(1_200))]) == {"item 1"}
    # The same item for another owner, or vouched for otherwise, must reach the archive again.
    assert not journal("ann@example.org").seen(["item 1"])
    vouched = RecordsImportJournal(vault.records, vault.blind, source.id, (), "", ("mx.example.org",))
    assert not vouched.seen(["item 1"])
    believed = RecordsImportJournal(vault.records, vault.blind, source.id, (), "", reports=True)
    assert not believed.seen(["item 1"])
    later.mark(["item 2", "item 1"])
    assert journal().seen(["item 2", "item 1"]) == {"item 1", "item 2"}


def test_prepared_together_is_prepared_alone(one: tuple[Vault, Settings]) -> None:
    vault, _ = one
    mail = [Arrival(raw=MAIL + b"%d" % n, source_id="s") for n in range(5)]
    broken = Arrival(raw=cast(bytes, 7), source_id="s")
    together = vault.preparer.prepare_all([(a, frozenset()) for a in (*mail[:2], broken, *mail[2:])])
    assert isinstance(together.pop(2), TypeError)
    for prepared, arrival in zip(together, mail, strict=True):
        alone = vault.preparer.prepare(arrival)
        assert isinstance(prepared, Prepared)
        assert (prepared.sha256, prepared.detail, prepared.custodians) == (
            hashlib.sha256(arrival.raw).digest() if isinstance(arrival.raw, bytes) else b"",
            alone.detail,
            alone.custodians,
        )
        assert dataclasses.replace(prepared.text, tags=()) == dataclasses.replace(alone.text, tags=())


def test_what_is_handed_over_arrives_whole(one: tuple[Vault, Settings]) -> None:
    vault, _ = one
    prepared = vault.preparer.prepare(Arrival(raw=MAIL, source_id="s", original=b"another file"))
    assert prepared.report is not None
    there = pickle.loads(pickle.dumps(prepared))
    # Its text is handed on packed, and unpacked where it is indexed.
    assert pickle.loads(pickle.dumps(there)) == there
    assert (there.text.weight, there.text.unpacked()) == (prepared.text.weight, prepared.text)
    assert dataclasses.replace(there, text=prepared.text) == prepared


def test_another_process_is_begun_once_arrivals_wait(
    one: tuple[Vault, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, settings = one
    pool = PreparePool(vault.preparer, settings, 2)
    assert pool._feeder is not None
    assert len(pool._feeder._workers) == 1
    monkeypatch.setattr("archiver.capture.pool.WAITED_SECONDS", 0.0)
    monkeypatch.setattr("archiver.capture.pool.IDLE_SHARE", float("inf"))
    busy = [pool(Arrival(raw=MAIL + b"%d" % n, source_id="s"), frozenset()) for n in range(40, 80)]
    assert all(isinstance(each.result(120), Prepared) for each in busy)
    assert len(pool._feeder._workers) == 1
    # Not 0: what the system says of idle time may go back a little (proc(5), iowait).
    monkeypatch.setattr("archiver.capture.pool.IDLE_SHARE", float("-inf"))
    done = [pool(Arrival(raw=MAIL + b"%d" % n, source_id="s"), frozenset()) for n in range(40)]
    pool.close()
    assert len(pool._feeder._workers) == 2
    assert len({each.result().sha256 for each in done}) == 40


def test_a_busy_machine_is_told_from_an_idle_one() -> None:
    assert idle_share((100, 200), (150, 300)) == 0.5
    assert idle_share((100, 200), (100, 300)) == 0.0
    # Who can't tell begins another, as many as were asked for at most.
    assert idle_share(None, (1, 2)) == idle_share((1, 2), None) == idle_share((1, 2), (1, 2)) == 1.0
    if sys.platform == "linux":
        before = idle_processors()
        assert before is not None
        assert 0 < before[0] <= before[1]
