"""A message taken apart comes back to the byte, and is read as if it had never been taken apart."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.message import base64_form, split, split_stream
from archiver.message.base64_form import NotCanonical, decoded, encoded, encoded_size
from archiver.message.content import WHOLE_UP_TO, Slice, clipped, head, pieces, sha256, whole
from archiver.message.large import parse_content, parse_split
from archiver.message.parse import parse
from archiver.message.split import BadManifest, Split, packed, unpacked
from archiver.message.split_stream import one_region
from archiver.message.split_stream import split_stream as split_in_a_stream
from archiver.message.structure import scan
from archiver.seal.blind import BlindIndex

SMALL = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Trickle:
    """A content that comes in pieces of `step` bytes."""

    def __init__(self, raw: bytes, step: int) -> None:
        self.raw = raw
        self.step = step

    def __len__(self) -> int:
        return len(self.raw)

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        stop = len(self.raw) if end is None else min(end, len(self.raw))
        for at in range(start, stop, self.step):
            yield self.raw[at : min(at + self.step, stop)]


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds at which a message of a few hundred bytes is a large one."""
    monkeypatch.setattr(split, "DETACH_FROM", 32)
    monkeypatch.setattr(split, "DETACH_ANY_FROM", 300)
    monkeypatch.setattr(split_stream, "_LONGEST_DELIMITER", 90)


def written(data: bytes, line: int, eol: bytes) -> bytes:
    letters = base64.b64encode(data)
    return eol.join(letters[at : at + line] for at in range(0, len(letters), line)) if line else letters


# --- base64 -----------------------------------------------------------------------------------------

forms = st.tuples(st.integers(0, 20).map(lambda n: 4 * n), st.sampled_from([b"\n", b"\r\n"]))


@SMALL
@given(st.binary(max_size=600), forms, st.integers(1, 97))
def test_canonical_base64_comes_back(data: bytes, form: tuple[int, bytes], step: int) -> None:
    body = written(data, *form)
    found = base64_form.decode(body)
    assert found is not None
    held, line, eol = found
    assert held == data
    assert encoded_size(len(data), line, eol) == len(body)
    assert b"".join(encoded(Trickle(data, step).chunks(), line, eol)) == body
    assert b"".join(decoded(Trickle(body, step).chunks(), line, eol)) == data


@SMALL
@given(st.binary(min_size=1, max_size=200), forms, st.data())
def test_what_is_not_canonical_is_told_or_comes_back(
    data: bytes, form: tuple[int, bytes], draw: st.DataObject
) -> None:
    body = bytearray(written(data, *form))
    at = draw.draw(st.integers(0, len(body) - 1))
    body[at] = draw.draw(st.integers(0, 255))
    found = base64_form.decode(bytes(body))
    if found is not None:
        held, line, eol = found
        assert b"".join(encoded([held], line, eol)) == body
    try:
        line, eol = base64_form.shape(bytes(body))
        held = b"".join(decoded(Trickle(bytes(body), 7).chunks(), line, eol))
    except NotCanonical:
        assert found is None
    else:
        assert b"".join(encoded([held], line, eol)) == body


@pytest.mark.parametrize(
    "body",
    [
        b"QUJD\r\nQUJD\nQUJD",
        b"QUJD\nQUJD\n",
        b"QUJDQUJD\nQUJD\nQUJDQUJD",
        b"QQ==\nQUJD",
        b"QR==",
        b"QUJ",
        b"QU JD",
        b"\nQUJD",
        b"QUJDQ\nQUJD",
    ],
)
def test_other_base64_is_not_of_the_form(body: bytes) -> None:
    assert base64_form.decode(body) is None


# --- messages ---------------------------------------------------------------------------------------

boundaries = st.sampled_from([b"a", b"aa", b"b", b"=_x y", b"a--"])
eols = st.sampled_from([b"\r\n", b"\n"])


@st.composite
def leaf_of(draw: st.DrawFn) -> bytes:
    eol = draw(eols)
    data = draw(st.binary(max_size=400))
    kind = draw(st.sampled_from([b"text/plain", b"text/html", b"application/pdf", b"image/png", b"audio/x"]))
    head = [b"Content-Type: " + kind]
    if draw(st.booleans()):
        head.append(b"Content-Disposition: attachment; filename=f.bin")
    how = draw(st.sampled_from(["base64", "8bit", "quoted-printable", "none"]))
    body = data
    if how != "none":
        head.append(b"Content-Transfer-Encoding: " + how.encode())
    if how == "base64":
        body = written(data, draw(st.sampled_from([76, 60, 64, 0])), eol)
        body += draw(st.sampled_from([b"", eol, eol * 2, b"\t" + eol, b"-- footer"]))
    elif how == "quoted-printable":
        body = binascii.b2a_qp(data)
    return eol.join([*head, b"", body])


