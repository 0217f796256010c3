"""Mail inside ZIP, tar and compressed files: exact, bounded, and what can't be had listed entry by entry."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.files import doors as files
from archiver.capture.files import unpack as files_unpack
from archiver.capture.files import zip as files_zip
from archiver.capture.files.doors import FileItem, open_items
from archiver.capture.files.items import FileRefused
from archiver.capture.files.unpack import Unpacked, ZstdFile, tar_entries

EML = b"Subject: one\r\n\r\nbody\r\n"
FROM = b"From a@b.test Thu Jan  1 00:00:00 2004\n"
MBOX = FROM + b"A: 1\n\n" + FROM + b"B: 2\n"


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(entries: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    out = io.BytesIO()
    with ZstdFile(out, "w") as file:
        file.write(data)
    return out.getvalue()


def items_of(tmp_path: Path, name: str, data: bytes, **options: int) -> list[FileItem]:
    (tmp_path / name).write_bytes(data)
    return list(open_items([tmp_path / name], **options))  # type: ignore[arg-type]


def whys(items: list[FileItem]) -> dict[str, str]:
    return {item.where.partition("!")[2]: item.why for item in items if item.why}


def raws(items: list[FileItem]) -> list[tuple[str, bytes]]:
    return [(item.folder, item.raw) for item in items if item.raw is not None]


def test_a_zip_of_mail(tmp_path: Path) -> None:
    data = zipped(
        {
            "in/a.eml": EML,
            "../../evil.eml": EML + b"2",
            "C:\\mail\\b.eml": EML + b"3",
            "Takeout/All.mbox": MBOX,
            "Maildir/cur/1.M1.host:2,S": EML + b"4",
            "Maildir/tmp/2.M2.host": EML,
            "__MACOSX/._a.eml": b"\0\5\x16\7",
            "empty.eml": b"",
            "folder/": b"",
            "inner.zip": zipped({"deep/c.eml": EML + b"5", "x.zip": zipped({"d.eml": EML})}),
            "photo.png": b"\x89PNG....",
            "old.pst": b"!BDN",
            "damaged.eml": b"A: 1\n\n" + os.urandom(500),
        }
    )
    at = data.find(b"damaged.eml") + 50
    data = data[:at] + bytes(20) + data[at + 20 :]
    items = items_of(tmp_path, "box.zip", data)
    assert raws(items) == [
        ("in", EML),
        ("", EML + b"2"),
        ("C:/mail", EML + b"3"),
        ("Takeout/All", b"A: 1\n"),
        ("Takeout/All", b"B: 2\n"),
        ("Maildir", EML + b"4"),
        ("deep", EML + b"5"),
    ]
    assert whys(items) == {
        "Maildir/tmp/2.M2.host": "being_delivered",
        "__MACOSX/._a.eml": "system_file",
        "empty.eml": "empty",
        "inner.zip!x.zip": "nested_too_deep",
        "photo.png": "not_a_message",
        "old.pst": "unpack_first",
        "damaged.eml": "damaged",
    }
    assert len({item.key for item in items}) == len(items)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_zip_and_what_is_locked(tmp_path: Path) -> None:
    assert [item.why for item in items_of(tmp_path, "a.zip", b"PK\x03\x04....")] == ["bad_zip"]
    content = bytearray(zipped({"a.eml": EML, "b.eml": EML}))
    # The standard library can't encrypt: set the flag that says so, in both headers of the first.
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    items = items_of(tmp_path, "locked.zip", bytes(content))
    assert [(item.why, item.raw) for item in items] == [("encrypted", None), (None, EML)]


def test_a_wrong_sum_is_damage(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.eml": EML, "b.mbox": MBOX}, zipfile.ZIP_STORED))
    data[data.find(b"body")] ^= 1
    data[data.find(b"B: 2")] ^= 1
    items = items_of(tmp_path, "box.zip", bytes(data))
    assert whys(items) == {"a.eml": "damaged", "b.mbox": "damaged"}


def test_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    data = zipped({"a.eml": EML, "b.eml": EML + b"2"})
    monkeypatch.undo()
    assert b"PK\x06\x06" in data
    assert raws(items_of(tmp_path, "big.zip", data)) == [("", EML), ("", EML + b"2")]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd], ids=lambda f: f.__name__)
def test_a_compressed_mbox(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    # Two members one after the other, as parallel compressors write them.
    data = pack(MBOX[:50]) + pack(MBOX[50:])
    items = items_of(tmp_path, "All.mbox.packed", data)
    assert raws(items) == [("All", b"A: 1\n"), ("All", b"B: 2\n")]
    assert [i.why for i in items_of(tmp_path, "a.eml.packed", pack(EML))] == [None]
    assert raws(items_of(tmp_path, "a.eml.packed", pack(EML))) == [("", EML)]
    if pack is not zstd:
        cut = items_of(tmp_path, "b.eml.packed", pack(EML)[:-5])
        assert [item.why for item in cut][-1:] == ["damaged"]
        assert raws(cut) == []


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_tar_of_mail(tmp_path: Path, form: int, pack: Callable[[bytes], bytes]) -> None:
    long_name = "a" * 80 + "/" + "b" * 90 + "/x.eml"
    entries = {
        "in/a.eml": EML,
        "All.mbox": MBOX,
        long_name: EML + b"2",
        "z.zip": zipped({"q/c.eml": EML + b"3"}),
    }
    items = items_of(tmp_path, "box.tar", pack(tarred(entries, form)))
    assert raws(items) == [
        ("in", EML),
        ("All", b"A: 1\n"),
        ("All", b"B: 2\n"),
        (long_name.rpartition("/")[0], EML + b"2"),
        ("q", EML + b"3"),
    ]
    assert [item.why for item in items if item.why] == []


def test_links_and_devices_in_a_tar_are_listed(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("link.eml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert whys(items_of(tmp_path, "box.tar", out.getvalue())) == {"link.eml": "symlink"}


def test_a_tar_cut_short_keeps_what_came_before(tmp_path: Path) -> None:
    data = tarred({"a.eml": EML, "b.eml": EML * 100})
    items = items_of(tmp_path, "box.tar", data[:2_100])
    assert raws(items) == [("", EML)]
    assert [item.why for item in items if item.why] == ["damaged", "damaged"]
    bad = tarred({"a.eml": EML})[:1024] + b"x" * 512
    assert [item.why for item in items_of(tmp_path, "bad.tar", bad)] == [None, "bad_tar"]


def test_a_name_of_a_gigabyte_is_not_taken_into_memory() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with pytest.raises(FileRefused, match="bad_tar"):
        list(tar_entries(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT))))


@pytest.mark.parametrize("nested", [False, True])
def test_a_bomb_stops_at_the_allowance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nested: bool) -> None:
    monkeypatch.setattr(files_unpack, "RATIO", 10)
    bomb = zipped({"bomb.eml": b"A: 1\n\n" + bytes(5_000_000), "after.eml": EML})
    if nested:
        bomb = zipped({"in.zip": bomb, "after.eml": EML})
    items = items_of(tmp_path, "bomb.zip", bomb, least_allowance=1_000_000)
    assert {item.why for item in items} == {"unpacks_too_large"}
    packed = gzip.compress(MBOX + bytes(5_000_000))
    items = items_of(tmp_path, "bomb.mbox.gz", packed, least_allowance=1_000_000)
    assert items[-1].why == "unpacks_too_large"


def test_the_layers_are_counted(tmp_path: Path) -> None:
    data = EML
    for _ in range(4):
        data = gzip.compress(data)
    assert raws(items_of(tmp_path, "a.eml.gz", data)) == [("", EML)]
    assert [item.why for item in items_of(tmp_path, "b.eml.gz", gzip.compress(data))] == ["nested_too_deep"]


def test_entries_beyond_the_bound_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a.eml": EML, "b.eml": EML}))
    with (tmp_path / "a.zip").open("rb") as file:
        assert [entry.why for entry in files_zip.zip_entries(file, 1)] == [None, "unpacks_too_large"]
    monkeypatch.setattr(files, "_LARGEST_INNER_ZIP", 100)
    items = items_of(tmp_path, "b.zip", zipped({"in.zip": zipped({"a.eml": EML})}))
    assert [item.why for item in items] == ["unpack_first"]


@given(st.binary(max_size=400), st.sampled_from([gzip.compress, bz2.compress, lzma.compress]), st.data())
def test_damaged_streams_end(data: bytes, pack: Callable[[bytes], bytes], chosen: st.DataObject) -> None:
    packed = bytearray(pack(data))
    for _ in range(chosen.draw(st.integers(0, 3))):
        packed[chosen.draw(st.integers(0, len(packed) - 1))] ^= chosen.draw(st.integers(1, 255))
    kind = {b"\x1f": "gzip", b"B": "bzip2", b"\xfd": "xz"}[pack(b"")[:1]]
    stream = Unpacked(io.BytesIO(bytes(packed)), kind)  # type: ignore[arg-type]
    out = b""
    while block := stream.read(50):
        out += block
    assert stream.damaged or out == data or bytes(packed) != pack(data)


@given(st.binary(max_size=2_000), st.integers(0, 3_000))
def test_damaged_tars_end(noise: bytes, at: int) -> None:
    data = tarred({"a.eml": EML, "b" * 120: EML})
    data = data[:at] + noise + data[at + len(noise) :]
    try:
        for entry in tar_entries(io.BytesIO(data)):
            entry.stream.read(10)
    except FileRefused:
        return
