"""The file door: every message exact, everything else listed with a reason, nothing passed over."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from archiver.capture import files_items
from archiver.capture.files import FileItem, detect_format, open_items
from archiver.capture.files_zip import zip_items
from archiver.errors import CaptureError

EML = b"Subject: one\r\n\r\nbody\r\n"
FROM = b"From a@b.test Thu Jan  1 00:00:00 2004\n"


def whys(items: list[FileItem]) -> dict[str, str]:
    return {item.where.rpartition("/")[2]: item.why or "" for item in items if item.why}


def folders(items: list[FileItem]) -> dict[str, bytes]:
    return {item.folder: item.raw or b"" for item in items if item.raw is not None}


def test_a_folder_of_everything(tmp_path: Path) -> None:
    outside = tmp_path / "outside.eml"
    outside.write_bytes(EML)
    root = tmp_path / "root"
    for name, content in {
        "a.eml": EML,
        "b/c/d.eml": EML + b"2",
        "b/empty.eml": b"",
        "b/notes.bin": b"\0\1\2 no mail at all",
        "b/ugly.eml": b"\0\1\2 no mail at all, but named so",
        "b/no-suffix": EML + b"3",
        "mail.mbox": FROM + b"A: 1\n\n" + FROM + b"B: 2\n",
        "single.mbox": FROM + b"A: 1\n\n",
        "spam.txt": FROM + b"A: 1\n\nFrom the start\n",
        "several.txt": FROM + b"A: 1\n\n" + FROM + b"B: 2\n",
        "old.pst": b"!BDN....",
        "word.msg": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....",
        "text.msg": EML + b"4",
        "box.tar.gz": b"\x1f\x8b....",
        "report.docx": b"PK\x03\x04....",
        "broken.zip": b"PK\x03\x04....",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "link.eml").symlink_to(outside)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    items = list(open_items([root]))
    assert whys(items) == {
        "empty.eml": "empty",
        "notes.bin": "not_a_message",
        "old.pst": "pst_not_supported_yet",
        "word.msg": "msg_not_supported_yet",
        "box.tar.gz": "compressed",
        "report.docx": "not_a_message",
        "broken.zip": "bad_zip",
        "link.eml": "symlink",
        "loop": "symlink",
        "pipe": "not_a_file",
    }
    assert [(item.folder, item.raw) for item in items if item.raw] == [
        ("", EML),
        ("b/c", EML + b"2"),
        ("b", EML + b"3"),
        ("b", b"\0\1\2 no mail at all, but named so"),
        ("mail", b"A: 1\n"),
        ("mail", b"B: 2\n"),
        ("several", b"A: 1\n"),
        ("several", b"B: 2\n"),
        ("single", b"A: 1\n"),
        ("", FROM + b"A: 1\n\nFrom the start\n"),
        ("", EML + b"4"),
    ]
    assert len({item.key for item in items}) == len(items)
    assert list(open_items([root])) == items


def test_a_named_file_may_be_a_link_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(EML)
    (tmp_path / "link").symlink_to(tmp_path / "a.eml")
    items = list(open_items([tmp_path / "link", tmp_path / "absent.eml"]))
    assert [(item.raw, item.why) for item in items] == [(EML, None), (None, "not_found")]


def test_eml_takes_any_file_whole(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\0 anything")
    (tmp_path / "y").write_bytes(FROM + FROM)
    assert [item.raw for item in open_items([tmp_path], "eml")] == [b"\0 anything", FROM + FROM]
    with pytest.raises(CaptureError):
        open_items([tmp_path], "tar")  # type: ignore[arg-type]


def test_a_file_without_permission_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dark").mkdir()
    (tmp_path / "dark" / "x.eml").write_bytes(EML)
    (tmp_path / "dark.eml").write_bytes(EML)
    (tmp_path / "light.eml").write_bytes(EML)
    tmp_path.chmod(0o755)
    (tmp_path / "dark").chmod(0)
    (tmp_path / "dark.eml").chmod(0)
    monkeypatch.chdir(tmp_path)
    root = os.geteuid() == 0
    if root:
        # Root may read everything, so somebody else has to look.
        os.seteuid(65534)
    try:
        items = list(open_items([Path()]))
    finally:
        if root:
            os.seteuid(0)
        (tmp_path / "dark").chmod(0o700)
    assert whys(items) == {"dark": "no_permission", "dark.eml": "no_permission"}
    assert [item.raw for item in items if item.raw] == [EML]


def test_a_maildir_with_folders(tmp_path: Path) -> None:
    root = tmp_path / "Maildir"
    for name, content in {
        "cur/1.M1.host,S=5:2,S": b"A: 1\n",
        "new/2.M2.host": b"A: 2\n",
        "tmp/3.M3.host": b"A: half",
        "cur/4.M4.host:2,": b"",
        ".Sent.2020/cur/5.M5.host:2,S": b"A: 5\n",
        ".Entw&APw-rfe/new/6.M6.host": b"A: 6\n",
        "plain/cur/7.M7.host:2,": b"A: 7\n",
        "dovecot-uidlist": b"3 V1\n",
        "subscriptions": b"Sent\n",
        "stray.eml": EML,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "cur" / "8.M8.host:2,").symlink_to(root / "stray.eml")
    items = list(open_items([root]))
    assert detect_format(root) == "maildir"
    assert [(item.folder, item.raw) for item in items if item.raw] == [
        ("", b"A: 1\n"),
        ("", b"A: 2\n"),
        ("Entwürfe", b"A: 6\n"),
        ("Sent/2020", b"A: 5\n"),
        ("plain", b"A: 7\n"),
    ]
    assert whys(items) == {"4.M4.host:2,": "empty", "8.M8.host:2,": "symlink", "stray.eml": "not_a_message"}


def test_a_zip_of_mail(tmp_path: Path) -> None:
    path = tmp_path / "box.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.eml", EML)
        archive.writestr("../../evil.eml", EML + b"2")
        archive.writestr("Takeout/All.mbox", FROM + b"A: 1\n\n" + FROM + b"B: 2\n")
        archive.writestr("empty.eml", b"")
        archive.writestr("folder/", b"")
        archive.writestr("inner.zip", b"PK\x03\x04....")
        archive.writestr("photo.png", b"\x89PNG....")
        archive.writestr("big.eml", b"A: 1\n\n" + b"x" * 100_000)
        archive.writestr("damaged.eml", os.urandom(500).join([b"A: 1\n\n", b""]))
    content = bytearray(path.read_bytes())
    at = content.find(b"damaged.eml") + 50
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    items = list(zip_items(path, "", limit=10_000))
    assert folders(items) == {"in": EML, "../..": EML + b"2", "Takeout/All.mbox": b"B: 2\n"}
    assert sum(item.raw is not None for item in items) == 4
    assert {item.where.rpartition("!")[2]: item.why for item in items if item.why} == {
        "empty.eml": "empty",
        "inner.zip": "nested_archive",
        "photo.png": "not_a_message",
        "big.eml": "too_large",
        "damaged.eml": "damaged",
    }
    assert len(list(tmp_path.iterdir())) == 1
    bounded = list(zip_items(path, "", max_unpacked=50_000))
    assert [item.why for item in bounded][-2:] == ["zip_too_large", "zip_too_large"]
    assert len([item for item in zip_items(path, "", max_entries=1) if item.raw]) == 1


def test_an_encrypted_zip_entry_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.eml", EML)
    content = bytearray(path.read_bytes())
    # The standard library can't encrypt: set the flag that says so, in both headers.
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert [item.why for item in open_items([path])] == ["encrypted"]


def test_a_bind_mount_or_depth_cannot_go_on_for_ever(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(80):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x.eml").write_bytes(EML)
    assert [item.why for item in open_items([tmp_path])] == ["too_deep"]


def test_a_file_above_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_items, "MAX_MESSAGE", 100)
    (tmp_path / "a.eml").write_bytes(EML + b"x" * 100)
    assert [item.why for item in open_items([tmp_path])] == ["too_large"]


def test_the_key_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "jane-doe.eml"
    path.write_bytes(EML)
    (before,) = open_items([path])
    assert "jane" not in before.key
    os.utime(path, (1, 1))
    (after,) = open_items([path])
    assert after.key != before.key


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")
    with open(os.fsencode(tmp_path) + b"/\xff\xfe/\xe9.eml", "wb") as file:
        file.write(EML)
    (item,) = open_items([tmp_path])
    assert item.raw == EML
    assert item.folder == "\\xff\\xfe"
    item.where.encode("utf-8")


def test_spamassassin_is_kept_whole(corpora: Path) -> None:
    root = corpora / "spamassassin-public"
    items = [item for item in open_items([root]) if item.raw]
    on_disk = {path: path.read_bytes() for path in root.rglob("*.txt") if "UPSTREAM" not in path.name}
    assert {Path(item.where): item.raw for item in items} == on_disk
    assert len(items) == 1275


def test_a_real_maildir_is_kept_whole(corpora: Path) -> None:
    root = corpora / "cypherpunks-maildir"
    listed = subprocess.run(["ls", "-A", root / "cur"], capture_output=True, check=True).stdout.splitlines()
    items = [item for item in open_items([root]) if item.raw]
    assert [os.fsencode(Path(item.where).name) for item in items] == sorted(listed)
    assert all(item.raw == Path(item.where).read_bytes() for item in items)
