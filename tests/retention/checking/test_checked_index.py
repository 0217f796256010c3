"""The index beside the records: what is late is no fault, what is lost is named."""

from __future__ import annotations

from sqlalchemy import delete, select

from archiver.store.schema import index_removals, messages
from search.verify_index import check_index
from tests.retention.whole_house import House


def faults(house: House) -> list[tuple[str, str]]:
    return [(one.where, one.what.partition(";")[0]) for one in check_index(house.vault, house.reader)]


def test_what_waits_to_be_indexed_is_late(house: House) -> None:
    house.old(3)
    assert faults(house) == []
    house.index()
    assert faults(house) == []


def test_what_is_missing_is_named(house: House) -> None:
    first, second, third = house.old(3)
    house.index()
    house.writer.remove([first.pk, third.pk])
    what = "it is missing from the index"
    ids = {one.pk: one.receipt.id for one in (first, third)}
    assert faults(house) == [(ids[pk], what) for pk in sorted(ids)]
    assert second.pk in house.living()


def test_what_was_destroyed_is_late_until_its_words_have_left(house: House) -> None:
    house.confirm_all()
    (one,) = house.old()
    house.index()
    house.dispositions.execute(house.third, house.due())
    with house.vault.records.read() as connection:
        assert connection.scalar(select(messages.c.disposed_us).where(messages.c.pk == one.pk)) is not None
        assert connection.scalars(select(index_removals.c.message_pk)).all() == [one.pk]
    assert faults(house) == []
    with house.vault.records.write() as connection:
        connection.execute(delete(index_removals))
    assert faults(house) == [("index", "1 rows belong to no living message")]