@st.composite
def entity_of(draw: st.DrawFn, depth: int = 0) -> bytes:
    shape = draw(st.sampled_from(["leaf", "leaf", "multipart", "message"])) if depth < 3 else "leaf"
    if shape == "leaf":
        return draw(leaf_of())
    eol = draw(eols)
    if shape == "message":
        return eol.join([b"Content-Type: message/rfc822", b"", b"Subject: in", draw(entity_of(depth + 1))])
    boundary = draw(boundaries)
    parts = draw(st.lists(entity_of(depth + 1), max_size=3))
    lines = [b'Content-Type: multipart/mixed; boundary="' + boundary + b'"', b""]
    lines.append(draw(st.sampled_from([b"", b"preamble", b"p" * 350])))
    for part in parts:
        lines += [b"--" + boundary + draw(st.sampled_from([b"", b" ", b"\t"])), part]
    if draw(st.booleans()):
        lines += [b"--" + boundary + b"--", draw(st.sampled_from([b"", b"epilogue", b"e" * 350]))]
    return eol.join(lines)


@st.composite
def message_of(draw: st.DrawFn) -> bytes:
    head = draw(
        st.sampled_from([b"From: a@x.test\r\nSubject: s\r\n", b"From x\nSubject: s\n", b"", b"\xef\xbb\xbf"])
    )
    return head + draw(entity_of())


def regions(done: Split | None) -> list[tuple[object, ...]]:
    return [(r.at, r.extent, r.form, r.sha256, r.size, r.line, r.eol) for r in (done.regions if done else ())]


@SMALL
@given(message_of(), st.integers(1, 300))
def test_both_ways_of_taking_apart_agree(small_bounds: None, raw: bytes, step: int) -> None:
    entity, problems = scan(raw)
    in_memory = split.split(raw, entity)
    streamed, digest = split_in_a_stream(Trickle(raw, step))
    assert digest == hashlib.sha256(raw).digest()
    assert streamed.is_of(digest)
    assert streamed.size == len(raw)
    if in_memory is not None:
        assert b"".join(in_memory.chunks()) == raw
        again, expected = parse_split(in_memory), parse(raw)
        # Where boundaries aren't as declared, or no blank line ends a header, the bytes that follow tell
        # what is meant: a skeleton lacks them where they are very many.
        if not {"bad_boundary", "bad_header"} & {*problems}:
            assert replace(again, problems=()) == replace(expected, problems=())
            assert set(again.problems) <= set(expected.problems)
    if not problems:
        assert regions(streamed) == regions(in_memory)
        assert parse_split(streamed) == parse(raw)


LINES = st.sampled_from(
    [
        *(
            b"",
            b" ",
            b"--a",
            b"--a--",
            b"--a ",
            b"--aa",
            b"--b",
            b"--b--",
            b"--",
            b"a: b",
            b" folded",
            b"x" * 120,
        ),
        *(b"Content-Type: multipart/mixed; boundary=a", b"Content-Type: multipart/digest; boundary=b"),
        *(b"Content-Type: message/rfc822", b"Content-Type: application/x", b"QUJD", b"QUJDQUJD" * 5),
        *(b"Content-Transfer-Encoding: base64", b"\0\xff", b"From me", b"Content-Type: multipart/mixed"),
    ]
)


@SMALL
@given(
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"])), max_size=60),
    st.integers(1, 200),
    st.integers(50, 900),
)
def test_hostile_bytes_come_back(
    small_bounds: None, lines: list[tuple[bytes, bytes]], step: int, skeleton: int
) -> None:
    raw = b"".join(line + end for line, end in lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_stream, "MAX_SKELETON", skeleton)
        patch.setattr(split_stream, "MAX_HEADER", 150)
        patch.setattr(split_stream, "MAX_REGIONS", 4)
        streamed, digest = split_in_a_stream(Trickle(raw, step))
    assert streamed.is_of(digest)
    assert digest == hashlib.sha256(raw).digest()
    assert len(streamed.skeleton) <= skeleton
    parse_split(streamed)  # whatever it makes of it
    in_memory = split.split(raw, scan(raw)[0])
    assert in_memory is None or b"".join(in_memory.chunks()) == raw


@SMALL
@given(message_of())
def test_the_packed_form_comes_back(small_bounds: None, raw: bytes) -> None:
    done, digest = split_in_a_stream(raw)
    contents = {(r.sha256, r.size): whole(r.content) for r in done.regions}
    again = unpacked(packed(done), lambda r: contents[r.sha256, r.size])
    assert again.is_of(digest)
    assert regions(again) == regions(done)


@given(st.binary(max_size=300))
def test_a_manifest_that_is_none_is_told(data: bytes) -> None:
    with pytest.raises(BadManifest):
        unpacked(data, lambda _: b"")
    with pytest.raises(BadManifest):
        unpacked(len(data).to_bytes(4, "big") + data, lambda _: b"")


