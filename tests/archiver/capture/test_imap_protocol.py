"""The answer parser on the wire: whatever comes, in whatever pieces, it ends and means the same."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from aioimaplib import aioimaplib
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.capture.imap.answers import read_fetched
from archiver.capture.imap.protocol import LONGEST_LINE, Protocol


class Line(asyncio.Transport):
    """A transport that remembers whether it was dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = False

    def write(self, data: Any) -> None:
        return

    def abort(self) -> None:
        self.dropped = True


def fetched(pieces: list[bytes], longest: int = 1000) -> tuple[list[bytes | bytearray], str, bool]:
    """What a FETCH gets from these pieces: its lines, its result, and whether the line was dropped."""

    async def run() -> tuple[list[bytes | bytearray], str, bool]:
        protocol, line = Protocol(asyncio.get_running_loop(), longest), Line()
        protocol.connection_made(line)
        protocol.state = aioimaplib.SELECTED
        command = aioimaplib.FetchCommand("A1", "1:*", "(UID)", loop=protocol.loop)
        protocol.pending_async_commands["FETCH"] = command
        for piece in pieces:
            if not line.dropped:
                protocol.data_received(piece)
        return list(command.response.lines), str(command.response.result), line.dropped

    return asyncio.run(run())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


WORDS = st.sampled_from(
    [b"* 1 FETCH (UID 5 ", b"BODY[] {3}\r\n", b"BODY[] ~{12}\r\n", b'BODY[] "a(b"', b")\r\n", b"\r\n",
     b"* 2 EXISTS\r\n", b"* 1 EXPUNGE\r\n", b"A1 OK done\r\n", b"A1 OK {3}\r\n", b"* OK [ALERT] {4}\r\n",
     b"+ go\r\n", b"A1 NO\r\n", b"* BYE x\r\n", b"{1001}\r\n", b"abc", b"\r", b"\n", b"\0",
     b'* LIST () "/" {2}\r\n', b"FLAGS (\\Seen)"]
)  # fmt: skip


@given(st.lists(WORDS | st.binary(max_size=12), max_size=14), st.lists(st.integers(0, 500), max_size=6))
def test_anything_in_any_pieces(words: list[bytes], places: list[int]) -> None:
    data = b"".join(words)
    whole = fetched([data] if data else [])
    assert fetched(cut(data, places))[:2] == whole[:2] or whole[2]
    list(read_fetched(whole[0]))


MESSAGES = st.lists(
    st.tuples(
        st.binary(max_size=20), st.lists(st.sampled_from(["Seen", "a(", 'q"', "x) UID 9"]), max_size=3)
    ),
    min_size=1,
    max_size=5,
)


@example([(b"x", ["x) UID 9"])], list(range(60)))
@given(MESSAGES, st.lists(st.integers(0, 2000), max_size=12))
def test_messages_come_out_whatever_the_pieces(
    messages: list[tuple[bytes, list[str]]], places: list[int]
) -> None:
    wire = b""
    for number, (body, labels) in enumerate(messages, 1):
        quoted = b" ".join(b'"' + name.encode().replace(b'"', b'\\"') + b'"' for name in labels)
        wire += b"* %d FETCH (X-GM-LABELS (%s) UID %d BODY[] {%d}\r\n%s FLAGS ())\r\n" % (
            number, quoted, number + 10, len(body), body,
        )  # fmt: skip
        wire += b"* %d EXISTS\r\n" % number
    lines, result, dropped = fetched(cut(wire + b"A1 OK done {3}\r\n", places), longest=8)
    assert (result, dropped) == ("OK", False)
    found = list(read_fetched(lines))
    assert [(entry.uid, entry.oversize, entry.body) for entry in found] == [
        (number + 10, len(body) > 8, None if len(body) > 8 else body)
        for number, (body, _) in enumerate(messages, 1)
    ]
    assert [list(entry.labels) for entry in found] == [names for _, names in messages]


def test_a_line_without_end_is_hung_up_on() -> None:
    assert fetched([b"* OK ", b"x" * (LONGEST_LINE + 1)])[2]
    assert not fetched([b"* OK ", b"x" * (LONGEST_LINE - 100)])[2]
