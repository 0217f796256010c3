"""What is fuzzed: each target takes any bytes, and fails by an exception or a broken promise about them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from archiver.capture.files.mbox import MboxStyle, split_mbox
from archiver.capture.journal.report import unwrap
from archiver.capture.smtp.data import DotReader
from archiver.message.parse import parse
from tests.support.journal_samples import GROUP_AND_BCC, PROTECTED, RETURNED

MUSEUM = Path(__file__).parents[1] / "museum" / "mail"


def mime(data: bytes) -> None:
    """Parsing refuses nothing, and gives only text that UTF-8 can carry."""
    parsed = parse(data, text_limit=1 << 16)
    assert "parser_fault" not in parsed.problems
    for text in (parsed.subject, parsed.body_text, parsed.attachment_text, parsed.headers):
        text.encode("utf-8")
        assert "\0" not in text


def journal(data: bytes) -> None:
    """A report is unwrapped or it is none; what it reports stands in its bytes or decodes from them."""
    report = unwrap(data)
    if report is not None:
        parse(report.original, text_limit=1 << 12)
        for recipient in report.envelope.recipients:
            assert recipient.address


def mbox(data: bytes) -> None:
    """No byte of an mbox gets lost, whatever its lines look like, however it is cut into reads."""
    for style in get_args(MboxStyle):
        whole = [m.raw for m in split_mbox(io.BytesIO(data), style)]
        dripping = [m.raw for m in split_mbox(_Dripping(data), style)]
        assert whole == dripping
        kept = sum(len(raw or b"") for raw in whole)
        assert kept <= len(data)


def smtp_data(data: bytes) -> None:
    """DATA's framing gives the same message for any cutting into chunks."""
    together, rest = _read_data([data])
    apart, rest_apart = _read_data(data[i : i + 3] for i in range(0, len(data), 3))
    assert together == apart
    assert rest is None or (rest_apart is not None and data.endswith(rest))


def _read_data(chunks: Iterable[bytes]) -> tuple[bytes, bytes | None]:
    reader = DotReader()
    message = b""
    for chunk in chunks:
        message += reader.feed(chunk)
        if reader.done:
            return message, reader.rest
    return message, None


class _Dripping:
    """A stream that gives seven bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, 7) if size > 0 else 7)


def seeds() -> list[bytes]:
    """Where fuzzing begins: the museum's mail and the sample reports, also one after the other as an mbox."""
    mail = [path.read_bytes() for path in sorted(MUSEUM.glob("*.eml"))] + [GROUP_AND_BCC, PROTECTED, RETURNED]
    line = b"From x@y.example Thu Jan  1 00:00:00 1970\n"
    return [*mail, b"".join(line + raw + b"\n" for raw in mail)]
