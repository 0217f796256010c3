"""Dropping an index: killed at any moment, it leaves the whole index or none."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from search.engine.database import FILE_NAME
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.engine.shelf import FtsShelf
from search.errors import IndexLocked, IndexUnavailable
from search.language.tree import Every
from tests.search.engine.conftest import KEY


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("rebuilt", [False, True])
@pytest.mark.parametrize("unlinked", range(8))
def test_a_drop_that_is_killed_leaves_the_whole_index_or_none(
    tmp_path: Path, rebuilt: bool, unlinked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    shelf = FtsShelf(folder, KEY)
    writer = FtsWriter(folder, KEY)
    writer.add([IndexDocument(1, 1)])
    writer.close()
    if rebuilt:
        # As a kill leaves it that came right after the exchange: the one before isn't swept.
        name = shelf.new_name()
        shelf.writer(name).close()
        shelf.put_in_use(name)
        writer = FtsWriter(folder, KEY)
        writer.add([IndexDocument(n, 1) for n in (1, 2)])
        writer.close()
    # A reader keeps the log from being folded into the file, and deleted, by the last writer that leaves.
    reader = FtsReader(folder, KEY)
    writer = FtsWriter(folder, KEY)
    assert reader.count(Every()) == 1 + rebuilt
    writer.add([IndexDocument(3, 1)])
    writer.close()
    unlink, left = Path.unlink, unlinked

    def some(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if not left:
            raise _Killed
        left -= 1
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", some)
        try:
            shelf.drop()
        except _Killed:
            pass
        else:
            assert not (folder / "index.in-use").exists()
    reader.close()
    assert shelf.standing() == ("missing" if unlinked else "sound")
    if not unlinked:
        fresh = FtsReader(folder, KEY)
        assert fresh.count(Every()) == 2 + rebuilt
        fresh.close()
    shelf.drop()
    assert shelf.standing() == "missing"
    assert not list(folder.glob("**/index.db*"))


@pytest.mark.parametrize("trouble", [apsw.BusyError, apsw.CantOpenError, apsw.IOError])
def test_an_index_that_cannot_be_looked_at_now_is_not_taken_for_lost(
    tmp_path: Path, trouble: type[apsw.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    FtsWriter(folder, KEY).close()
    shelf = FtsShelf(folder, KEY)

    def refused(*_: object, **__: object) -> None:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(apsw, "Connection", refused)
        with pytest.raises(IndexLocked if trouble is apsw.BusyError else IndexUnavailable):
            shelf.standing()
    assert shelf.standing() == "sound"
    (folder / FILE_NAME).write_bytes(b"")
    assert shelf.standing() == "missing"
