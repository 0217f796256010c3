"""Text of OOXML, OpenDocument and EPUB files, which are ZIP files of XML; other ZIPs go to `archives`."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from archiver.message.charsets import decode_bytes
from archiver.message.extract.archives import bounded, read_archive, short_name
from archiver.message.extract.faults import Damaged, Encrypted, NotSupported, TooLarge, Unreadable
from archiver.message.extract.sniff import magic, sniff
from archiver.message.extract.xmltext import xml_text
from archiver.message.html import html_to_text

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_MEMBERS = 5_000
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, NotImplementedError,
          RuntimeError)  # fmt: skip

_TEXT_MEMBER = re.compile(
    r"word/(?:document|header|footer|footnotes|endnotes|comments)\w*\.xml"
    r"|word/glossary/document\.xml"
    r"|xl/(?:workbook|sharedStrings|worksheets/[^/]+|comments\d*|comments/[^/]+|threadedComments/[^/]+)\.xml"
    r"|ppt/(?:slides|notesSlides|comments|handoutMasters)/[^/]+\.xml"
    r"|(?:word|xl|ppt)/(?:charts|diagrams|drawings)/[^/]+\.xml"
    r"|docProps/(?:core|custom)\.xml"
    r"|(?:[^/]+/)*(?:content|styles)\.xml|meta\.xml",
    re.IGNORECASE,
)
_ODF_STYLES = re.compile(r"(?:[^/]+/)*styles\.xml", re.IGNORECASE)
_ODF_TEXT = re.compile(
    rb"<style:((?:header|footer)(?:-left|-first)?)(?:\s[^<>]{0,500}[^<>/])?>.{0,100000}?</style:\1>",
    re.DOTALL,
)
# Documents inside documents: OLE packages, and Word's "alternative format chunks".
_EMBEDDED = re.compile(
    r"(?:word|xl|ppt)/embeddings/[^/]+|(?:word/)?[^/]*\.(?:html?|xhtml|mht|txt|rtf)", re.IGNORECASE
)
_BINARY_SHEET = re.compile(r"xl/worksheets/[^/]+\.bin", re.IGNORECASE)
_PICTURE = re.compile(r"(?:(?:word|xl|ppt)/media|Pictures)/[^/]+\.(?:png|jpe?g|tiff?|bmp|gif)", re.IGNORECASE)
_MARKS = frozenset({"[Content_Types].xml", "content.xml", "mimetype"})


def read_zip(data: bytes, context: Context) -> None:
    """Read an office document, or any other ZIP as an archive."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except DAMAGE:
        raise Damaged from None
    with archive:
        names = {member.filename for member in archive.infolist()}
        if not names & _MARKS:
            read_archive(archive, context)
            return
        try:
            _read_office(archive, names, context)
        except DAMAGE:
            raise Damaged from None


def _read_office(archive: zipfile.ZipFile, names: set[str], context: Context) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise TooLarge
    if any(member.flag_bits & 1 for member in members) or "EncryptedPackage" in names:
        raise Encrypted
    if "META-INF/manifest.xml" in names:
        manifest = _member(archive, archive.getinfo("META-INF/manifest.xml"), context)
        if b"encryption-data" in manifest:
            raise Encrypted
    if "META-INF/container.xml" in names:
        _read_epub(archive, context)
        return
    wanted = [member for member in members if _TEXT_MEMBER.fullmatch(member.filename)]
    if not wanted:
        read_archive(archive, context)
        return
    fault: Unreadable | None = None
    if any(_BINARY_SHEET.fullmatch(name) for name in names):
        fault = NotSupported()  # XLSB: its cells are binary records, only its properties are XML
    for member in sorted(wanted, key=lambda m: _natural(m.filename)):
        context.check_time()
        try:
            text = _member(archive, member, context)
            if _ODF_STYLES.fullmatch(member.filename):
                context.add(_odf_headers(text))
            else:
                context.add(xml_text(text))
        except TooLarge:
            raise
        except (Unreadable, *DAMAGE) as error:
            # One damaged sheet must not hide the others.
            fault = error if isinstance(error, Unreadable) else Damaged()
    for member in members:
        name = short_name(member.filename.rpartition("/")[2])
        if _EMBEDDED.fullmatch(member.filename) and not member.is_dir():
            context.entry()
            inner = _member(archive, member, context)
            context.nested(name, sniff(inner, name), inner)
        elif context.limits.ocr and _PICTURE.fullmatch(member.filename):
            inner = _member(archive, member, context)
            if magic(inner) == "image":
                context.nested(name, "image", inner, "image/" + name.rpartition(".")[2].lower())
    if fault is not None:
        raise fault


def _read_epub(archive: zipfile.ZipFile, context: Context) -> None:
    """An EPUB is a ZIP of web pages."""
    pages = [m for m in archive.infolist() if re.search(r"\.(?:x?html?|xml)\Z", m.filename, re.IGNORECASE)]
    for member in pages:
        context.check_time()
        if member.filename.startswith("META-INF/"):
            continue
        context.add(html_to_text(decode_bytes(_member(archive, member, context))[0]))


def _odf_headers(styles: bytes) -> str:
    """Page headers and footers stand among OpenDocument's styles; the rest of those is no text."""
    head = styles[: styles.find(b">", styles.find(b"<office:document-styles")) + 1]
    found = b"".join(match.group() for match in _ODF_TEXT.finditer(styles))
    return xml_text(head + found + b"</office:document-styles>") if found and head else ""


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort `slide2` before `slide10`."""
    return [(int(piece), "") if piece.isdigit() else (0, piece) for piece in re.split(r"([0-9]{1,9})", name)]


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, context: Context) -> bytes:
    with archive.open(member) as stream:
        return bounded(stream, context, member.compress_size)
