"""The file door: every message exact, everything else listed with a reason, nothing passed over."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from archiver.capture.files import items as files_items
from archiver.capture.files.doors import FileItem, detect_format, open_items
from archiver.capture.spool import SealedSpool
from archiver.errors import CaptureError
from archiver.message.content import whole

EML = b"Subject: one\r\n\r\nbody\r\n"
FROM = b"From a@b.test Thu Jan  1 00:00:00 2004\n"


def whys(items: list[FileItem]) -> dict[str, str]:
    return {item.where.rpartition("/")[2]: item.why or "" for item in items if item.why}


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
        "box.7z": b"7z\xbc\xaf\x27\x1c....",
        "cut.mbox.gz": gzip.compress(FROM + b"A: 1\n\n" + FROM + b"B: 2\n")[:-9],
        ".DS_Store": b"\0\0\0\1Bud1",
        "Inbox.msf": b"// <!-- <mdb:mork",
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
        "old.pst": "bad_pst",
        "word.msg": "bad_msg",
        "box.7z": "unpack_first",
        "cut.mbox.gz@end": "damaged",
        ".DS_Store": "system_file",
        "Inbox.msf": "mail_program_file",
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
        ("cut", b"A: 1\n"),
        ("cut", b"B: 2\n"),
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


def test_a_profile_of_thunderbird(tmp_path: Path) -> None:
    (tmp_path / "Inbox.sbd").mkdir()
    (tmp_path / "Inbox").write_bytes(FROM + b"A: 1\n\n" + FROM + b"B: 2\n")
    (tmp_path / "Inbox.msf").write_bytes(b"// <!-- <mdb:mork")
    (tmp_path / "Inbox.sbd" / "Old").write_bytes(FROM + b"C: 3\n\n" + FROM + b"D: 4\n")
    items = list(open_items([tmp_path]))
    assert [(item.folder, item.raw) for item in items if item.raw] == [
        ("Inbox", b"A: 1\n"),
        ("Inbox", b"B: 2\n"),
        ("Inbox/Old", b"C: 3\n"),
        ("Inbox/Old", b"D: 4\n"),
    ]
    assert [item.why for item in items if item.why] == ["mail_program_file"]


def test_eml_takes_any_file_whole(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\0 anything")
    (tmp_path / "y").write_bytes(FROM + FROM)
    assert [item.raw for item in open_items([tmp_path], "eml")] == [b"\0 anything", FROM + FROM]
    with pytest.raises(CaptureError):
        open_items([tmp_path], "rar")  # type: ignore[arg-type]


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
        "cur/.DS_Store": b"\0\0\0\1Bud1",
        "photo.png": b"\x89PNG",
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
        ("", EML),
    ]
    assert whys(items) == {
        "4.M4.host:2,": "empty",
        "8.M8.host:2,": "symlink",
        "photo.png": "not_a_message",
        ".DS_Store": "system_file",
        "3.M3.host": "being_delivered",
        "dovecot-uidlist": "mail_program_file",
        "subscriptions": "mail_program_file",
    }
    assert {item.why for item in items if item.ignored} == {
        "system_file",
        "being_delivered",
        "mail_program_file",
    }


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


def test_a_message_too_large_for_memory_waits_sealed(tmp_path: Path) -> None:
    raw = EML + b"marker words " * 800_000
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.eml").write_bytes(raw)
    (tmp_path / "in" / "b.eml.gz").write_bytes(gzip.compress(raw, 1))
    spool = tmp_path / "spool"
    items = list(open_items([tmp_path / "in"], spool=spool))
    assert [type(item.raw) for item in items] == [SealedSpool, SealedSpool]
    assert [item.raw is not None and whole(item.raw) == raw for item in items] == [True, True]
    assert list(spool.iterdir()) == []
    for item in items:
        assert isinstance(item.raw, SealedSpool)
        item.raw.close()


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


def test_no_file_of_the_corpora_is_passed_over(corpora: Path) -> None:
    """Every file on disk is read, refused with a reason, or left alone; a whole file is kept exactly."""
    on_disk = {os.path.join(folder, name) for folder, _, names in os.walk(corpora) for name in names}
    told: dict[str, list[FileItem]] = {}
    for item in open_items([corpora]):
        path = next(p for p in _ways(item.where) if p in on_disk)
        told.setdefault(path, []).append(item)
        assert (item.raw is None) == (item.why is not None)
        if item.raw is not None and item.where == path and not item.notes:
            assert item.raw == Path(path).read_bytes()
    assert told.keys() == on_disk


def _ways(where: str) -> list[str]:
    """A place, and the file that it may be in."""
    return [
        where,
        where.rpartition("@")[0],
        where.partition("!")[0],
        where.partition("!")[0].rpartition("@")[0],
    ]
