"""Small documents of many formats, made from their specifications: each says the words it is given."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping

# --- ZIP families -----------------------------------------------------------------------------------


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def docx(words: str, extra: Mapping[str, str | bytes] | None = None) -> bytes:
    """A Word document (OOXML)."""
    body = f"<w:document xmlns:w='w'><w:body><w:p><w:r><w:t>{words}</w:t></w:r></w:p></w:body></w:document>"
    return zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": body, **(extra or {})})


def xlsx(words: str) -> bytes:
    """A workbook (OOXML) with a shared string, a number, a sheet's name and a comment."""
    return zipped({
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f"<workbook><sheets><sheet name='{words} sheet'/></sheets></workbook>",
        "xl/sharedStrings.xml": f"<sst><si><t>{words}</t></si></sst>",
        "xl/worksheets/sheet1.xml": "<s><row><c t='s'><v>0</v></c><c><v>4711</v></c></row></s>",
        "xl/comments1.xml": f"<comments><comment><text><t>{words} noted</t></text></comment></comments>",
    })  # fmt: skip


def pptx(words: str) -> bytes:
    """A presentation (OOXML) with a slide and its notes."""
    text = "<p:sld xmlns:a='a' xmlns:p='p'><a:p><a:t>%s</a:t></a:p></p:sld>"
    return zipped({
        "[Content_Types].xml": "<Types/>",
        "ppt/slides/slide1.xml": text % words,
        "ppt/notesSlides/notesSlide1.xml": text % f"{words} said aloud",
    })  # fmt: skip


def odt(words: str) -> bytes:
    """An OpenDocument text with a page header."""
    head = "xmlns:office='o' xmlns:text='t' xmlns:style='s'"
    return zipped({
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {head}><text:p>{words}</text:p></office:document-content>",
        "styles.xml": f"<office:document-styles {head}><style:header-style/><style:header>"
        f"<text:p>{words} above</text:p></style:header></office:document-styles>",
    })  # fmt: skip


def tarred(members: Mapping[str, bytes]) -> bytes:
    """A tar of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


# --- PDF and pictures -----------------------------------------------------------------------------


def pdf(words: str = "", *, picture: tuple[int, int, bytes] | None = None, attached: bytes = b"") -> bytes:
    """A page of words, or of one grey picture (width, height, pixels), with a file attached perhaps."""
    content = f"BT /F1 18 Tf 40 700 Td ({words}) Tj ET" if words else ""
    extra = []
    resources = "/Font <</F1 5 0 R>>"
    if picture is not None:
        width, height, pixels = picture
        content += " q 500 0 0 300 40 400 cm /I Do Q"
        resources += " /XObject <</I 6 0 R>>"
        packed = zlib.compress(pixels)
        extra.append(
            b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8"
            b"/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream" % (width, height, len(packed), packed)
        )
    names = ""
    if attached:
        number = 6 + len(extra)
        extra.append(b"<</Type/EmbeddedFile/Length %d>>\nstream\n%s\nendstream" % (len(attached), attached))
        extra.append(f"<</Type/Filespec/F(inner.txt)/UF(inner.txt)/EF<</F {number} 0 R>>>>".encode())
        names = f"/Names<</EmbeddedFiles<</Names[(inner.txt) {number + 1} 0 R]>>>>"
    objects = [
        f"<</Type/Catalog/Pages 2 0 R{names}>>".encode(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<<{resources}>>>>".encode(),
        f"<</Length {len(content)}>>\nstream\n{content}\nendstream".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *extra,
    ]
    out = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return out + head + table + tail


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A grey PNG, a byte a pixel."""
    rows = b"".join(b"\0" + pixels[row * width : (row + 1) * width] for row in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


# --- compound files (MS-CFB) and what is kept in them ---------------------------------------------------

_SECTOR, _FREE, _END, _FAT = 512, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file of streams by path (`a/b`); each is padded so that none is a mini stream."""
    entries: list[list[object]] = [["Root Entry", 5, _FREE, _FREE, _FREE, _END, 0]]
    folders = {"": 0}
    last: dict[int, int] = {}
    bodies: list[tuple[int, bytes]] = []

    def add(parent: int, name: str, kind: int) -> int:
        number = len(entries)
        entries.append([name, kind, _FREE, _FREE, _FREE, _END, 0])
        if parent in last:
            entries[last[parent]][3] = number  # the tree as a list: every entry is its elder's right child
        else:
            entries[parent][4] = number
        last[parent] = number
        return number

    for path, body in streams.items():
        parent, above = 0, ""
        *names, leaf = path.split("/")
        for name in names:
            above = f"{above}/{name}"
            if above not in folders:
                folders[above] = add(parent, name, 1)
            parent = folders[above]
        number = add(parent, leaf, 2)
        entries[number][6] = len(body)
        if len(body) < 4096:
            entries[number][6] = 4096
        bodies.append((number, body.ljust(4096, b"\0")))
    sectors: list[bytes] = []
    table: list[int] = []

    def put(body: bytes) -> int:
        start = len(sectors)
        pieces = [body[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(body), _SECTOR)]
        sectors.extend(pieces)
        table.extend([*range(start + 1, start + len(pieces)), _END])
        return start

    for number, body in bodies:
        entries[number][5] = put(body)
    directory = b""
    for name, kind, left, right, child, start, size in entries:
        written = str(name).encode("utf-16-le")
        directory += struct.pack(
            "<64sHBBIII16sIQQIQ",
            written,
            len(written) + 2,
            kind,
            1,
            left,
            right,
            child,
            b"",
            0,
            0,
            0,
            start,
            size,
        )
    first_directory = put(directory)
    count = -(-(len(table) + 2) // (_SECTOR // 4 - 1))
    first_table = len(sectors)
    table += [_FAT] * count
    table += [_FREE] * (count * _SECTOR // 4 - len(table))
    packed = struct.pack(f"<{len(table)}I", *table)
    places = [*range(first_table, first_table + count)] + [_FREE] * (109 - count)
    head = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"",
        0, count, first_directory, 0, 4096, _END, 0, _END, 0,
    )  # fmt: skip
    return head + struct.pack("<109I", *places) + b"".join(sectors) + packed


def doc(words: str, *, encrypted: bool = False) -> bytes:
    """A Word 97 document: one piece of 16-bit text."""
    text = words.encode("utf-16-le")
    main = bytearray(0x400)
    struct.pack_into("<HH6xH", main, 0, 0xA5EC, 0x00C1, 0x0200 | (0x0100 if encrypted else 0))
    pieces = struct.pack("<II", 0, len(words)) + struct.pack("<HIH", 0, 0x400, 0)
    clx = b"\x02" + struct.pack("<I", len(pieces)) + pieces
    struct.pack_into("<II", main, 0x01A2, 0, len(clx))
    return compound({"WordDocument": bytes(main) + text, "1Table": clx})


def biff(words: str) -> bytes:
    """An Excel 97 workbook as bare records: a label and a number on one sheet."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6))
    name = b"first"
    length = len(start) + 4 + 8 + len(name) + 4
    sheets = record(0x0085, struct.pack("<IBBBB", length, 0, 0, len(name), 0) + name)
    sheet = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))
    text = words.encode("utf-16-le")
    sheet += record(0x0204, struct.pack("<HHHHB", 0, 0, 0, len(words), 1) + text)
    sheet += record(0x0203, struct.pack("<HHHd", 1, 0, 0, 4711.0))
    return start + sheets + record(0x000A, b"") + sheet + record(0x000A, b"")


