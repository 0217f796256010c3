"""OCR by the real Tesseract: pictures and scanned PDF give their words when it is on, and say so when not."""

from __future__ import annotations

from collections.abc import Iterator

import pypdfium2
import pytest

from archiver.message.extract import policy
from archiver.message.extract.client import POOL, ExtractorPool
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Job
from archiver.message.parse import parse
from tests.archiver.message.test_parse import attached, multipart
from tests.support.documents import docx, pdf, png

ON = Limits(ocr=True)


@pytest.fixture(scope="module")
def picture() -> tuple[int, int, bytes]:
    """A page of words, drawn: width, height and grey pixels."""
    with pypdfium2.PdfDocument(pdf("QUILL MEDICAL REPORT")) as document:
        bitmap = document[0].render(scale=2, grayscale=True, crop=(0, 600, 150, 50))
        width, height, stride = bitmap.width, bitmap.height, bitmap.stride
        data = bytes(bitmap.buffer)
    return width, height, b"".join(data[row * stride : row * stride + width] for row in range(height))


@pytest.fixture
def pool() -> Iterator[ExtractorPool]:
    opened = ExtractorPool()
    yield opened
    opened.close()


def test_pictures_and_scans(pool: ExtractorPool, picture: tuple[int, int, bytes]) -> None:
    files = [
        ("image", png(*picture)),
        ("pdf", pdf(picture=picture)),
        ("zip", docx("out", {"word/media/image1.png": png(*picture)})),
    ]
    jobs = [Job(kind, data, len(data)) for kind, data in files]
    for result in pool.extract(jobs, ON):
        assert result.status == "indexed"
        assert "MEDICAL REPORT" in result.text
    off = pool.extract(jobs, Limits())
    assert [result.status for result in off] == ["no_text", "no_text", "indexed"]


def test_a_picture_that_is_none(pool: ExtractorPool) -> None:
    data = b"\x89PNG\r\n\x1a\n" + b"garbage" * 50
    assert pool.extract([Job("image", data, len(data))], ON)[0].status == "damaged"


def test_no_more_time_than_allowed(pool: ExtractorPool, picture: tuple[int, int, bytes]) -> None:
    data = png(*picture)
    limits = Limits(seconds=0.05, ocr=True, ocr_seconds=0.05)
    assert pool.extract([Job("image", data, len(data))], limits)[0].status == "timeout"


def test_attached_pictures_of_a_message(picture: tuple[int, int, bytes]) -> None:
    raw = multipart("mixed", attached("scan.png", png(*picture), "image/png"))
    assert [part.text_status for part in parse(raw).parts] == ["no_text"]
    policy.configure(ON)
    try:
        read = parse(raw)
    finally:
        policy.configure(Limits())
        POOL.close()
    assert [part.text_status for part in read.parts] == ["indexed"]
    assert "MEDICAL REPORT" in read.attachment_text
