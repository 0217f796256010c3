"""A dictionary in the archive: learnt from its mail, used by its writers, and holding nobody's words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest
from sqlalchemy import func, select, update

from archiver import training
from archiver.capture.ports import Arrival
from archiver.errors import ArchiverError, DestructionRefused
from archiver.seal.dictionary import DictionaryLost
from archiver.store.schema import dictionaries, messages
from archiver.vault import Vault, open_vault
from archiver.verify import Scrubber
from tests.support.holdfast import unguarded
from tests.support.markers import Scanner, marker

LINE = "the ward has sent a note on new rules for all staff and asks each of us to read it today"
WORDS = re.findall(r"\w+", LINE)
SEVEN, ONE_SENDER, THREAD, OFTEN = (marker(name) for name in ("seven", "sender", "thread", "often"))


def mail(
    number: int, *, sender: int | None = None, subject: str = "", more: str = "", reply: str = ""
) -> bytes:
    """A message of its own conversation, sender and day, with much in common with the others."""
    chance = random.Random(number)
    lines = [" ".join(chance.choices(WORDS, k=12)) + "." for _ in range(6)]
    return (
        f"From: s{number if sender is None else sender}@clinic.example\r\nTo: all@clinic.example\r\n"
        f"Subject: {subject or f'item {number}'}\r\nMessage-ID: <n{number}@clinic.example>\r\n"
        + (f"References: {reply}\r\n" if reply else "")
        + f"Date: Tue, {number % 28 + 1:02d} Feb 2022 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        "Please read what the ward has to say of the rules below.\r\n"
        + "\r\n".join(lines)
        + (f"\r\nand {more} it is.\r\n" if more else "\r\n")
    ).encode()


def store(vault: Vault, raws: Iterable[bytes]) -> list[str]:
    source = vault.sources.by_name("desk") or vault.sources.add("import", "desk")
    batch = [vault.preparer.prepare(Arrival(raw, source.id, "Inbox")) for raw in raws]
    return [done.receipt.id for done in vault.archive.commit(batch)]


def learn(vault: Vault) -> training.Trained | None:
    found = training.train(vault, lambda words: set())
    vault.dictionaries.refresh()
    return found


def mean_size(vault: Vault, ids: list[str]) -> float:
    with vault.records.read() as connection:
        size = func.avg(messages.c.pack_length + func.length(messages.c.sealed_meta))
        return float(connection.scalar(select(size).where(messages.c.id.in_(ids))) or 0)


def test_it_is_learnt_used_and_needed(vault: Vault) -> None:
    before = store(vault, map(mail, range(120)))
    assert learn(vault) == training.Trained(1, len(vault.dictionaries.find(1).data), 120)
    raws = [mail(n) for n in range(200, 300)]
    after = store(vault, raws)
    assert mean_size(vault, after) < mean_size(vault, before) * 0.8
    again = open_vault(vault.settings)
    try:
        assert again.dictionaries.newest is not None, "a process that starts takes it up"
        assert [again.archive.open(i).raw for i in after] == raws
        assert [again.archive.open(i).raw for i in before] == [mail(n) for n in range(120)]
        scrubber = Scrubber(again, full=True)
        assert list(scrubber.run()) == []
    finally:
        again.close()


def test_a_writer_takes_up_a_newer_one_and_readers_find_the_old(vault: Vault) -> None:
    store(vault, map(mail, range(60)))
    other = open_vault(vault.settings)
    try:
        learn(vault)
        assert other.dictionaries.newest is None
        other.dictionaries.look_now()
        [first] = store(other, [mail(500)])
        assert other.dictionaries.newest is not None
        learn(other)
        [second] = store(other, [mail(501)])
        assert vault.dictionaries.newest is not None
        assert vault.dictionaries.newest.number == 1
        assert other.dictionaries.newest.number == 2
        for reader in (vault, other):
            assert [reader.archive.open(i).raw for i in (first, second)] == [mail(500), mail(501)]
    finally:
        other.close()


def test_no_words_of_one_message_or_one_correspondence_are_in_it(vault: Vault) -> None:
    thread = "<root@clinic.example>"
    store(
        vault,
        [
            *map(mail, range(60)),
            *(mail(100 + n, more=SEVEN) for n in range(7)),
            *(mail(200 + n, sender=999, more=ONE_SENDER) for n in range(100)),
            # One correspondence of many people, under changing subjects and under one.
            *(mail(400 + n, more=THREAD, reply=thread) for n in range(20)),
            *(mail(500 + n, more=THREAD, subject="Re: " * (n % 3) + "rounds") for n in range(20)),
            *(mail(600 + n, more=OFTEN) for n in range(12)),
        ],
    )
    assert learn(vault) is not None
    data = vault.dictionaries.find(1).data
    assert b"Content-Transfer-Encoding: 7bit" in data
    assert OFTEN.encode() in data, "what is in the mail of many is learnt; else this test proves nothing"
    assert not any(word.encode() in data for word in (SEVEN, ONE_SENDER, THREAD))
    assert b"@" not in data[-len(data) // 2 :]
    store(vault, [mail(700 + n, more=OFTEN) for n in range(5)])
    scanner = Scanner([OFTEN, SEVEN, ONE_SENDER, THREAD])
    scanner.folder(vault.settings.home)
    scanner.database(vault.settings.database_url)
    assert scanner.read > 100_000
    assert scanner.hits == [], "the dictionary lies sealed"


def test_when_one_is_due(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "FEWEST", 40)
    monkeypatch.setattr(training, "GROWTH", 2)
    store(vault, map(mail, range(39)))
    assert not training.due(vault)
    store(vault, [mail(40)])
    assert training.due(vault)
    assert learn(vault) is not None
    assert not training.due(vault)
    store(vault, map(mail, range(100, 140)))
    assert training.due(vault)
    off = vault.settings.model_copy(update={"compression_dictionary": "off"})
    closed = open_vault(off)
    try:
        assert not training.due(closed)
        assert closed.dictionaries.newest is None
        [stored] = store(closed, [mail(900)])
        assert closed.archive.open(stored).raw == mail(900)
    finally:
        closed.close()


def test_mail_with_too_little_in_common_gives_none_and_is_not_tried_again_at_once(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "FEWEST", 5)
    store(vault, [b"From: a@b.example\r\n\r\n%d\r\n" % n for n in range(6)])
    assert learn(vault) is None
    assert not training.due(vault)
    assert vault.dictionaries.numbers() == []


def test_the_database_refuses_to_lose_or_change_one(vault: Vault) -> None:
    store(vault, map(mail, range(60)))
    learn(vault)
    for statement in (
        dictionaries.delete(),
        update(dictionaries).values(messages=0),
        update(dictionaries).values(sealed=b"x"),
    ):
        with pytest.raises(DestructionRefused), vault.records.write() as connection:
            connection.execute(statement)
    assert vault.dictionaries.numbers() == [1]


def test_a_damaged_or_missing_one_is_named_and_stops_no_mail(vault: Vault) -> None:
    if vault.settings.database_url.startswith("postgresql"):
        drop = "DROP TRIGGER guard_dictionaries_{} ON dictionaries"
        with vault.records.write() as connection:
            for verb in ("delete", "update"):
                connection.exec_driver_sql(drop.format(verb))
    else:
        with vault.records.write() as connection:
            unguarded(connection)
    store(vault, map(mail, range(60)))
    learn(vault)
    [needs_it] = store(vault, [mail(500)])
    learn(vault)
    with vault.records.write() as connection:
        row = connection.execute(select(dictionaries).where(dictionaries.c.id == 2)).one()
        damaged = bytes(row.sealed[:-1]) + bytes([row.sealed[-1] ^ 1])
        connection.execute(update(dictionaries).where(dictionaries.c.id == 2).values(sealed=damaged))
        connection.execute(dictionaries.delete().where(dictionaries.c.id == 1))
    hurt = open_vault(vault.settings)
    try:
        assert hurt.dictionaries.newest is None
        [fresh] = store(hurt, [mail(600)])
        assert hurt.archive.open(fresh).raw == mail(600), "what comes in now needs no dictionary"
        with pytest.raises(DictionaryLost):
            hurt.archive.open(needs_it)
        named = {(fault.kind, fault.where) for fault in Scrubber(hurt, full=False).run()}
        assert {("dictionary", "dictionary 1"), ("dictionary", "dictionary 2")} <= named
        # Its description can't be read either, so the message itself is named.
        assert any(f.kind == "dictionary" and needs_it in f.where for f in Scrubber(hurt, full=True).run())
        with pytest.raises(ArchiverError):
            hurt.archive.scan(hurt.archive.find(needs_it))
    finally:
        hurt.close()
