"""Text of OOXML and OpenDocument files, which are ZIP files of XML. Nothing in them is trusted."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from xml.parsers import expat

from archiver.message.charsets import decode_bytes
from archiver.message.html import html_to_text
from archiver.message.model import TextStatus
from archiver.message.rtf import rtf_text

MAX_MEMBERS = 2_000
MAX_MEMBER = 32 * 2**20
MAX_TOTAL = 64 * 2**20
MAX_RATIO = 200
MAX_XML_DEPTH = 1_000
MAX_EMBEDDING = 2
MAX_ELEMENTS = 2_000_000

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_TEXT_MEMBER = re.compile(
    r"word/(?:document|header\d*|footer\d*|footnotes|endnotes|comments\w*)\d*\.xml"
    r"|word/glossary/document\.xml"
    r"|xl/(?:sharedStrings|worksheets/[^/]+|comments\d*|comments/[^/]+|threadedComments/[^/]+)\.xml"
    r"|ppt/(?:slides|notesSlides|comments)/[^/]+\.xml"
    r"|(?:word|xl|ppt)/(?:charts|diagrams|drawings)/[^/]+\.xml"
    r"|docProps/core\.xml"
    r"|(?:[^/]+/)?content\.xml|meta\.xml",
    re.IGNORECASE,
)
# Documents inside documents: OLE packages, and Word's "alternative format chunks".
_EMBEDDED = re.compile(
    r"(?:word|xl|ppt)/embeddings/[^/]+|(?:word/)?[^/]*\.(?:html?|xhtml|mht|txt|rtf)", re.IGNORECASE
)
_BREAKS = frozenset({
    "p", "br", "cr", "tab", "tr", "tc", "row", "c", "si", "h", "line-break", "table-cell", "table-row",
    "list-item", "comment", "title", "creator", "subject", "description", "keywords",
})  # fmt: skip


class _TooLarge(Exception):
    """A document is bigger, unpacked, than its bounds allow."""


class _Refused(Exception):
    """A document's XML holds what ours never reads: a DOCTYPE, or endless nesting."""


@dataclass(slots=True)
class _Budget:
    total: int = MAX_TOTAL


def office_text(data: bytes, depth: int = 0) -> tuple[str, TextStatus]:
    """Return the text of a ZIP-based office document and what became of it. Never raises.

    `not_supported` for a ZIP that is no such document, `encrypted` for a protected one, `too_large`
    past the bounds (with the text read so far), `failed` when it is damaged or its XML has a DOCTYPE.
    A document that embeds one we can't read is `not_supported`, its own text given all the same.
    """
    if data.startswith(_OLE_MAGIC):
        return "", "encrypted" if _OLE_ENCRYPTED in data else "not_supported"
    out: list[str] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            status = _read_archive(archive, out, depth)
    except _TooLarge:
        status = "too_large"
    except (
        _Refused, zipfile.BadZipFile, expat.ExpatError, zlib.error, struct.error,
        OSError, EOFError, ValueError, LookupError, NotImplementedError, RuntimeError, MemoryError,
    ):  # fmt: skip
        status = "failed"
    text = "\n".join(out).strip()
    if status == "indexed" and not text:
        status = "empty"
    return text, status


def _read_archive(archive: zipfile.ZipFile, out: list[str], depth: int) -> TextStatus:
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(members) > MAX_MEMBERS:
        raise _TooLarge
    if any(member.flag_bits & 1 for member in members):
        return "encrypted"
    if not names & {"[Content_Types].xml", "content.xml", "mimetype"}:
        return "not_supported"
    budget = _Budget()
    if "META-INF/manifest.xml" in names:
        manifest = _member(archive, archive.getinfo("META-INF/manifest.xml"), budget)
        if b"encryption-data" in manifest:
            return "encrypted"
    if "EncryptedPackage" in names:
        return "encrypted"
    wanted = [member for member in members if _TEXT_MEMBER.fullmatch(member.filename)]
    if not wanted:
        return "not_supported"
    for member in sorted(wanted, key=lambda m: _natural(m.filename)):
        out.append(xml_text(_member(archive, member, budget)))
    complete = True
    for member in members:
        if _EMBEDDED.fullmatch(member.filename):
            complete = (
                _read_embedded(member.filename, _member(archive, member, budget), depth, out) and complete
            )
    return "indexed" if complete else "not_supported"


def _read_embedded(name: str, data: bytes, depth: int, out: list[str]) -> bool:
    """Read a document within the document; False when it holds text that can't be read."""
    suffix = name.rpartition(".")[2].lower()
    if suffix in ("htm", "html", "xhtml"):
        out.append(html_to_text(decode_bytes(data)[0]))
    elif suffix == "txt":
        out.append(decode_bytes(data)[0])
    elif suffix == "rtf":
        text, good = rtf_text(data)
        out.append(text)
        return good
    elif data.startswith(b"PK") and depth < MAX_EMBEDDING:
        text, status = office_text(data, depth + 1)
        out.append(text)
        return status in ("indexed", "empty")
    else:
        return False
    return True


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort `slide2` before `slide10`."""
    return [(int(piece), "") if piece.isdigit() else (0, piece) for piece in re.split(r"([0-9]{1,9})", name)]


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> bytes:
    """Unpack one member; its own claim of its size is not believed."""
    most = min(MAX_MEMBER, budget.total, max(2**20, member.compress_size * MAX_RATIO))
    with archive.open(member) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise _TooLarge
    budget.total -= len(data)
    return data


def xml_text(data: bytes) -> str:
    """Return the character data of an XML document, broken at paragraphs, rows and cells.

    Raises `_Refused` for a DOCTYPE (so no entity is ever expanded), `_TooLarge` past `MAX_ELEMENTS` and
    `expat.ExpatError` for damage.
    """
    out: list[str] = []
    skipped = 0
    depth = elements = 0
    shared = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal skipped, depth, elements, shared
        depth += 1
        elements += 1
        if elements > MAX_ELEMENTS:
            raise _TooLarge
        if depth > MAX_XML_DEPTH:
            raise _Refused
        local = name.rpartition(":")[2]
        if local == "c":
            # A cell of type "s" holds an index into the shared strings, not text.
            shared = attributes.get("t") == "s"
        elif skipped or local == "f" or (local == "v" and shared):
            skipped += 1
        elif local == "s" and name != local:
            out.append(" ")  # OpenDocument's element for blanks.

    def end(name: str) -> None:
        nonlocal skipped, depth
        depth -= 1
        local = name.rpartition(":")[2]
        if skipped and local != "c":
            skipped -= 1
        elif local in _BREAKS:
            out.append("\t" if local in ("tab", "c", "tc", "table-cell") else "\n")

    def characters(text: str) -> None:
        if not skipped:
            out.append(text)

    def doctype(*_: object) -> None:
        raise _Refused

    parser = expat.ParserCreate()
    parser.buffer_text = True
    handlers: tuple[tuple[str, Callable[..., None]], ...] = (
        ("StartElementHandler", start),
        ("EndElementHandler", end),
        ("CharacterDataHandler", characters),
        ("StartDoctypeDeclHandler", doctype),
    )
    for name, handler in handlers:
        setattr(parser, name, handler)
    parser.Parse(data, True)
    return "".join(out).strip()
