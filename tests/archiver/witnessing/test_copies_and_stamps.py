"""A write-once folder and a real time-stamping authority: what they hold, and what is wrong with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.ledger.log import Log
from archiver.witnessing import stamps
from config.settings import Settings
from tests.archiver.witnessing.watching import act, cut, faults, publish, reopened
from tests.servers.tsa import Tsa, tsa


def test_copies_are_written_once_and_remembered(settings: Settings, keys: list[str], tmp_path: Path) -> None:
    elsewhere = tmp_path / "worm"
    update = {"witness_file": str(elsewhere), "witness_file_minutes": 0}
    vault = reopened(settings, **update)
    try:
        act(vault, 2)
        publish(vault)
        (failing,) = vault.witnessing.watchers.failing()
        assert (failing.name, failing.failure) == ("copies", "folder_missing")
        elsewhere.mkdir()
        publish(vault)
        act(vault, 3)
        publish(vault)
        assert vault.witnessing.watchers.failing() == []
        files = sorted((elsewhere / vault.archive_id / "audit").iterdir())
        assert [int(path.stem) for path in files] == [2, 5]
        assert all(path.stat().st_mode & 0o777 == 0o444 for path in files)
        before = files[1].stat()
        publish(vault)
        assert (files[1].stat().st_mtime_ns, files[1].stat().st_ino) == (before.st_mtime_ns, before.st_ino)
        assert faults(vault) == []
        cut(vault, 1)
        shutil.rmtree(settings.ledger_dir)
        for size, torn in ((7, b""), (8, b"holdfast/")):
            files[0].with_name(f"{size:020}.checkpoint").write_bytes(torn)
    finally:
        vault.close()
    again = reopened(settings, **update)
    try:
        assert not again.witnessing.look()
        assert again.standing.found == ("the folder of copies has seen 5 entries of the audit log",)
    finally:
        again.close()


def test_copies_that_failed_are_made_up_for_before_their_time(
    settings: Settings, keys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour is for copies that were made, not for a share that was away for a moment."""
    monkeypatch.setattr("archiver.witnessing.witnessing.AGAIN_SECONDS", 0.0)
    vault = reopened(settings, witness_file=str(tmp_path / "worm"), witness_file_minutes=60)
    try:
        act(vault)
        publish(vault)
        assert [one.name for one in vault.witnessing.watchers.failing()] == ["copies"]
        (tmp_path / "worm").mkdir()
        publish(vault)
        assert vault.witnessing.watchers.failing() == []
        act(vault)
        publish(vault)
        assert len(list((tmp_path / "worm" / vault.archive_id / "audit").iterdir())) == 1
    finally:
        vault.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    with tsa(tmp_path_factory.mktemp("tsa")) as running:
        yield running


def test_checkpoints_are_stamped_and_openssl_agrees(
    settings: Settings, keys: list[str], authority: Tsa
) -> None:
    vault = reopened(settings, timestamp_url=authority.url, timestamp_ca=str(authority.ca))
    try:
        act(vault, 3)
        publish(vault)
        publish(vault)
        (stamp,) = stamps.kept(vault.publisher.folder(Log.AUDIT))
        assert stamp.size == 3
        base = vault.publisher.folder(Log.AUDIT) / "stamps" / f"{3:020}"
        command = ["openssl", "ts", "-verify", "-data", base.with_suffix(".checkpoint"),
                   "-in", base.with_suffix(".tsr"), "-CAfile", authority.ca]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=120)
        assert b"Verification: OK" in done.stdout + done.stderr
        assert faults(vault) == []
        answer = bytearray(stamp.answer)
        answer[-20] ^= 1
        os.chmod(base.with_suffix(".tsr"), 0o644)
        base.with_suffix(".tsr").write_bytes(answer)
        assert faults(vault) == ["stamp"]
        base.with_suffix(".tsr").write_bytes(stamp.answer)
        os.chmod(base.with_suffix(".checkpoint"), 0o644)
        base.with_suffix(".checkpoint").write_bytes(stamp.checkpoint.replace(b"\n3\n", b"\n2\n"))
        assert faults(vault) == ["stamp"]
    finally:
        vault.close()


def test_a_stamp_by_somebody_else_is_none(
    settings: Settings, keys: list[str], authority: Tsa, tmp_path: Path
) -> None:
    with tsa(tmp_path / "another") as other:
        vault = reopened(settings, timestamp_url=authority.url, timestamp_ca=str(other.ca))
        try:
            act(vault)
            publish(vault)
            (failing,) = vault.witnessing.watchers.failing()
            assert (failing.name, failing.failure) == ("stamps", "bad_answer")
            assert stamps.kept(vault.publisher.folder(Log.AUDIT)) == []
        finally:
            vault.close()


def test_another_authority_goes_on_where_the_first_ended(
    settings: Settings, keys: list[str], authority: Tsa, tmp_path: Path
) -> None:
    with tsa(tmp_path / "another") as other:
        for each, size in ((authority, 1), (other, 2)):
            vault = reopened(settings, timestamp_url=each.url, timestamp_ca=str(each.ca))
            try:
                act(vault)
                publish(vault)
                assert vault.witnessing.watchers.failing() == []
                assert [one.size for one in stamps.kept(vault.publisher.folder(Log.AUDIT))][-1] == size
            finally:
                vault.close()


def test_nonsense_for_a_stamp_is_an_alarm(settings: Settings, keys: list[str], authority: Tsa) -> None:
    vault = reopened(settings, timestamp_url=authority.url, timestamp_ca=str(authority.ca))
    authority.broken = True
    try:
        act(vault)
        publish(vault)
        assert [watcher.failure for watcher in vault.witnessing.watchers.failing()] == ["bad_answer"]
    finally:
        authority.broken = False
        vault.close()
