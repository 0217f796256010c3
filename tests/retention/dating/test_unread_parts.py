"""What could not be read may hold anything: it makes mail count as medical record, whatever the reason."""

from __future__ import annotations

from typing import get_args

import pytest

from archiver.message.model import TextStatus
from retention.dating.verdicts import SCAN_BYTES, _opaque

READ = {"indexed", "empty"}


@pytest.mark.parametrize("status", sorted(set(get_args(TextStatus)) - READ))
def test_every_reason_counts(status: str) -> None:
    part = {
        "text_status": status,
        "attachment": True,
        "content_type": "application/pdf",
        "size": 100,
        "filename": "a.pdf",
    }
    assert _opaque(part)


@pytest.mark.parametrize("status", sorted(READ))
def test_what_was_read_does_not(status: str) -> None:
    assert not _opaque({"text_status": status, "attachment": True, "content_type": "a/b", "size": 1})


@pytest.mark.parametrize(
    ("content_type", "size", "attachment", "counts"),
    [
        ("image/png", SCAN_BYTES - 1, True, False),
        ("image/png", SCAN_BYTES, True, True),
        ("image/tiff", 1, True, True),
        ("image/png", SCAN_BYTES, False, False),
    ],
)
def test_a_logo_is_no_document(content_type: str, size: int, attachment: bool, counts: bool) -> None:
    part = {"text_status": "no_text", "attachment": attachment, "content_type": content_type, "size": size}
    assert _opaque(part) is counts
