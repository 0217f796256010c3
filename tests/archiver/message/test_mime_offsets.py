"""An enclosed message comes out byte for byte, whatever the line ends and boundaries look like."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.message.mime_offsets import embedded_messages

INNERS = [
    b"Subject: a\r\n\r\nbody",
    b"Subject: a\r\n\r\nbody\r\n",
    b"Subject: a\r\n\r\nbody\r\n\r\n\r\n",
    b"Subject: a\n\nbody \t \n",
    b"Subject: a\r\n\r\nbody ends in CR\r",
    b"Subject: a\r\n\r\n--edges\r\n--edg\r\n --edge\r\n\x00\xff\xfe",
    b"\r\nno header at all",
    b"",
]


def wrap(inner: bytes, newline: bytes, *, padding: bytes = b"", close: bool = True) -> bytes:
    head = b'Content-Type: multipart/mixed; boundary="edge"' + newline * 2 + b"preamble" + newline
    first = b"--edge" + padding + newline + newline + b"envelope" + newline
    second = b"--edge" + padding + newline + b"Content-Type: message/rfc822" + newline * 2 + inner
    end = newline + b"--edge--" + padding + newline if close else b""
    return head + first + second + end


@pytest.mark.parametrize("inner", INNERS)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("padding", [b"", b" ", b" \t "])
@pytest.mark.parametrize("close", [True, False])
def test_enclosed_bytes(inner: bytes, newline: bytes, padding: bytes, close: bool) -> None:
    if newline == b"\n" and inner.endswith(b"\r"):
        inner += b"!"  # A CR before the delimiter's LF would be part of its CRLF.
    raw = wrap(inner, newline, padding=padding, close=close)
    (found,) = embedded_messages(raw)
    assert found.content == inner
    assert raw[found.start : found.end] == inner
    assert not found.encoded
    assert found.path == "2"


def test_no_line_end_at_the_end_of_the_file() -> None:
    raw = wrap(b"Subject: a\r\n\r\nbody", b"\r\n").removesuffix(b"\r\n")
    assert embedded_messages(raw)[0].content == b"Subject: a\r\n\r\nbody"


def test_bare_cr_file_keeps_its_bytes() -> None:
    raw = wrap(b"Subject: a\r\rbody", b"\r")
    assert embedded_messages(raw)[0].content == b"Subject: a\r\rbody"


def test_inside_nested_multiparts_and_more_than_one() -> None:
    one, two = b"Subject: 1\r\n\r\nx", b"Subject: 2\r\n\r\ny\r\n"
    inner = wrap(one, b"\r\n").replace(b"edge", b"inner")
    raw = wrap(two, b"\r\n").replace(b"\r\nenvelope", inner)
    assert [e.content for e in embedded_messages(raw)] == [one, two]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_encoded_message_is_decoded(encoding: str) -> None:
    inner = b"Subject: a\r\n\r\nbody\r\n"
    body = base64.encodebytes(inner) if encoding == "base64" else inner.replace(b"a", b"=61")
    raw = wrap(body, b"\n").replace(
        b"message/rfc822", b"message/rfc822\nContent-Transfer-Encoding: " + encoding.encode()
    )
    (found,) = embedded_messages(raw)
    assert found.encoded
    assert found.content.rstrip(b"\r\n") == inner.rstrip(b"\r\n")


@given(st.binary(max_size=200), st.sampled_from([b"\r\n", b"\n"]))
def test_any_enclosed_bytes(inner: bytes, newline: bytes) -> None:
    if b"--edge" in inner or (newline == b"\n" and inner.endswith(b"\r")):
        return
    (found,) = embedded_messages(wrap(inner, newline))
    assert found.content == inner
