"""The lock on the extraction child, tried from inside: what it may not do, it really can't."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.message.extract.client import ExtractorPool
from archiver.message.extract.limits import Limits
from archiver.message.extract.sandbox import enter, program

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "aarch64"),
    reason="the filter of system calls is Linux's",
)
ROOT = Path(__file__).resolve().parents[4]
TRIES = """
import ctypes, json, os, socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
from archiver.message.extract.sandbox import enter
target, programs = sys.argv[2], sys.argv[3] == "programs"
kept = open(target + ".kept", "wb", buffering=0)
report = enter(2**30, programs)

def refused(attempt):
    try:
        attempt()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return ""

def run():
    if subprocess.run(["/bin/true"]).returncode:
        raise OSError("it did not run")

print(json.dumps({
    "report": report,
    "socket": refused(lambda: socket.socket()),
    "unix": refused(lambda: socket.socketpair()),
    "read": refused(lambda: open("/etc/passwd").read()),
    "write": refused(lambda: open(target, "wb")),
    "append": refused(lambda: open(target + ".kept", "ab")),
    "kept": refused(lambda: kept.write(b"x")),
    "unlink": refused(lambda: os.unlink(target + ".kept")),
    "rename": refused(lambda: os.rename(target + ".kept", target)),
    "mkdir": refused(lambda: os.mkdir(target)),
    "fork": refused(os.fork) if not programs else "",
    "run": refused(run),
    "ptrace": ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0),
    "memory": refused(lambda: bytearray(2**31)),
}), flush=True)
os._exit(0)
"""


def tried(tmp_path: Path, mode: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", TRIES, str(ROOT), str(tmp_path / "target"), mode],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, object] = json.loads(done.stdout)
    assert not (tmp_path / "target").exists()
    assert (tmp_path / "target.kept").read_bytes() == b""
    return found


def test_without_ocr_nothing_is_left(tmp_path: Path) -> None:
    found = tried(tmp_path, "nothing")
    report = found.pop("report")
    assert isinstance(report, dict)
    assert report["limits"]
    assert report["calls"]
    assert found.pop("ptrace") == -1
    assert all(found.values()), found


def test_with_ocr_programs_start_and_files_are_read_only(tmp_path: Path) -> None:
    found = tried(tmp_path, "programs")
    assert found["run"] == found["read"] == ""
    for refused in ("socket", "unix", "write", "append", "kept", "unlink", "rename", "mkdir", "memory"):
        assert found[refused], refused


def test_a_child_in_use_is_locked() -> None:
    pool = ExtractorPool()
    try:
        report = pool.report(Limits())
        assert report is not None
        assert report["limits"]
        assert report["calls"]
    finally:
        pool.close()


def test_no_other_machine_is_taken_for_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    monkeypatch.setattr("archiver.message.extract.sandbox._limit", lambda memory, programs: True)
    assert enter(2**30, programs=False) == {"limits": True, "network": False, "calls": False}


def test_filters_fit_the_kernel() -> None:
    for machine in ("x86_64", "aarch64"):
        for programs in (False, True):
            code = program(machine, programs)
            assert len(code) % 8 == 0
            assert len(code) // 8 < 4096  # BPF_MAXINSNS
