"""The framing of DATA: the end is found nowhere but at CRLF.CRLF, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.smtp.data import DotReader


def fed(stream: bytes, sizes: list[int]) -> tuple[bytes, bytes, bool]:
    """Feed a stream in pieces of the given sizes (then one by one); return (message, rest, done)."""
    reader = DotReader()
    message = b""
    at = 0
    queue = list(sizes)
    while at < len(stream) and not reader.done:
        size = queue.pop(0) if queue else 1
        message += reader.feed(stream[at : at + size])
        at += size
    return message, reader.rest + stream[at:] if reader.done else b"", reader.done


def independent(stream: bytes) -> tuple[bytes, bytes] | None:
    """The same by another way: split the whole at CRLF and look at lines. None without an end."""
    at = 0
    lines = []
    while (end := stream.find(b"\r\n", at)) >= 0:
        line = stream[at:end]
        at = end + 2
        if line == b".":
            return b"".join(lines), stream[at:]
        lines.append((line[1:] if line.startswith(b".") else line) + b"\r\n")
    return None


# Dots, carriage returns and line feeds in every order are what this parser is about.
awkward = st.lists(
    st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"\r\n.\r\n", b"\r\n..", b"\0", b"\xff"])
).map(b"".join)


@given(awkward, st.lists(st.integers(1, 7)))
def test_any_split_gives_what_whole_lines_give(stream: bytes, sizes: list[int]) -> None:
    expected = independent(stream)
    message, rest, done = fed(stream, sizes)
    assert done == (expected is not None)
    if expected is not None:
        assert (message, rest) == expected


@given(awkward, st.lists(st.integers(1, 7)))
def test_what_a_correct_client_sends_comes_back(content: bytes, sizes: list[int]) -> None:
    content += b"\r\n"
    lines = content[:-2].split(b"\r\n")
    sent = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b"\r\n.\r\n"
    assert fed(sent + b"QUIT\r\n", sizes) == (content, b"QUIT\r\n", True)


@pytest.mark.parametrize(
    "form",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\n.\r",
        b"\r.\r\n",
        b"\r\n\0.\r\n",
        b"\r\r\n.\r\r\n",
    ],
    ids=repr,
)
def test_smuggling_forms_do_not_end_the_message(form: bytes) -> None:
    stream = b"a" + form + b"MAIL FROM:<x@evil.test>\r\n.\r\n"
    message, rest, done = fed(stream, [len(stream)])
    assert done
    assert rest == b""
    assert b"MAIL FROM:<x@evil.test>\r\n" in message


def test_an_empty_message_is_a_dot_alone() -> None:
    assert fed(b".\r\nRSET\r\n", [3]) == (b"", b"RSET\r\n", True)