def xls(words: str) -> bytes:
    """The same in a compound file."""
    return compound({"Workbook": biff(words)})


def ppt(words: str) -> bytes:
    """A PowerPoint 97 presentation: a container, 16-bit and 8-bit text."""
    wide = words.encode("utf-16-le")
    inside = struct.pack("<HHI", 0, 4000, len(wide)) + wide
    inside += struct.pack("<HHI", 0, 4008, 5) + b"aside"
    body = struct.pack("<HHI", 0x000F, 1000, len(inside)) + inside
    # The stream is padded to 4096 bytes: by an atom of no interest.
    body += struct.pack("<HHI", 0, 1, 4096 - len(body) - 8) + bytes(4096 - len(body) - 8)
    return compound({"PowerPoint Document": body})


def msg(subject: str, body: str, attached: Mapping[str, bytes]) -> bytes:
    """An Outlook message with attachments."""
    tables = {"__properties_version1.0": bytes(32)}
    streams = {**tables, "__substg1.0_0037001F": _wide(subject), "__substg1.0_1000001F": _wide(body)}
    for number, (name, data) in enumerate(attached.items()):
        folder = f"__attach_version1.0_#{number:08X}"
        streams[f"{folder}/__properties_version1.0"] = bytes(8)
        streams[f"{folder}/__substg1.0_3707001F"] = _wide(name)
        streams[f"{folder}/__substg1.0_37010102"] = data
    return compound(streams)


def _wide(text: str) -> bytes:
    return text.encode("utf-16-le")


# --- TNEF -----------------------------------------------------------------------------------------


def tnef(body: str, attached: Mapping[str, bytes]) -> bytes:
    """A winmail.dat: a code page, the body as a MAPI property, and attachments."""

    def attribute(level: int, tag: int, value: bytes) -> bytes:
        return struct.pack("<BII", level, tag, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    wide = _wide(body) + b"\0\0"
    properties = struct.pack("<IHHII", 1, 0x001F, 0x1000, 1, len(wide)) + wide + bytes(-len(wide) % 4)
    out = struct.pack("<IH", 0x223E9F78, 1)
    out += attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    out += attribute(1, 0x00069003, properties)
    for name, data in attached.items():
        out += attribute(2, 0x00069002, bytes(14))
        out += attribute(2, 0x00018010, name.encode() + b"\0")
        out += attribute(2, 0x0006800F, data)
    return out
