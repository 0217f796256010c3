"""A disposed message's facts are in no byte of the index's files, whatever became of its chunk before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search.engine import columns
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.engine.views import Ask
from search.errors import IndexDamaged
from search.language.tree import Every
from tests.search.engine.test_fts_at_rest import KEY, decrypted

NAME = "qzxvheliotrope"
LINK, TOPIC, ALIKE = 0x51C0FFEE5EED0001, 0x51C0FFEE5EED0102, (0x51C0FFEE5EED0003, 0x51C0FFEE5EED0004)
NEEDLES = [NAME.encode(), *(np.uint64(n).tobytes() for n in (LINK, TOPIC, *ALIKE))]
SIZE = 0x51C0FFEE5E


def bearer(row: int) -> IndexDocument:
    tags = (f"sender:{NAME}@a", f"custodian:{NAME}@b", f"record:{NAME}", f"state:{NAME}")
    return IndexDocument(
        row, SIZE, tags=tags, sources=(f"{NAME}-s",), links=(LINK,), topic=TOPIC, likeness=ALIKE
    )


def others(start: int, count: int) -> list[IndexDocument]:
    return [
        IndexDocument(
            start + n,
            n,
            "filler",
            tags=(f"sender:s{n}@x", "state:ca"),
            sources=("s1",),
            links=(start + n,),
            likeness=(n + 1, n + 2),
        )
        for n in range(count)
    ]


def in_files(folder: Path, to: Path) -> list[bool]:
    plain = decrypted(folder, to)
    return [needle.lower() in plain for needle in [*NEEDLES, np.int64(SIZE).tobytes()]]


@pytest.mark.parametrize("then", ["alone", "among others", "merged", "indexed again"])
def test_disposed_facts_leave_the_files(tmp_path: Path, then: str) -> None:
    folder = tmp_path / "index"
    writer = FtsWriter(folder, KEY)
    writer.add(others(1_000, 300))
    writer.add([bearer(5)] if then != "among others" else [bearer(5), *others(5_000, 400)])
    if then == "merged":
        for n in range(9):
            writer.add(others(10_000 + 10 * n, 3))
    if then == "indexed again":
        writer.add(others(20_000, 5_000))
        writer.add([IndexDocument(5, 1, tags=("sender:new@x",))])
    writer._checkpoint()
    assert all(in_files(folder, tmp_path / "before"))
    writer.remove([5])
    assert (folder / "index.db-wal").stat().st_size < 64_000
    writer.close()
    assert not any(in_files(folder, tmp_path / "after"))
    reader = FtsReader(folder, KEY)
    reader.check()
    (facet,) = reader.view(Every(), limit=1, ask=Ask(facets=("sender",), top=100_000)).facets
    assert f"{NAME}@a" not in dict(facet.values)
    reader.close()


def test_a_cleared_index_keeps_no_facts(tmp_path: Path) -> None:
    writer = FtsWriter(tmp_path / "index", KEY)
    writer.add([bearer(5), *others(1_000, 300)])
    writer.clear()
    writer.close()
    assert not any(in_files(tmp_path / "index", tmp_path / "after"))


def test_facts_that_are_missing_are_damage(tmp_path: Path) -> None:
    writer = FtsWriter(tmp_path / "index", KEY)
    writer.add(others(1_000, 30))
    with writer._transaction():
        columns.purge(writer._db, [1_003])
    writer.close()
    reader = FtsReader(tmp_path / "index", KEY)
    with pytest.raises(IndexDamaged):
        reader.check()
    reader.close()


def test_old_facts_of_messages_indexed_again_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "SUPERSEDED", 50)
    monkeypatch.setattr(columns, "SMALL", 0)
    writer = FtsWriter(tmp_path / "index", KEY)
    reader = FtsReader(tmp_path / "index", KEY)
    for turn in range(12):
        writer.add([IndexDocument(n, turn, tags=(f"sender:t{turn}@x",)) for n in range(40)])
        (facet,) = reader.view(Every(), limit=1, ask=Ask(facets=("sender",))).facets
        assert facet.values == ((f"t{turn}@x", 40),)
    held = writer._db.execute("SELECT sum(count) FROM chunk").get
    assert 40 <= held <= 40 + 2 * 51 + 40
    reader.check()
    reader.close()
    writer.close()
