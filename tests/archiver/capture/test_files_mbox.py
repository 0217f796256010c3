"""Splitting mbox files: exactly which bytes are a message, whatever the block boundaries."""

from __future__ import annotations

import io
import mailbox
import re
import tracemalloc
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.files import mbox as files_mbox
from archiver.capture.files.mbox import MboxStyle, is_separator, split_mbox, unquote
from archiver.capture.spool import SealedSpool
from archiver.message.content import Raw, whole

FROM = b"From a@b.test Thu Jan  1 00:00:00 2004\n"


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, whatever is asked for, so that every boundary is tried."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step)


def raws(data: bytes, style: MboxStyle = "auto") -> list[Raw | None]:
    return [message.raw for message in split_mbox(io.BytesIO(data), style)]


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
    assert raws(FROM + b"A: 1\n\n>From x\n", "o") == [b"A: 1\n\n>From x\n"]


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
    assert [message.raw for message in split_mbox(Trickle(data, step), "rd")] == messages
    assert [re.sub(rb"(?m)^(>*From )", rb">\1", unquote(message)) for message in quoted] == quoted


@given(st.lists(bodies, min_size=1, max_size=5), st.integers(1, 50), st.sampled_from(["auto", "cl", "cl2"]))
def test_what_a_writer_of_sizes_wrote_is_read_back(
    messages: list[bytes], step: int, style: MboxStyle
) -> None:
    """mboxcl2: nothing is quoted, whatever stands in a body; the sizes tell."""
    sized = [b"Content-Length: %d\n" % (len(m) - len(b"A: 1\n\n")) + m for m in messages]
    data = b"".join(FROM + message + b"\n" for message in sized)
    assert [message.raw for message in split_mbox(Trickle(data, step), style)] == sized


@given(st.lists(bodies, min_size=1, max_size=5), st.integers(-9, 9), st.sampled_from(["cl", "cl2"]))
def test_sizes_that_lie_lose_nothing(messages: list[bytes], error: int, style: MboxStyle) -> None:
    sized = [b"Content-Length: %d\n" % max(len(m) - 6 + error, 0) + m for m in messages]
    data = b"".join(FROM + message + b"\n" for message in sized)
    kept = b"\n".join(m.raw or b"" for m in split_mbox(io.BytesIO(data), style))
    # Every line of every message is in one message or another; separators and blank lines between may go.
    wanted = [line for m in sized for line in m.splitlines() if line.strip() and not is_separator(line)]
    assert [line for line in kept.splitlines() if line.strip() and not is_separator(line)] == wanted


def test_an_unquoted_from_line_shows_that_nothing_was_quoted() -> None:
    """Taking a `>` off there would change somebody's words."""
    body = b"A: 1\n\nFrom here on\n>From there\n"
    assert raws(FROM + body + b"\n") == [body]
    assert raws(FROM + body + b"\n", "rd") == [b"A: 1\n\nFrom here on\nFrom there\n"]


def test_a_file_without_lf() -> None:
    """Old Macintosh mailboxes end lines in CR."""
    data = FROM + b"A: 1\n\n>From x\n>>From y\n\n" + FROM + b"B: 2\n"
    assert raws(data.replace(b"\n", b"\r")) == [b"A: 1\r\rFrom x\r>From y\r", b"B: 2\r"]
    assert raws(data.replace(b"\n", b"\r"), "o") == [b"A: 1\r\r>From x\r>>From y\r", b"B: 2\r"]


def test_a_size_may_not_swallow_the_next_message_of_a_file_that_has_none() -> None:
    """A sender may write any Content-Length: only a file whose first message has a right one is read so."""
    second = b"Content-Length: %d\nB: 2\n\nx\n\n" % (len(b"x\n\n") + len(FROM) + len(b"C: 3\n"))
    data = FROM + b"A: 1\n\n" + FROM + second + FROM + b"C: 3\n\n" + FROM + b"D: 4\n"
    assert [m and m[-5:] for m in raws(data)] == [b"A: 1\n", b"2\n\nx\n", b"C: 3\n", b"D: 4\n"]


lines = st.sampled_from(
    [
        b"From x Thu Jan  1 00:00:00 2004",
        b"From y",
        b">From z",
        b"A: 1",
        b"",
        b"w",
        b"Content-Length: 2",
        b"\r",
    ]
)


@given(
    st.lists(lines, max_size=25),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from(get_args(MboxStyle)),
)
def test_the_reads_of_the_stream_change_nothing(parts: list[bytes], eol: bytes, style: MboxStyle) -> None:
    data = eol.join([b"From x Thu Jan  1 00:00:00 2004", b"Content-Length: 1", *parts])
    assert list(split_mbox(Trickle(data, 7), style)) == list(split_mbox(io.BytesIO(data), style))


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


@pytest.mark.parametrize("style", ["auto", "rd", "o"])
@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bare", [b"", b"From nothing at all\n"])
def test_what_is_too_large_for_memory_waits_sealed_and_is_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, style: MboxStyle, eol: bytes, bare: bytes
) -> None:
    big = b"A: 1\n\n" + b"".join(b">From %d\nword %d\n" % (n, n) for n in range(5_000)) + bare + b"\n"
    data = (FROM + b"B: 2\n\n" + FROM + big + FROM + b"C: 3\n").replace(b"\n", eol)
    expected = [m.raw for m in split_mbox(io.BytesIO(data), style)]
    monkeypatch.setattr(files_mbox, "WHOLE_UP_TO", 20_000)
    monkeypatch.setattr(files_mbox, "_BLOCK", 3_000)
    found = list(split_mbox(io.BytesIO(data), style, spool=tmp_path))
    assert [None if m.raw is None else whole(m.raw) for m in found] == expected
    if isinstance(found[1].raw, SealedSpool):
        found[1].raw.close()
    else:
        # Unquoting makes it anew, and here it is small enough for memory then.
        assert style == "rd" or (style == "auto" and not bare)
    assert list(tmp_path.iterdir()) == []


class Endless:
    """A stream of as many messages as asked for, made while it is read."""

    def __init__(self, messages: int) -> None:
        self._left = messages
        self._one = FROM + b"A: 1\n\n" + b"some words of a message\n" * 40 + b"\n"

    def read(self, size: int, /) -> bytes:
        count = min(self._left, max(size // len(self._one), 1))
        self._left -= count
        return self._one * count


def test_a_large_file_takes_no_more_memory_than_a_small_one() -> None:
    tracemalloc.start()
    try:
        assert sum(1 for _ in split_mbox(Endless(15_000))) == 15_000
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


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
