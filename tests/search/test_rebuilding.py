"""`reindex`: a new index is built beside the one in use and takes its place whole, whatever happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from api.app import App, open_app
from archiver.store import dialect
from archiver.store.schema import (
    hold_items,
    index_builds,
    index_changes,
    index_removals,
    messages,
    unindexed,
)
from config.settings import Settings
from retention.disposition.summaries import index_pending
from search import rebuilding, rebuilds
from search.engine import database
from search.engine.fts import FtsReader, FtsWriter
from search.engine.shelf import FtsShelf
from search.errors import IndexLocked, IndexOutdated, NoRoom
from search.indexer import Indexer, Put
from search.language import parse
from search.language.tree import Query
from search.rebuilding import Rebuilder, Stopped
from search.verify_index import check_index
from tests.retention.whole_house import House, found, mail, open_house
from tests.search.oracle.test_exactness import dispose


@contextmanager
def as_app(house: House) -> Iterator[App]:
    """The same archive as commands see it: the house lets go of its index meanwhile."""
    house.writer.close()
    app = open_app(house.vault.settings)
    try:
        yield app
    finally:
        app.close()


def shelf_of(house: House) -> FtsShelf:
    return FtsShelf(house.vault.settings.index_dir, house.vault.keyring.branch_key("index"))


def rebuilder_of(house: House) -> Rebuilder:
    def beside(writer: object, reader: object) -> Indexer:
        return Indexer(house.vault, writer, house.holds.standing_queries)  # type: ignore[arg-type]

    return Rebuilder(house.vault, shelf_of(house), beside, house.holds.match_again)


def quiet(*_: object) -> None:
    """Nobody is told."""


def put(house: House, number: int, subject: str = "marrow") -> set[int]:
    done = {one.pk for one in house.capture(*(house.arrival(mail(subject=subject)) for _ in range(number)))}
    house.index()
    return done


def sound(house: House) -> bool:
    """Whether the index holds what the records say; nothing of a build is left."""
    with house.vault.records.read() as connection:
        left = [*connection.execute(select(index_builds)), *connection.execute(select(index_changes))]
    fresh = FtsReader(house.vault.settings.index_dir, house.vault.keyring.branch_key("index"))
    try:
        return not left and not list(check_index(house.vault, fresh))
    finally:
        fresh.close()


def folders(house: House) -> list[str]:
    return sorted(path.name for path in house.vault.settings.index_dir.iterdir() if path.is_dir())


def meanwhile(monkeypatch: pytest.MonkeyPatch, batch: int, act: Callable[[int], None]) -> None:
    """Have a rebuild take `batch` messages at a time, and something done after each of them."""
    monkeypatch.setattr(rebuilding, "BATCH", batch)
    real = rebuilds.advance
    times = 0

    def advance(*given: object) -> None:
        nonlocal times
        real(*given)  # type: ignore[arg-type]
        times += 1
        act(times)

    monkeypatch.setattr(rebuilds, "advance", advance)


def test_the_new_index_finds_what_the_old_one_did(house: House) -> None:
    kept = put(house, 5)
    old = house.reader
    rebuilder = rebuilder_of(house)
    rebuilder.build(quiet)
    assert found(house, "marrow") == kept
    assert shelf_of(house).in_use() == ""
    house.writer.close()
    assert rebuilder.take_up()
    assert not rebuilder.take_up()
    assert set(old.all_rowids(_tree("marrow"))) == kept, "a reader that is open follows"
    assert folders(house) == [shelf_of(house).in_use()]
    assert not (house.vault.settings.index_dir / "index.db").exists()
    assert sound(house)
    rebuilder.run(quiet)
    assert folders(house) == [shelf_of(house).in_use()]
    assert sound(house)


def test_live_mail_labels_and_disposals_are_in_the_new_index_too(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(house, 9)
    gone = sorted(kept)[0], sorted(kept)[8]
    late: set[int] = set()

    def act(times: int) -> None:
        if times == 1:
            late.update(put(house, 2, "latecomer marrow"))
        if times == 2:
            dispose(house, gone)
            with house.vault.records.read() as connection:
                # The certificate waits for the index that is being built.
                assert index_pending(connection) == 2
        if times == 3:
            house.holds.create(house.lawyer, matter, message_ids=[_id(house, sorted(kept)[4])])
            house.index()
        assert found(house, "latecomer") == late, "the index in use goes on"

    meanwhile(monkeypatch, 2, act)
    rebuilder_of(house).build(quiet)
    with house.vault.records.read() as connection:
        assert index_pending(connection) == 0
    early = put(house, 1, "after it was whole")
    house.writer.close()
    assert rebuilder_of(house).take_up()
    assert found(house, "marrow") == (kept - set(gone)) | late
    assert found(house, f"matter:{matter}") == {sorted(kept)[4]}
    assert found(house, "whole") == early
    assert sound(house)


def test_what_waits_in_the_queues_is_learnt_after_the_change(house: House) -> None:
    kept = put(house, 3)
    rebuilder = rebuilder_of(house)
    rebuilder.build(quiet)
    new = {one.pk for one in house.capture(house.arrival(mail(subject="marrow")))}
    dead = sorted(kept)[0]
    with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        connection.execute(index_removals.insert().values(message_pk=dead))
    house.writer.close()
    assert rebuilder.take_up()
    with as_app(house) as app:
        assert app.catch_up()
    assert found(house, "marrow") == (kept - {dead}) | new


def test_a_stopped_build_goes_on_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = put(house, 8)
    stop = threading.Event()
    meanwhile(monkeypatch, 2, lambda times: stop.set() if times == 2 else None)
    with pytest.raises(Stopped):
        rebuilder_of(house).build(quiet, stop)
    monkeypatch.undo()
    later = rebuilder_of(house)
    assert later.due()
    assert (later.plan().messages, later.plan().done) == (8, 4)
    name = folders(house)
    indexed: list[int] = []
    later.build(lambda phase, done, _: indexed.append(done) if phase == "indexing" else None)
    assert indexed[0] == 4
    assert folders(house) == name
    house.writer.close()
    assert later.take_up()
    assert found(house, "marrow") == kept
    assert sound(house)


def test_afresh_begins_at_the_beginning(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    put(house, 8)
    stop = threading.Event()
    meanwhile(monkeypatch, 2, lambda _: stop.set())
    with pytest.raises(Stopped):
        rebuilder_of(house).build(quiet, stop)
    rebuilder_of(house).forget()
    assert folders(house) == []
    assert rebuilder_of(house).plan().done == 0


def test_half_an_index_that_was_spoilt_is_begun_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = put(house, 8)
    stop = threading.Event()
    meanwhile(monkeypatch, 2, lambda _: stop.set())
    with pytest.raises(Stopped):
        rebuilder_of(house).build(quiet, stop)
    monkeypatch.undo()
    (half,) = folders(house)
    path = house.vault.settings.index_dir / half / "index.db"
    spoilt = bytearray(path.read_bytes())
    spoilt[5_000] ^= 1
    path.write_bytes(spoilt)
    house.writer.close()
    rebuilder_of(house).run(quiet)
    assert folders(house) != [half]
    assert found(house, "marrow") == kept
    assert sound(house)


def test_one_builds_and_another_is_told_so(house: House) -> None:
    put(house, 1)
    with shelf_of(house).building(), pytest.raises(IndexLocked):
        rebuilder_of(house).build(quiet)
    # The index in use is written by somebody: the new one waits.
    rebuilder_of(house).build(quiet)
    assert not rebuilder_of(house).take_up()
    house.writer.close()
    assert rebuilder_of(house).take_up()


def test_no_room_is_said_before_anything_is_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    put(house, 1)
    monkeypatch.setattr(FtsShelf, "free_bytes", lambda _: 1_000)
    with pytest.raises(NoRoom, match="bytes of disk"):
        rebuilder_of(house).build(quiet)
    assert folders(house) == []
    assert sound(house)


def test_gaps_are_found_and_closed_before_it_is_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = put(house, 6)
    lost = sorted(kept)[2]
    real = Indexer.put
    lose = True

    def losing(self: Indexer, pks: list[int]) -> object:
        nonlocal lose
        chosen = [pk for pk in pks if not (lose and pk == lost)]
        result = real(self, chosen)
        lose = False
        return Put(len(pks), result.again)

    monkeypatch.setattr(Indexer, "put", losing)
    house.writer.close()
    rebuilder_of(house).run(quiet)
    assert found(house, "marrow") == kept
    assert sound(house)


def test_what_could_not_be_indexed_and_now_can_is_listed_no_more(house: House) -> None:
    (pk,) = put(house, 1)
    with house.vault.records.write() as connection:
        connection.execute(unindexed.insert().values(message_pk=pk, reason="damaged"))
    house.writer.close()
    rebuilder_of(house).run(quiet)
    with house.vault.records.read() as connection:
        assert connection.execute(select(unindexed)).all() == []


def test_a_query_hold_made_while_it_was_built_looks_into_the_new_one(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new index may know more of old mail: text that could not be read then."""
    (pk,) = put(house, 1)
    real = Indexer._documents

    def richer(self: Indexer, texts: object) -> object:
        documents = real(self, texts)  # type: ignore[arg-type]
        object.__setattr__(documents[0], "attachment", "zebrascan")
        return documents

    with monkeypatch.context() as patch:
        patch.setattr(Indexer, "_documents", richer)
        rebuilder_of(house).build(quiet)
    hold = house.holds.create(house.lawyer, matter, query="zebrascan")
    assert hold["matched"] == 0
    house.writer.close()
    assert rebuilder_of(house).take_up()
    assert found(house, "zebrascan") == {pk}
    report = house.holds.preview(house.lawyer, matter, query="zebrascan")
    assert report["matched"] == 1
    with house.vault.records.read() as connection:
        assert list(connection.scalars(select(hold_items.c.message_pk))) == [pk]


