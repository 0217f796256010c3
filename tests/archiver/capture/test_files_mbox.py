"""Splitting mbox files: exactly which bytes are a message, whatever the block boundaries."""

from __future__ import annotations

import io
import mailbox
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture import files_mbox
from archiver.capture.files_mbox import is_separator, split_mbox, unquote

FROM = b"From a@b.test Thu Jan  1 00:00:00 2004\n"


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, whatever is asked for, so that every boundary is tried."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step)


def raws(data: bytes, **options: bool) -> list[bytes | None]:
    return [message.raw for message in split_mbox(io.BytesIO(data), **options)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (FROM, [b""]),
        (FROM + b"A: 1\n\nx\n", [b"A: 1\n\nx\n"]),
        (FROM + b"A: 1\n\nx\n\n", [b"A: 1\n\nx\n"]),
        (FROM + b"A: 1\n\nx\n\n\n", [b"A: 1\n\nx\n\n"]),
        (FROM + b"A: 1\n\nx\n\n" + FROM + b"B: 2\n\n", [b"A: 1\n\nx\n", b"B: 2\n"]),
        (FROM + b"A: 1\n\nx\n" + FROM + b"B: 2", [b"A: 1\n\nx\n", b"B: 2"]),
        (FROM + FROM + b"B: 2\n", [b"", b"B: 2\n"]),
        (FROM + b"A: 1\n\n>From x\n>>From y\n> From z\n", [b"A: 1\n\nFrom x\n>From y\n> From z\n"]),
        (FROM + b">From x\n", [b"From x\n"]),
        (FROM + b"A: 1\n\nFrom here on, all is well\n\n", [b"A: 1\n\nFrom here on, all is well\n"]),
        (FROM + b"A: 1\r\n\r\nx\r\n\r\n" + FROM + b"B: 2\r\n\r\n", [b"A: 1\r\n\r\nx\r\n", b"B: 2\r\n"]),
        (b"A: 1\n\nlost\n\n" + FROM + b"B: 2\n", [b"A: 1\n\nlost\n", b"B: 2\n"]),
        (b"\n\n" + FROM + b"B: 2\n", [b"B: 2\n"]),
        (b"From nobody\nA: 1\n\nFrom x\n\nFrom me\nB: 2\n", [b"A: 1\n", b"", b"B: 2\n"]),
    ],
)
def test_which_bytes_are_a_message(data: bytes, expected: list[bytes | None]) -> None:
    assert raws(data) == expected
    for step in (1, 2, 7, 40):
        assert [message.raw for message in split_mbox(Trickle(data, step))] == expected


def test_mboxo_lines_stay_as_they_are() -> None:
    assert raws(FROM + b"A: 1\n\n>From x\n", quoting=False) == [b"A: 1\n\n>From x\n"]


@pytest.mark.parametrize(
    "line",
    [
        b"From a@b.test Thu Jan  1 00:00:00 2004",
        b"From a@b.test  Thu Aug 22 12:36:23 2002",
        b"From - Tue Mar 02 10:11:12 2021",
        b"From user at example.com  Mon Dec 31 23:59:59 2001",
        b"From a@b.test Thu Jan  1 00:00 GMT 2004",
        b"From a@b.test Thu Jan  1 00:00:00 +0100 2004",
        b"From a@b.test Thu Jan  1 00:00:00 2004 +0000",
        b"From a@b.test Thu, 1 Jan 2004 00:00:00 +0000",
        b"From Thu Jan  1 00:00:00 2004\r",
    ],
)
def test_separators_as_writers_make_them(line: bytes) -> None:
    assert is_separator(line)


@pytest.mark.parametrize(
    "line",
    [
        b"From now on",
        b"From Monday at 10:00",
        b"From: a@b",
        b">From a Thu Jan  1 00:00:00 2004",
        b"From Mon Jan 5",
    ],
)
def test_lines_that_only_look_like_it(line: bytes) -> None:
    assert not is_separator(line)


bodies = st.lists(
    st.sampled_from(
        [
            b"x\n",
            b"\n",
            b"From \n",
            b">From me\n",
            b">>From\n",
            b"From a Thu Jan  1 00:00:00 2004\n",
            b"y\r\n",
        ]
    ),
    max_size=8,
).map(lambda lines: b"A: 1\n\n" + b"".join(lines))


@given(st.lists(bodies, min_size=1, max_size=5), st.integers(1, 50))
def test_what_a_mboxrd_writer_wrote_is_read_back(messages: list[bytes], step: int) -> None:
    quoted = [re.sub(rb"(?m)^(>*From )", rb">\1", message) for message in messages]
    data = b"".join(FROM + message + b"\n" for message in quoted)
    assert [message.raw for message in split_mbox(Trickle(data, step))] == messages
    assert [re.sub(rb"(?m)^(>*From )", rb">\1", unquote(message)) for message in quoted] == quoted


@given(st.binary(max_size=300), st.integers(1, 20))
def test_any_bytes_at_all(data: bytes, step: int) -> None:
    found = list(split_mbox(Trickle(b"From " + data, step)))
    assert found
    assert [m.offset for m in found] == sorted({m.offset for m in found})


def test_a_message_above_the_limit_is_passed_over_without_keeping_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_mbox, "_BLOCK", 10_000)
    big = b"A: 1\n\n" + b"x" * 50 + b"\nFrom nothing\n" * 10_000
    data = FROM + b"B: 2\n\n" + FROM + big + b"\n" + FROM + b"C: 3\n\n"
    found = list(split_mbox(io.BytesIO(data), limit=20_000))
    assert [message.raw for message in found] == [b"B: 2\n", None, b"C: 3\n"]
    assert found[1].size == len(big) + 1
    assert data[found[2].offset :].startswith(FROM + b"C")
    assert [m.raw is None for m in split_mbox(io.BytesIO(data), limit=len(big) + 1)] == [False, False, False]


def test_enron_against_two_other_splitters(corpora: Path) -> None:
    path = corpora / "enron" / "part-00.mbox"
    data = path.read_bytes()
    with path.open("rb") as file:
        found = list(split_mbox(file))
    assert len(found) == 2500
    # One: plain, whole file in memory. All of its separator lines are alike.
    plain = re.split(rb"(?m)^From MAILER-DAEMON Thu Jan  1 00:00:00 2004\n", data)[1:]
    assert [re.sub(rb"(?m)^(>*From )", rb">\1", message.raw or b"") + b"\n" for message in found] == plain
    # Two: the standard library's, which takes off the blank line and no quoting.
    box = mailbox.mbox(path, create=False)
    try:
        theirs = [box.get_bytes(key) for key in box.iterkeys()]
    finally:
        box.close()
    assert [re.sub(rb"(?m)^(>*From )", rb">\1", message.raw or b"") for message in found] == theirs
    for message in found[::100]:
        assert data[message.offset :].startswith(b"From MAILER-DAEMON")