@pytest.mark.parametrize(
    "region",
    [
        b'{"at":9,"form":"verbatim","sha256":"%s","size":1}',
        b'{"at":-1,"form":"verbatim","sha256":"%s","size":1}',
        b'{"at":0,"form":"other","sha256":"%s","size":1}',
        b'{"at":0,"form":"base64","sha256":"%s","size":1,"line":5,"eol":"\\n"}',
        b'{"at":0,"form":"base64","sha256":"%s","size":1,"line":4,"eol":"x"}',
        b'{"at":0,"form":"base64","sha256":"%s","size":1,"line":4,"eol":""}',
        b'{"at":true,"form":"verbatim","sha256":"%s","size":1}',
        b'{"at":0,"form":"verbatim","sha256":"%s00","size":1}',
        b'{"form":"verbatim","sha256":"%s","size":1}',
        b"[]",
    ],
)
def test_a_manifest_out_of_bounds_is_told(region: bytes) -> None:
    text = b'{"v":1,"regions":[' + region.replace(b"%s", b"ab" * 32) + b"]}"
    with pytest.raises(BadManifest):
        unpacked(len(text).to_bytes(4, "big") + text + b"skeleton", lambda _: b"")


def test_real_mail_split_or_whole_is_read_alike(corpora: Path) -> None:
    apart = 0
    for folder in ("cpython-email", "james-mime4j", "mikel-mail", "mimekit", "sisimai-bounces", "tika-mail"):
        for path in sorted((corpora / folder).rglob("*")):
            if not path.is_file() or not 4_096 <= path.stat().st_size <= 400_000:
                continue
            raw = path.read_bytes()
            for done in (split.split(raw, scan(raw)[0]), split_in_a_stream(Trickle(raw, 5_000))[0]):
                if done is not None and done.regions:
                    apart += 1
                    assert done.is_of(hashlib.sha256(raw).digest())
                    assert parse_split(done) == parse(raw)
    assert apart > 20


# --- contents ---------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(0, 220), st.integers(0, 220))
def test_ranges_of_contents(raw: bytes, step: int, start: int, stop: int) -> None:
    content = Trickle(raw, step)
    assert b"".join(pieces(raw, start, stop)) == raw[start:stop]
    assert b"".join(clipped(content.chunks(), start, stop)) == raw[start:stop]
    assert b"".join(clipped(content.chunks(), start, None)) == raw[start:]
    inner = Slice(content, min(start, len(raw)), min(stop, len(raw)))
    assert whole(inner) == raw[start:stop]
    assert len(inner) == len(raw[start:stop])
    assert b"".join(inner.chunks(1, 5)) == raw[start:stop][1:5]
    assert head(content, stop) == raw[:stop]
    assert sha256(content) == sha256(raw)


def test_a_large_message_is_parsed_by_its_skeleton(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (
        b"Subject: large\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nwords here\r\n"
        b"--q\r\nContent-Type: text/csv; name=a.csv\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + written(b"needle,1\r\n" * 2_000, 76, b"\r\n")
        + b"\r\n--q--\r\n"
    )
    expected = parse(raw)
    monkeypatch.setattr("archiver.message.large.WHOLE_UP_TO", 1_000)
    assert parse_content(Trickle(raw, 999)) == expected
    assert "needle" in expected.attachment_text


def test_a_region_that_is_nobodys_is_listed() -> None:
    raw = b"From: a@x.test\r\n\r\nbody"
    lost = one_region(raw, hashlib.sha256(raw).digest())
    parsed = parse_split(Split(b"Subject: x\r\n\r\nhello", tuple(lost.regions)))
    assert "too_large" in parsed.problems
    assert parsed.not_searchable == ("0",)


# --- golden -----------------------------------------------------------------------------------------

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def test_the_golden_skeleton_gives_its_message() -> None:
    expected = (GOLDEN / "skeleton-v1.eml").read_bytes()
    same = base64.b64decode(expected.split(b"base64\r\n\r\n")[1].split(b"--g")[0])
    table = expected.split(b"b.csv\r\n\r\n")[1].split(b"\r\n--g")[0]
    contents = {hashlib.sha256(data).digest(): data for data in (same, table)}
    done = unpacked((GOLDEN / "skeleton-v1.bin").read_bytes(), lambda region: contents[region.sha256])
    assert b"".join(done.chunks()) == expected
    assert [(r.form, r.line, r.eol) for r in done.regions] == [
        ("base64", 76, b"\r\n"),
        ("verbatim", 0, b""),
        ("base64", 60, b"\n"),
    ]
    token = BlindIndex(bytes(range(32))).content_token(done.regions[0].sha256, done.regions[0].size)
    assert token.hex() == "d60b00f684d693884d366a7b21d98e7bf00e44aefccffb39f2c21fd8ac777c8c"


def test_bytes_in_memory_above_the_bound_are_parsed_like_any_other() -> None:
    body = b"".join(b"line %d of a long letter\r\n" % n for n in range(10))
    file = written(bytes(range(256)) * 30_000, 76, b"\r\n")
    raw = (
        b"Subject: long\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
        + body
        + b"--b\r\nContent-Type: application/x-a; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + file
        + b"\r\n--b--\r\n"
    )
    assert len(raw) > WHOLE_UP_TO
    found, direct = parse_content(raw), parse(raw)
    assert (
        (found.subject, found.body_text)
        == (direct.subject, direct.body_text)
        == ("long", body.decode().replace("\r\n", "\n").strip())
    )
    assert [(p.content_type, p.size) for p in found.parts] == [(p.content_type, p.size) for p in direct.parts]
