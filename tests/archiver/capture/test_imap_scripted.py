"""The IMAP door against a server that misbehaves: bounded, honest, and never ahead of the archive."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from archiver.capture.imap.poller import PollResult
from archiver.capture.imap.source import FolderCheckpoint, ImapSource
from archiver.errors import CaptureError, SourceUnreachable, StoreError
from tests.archiver.capture.doors import MemoryIntake
from tests.archiver.capture.imap_script import Box, MemoryCheckpoints, ScriptedImap, poller, scripted


def poll(source: ImapSource, checkpoints: MemoryCheckpoints, intake: Any, **options: Any) -> PollResult:
    return asyncio.run(poller(source, checkpoints, intake).poll_once(**options))


def box(count: int, *, first: int = 1, gap: int = 1) -> Box:
    uids = [first + gap * n for n in range(count)]
    return Box(
        {uid: f"Subject: {uid}\r\n\r\n(UID 1) {{5}}\r\n".encode() for uid in uids}, uidnext=uids[-1] + 1
    )


def test_a_simple_mailbox(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(3)})
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        result = poll(source, checkpoints, intake)
    assert (result.read, result.stored, result.duplicates, result.refused) == (3, 3, 0, 0)
    assert intake.raws == list(server.boxes[b"INBOX"].messages.values())
    assert intake.arrivals[0].custodians == ("jane@clinic.test",)
    assert str(intake.arrivals[0].received_at) == "2020-02-01 02:04:05+00:00"
    assert checkpoints.now == {"INBOX": FolderCheckpoint(7, 3, 4, 3)}
    assert any('LOGIN "jane doe" "a \\"pass\\\\word\\""' in line for line in server.commands)
    assert not any("SELECT " in line or "BODY[" in line or "STORE" in line for line in server.commands)


def test_uids_billions_apart_take_few_commands(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(500, first=3, gap=8_000_000)})
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        assert poll(source, checkpoints, intake).stored == 500
        assert len(server.commands) < 40
        server.commands.clear()
        assert poll(source, checkpoints, intake).read == 0
        assert len([line for line in server.commands if "FETCH" in line]) == 0
        messages = server.boxes[b"INBOX"].messages
        messages[4_294_967_290] = b"the last\r\n"
        server.boxes[b"INBOX"].uidnext = 4_294_967_291
        server.commands.clear()
        assert poll(source, checkpoints, intake).stored == 1
        assert len([line for line in server.commands if "FETCH" in line]) == 3
    assert checkpoints.now["INBOX"].last_uid == 4_294_967_290


def test_no_answer_is_asked_to_be_longer_than_200_messages(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(1000)})
    with scripted(tmp_path, server) as source:
        assert poll(source, MemoryCheckpoints(), MemoryIntake()).stored == 1000
    for line in server.commands:
        if " FETCH " in line:
            first, _, last = line.split("FETCH ")[1].split(" ")[0].partition(":")
            assert int(last) - int(first) < 200


def test_thousands_of_folders_and_stray_lines(tmp_path: Path) -> None:
    # An answer of 2,000 lines never returned from aioimaplib's own parser.
    server = ScriptedImap({f"F{n}".encode(): Box() for n in range(2000)} | {b"INBOX": box(5)})
    server.hook = lambda line: (
        b"".join(b"* %d EXPUNGE\r\n" % n for n in range(3000)) + server_answer(line)
        if "FETCH" in line
        else None
    )

    def server_answer(line: str) -> bytes:
        hook, server.hook = server.hook, lambda _: None
        try:
            return server.answer(line)
        finally:
            server.hook = hook

    with scripted(tmp_path, server) as source:
        result = poll(
            dataclasses.replace(source, folders=("INBOX", "F1*")), MemoryCheckpoints(), MemoryIntake()
        )
    assert result.stored == 5
    assert len(result.folders) == 1 + 1 + 10 + 100 + 1000


def test_odd_folder_names(tmp_path: Path) -> None:
    names = [b'quo"te', b"back\\slash", b"sp ace", b"Entw&APw-rfe", b"star * here", b"{5}", b"(x)", b"R&-D"]
    # No modified UTF-7 at all; two that differ in case only; two that people read alike; no UTF-8.
    names += [b"bad &", b"Work", b"work", b"&AOk-", "é".encode(), b"\xff\xfe"]
    server = ScriptedImap({name: box(1, first=n + 1) for n, name in enumerate(names)})
    server.list_lines = [b'* LIST () "/" {%d}\r\n%s\r\n' % (len(name), name) for name in names]
    server.list_lines[4] = b'* LIST () "/" "star * here"\r\n'
    server.list_lines.append(
        b'* LIST (\\Noselect) "/" "above"\r\n* LIST () "/" "gone"\r\n* LIST () "/" {4}\r\na\r\nb\r\n'
    )
    intake = MemoryIntake()
    with scripted(tmp_path, server) as source:
        checkpoints = MemoryCheckpoints()
        result = poll(source, checkpoints, intake)
        assert poll(source, checkpoints, intake).read == 0
    assert sorted(a.folder for a in intake.arrivals) == sorted([
        'quo"te', "back\\slash", "sp ace", "Entwürfe", "star * here", "{5}", "(x)", "R&D", "bad &", "Work",
        "work", "é", "é", "\\xff\\xfe",
    ])  # fmt: skip
    assert {f.name: f.problem for f in result.folders if f.problem} == {
        "gone": "not_selectable",
        "a\r\nb": "bad_name",
    }


def test_a_new_uidvalidity_starts_the_folder_over(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(30)})
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        poll(source, checkpoints, intake)
        server.boxes[b"INBOX"].uidvalidity = 8
        server.boxes[b"INBOX"].messages = {5: b"new\r\n"} | {
            uid + 10: raw for uid, raw in server.boxes[b"INBOX"].messages.items()
        }
        server.boxes[b"INBOX"].uidnext = 41
        result = poll(source, checkpoints, intake)
        assert (result.read, result.stored, result.duplicates) == (31, 1, 30)
        assert checkpoints.reached("INBOX") == (8, 40)


def test_a_server_that_went_back_in_time_is_read_again(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(30)})
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        poll(source, checkpoints, intake)
        server.boxes[b"INBOX"] = Box({1: b"other mail\r\n"}, uidnext=2)
        assert poll(source, checkpoints, intake).stored == 1
        assert checkpoints.reached("INBOX") == (7, 1)


def test_messages_expunged_between_are_passed(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(100)})
    messages = server.boxes[b"INBOX"].messages

    def expunge(line: str) -> None:
        if "BODY.PEEK" in line:
            for uid in (10, 11, 100):
                messages.pop(uid, None)

    server.hook = expunge
    checkpoints = MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        result = poll(source, checkpoints, MemoryIntake())
    assert (result.stored, result.folders[0].vanished) == (97, 3)
    assert checkpoints.now["INBOX"].last_uid == 100


def test_a_message_above_the_limit_is_counted_not_fetched(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(5)})
    server.boxes[b"INBOX"].messages[3] = b"x" * 5000
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        result = poll(dataclasses.replace(source, max_size=1000), checkpoints, intake)
    assert (result.read, result.stored, result.refused) == (5, 4, 1)
    assert intake.refusals == [("imap-1", "too_large")]
    assert checkpoints.now["INBOX"].last_uid == 5


def test_a_message_the_server_will_not_give_is_asked_for_again(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(40)})
    bad = True

    def refuse(line: str) -> bytes | None:
        tag, _, rest = line.partition(" ")
        asked = rest.split(" ")[2] if "BODY.PEEK" in rest else ""
        return f"{tag} NO [SERVERBUG] internal\r\n".encode() if bad and asked in ("1:25", "7") else None

    server.hook = refuse
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        result = poll(source, checkpoints, intake)
        assert (result.stored, result.folders[0].left, result.folders[0].problem) == (39, 1, "left_messages")
        assert checkpoints.now["INBOX"].last_uid == 6
        bad = False
        result = poll(source, checkpoints, intake)
        assert (result.stored, result.duplicates, result.folders[0].left) == (1, 33, 0)
    assert checkpoints.now["INBOX"].last_uid == 40


@pytest.mark.parametrize("fault", [StoreError("x"), ValueError("x"), "lose", "hang"], ids=repr)
def test_the_checkpoint_never_passes_what_failed(tmp_path: Path, fault: object) -> None:
    server = ScriptedImap({b"INBOX": box(300)})
    checkpoints = MemoryCheckpoints()
    intake = MemoryIntake(lambda arrival: fault if b"Subject: 150\r" in arrival.raw else None)
    patience = 3.0 if fault == "hang" else 60.0
    with scripted(tmp_path, server) as source:
        with pytest.raises(StoreError):
            poll(dataclasses.replace(source, commit_timeout=patience), checkpoints, intake)
        assert checkpoints.now["INBOX"].last_uid == 149
        intake.plan = None
        result = poll(source, checkpoints, intake)
    assert result.read == 151
    assert len(intake.arrivals) == 300
    assert checkpoints.now["INBOX"].last_uid == 300


def test_the_checkpoint_never_runs_ahead(tmp_path: Path) -> None:
    server = ScriptedImap({b"INBOX": box(120)})
    intake = MemoryIntake(lambda _: 0.05)

    class Watching(MemoryCheckpoints):
        def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
            assert checkpoint.last_uid <= len(intake.arrivals)
            super().set(source_id, folder, checkpoint)

    checkpoints = Watching()
    with scripted(tmp_path, server) as source:
        assert poll(source, checkpoints, intake).stored == 120
    uids = [checkpoint.last_uid for _, checkpoint in checkpoints.history]
    assert uids == sorted(uids)
    assert uids[-1] == 120


@pytest.mark.parametrize("when", ["body", "middle of a literal", "sizes", "examine", "list", "login"])
def test_a_connection_cut_anywhere(tmp_path: Path, when: str) -> None:
    server = ScriptedImap({b"INBOX": box(100)})
    words = {"sizes": "RFC822.SIZE", "examine": "EXAMINE", "list": "LIST", "login": "LOGIN"}
    seen = 0

    def cut(line: str) -> bytes | None:
        nonlocal seen
        if words.get(when, "BODY.PEEK") in line:
            seen += 1
            if when == "middle of a literal" and seen == 3:
                half = b"* 51 FETCH (UID 51 BODY[] {500}\r\nSubject: ha"
                server.cut_after = server.sent + len(half)
                return half + b"lf"
            if seen == (3 if when == "body" else 1) and when != "middle of a literal":
                raise EOFError
        return None

    server.hook = cut
    intake, checkpoints = MemoryIntake(), MemoryCheckpoints()
    with scripted(tmp_path, server) as source:
        with pytest.raises(SourceUnreachable) as caught:
            poll(source, checkpoints, intake)
        assert "in time" not in str(caught.value), "a cut is noticed at once, not by a time limit"
        reached = checkpoints.now["INBOX"].last_uid if checkpoints.now else 0
        assert reached == (50 if when in ("body", "middle of a literal") else 0) == len(intake.arrivals)
        server.hook, server.cut_after = lambda _: None, None
        poll(source, checkpoints, intake)
    assert len(intake.arrivals) == 100
    assert intake.submitted == 100


@pytest.mark.parametrize("verb", ["LOGIN", "LIST", "EXAMINE", "FETCH"])
def test_a_server_that_hangs(tmp_path: Path, verb: str) -> None:
    server = ScriptedImap({b"INBOX": box(10)})
    release = threading.Event()

    def hang(line: str) -> None:
        if f" {verb} " in line:
            release.wait(60)

    server.hook = hang
    try:
        with scripted(tmp_path, server) as source:
            hurried = dataclasses.replace(source, answer_timeout=1.0, transfer_timeout=1.5)
            with pytest.raises(SourceUnreachable, match="did not answer in time"):
                poll(hurried, MemoryCheckpoints(), MemoryIntake())
            release.set()
    finally:
        release.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"A1 OK not yours marker-zebra\r\n",
        b"* \xff\xfe marker-zebra\r\n",
        b"* 1 FETCH (marker-zebra\r\n",
        b"+ marker-zebra\r\n",
    ],
    ids=repr,
)
def test_nonsense_from_a_server(tmp_path: Path, answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = ScriptedImap({b"INBOX": box(10)})
    server.hook = lambda line: answer if "FETCH" in line else None
    with scripted(tmp_path, server) as source:
        hurried = dataclasses.replace(source, answer_timeout=1.0, transfer_timeout=2.0)
        with pytest.raises(CaptureError) as caught:
            poll(hurried, MemoryCheckpoints(), MemoryIntake())
    assert "zebra" not in str(caught.value)
    assert "zebra" not in caplog.text


@pytest.mark.parametrize(
    "greeting", [b"* BYE marker-zebra\r\n", b"* NO marker-zebra\r\n", b"SSH-2.0-marker-zebra\r\n"], ids=repr
)
def test_a_server_that_will_not_begin(
    tmp_path: Path, greeting: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = ScriptedImap({})
    server.greeting = greeting
    with scripted(tmp_path, server) as source, pytest.raises(SourceUnreachable) as caught:
        poll(source, MemoryCheckpoints(), MemoryIntake())
    assert "zebra" not in str(caught.value) + caplog.text


def test_the_sign_in_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = ScriptedImap({})
    server.hook = lambda line: (
        line.split(" ")[0].encode() + b" NO marker-zebra\r\n" if "LOGIN" in line else None
    )
    with (
        scripted(tmp_path, server) as source,
        pytest.raises(SourceUnreachable, match="check user and password") as caught,
    ):
        poll(source, MemoryCheckpoints(), MemoryIntake())
    assert "zebra" not in str(caught.value) + caplog.text
    assert "pass" not in caplog.text


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with scripted(tmp_path, ScriptedImap({})) as source:
        for wrong in (
            dataclasses.replace(source, ca_file=None),
            dataclasses.replace(source, host="127.0.0.1"),
        ):
            with pytest.raises(SourceUnreachable, match="certificate"):
                poll(wrong, MemoryCheckpoints(), MemoryIntake())


def test_nobody_listens_or_no_tls(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        source = ImapSource(
            "s", "127.0.0.1", "u", lambda _: "p", port=plain.getsockname()[1], connect_timeout=0.5
        )
        with pytest.raises(SourceUnreachable):
            poll(source, MemoryCheckpoints(), MemoryIntake())
    with pytest.raises(SourceUnreachable):
        poll(source, MemoryCheckpoints(), MemoryIntake())


def test_one_folder_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    server = ScriptedImap({b"A": box(3), b"B": box(4, first=10)})
    opened = ""

    def refuse(line: str) -> bytes | None:
        nonlocal opened
        if "EXAMINE" in line:
            opened = line
        return (
            line.split(" ")[0].encode() + b" NO denied\r\n" if "FETCH" in line and '"A"' in opened else None
        )

    server.hook = refuse
    with scripted(tmp_path, server) as source:
        result = poll(source, MemoryCheckpoints(), MemoryIntake())
    assert [(f.name, f.stored, f.problem) for f in result.folders] == [
        ("A", 0, "not_readable"),
        ("B", 4, None),
    ]


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    with scripted(tmp_path, ScriptedImap({b"INBOX": box(60)})) as source:
        poll(source, MemoryCheckpoints(), MemoryIntake(), progress=lambda result: told.append(result.read))
    assert told == sorted(told)
    assert len(told) >= 3
    assert told[-1] == 60