# --- an index that this version can't use ----------------------------------------------------------


def outdate(house: House) -> None:
    """Make the index in use look like one of an older layout."""
    house.writer.close()
    house.reader.close()
    folder = house.vault.settings.index_dir / shelf_of(house).in_use()
    db = database.open_database(folder, house.vault.keyring.branch_key("index"), create=True, cache_mib=1)
    db.execute("PRAGMA user_version = 1").fetchall()
    db.close()


def test_an_index_of_another_layout_is_left_alone_and_a_new_one_is_built(house: House) -> None:
    kept = put(house, 3)
    outdate(house)
    folder, key = house.vault.settings.index_dir, house.vault.keyring.branch_key("index")
    reader = FtsReader(folder, key)
    with pytest.raises(IndexOutdated, match="reindex"):
        reader.count(_tree("*"))
    with pytest.raises(IndexOutdated):
        FtsWriter(folder, key)
    new = {one.pk for one in house.capture(house.arrival(mail(subject="marrow")))}
    with as_app(house) as app:
        assert app.rebuilder().unusable()
        assert app.catch_up()
        assert not app.rebuilder().unusable()
    assert set(reader.all_rowids(_tree("marrow"))) == kept | new
    reader.close()
    assert sound(house)


def test_a_layout_that_can_still_be_read_answers_until_the_new_one_is_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(house, 3)
    house.writer.close()
    old = database.VERSION
    folder = house.vault.settings.index_dir
    monkeypatch.setattr(database, "READABLE", frozenset({old, old + 1}))
    monkeypatch.setattr(database, "VERSION", old + 1)
    monkeypatch.setattr(database, "_SCHEMA", f"{database._SCHEMA} PRAGMA user_version = {old + 1};")
    monkeypatch.setattr("search.engine.shelf.VERSION", old + 1)
    monkeypatch.setattr(FtsShelf, "layout", old + 1)
    reader = FtsReader(folder, house.vault.keyring.branch_key("index"))
    rebuilder = rebuilder_of(house)
    assert rebuilder.unusable()
    rebuilder.build(quiet)
    assert set(reader.all_rowids(_tree("marrow"))) == kept
    with pytest.raises(IndexOutdated):
        FtsWriter(folder, house.vault.keyring.branch_key("index"))
    assert rebuilder.take_up()
    assert not rebuilder.unusable()
    assert set(reader.all_rowids(_tree("marrow"))) == kept
    reader.close()


