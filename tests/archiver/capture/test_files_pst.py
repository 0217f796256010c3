"""Outlook's PST through libpff, in a process of its own that may crash, hang or lie."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from pathlib import Path

import pytest

from archiver.capture.files import pst as files_pst
from archiver.capture.files.doors import Meter, open_items
from archiver.message.parse import parse


def frame(head: dict[str, object], raw: bytes = b"") -> bytes:
    told = json.dumps(head).encode()
    return struct.pack(">IQ", len(told), len(raw)) + told + raw


BEGIN = [{"kind": "begin", "id": number, "folder": ["Inbox", "a"]} for number in range(4)]
LIE = frame({**BEGIN[0], "kind": "refused", "why": "x" * 99})
EML = b"Subject: x\r\n\r\nbody\r\n"


def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Let `script` stand in for the reader: what it does there is what hostile input could make it do."""
    (tmp_path / "stand_in.py").write_text(f"import os, sys, time\nskip = int(sys.argv[1])\n{script}")
    real = files_pst.subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([sys.executable, str(tmp_path / "stand_in.py"), *command[3:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(files_pst.subprocess, "Popen", start)
    path = tmp_path / "box.pst"
    path.write_bytes(b"!BDN....")
    return path


def test_a_crash_costs_the_item_it_was_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = [frame(b) + frame({**b, "kind": "item"}, EML + b"%d" % n) for n, b in enumerate(BEGIN)]
    script = f"""
items = {good!r}
begins = {[frame(b) for b in BEGIN]!r}
for number in range(skip, 4):
    if number == 1:
        os.write(1, begins[number])
        os.abort()
    os.write(1, items[number])
os.write(1, {frame({"kind": "end"})!r})
"""
    path = act(tmp_path, monkeypatch, script)
    items = list(open_items([path]))
    assert [(i.folder, i.raw, i.why) for i in items] == [
        ("box/Inbox/a", EML + b"0", None),
        ("box/Inbox/a", None, "bad_pst"),
        ("box/Inbox/a", EML + b"2", None),
        ("box/Inbox/a", EML + b"3", None),
    ]
    assert items[1].where.endswith("box.pst!Inbox/a#1")


@pytest.mark.parametrize(
    "script",
    [
        f"os.write(1, {frame(BEGIN[0])!r}); time.sleep(60)",
        "os.abort()",
        "os.write(1, b'nonsense' * 9); os.abort()",
        f"os.write(1, {frame({'kind': 'bad'})!r})",
        f"os.write(1, {LIE!r} + {frame({'kind': 'end'})!r})",
        "os.write(1, b'\\0\\0\\0\\2' + bytes(8) + b'[]'); os.abort()",
    ],
    ids=["hangs", "crashes", "babbles", "cannot", "lies", "talks of something else"],
)
def test_what_goes_wrong_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(files_pst, "PATIENCE", 0.5)
    items = list(open_items([act(tmp_path, monkeypatch, f"if skip: os.abort()\n{script}")]))
    assert {item.why for item in items} == {"bad_pst"}


def test_without_the_library_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.pst").write_bytes(b"!BDN....")
    assert [item.why for item in open_items([tmp_path])] == ["needs_pst_extra"]


def test_what_is_no_pst(tmp_path: Path) -> None:
    (tmp_path / "a.ost").write_bytes(b"nothing of the kind" * 100)
    assert [item.why for item in open_items([tmp_path])] == ["bad_pst"]


def test_a_real_pst(corpora: Path) -> None:
    path = corpora / "java-libpst" / "dist-list.pst"
    meter = Meter()
    items = list(open_items([path], meter=meter))
    assert [(item.folder, item.why) for item in items] == [
        ("dist-list/Calendar", None),
        ("dist-list/Contacts", "not_mail"),
        ("dist-list/Contacts", "not_mail"),
        ("dist-list/Freebusy Data", "not_mail"),
    ]
    assert items[0].raw is not None
    parsed = parse(items[0].raw)
    assert not parsed.parse_failed
    assert parsed.date is not None
    assert dict(items[0].notes)["converted"] == "embedded_item,from_pst"
    ((where, digest),) = meter.containers
    assert where == str(path)
    assert len(digest) == 64
    assert [item.raw for item in open_items([path])] == [item.raw for item in items]
    assert meter.done == path.stat().st_size


def test_a_damaged_real_pst_ends(corpora: Path, tmp_path: Path) -> None:
    data = bytearray((corpora / "java-libpst" / "dist-list.pst").read_bytes())
    for seed in range(3):
        broken = bytearray(data)
        for at in range(600 + seed * 37, len(broken), 3_001):
            broken[at] ^= 0x55
        path = tmp_path / f"{seed}.pst"
        path.write_bytes(broken)
        assert all(item.raw or item.why for item in open_items([path]))
