"""Checkpoints in the records database: exact about folders' names, which it doesn't hold."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from archiver.capture.checkpoints import RecordsCheckpoints
from archiver.capture.imap.source import FolderCheckpoint
from archiver.store.schema import imap_usage
from archiver.vault import Vault


def test_folders_are_told_apart_exactly(vault: Vault) -> None:
    source = vault.sources.add("imap", "box").id
    checkpoints = RecordsCheckpoints(vault.records, vault.blind)
    names = ["INBOX", "Work", "work", " Work", "Work ", "&AOk-", "é", "e\u0301", "\udcff", "", "a\0b"]
    for number, name in enumerate(names, 1):
        assert checkpoints.get(source, name) is None
        checkpoints.set(source, name, FolderCheckpoint(number, 4_294_967_295, 2**32, number))
    for number, name in enumerate(names, 1):
        assert checkpoints.get(source, name) == FolderCheckpoint(number, 4_294_967_295, 2**32, number)
    checkpoints.set(source, "Work", FolderCheckpoint(77, 1))
    assert checkpoints.get(source, "Work") == FolderCheckpoint(77, 1, 0, 0)
    assert checkpoints.get("another", "Work") is None


def test_keys_of_gaps_are_opaque_and_stable(vault: Vault) -> None:
    checkpoints = RecordsCheckpoints(vault.records, vault.blind)
    keys = {checkpoints.blind("s1", *words) for words in (("a", "b"), ("ab",), ("A", "b"), ("a", "b", ""))}
    assert len(keys | {checkpoints.blind("s2", "a", "b")}) == 5
    assert checkpoints.blind("s1", "a", "b") in keys
    assert all(len(key) == 32 and set(key) <= set("0123456789abcdef") for key in keys)


def test_bytes_of_a_day(vault: Vault) -> None:
    checkpoints = RecordsCheckpoints(vault.records, vault.blind)
    one, two = vault.sources.add("imap", "one").id, vault.sources.add("imap", "two").id
    first, second = date(2026, 1, 31), date(2026, 2, 1)
    checkpoints.use(one, first, 3_000_000_000)
    checkpoints.use(one, first, 3_000_000_000)
    checkpoints.use(two, first, 5)
    assert (checkpoints.used(one, first), checkpoints.used(two, first)) == (6_000_000_000, 5)
    assert checkpoints.used(one, second) == 0
    checkpoints.use(one, second, 7)
    with vault.records.read() as connection:
        rows = connection.execute(select(imap_usage.c.source_id, imap_usage.c.bytes)).all()
    assert {tuple(row) for row in rows} == {(one, 7), (two, 5)}
