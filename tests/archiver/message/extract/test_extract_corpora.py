"""Documents nobody here wrote: each ends with its text or a reason, and says what its twins and lists say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from archiver.message.extract.client import ExtractorPool
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Extracted, Job
from archiver.message.extract.sniff import sniff
from archiver.message.extract.tnef import open_tnef

# What only a password, a damaged file or an unknown format explains; every other document gives text.
REASONS = {
    "protectedFile.xlsx": "encrypted", "testPPT_protected_passtika.pptx": "encrypted",
    "testWORD_protected_passtika.doc": "encrypted", "testWORD_protected_drm.doc": "encrypted",
    "testPassword4Spaces.pdf": "encrypted", "testOCR.pdf": "no_text",
    "testPDF_no_extract_yes_accessibility_owner_user.pdf": "encrypted",
    "testODTnotaZipFile.odt": "damaged", "testWORD_truncated.docx": "damaged",
    "testWordPerfect_42.doc": "damaged", "test-columnar.xlsb": "not_supported",
}  # fmt: skip
EMPTY = {
    "testColorRendering.pdf",
    "testPDF_jsActionOnPage.pdf",
    "testRTFIgnoredControlWord.rtf",
    "TIKA-216.tgz",
}
PICTURES = (".jpg", ".png", ".tif")


@pytest.fixture(scope="module")
def found(corpora: Path) -> dict[str, Extracted]:
    """Everything of the collection, read by one child."""
    pool = ExtractorPool()
    results = {}
    for path in sorted((corpora / "tika-attachments").iterdir()):
        data = path.read_bytes()
        kind = sniff(data, path.name)
        results[path.name] = pool.extract([Job(kind, data, len(data), path.name)], Limits())[0]
    pool.close()
    return results


def test_each_has_text_or_a_reason(found: dict[str, Extracted]) -> None:
    assert len(found) > 180
    wrong = {}
    for name, result in found.items():
        wanted = REASONS.get(name, "no_text" if name.endswith(PICTURES) else "indexed")
        if name in EMPTY:
            wanted = "empty"
        if result.status != wanted:
            wrong[name] = result.status
    assert wrong == {}


def test_nothing_crashed_or_hung(found: dict[str, Extracted]) -> None:
    counted = Counter(result.status for result in found.values())
    counted.update(inner.status for result in found.values() for inner in result.inner)
    assert not counted.keys() & {"crashed", "timeout", "failed"}


def words(result: Extracted) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w{3,}", result.text)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("testWORD_various.doc", "testWORD_various.docx"),
        ("testWORD_numbered_list.doc", "testWORD_numbered_list.docx"),
        ("testWORD_override_list_numbering.doc", "testWORD_override_list_numbering.docx"),
        ("testWORD_boldHyperlink.doc", "testWORD_boldHyperlink.docx"),
        ("testEXCEL.xls", "testEXCEL.xlsx"),
        ("testEXCEL_hyperlinks.xls", "testEXCEL_hyperlinks.xlsx"),
        ("testMSChart-govdocs-428996.xls", "testMSChart-govdocs-428996.xlsx"),
        ("testPPT_comment.ppt", "testPPT_comment.pptx"),
        ("testOptionalHyphen.rtf", "testOptionalHyphen.docx"),
        ("testRTFListMicrosoftWord.rtf", "testRTFListLibreOffice.rtf"),
    ],
)
def test_twins_say_the_same(found: dict[str, Extracted], old: str, new: str) -> None:
    ours, theirs = words(found[old]), words(found[new])
    assert ours
    assert len(ours & theirs) / min(len(ours), len(theirs)) > 0.8


def test_tnef_lists_name_what_is_found(corpora: Path) -> None:
    compared = 0
    for expected in sorted((corpora / "mimekit/tnef").glob("*.list")):
        message, _ = open_tnef(expected.with_suffix(".tnef").read_bytes())
        ours = {attachment.filename for attachment in message.attachments}
        theirs = {name.strip() for name in expected.read_text("utf-8", "replace").splitlines()}
        theirs = {name for name in theirs if name and not name.startswith(("body.", "message."))}
        assert theirs - ours <= {""}, expected.name
        compared += 1
    assert compared >= 6


def test_tnef_attachments_come_out_byte_for_byte(corpora: Path) -> None:
    compared = 0
    for path in sorted((corpora / "mimekit/tnef").glob("*.tnef")):
        message, _ = open_tnef(path.read_bytes())
        for attachment in message.attachments:
            twin = path.with_suffix("") / attachment.filename
            if twin.is_file() and attachment.data and not attachment.filename.startswith("Untitled"):
                # The collection keeps its text files with the line ends of Unix.
                ours, theirs = attachment.data, twin.read_bytes()
                assert len(ours) - ours.count(b"\r\n") == len(theirs) - theirs.count(b"\r\n")
                assert ours.replace(b"\r\n", b"\n") == theirs.replace(b"\r\n", b"\n"), attachment.filename
                compared += 1
    assert compared >= 8


def test_every_other_container_ends_with_text_or_a_reason(corpora: Path) -> None:
    pool = ExtractorPool()
    statuses: Counter[str] = Counter()
    for folder in ("tnefparse", "verdammelt-tnef", "mimekit/tnef", "tika-mail", "msg-extractor"):
        for path in sorted(p for p in (corpora / folder).rglob("*") if p.is_file()):
            data = path.read_bytes()
            kind = sniff(data, path.name)
            statuses[pool.extract([Job(kind, data, len(data), path.name)], Limits())[0].status] += 1
    pool.close()
    assert statuses["indexed"] > 50
    assert not statuses.keys() & {"crashed", "timeout", "failed"}
