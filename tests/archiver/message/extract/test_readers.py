"""Each format gives its text, and what can't be read says why. In the child, as in use."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
from collections.abc import Mapping

import pytest

from archiver.message.extract.client import POOL
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Extracted, Job
from archiver.message.extract.sniff import sniff
from tests.support import documents
from tests.support.documents import (
    biff,
    compound,
    doc,
    docx,
    msg,
    odt,
    pdf,
    ppt,
    pptx,
    tarred,
    tnef,
    xls,
    xlsx,
    zipped,
)  # fmt: skip

SEVEN_ZIPS: Mapping[str, str] = {
    # By 7-Zip 16.02: two files in LZMA behind a packed header, bzip2, encrypted, its header too, PPMd.
    "lzma":
    "N3q8ryccAATYXCasewAAAAAAAAAgAAAAAAAAAOvtt2DgABsAGF0AOJ1JVm7rwwi3nfcmSNeKffFHHvgJffQAAAAAgTMHrg/Q"
    "DrA8nz9HQQuzhjUvF/0mFycUGUuSJdeVe4+MzUCzUwN0ZDRKYrFq6lrolm9ruNgWZ8m7cJPeCPiQoQYWPEP19HJ8t5KJ0V5v"
    "uDDWZzuyweUAAAAXBiABCVsABwsBAAEjAwEBBV0AEAAADG4KAVWMJ6gAAA==",
    "bzip2":
    "N3q8ryccAASPDooGNAAAAAAAAABaAAAAAAAAANEWpl1CWmg5MUFZJlNZWIm+qgAABdGAABBAACInohAgACIADIQADIi8GahA"
    "BrxdyRThQkFiJvqoAQQGAAEJNAAHCwEAAQMEAgIMDgAICgFOBHKTAAAFARkMAAAAAAAAAAAAAAAAEQ8AcQAxAC4AdAB4AHQA"
    "AAAZBAAAAAAUCgEA9Ok7czd63QEVBgEAIICkgQAA",
    "encrypted":
    "N3q8ryccAAQLxvj2IAAAAAAAAABqAAAAAAAAADWsdRmmHU5UQCT3TzDwkE0FDTe2oMdZ6ro1BegGnoHEDRwSpwEEBgABCSAA"
    "BwsBAAIkBvEHARJTD9dNMSuTvOfg0S1ACRkMbzghIQEAAQAMEg4ACAoBTgRykwAABQEZAQARDwBxADEALgB0AHgAdAAAABkE"
    "AAAAABQKAQD06TtzN3rdARUGAQAggKSBAAA=",
    "header":
    "N3q8ryccAARKq1hRkAAAAAAAAAAuAAAAAAAAAOHBg/FFoXJ6P48PSdJsEzZtM1dI1D5VyWTk4DhaeZCxEJ/4WDuExyD5WV73"
    "iYgDVSF/Wj2jnunAf1jEm3EPlPlzsrv2A0i29PSBj//807PezGSW3zX+oHZIzeSD6Qihpqg+zN0bwcrCRL7IUEh50O86XqOS"
    "pvY2MeS6nXrOc+3vFJAmLv42Pczgrh155udYkO+64+YXBiABCXAABwsBAAEkBvEHARJTD4CaADUoxDdu91Qt2h+IIO4MagoB"
    "3poujAAA",
    "ppmd":
    "N3q8ryccAASQnKUMEgAAAAAAAABaAAAAAAAAANyrU+EAcQYMbLiZNM3kBaWZBJkYNgABBAYAAQkSAAcLAQABIwMEAQUGAAAB"
    "AAwOAAgKAU4EcpMAAAUBGQYAAAAAAAARDwBxADEALgB0AHgAdAAAABkEAAAAABQKAQD06TtzN3rdARUGAQAggKSBAAA=",
}  # fmt: skip


def read(data: bytes, name: str = "", limits: Limits | None = None) -> Extracted:
    kind = sniff(data, name)
    return POOL.extract([Job(kind, data, len(data), name)], limits or Limits())[0]


def seven(name: str) -> bytes:
    return base64.b64decode(SEVEN_ZIPS[name])


FILES: Mapping[str, tuple[bytes, tuple[str, ...]]] = {
    "a.docx": (docx("quill Ärzte"), ("quill Ärzte",)),
    "a.xlsx": (xlsx("quill"), ("quill", "4711", "quill noted", "quill sheet")),
    "a.pptx": (pptx("quill"), ("quill", "quill said aloud")),
    "a.odt": (odt("quill"), ("quill", "quill above")),
    "a.pdf": (pdf("quill and ink"), ("quill and ink",)),
    "a.doc": (doc("quill \x13 HYPERLINK x \x14Ärzte\x15"), ("quill", "Ärzte")),
    "a.xls": (xls("quill Ärzte"), ("quill Ärzte", "4711", "first")),
    "old.xls": (biff("quill"), ("quill", "4711")),
    "a.ppt": (ppt("quill Ärzte"), ("quill Ärzte", "aside")),
    "a.msg": (msg("subject", "quill", {"b.doc": doc("within")}), ("subject", "quill", "within")),
    "winmail.dat": (tnef("quill Ärzte", {"c.docx": docx("within")}), ("quill Ärzte", "within")),
    "a.rtf": (rb"{\rtf1\ansi quill {\*\htmltag84 &eacute;}\par}", ("quill é",)),
    "a.csv": ("quill;Ärzte\n".encode("cp1252"), ("quill;Ärzte",)),
    "a.ics": (b"BEGIN:VCALENDAR\r\nSUMMARY:quill\r\n", ("SUMMARY:quill",)),
    "a.vcf": (b"BEGIN:VCARD\r\nFN:Ann Quill\r\n", ("Ann Quill",)),
    "a.html": (b"<meta charset=iso-8859-1><p>quill <b>\xc4</b>rzte", ("quill Ärzte",)),
    "page.xls": (b"\xef\xbb\xbf<html><table><tr><td>quill</table>", ("quill",)),
    "a.eml": (b"Subject: sent\r\n\r\nquill", ("sent", "quill")),
    "a.zip": (zipped({"in/b.pdf": pdf("quill")}), ("quill",)),
    "a.tgz": (gzip.compress(tarred({"b.txt": b"quill"})), ("quill",)),
    "a.txt.bz2": (bz2.compress(b"quill"), ("quill",)),
    "a.txt.xz": (lzma.compress(b"quill"), ("quill",)),
    "a.7z": (seven("lzma"), ("quilllzma one", "quilllzma two")),
    "b.7z": (seven("bzip2"), ("quilllzma one",)),
    "README": (b"quill without a suffix\n", ("quill",)),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_text(name: str) -> None:
    data, words = FILES[name]
    found = read(data, name)
    assert found.status == "indexed"
    for word in words:
        assert word in found.text
    assert "HYPERLINK" not in found.text
    assert {inner.status for inner in found.inner} <= {"indexed"}


def test_what_is_inside_is_named() -> None:
    inner = zipped(
        {"deep/b.docx": docx("quill"), "c.rar": b"Rar!\x1a\x07\x00", "d.png": b"\x89PNG\r\n\x1a\n"}
    )
    found = read(zipped({"a.zip": inner, "mail.eml": mail_with("e.pdf", pdf("ink"))}), "outer.zip")
    listed = {i.name: (i.path, i.status) for i in found.inner}
    assert listed["a.zip/deep/b.docx"] == ("1.1", "indexed")
    assert listed["a.zip/c.rar"][1] == "not_supported"
    assert listed["a.zip/d.png"][1] == "no_text"
    assert listed["mail.eml/e.pdf"][1] == "indexed"
    assert "quill" in found.text
    assert "ink" in found.text
    assert next(i for i in found.inner if i.name.endswith("d.png")).content_type == "image/png"


def mail_with(name: str, data: bytes) -> bytes:
    return (
        f"Subject: s\r\nContent-Type: application/octet-stream; name={name}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + base64.encodebytes(data)


def test_files_in_documents() -> None:
    found = read(
        docx("out", {"word/embeddings/b.xlsx": xlsx("quill"), "word/afchunk.html": "<p>ink"}), "a.docx"
    )
    assert {(i.name, i.status) for i in found.inner} == {("b.xlsx", "indexed"), ("afchunk.html", "indexed")}
    assert "quill" in found.text
    assert "ink" in found.text
    attached = read(pdf("out", attached=b"quill"), "a.pdf")
    assert attached.text.split() == ["out", "quill"]
    assert [i.name for i in attached.inner] == ["inner.txt"]
    native = b"\0" * 6 + b"b.txt\0c:\\b.txt\0" + b"\0\0\3\0" + b"\4\0\0\0" + b"c:\\\0" + b"\5\0\0\0quill"
    embedded = read(compound({"WordDocument": b"", "ObjectPool/_1/\1Ole10Native": native}), "a.doc")
    assert "quill" in embedded.text
    assert embedded.status == "damaged"


REASONS: Mapping[str, tuple[bytes, str]] = {
    "scan.pdf": (pdf(picture=(40, 30, bytes(1200))), "no_text"),
    "a.png": (documents.png(4, 4, bytes(16)), "no_text"),
    "empty.pdf": (pdf(), "empty"),
    "cut.pdf": (b"%PDF-1.7\n1 0 obj", "damaged"),
    "cut.docx": (docx("quill")[:-30], "damaged"),
    "doctype.docx": (
        zipped({"[Content_Types].xml": "", "word/document.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}),
        "damaged",
    ),
    "locked.doc": (doc("quill", encrypted=True), "encrypted"),
    "locked.docx": (compound({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}), "encrypted"),
    "locked.odt": (
        zipped({"mimetype": "", "content.xml": "x", "META-INF/manifest.xml": "<m:encryption-data/>"}),
        "encrypted",
    ),
    "cut.doc": (doc("quill")[:1200], "damaged"),
    "strange.doc": (compound({"Something": b"x"}), "not_supported"),
    "cut.dat": (tnef("quill", {"a.txt": b"quill"})[:-40], "damaged"),
    "cut.rtf": (rb"{\rtf1 quill {\b", "damaged"),
    "header.7z": (seven("header"), "encrypted"),
    "a.rar": (b"Rar!\x1a\x07\x00", "not_supported"),
    "cut.gz": (b"\x1f\x8b\x08garbage that is not deflate", "damaged"),
}


@pytest.mark.parametrize("name", sorted(REASONS))
def test_why_not(name: str) -> None:
    data, status = REASONS[name]
    assert read(data, name).status == status


@pytest.mark.parametrize(("name", "status"), [("encrypted", "encrypted"), ("ppmd", "not_supported")])
def test_why_not_inside_7z(name: str, status: str) -> None:
    found = read(seven(name), "a.7z")
    assert [(i.name, i.status) for i in found.inner] == [("q1.txt", status)]


def test_damage_leaves_the_rest_readable() -> None:
    book = zipped({
        "[Content_Types].xml": "<T/>",
        "xl/worksheets/sheet1.xml": "<s><row><c t='inlineStr'><is><t>quill</t></is></c></row></s>",
        "xl/worksheets/sheet2.xml": "<s><row><c",
        "xl/worksheets/sheet3.xml": "<s><row><c t='inlineStr'><is><t>ink</t></is></c></row></s>",
    })  # fmt: skip
    found = read(book, "a.xlsx")
    assert found.status == "damaged"
    assert "quill" in found.text
    assert "ink" in found.text


def test_text_past_the_limit_is_told() -> None:
    found = read(docx("quill " * 100), "a.docx", Limits(text=60))
    assert found.status == "too_large"
    assert len(found.text) <= 60
    assert "quill" in found.text


def test_depth_is_told() -> None:
    data, name = b"quill", "a.txt"
    for _ in range(8):
        data, name = zipped({name: data}), "b.zip"
    found = read(data, "c.zip", Limits(depth=3))
    assert [i.status for i in found.inner][-1] == "too_deep"
    assert "quill" not in found.text


def test_names_from_inside_are_tamed() -> None:
    found = read(zipped({"../../\x1b[31mevil\n" + "x" * 500 + ".txt": "quill"}), "a.zip")
    name = found.inner[0].name
    assert len(name) <= 300
    assert name.isprintable()
