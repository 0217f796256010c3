"""Homes of earlier formats must open for ever, and damaged ones must be told from sound ones."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from sqlalchemy import select

from archiver.capture.ports import Arrival
from archiver.errors import KeyDestroyed
from archiver.store.schema import messages
from search.access import Purpose
from tests.museum.stores.make import HERE, MESSAGES, SETTINGS, SHARED, long_due, shared
from tests.support.golden import REPORT, store
from tests.support.holdfast import Home, actor
from tests.support.mail import numbered

SOUND = sorted(path.name for path in HERE.glob("golden-*.tar.gz"))
DAMAGED = {
    "flipped-part-v3.tar.gz": ("seal_broken", "a"),
    "rolled-back-records-v3.tar.gz": ("cut_tail", "captures"),
    "flipped-part-v2.tar.gz": ("seal_broken", "a"),
    "rolled-back-records-v2.tar.gz": ("cut_tail", "captures"),
    "flipped-pack-v1.tar.gz": ("seal_broken", "m"),
    "rolled-back-records-v1.tar.gz": ("cut_tail", "captures"),
}


def unpacked(exhibit: str, to: Path) -> Home:
    """The home of an exhibit, brought to this version's schema and indexed anew."""
    with tarfile.open(HERE / exhibit) as archive:
        archive.extractall(to, filter="data")
    home = Home(to, extra=SETTINGS)
    # On a rolled-back home every command ends with 1, as soon as it would publish.
    assert home.run("init", "--json").document["created"] is False
    return home


def test_every_exhibit_is_looked_at() -> None:
    assert {path.name for path in HERE.glob("*.tar.gz")} == {*SOUND, *DAMAGED}
    assert SOUND
    assert all(path.stat().st_size < 200_000 for path in HERE.glob("*.tar.gz"))


@pytest.mark.parametrize("exhibit", SOUND)
def test_a_sound_home_opens(exhibit: str, tmp_path: Path) -> None:
    home = unpacked(exhibit, tmp_path)
    home.ok("reindex")
    assert home.verify() == []
    with home.app() as app:
        who = actor()
        page = app.room.search(who, Purpose.AUDIT, "museum", limit=100)
        assert page.total == MESSAGES
        raws = {app.room.open(who, Purpose.AUDIT, item.id).raw for item in page.items}
        assert raws == {numbered(n, stream="museum") for n in range(MESSAGES)}
        (reported,) = app.room.search(who, Purpose.AUDIT, "bcc:counsel@law.example").items
        opened = app.room.open(who, Purpose.AUDIT, reported.id)
        assert opened.raw == numbered(1, stream="journalled")
        (report,) = (d.report_id for d in opened.record.deliveries)
        assert app.room.open(who, Purpose.AUDIT, str(report)).raw == REPORT
        scans = app.room.search(who, Purpose.AUDIT, "subject:scan AND has:attachment", limit=100)
        raws = {app.room.open(who, Purpose.AUDIT, item.id).raw for item in scans.items}
        # Format 1 had no shared parts.
        assert raws == (set() if "-v1" in exhibit else {shared(n) for n in range(SHARED)})
        (held,) = app.holds.list(who)
        assert (held["state"], held["matched"] > 0) == ("active", True)
        with app.vault.records.read() as connection:
            gone = connection.scalars(select(messages.c.id).where(messages.c.disposed_us.is_not(None))).all()
        assert len(gone) == 1
        with pytest.raises(KeyDestroyed):
            app.room.open(who, Purpose.AUDIT, gone[0])
        assert app.room.search(who, Purpose.AUDIT, "subject:99").total == 0
        # It takes new mail, and what it disposed of may come again as new.
        source = app.vault.sources.by_name("desk")
        assert source is not None
        store(app, [Arrival(long_due(), source.id)])
        assert app.room.search(who, Purpose.AUDIT, "subject:99").total == 1
    assert home.verify() == []


@pytest.mark.parametrize("exhibit", DAMAGED)
def test_a_damaged_home_is_named(exhibit: str, tmp_path: Path) -> None:
    kind, where = DAMAGED[exhibit]
    home = unpacked(exhibit, tmp_path)
    assert any(fault["kind"] == kind and fault["where"].startswith(where) for fault in home.verify())