def test_a_lost_index_is_never_an_empty_one(house: House, caplog: pytest.LogCaptureFixture) -> None:
    kept = put(house, 3)
    house.writer.close()
    shelf_of(house).drop()
    caplog.set_level(logging.WARNING)
    with as_app(house) as app:
        with pytest.raises(IndexOutdated):
            app.index_writer()
        assert app.catch_up()
        assert set(app.reader.all_rowids(_tree("marrow"))) == kept


def test_a_pointer_to_nowhere_is_damage_and_is_mended(house: House) -> None:
    kept = put(house, 3)
    house.writer.close()
    path: Path = house.vault.settings.index_dir / "index.in-use"
    path.write_text("../../etc")
    assert shelf_of(house).standing() == "damaged"
    fresh = FtsReader(house.vault.settings.index_dir, house.vault.keyring.branch_key("index"))
    assert [fault.kind for fault in check_index(house.vault, fresh)] == ["index"]
    rebuilder_of(house).run(quiet)
    assert set(fresh.all_rowids(_tree("marrow"))) == kept
    fresh.close()


def test_damaged_pages_are_named_and_mended(house: House) -> None:
    kept = put(house, 40)
    house.writer.close()
    house.reader.close()
    path = house.vault.settings.index_dir / "index.db"
    spoilt = bytearray(path.read_bytes())
    pages = len(spoilt) // 8192
    for page in (3, pages - 1):
        spoilt[page * 8192 + 100] ^= 4
    path.write_bytes(spoilt)
    reader = FtsReader(house.vault.settings.index_dir, house.vault.keyring.branch_key("index"))
    (fault,) = check_index(house.vault, reader)
    assert f"page 4, {pages} of index.db" in fault.what
    rebuilder_of(house).run(quiet)
    assert set(reader.all_rowids(_tree("marrow"))) == kept
    assert list(check_index(house.vault, reader)) == []
    reader.close()


def test_the_same_archive_opened_again_uses_the_new_index(settings: Settings) -> None:
    with open_house(settings) as house:
        kept = put(house, 2)
        house.writer.close()
        rebuilder_of(house).run(quiet)
    with open_house(settings, again=True) as house:
        assert found(house, "marrow") == kept
        more = put(house, 1)
        assert found(house, "marrow") == kept | more
        assert sound(house)


def _tree(text: str) -> Query:
    return parse(text, now=datetime.now(UTC)).tree


def _id(house: House, pk: int) -> str:
    with house.vault.records.read() as connection:
        return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))
