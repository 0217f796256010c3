"""A failing fsync of a pack: nothing is acknowledged, the pack is abandoned, and the next try stores it once.

The fault is put into `os.fsync`, for pack files only, since no device that fails on command is at hand. Each
test comes with its twin, where the bytes did reach the disk although the call failed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from pathlib import Path

import pytest

from api.app import App, initialise, open_app
from archiver.capture.ports import Arrival, Receipt
from archiver.errors import StoreError
from archiver.verify import Scrubber
from config.settings import Settings
from search.access import Purpose
from tests.support.holdfast import actor
from tests.support.mail import numbered

real_fsync = os.fsync


class FailingDisk:
    """Stands in for `os.fsync`: while `broken`, that of a pack fails, its new bytes lost or kept."""

    def __init__(self, *, persists: bool) -> None:
        self.broken = False
        self.failures = 0
        self._persists = persists
        self._synced: dict[str, int] = {}

    def __call__(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if not path.endswith(".pack"):
            real_fsync(descriptor)
            return
        size = os.fstat(descriptor).st_size
        if not self.broken:
            real_fsync(descriptor)
            self._synced[path] = size
            return
        self.failures += 1
        if self._persists:
            real_fsync(descriptor)
        else:
            # What the kernel dropped reads as a hole after the next restart.
            start = self._synced.get(path, 0)
            os.pwrite(descriptor, bytes(size - start), start)
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def deliver(app: App, raws: Sequence[bytes]) -> list[Receipt | BaseException]:
    """Hand messages in at once; each one's receipt, or the error it ended with."""
    source = app.vault.sources.by_name("feed") or app.vault.sources.add("journal", "feed")
    with app.intake(None) as intake:
        futures = [intake.submit(Arrival(raw, source.id)) for raw in raws]
        wait(futures, 200)
    return [future.exception() or future.result() for future in futures]


def packs(settings: Settings) -> set[str]:
    return {path.name for path in settings.packs.glob("*.pack")}


@pytest.mark.parametrize("persists", [False, True], ids=["lost", "failed but persisted"])
def test_failing_fsync(settings: Settings, monkeypatch: pytest.MonkeyPatch, persists: bool) -> None:
    disk = FailingDisk(persists=persists)
    monkeypatch.setattr(os, "fsync", disk)
    initialise(settings)
    app = open_app(settings)
    try:
        kept = [numbered(n) for n in range(5)]
        late = [numbered(n) for n in range(5, 10)]
        before = deliver(app, kept)
        assert all(isinstance(r, Receipt) and r.outcome == "stored" for r in before)
        old_packs = packs(settings)

        disk.broken = True
        failed = deliver(app, late)
        assert disk.failures
        assert all(isinstance(r, StoreError) and r.retry for r in failed), failed
        # A second try meets a fresh pack, and leaves no litter where that fails too.
        assert all(isinstance(r, StoreError) for r in deliver(app, late))
        assert packs(settings) == old_packs
        disk.broken = False

        after = deliver(app, [*kept, *late])
        outcomes = [r.outcome for r in after if isinstance(r, Receipt)]
        assert outcomes == ["duplicate"] * 5 + ["stored"] * 5
        assert len(packs(settings) - old_packs) == 1, "an abandoned pack was written to again"
        for raw, receipt in zip([*kept, *late], after, strict=True):
            assert isinstance(receipt, Receipt)
            assert app.room.open(actor(), Purpose.AUDIT, receipt.id).raw == raw
        assert list(Scrubber(app.vault, full=True).run()) == []
        source = app.vault.sources.by_name("feed")
        assert source is not None
        assert (source.received, source.stored, source.duplicates) == (15, 10, 5)
    finally:
        app.close()


@pytest.mark.parametrize("fails", ["before", "after"], ids=["lost", "failed but persisted"])
def test_failing_fsync_of_a_published_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """A checkpoint that may not be on disk isn't given out; the next try publishes it."""
    initialise(settings)
    app = open_app(settings)
    try:
        deliver(app, [numbered(1)])
        app.publish()
        deliver(app, [numbered(2)])
        monkeypatch.setattr(os, "fsync", _failing_for(".tmp", fails))
        with pytest.raises(StoreError):
            app.publish()
        monkeypatch.setattr(os, "fsync", real_fsync)
        assert list(Scrubber(app.vault, full=True).run()) == []
        app.publish()
        assert list(Scrubber(app.vault, full=True).run()) == []
        assert not list(Path(settings.ledger_dir).rglob("*.tmp"))
    finally:
        app.close()


def _failing_for(suffix: str, fails: str) -> Callable[[int], None]:
    def fsync(descriptor: int) -> None:
        if not os.readlink(f"/proc/self/fd/{descriptor}").endswith(suffix):
            real_fsync(descriptor)
            return
        if fails == "after":
            real_fsync(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    return fsync
