"""Apple Mail's EMLX: the message exactly, its state beside it."""

from __future__ import annotations

import plistlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.files.doors import open_items
from archiver.capture.files.emlx import emlx_item
from archiver.capture.files.items import Spot

EML = b"Subject: one\r\n\r\n<?xml in the body, too\r\n"
STATE = plistlib.dumps({"flags": 8590195717, "date-received": 1_234_567_890, "remote-id": "17"})


def emlx(raw: bytes = EML, state: bytes = STATE, size: int | None = None) -> bytes:
    return b"%-10d\n" % (len(raw) if size is None else size) + raw + state


def test_a_mailbox_of_apple_mail(tmp_path: Path) -> None:
    box = tmp_path / "INBOX.mbox" / "Messages"
    box.mkdir(parents=True)
    (box / "1.emlx").write_bytes(emlx())
    (box / "2.partial.emlx").write_bytes(emlx(EML + b"2"))
    (box / "2.2.emlxpart").write_bytes(b"Zm9v")
    (box / "3").write_bytes(emlx(EML + b"3"))
    (box.parent / "Info.plist").write_bytes(STATE)
    items = list(open_items([tmp_path]))
    taken = [item for item in items if item.raw]
    assert [(item.folder, item.raw) for item in taken] == [
        ("INBOX.mbox/Messages", EML),
        ("INBOX.mbox/Messages", EML + b"2"),
        ("INBOX.mbox/Messages", EML + b"3"),
    ]
    assert taken[0].notes == (("flags", "8590195717"),)
    assert taken[0].received_at == datetime.fromtimestamp(1_234_567_890, UTC)
    assert dict(taken[1].notes).keys() == {"partial", "flags"}
    assert [item.why for item in items if item.why] == ["mail_program_file", "mail_program_file"]


@pytest.mark.parametrize("size", [len(EML) + 5_000, 5, 0])
def test_a_size_that_cannot_be_right_loses_nothing(size: int) -> None:
    item = emlx_item(Spot.of(Path("a.emlx"), None, ""), emlx(size=size))
    assert item.raw == EML + STATE
    assert ("size_wrong", str(size)) in item.notes


@pytest.mark.parametrize("state", [b"", b"<?xml nonsense", b"<?xml version='1.0'?><plist><array/></plist>"])
def test_a_damaged_list_costs_the_message_nothing(state: bytes) -> None:
    item = emlx_item(Spot.of(Path("a.emlx"), None, ""), emlx(state=state))
    assert (item.raw, item.notes, item.received_at) == (EML, (), None)


@given(st.binary(max_size=300), st.binary(max_size=100), st.integers(0, 400))
def test_any_bytes(raw: bytes, state: bytes, size: int) -> None:
    item = emlx_item(Spot.of(Path("a.emlx"), None, ""), emlx(raw, state, size))
    assert (item.raw is None) == (item.why is not None)
    emlx_item(Spot.of(Path("a.emlx"), None, ""), raw)
