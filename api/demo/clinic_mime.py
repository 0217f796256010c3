"""Builds the sample clinic's messages as bytes: headers, parts, attachments and journal reports."""

from __future__ import annotations

import base64
import io
import quopri
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from xml.sax.saxutils import escape

CRLF = "\r\n"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a message."""

    filename: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is bytes. Addresses are full mailboxes, `Name <local@domain>` or bare."""

    sender: str
    to: tuple[str, ...]
    subject: str
    body: str
    sent: datetime
    message_id: str
    cc: tuple[str, ...] = ()
    html: str = ""
    charset: str = "utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = field(default=())


def build(draft: Draft) -> bytes:
    """The message with CRLF line ends. Its boundary is made from the Message-ID, so bytes repeat."""
    token = draft.message_id.strip("<>").split("@", 1)[0]
    lines = [
        f"Date: {format_datetime(draft.sent)}",
        f"From: {_mailbox(draft.sender, draft.charset)}",
        f"To: {_mailboxes(draft.to, draft.charset)}",
    ]
    if draft.cc:
        lines.append(f"Cc: {_mailboxes(draft.cc, draft.charset)}")
    lines.append(f"Subject: {encode_header(draft.subject, draft.charset)}")
    lines.append(f"Message-ID: {draft.message_id}")
    lines += [f"{name}: {value}" for name, value in draft.headers]
    lines.append("MIME-Version: 1.0")
    content = _text_part("plain", draft.body, draft.charset)
    if draft.html:
        content = _multipart(
            "alternative", f"alt-{token}", [content, _text_part("html", draft.html, draft.charset)]
        )
    if draft.attachments:
        parts = [content, *(_attachment_part(one) for one in draft.attachments)]
        content = _multipart("mixed", f"mix-{token}", parts)
    return CRLF.join(lines).encode("ascii") + CRLF.encode() + content


def journal_report(envelope: Sequence[str], inner: bytes, to: str, report_id: str, sent: datetime) -> bytes:
    """An envelope journal report ([MS-XJRNL] 2.1): the envelope's lines, then the message untouched."""
    boundary = f"rep-{report_id.strip('<>').split('@', 1)[0]}"
    text = CRLF.join(envelope)
    charset = "us-ascii" if text.isascii() else "utf-8"
    encoding = "7bit" if text.isascii() else "8bit"
    head = CRLF.join(
        (
            "From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@harborlight.example>",
            f"To: {to}",
            f"Date: {format_datetime(sent)}",
            "Subject: Journal report",
            f"Message-ID: {report_id}",
            "X-MS-Journal-Report:",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{boundary}"',
            "",
            f"--{boundary}",
            f'Content-Type: text/plain; charset="{charset}"',
            f"Content-Transfer-Encoding: {encoding}",
            "",
            text,
            "",
            f"--{boundary}",
            "Content-Type: message/rfc822",
            "",
            "",
        )
    )
    return head.encode("utf-8") + inner + f"{CRLF}--{boundary}--{CRLF}".encode("ascii")


def encode_header(text: str, charset: str) -> str:
    """RFC 2047 where needed, folded; the charset is that of the message."""
    if text.isascii():
        return text
    return Header(text, _able(text, charset), maxlinelen=70, header_name="Subject").encode(linesep=CRLF)


def docx(paragraphs: Sequence[str]) -> bytes:
    """A Word document of plain paragraphs, the same bytes for the same text."""
    body = "".join(f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    schema = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        f'<Default Extension="rels" ContentType="{relations}"/>'
        f'<Override PartName="/word/document.xml" ContentType="{word}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{office}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{schema}"><w:body>{body}</w:body></w:document>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, xml in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            archive.writestr(entry, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>' + xml)
    return out.getvalue()


def pdf(lines: Sequence[str]) -> bytes:
    """A one-page PDF with these lines of text (Latin-1), uncompressed."""
    shown = " T* ".join(f"({_pdf_string(line)}) Tj" for line in lines)
    stream = f"BT /F1 11 Tf 14 TL 60 740 Td {shown} ET".encode("latin-1", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _pdf_string(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _able(text: str, charset: str) -> str:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return "utf-8"
    return charset


def _mailbox(mailbox: str, charset: str) -> str:
    if mailbox.isascii() or " <" not in mailbox:
        return mailbox
    name, address = mailbox.split(" <", 1)
    return f"{encode_header(name, charset)} <{address}"


def _mailboxes(mailboxes: Sequence[str], charset: str) -> str:
    return f",{CRLF} ".join(_mailbox(one, charset) for one in mailboxes)


def _text_part(subtype: str, text: str, charset: str) -> bytes:
    charset = _able(text, charset)
    text = text.replace("\n", CRLF) + CRLF
    if text.isascii():
        encoding, data = "7bit", text.encode("ascii")
    elif charset == "utf-8" and len(text) % 2:
        encoding = "base64"
        data = base64.encodebytes(text.encode("utf-8")).replace(b"\n", b"\r\n")
    else:
        encoding = "quoted-printable"
        data = quopri.encodestring(text.replace(CRLF, "\n").encode(charset)).replace(b"\n", b"\r\n")
    head = f'Content-Type: text/{subtype}; charset="{charset}"{CRLF}Content-Transfer-Encoding: {encoding}'
    return f"{head}{CRLF}{CRLF}".encode("ascii") + data


def _attachment_part(attachment: Attachment) -> bytes:
    head = (
        f'Content-Type: {attachment.content_type}; name="{attachment.filename}"{CRLF}'
        f"Content-Transfer-Encoding: base64{CRLF}"
        f'Content-Disposition: attachment; filename="{attachment.filename}"{CRLF}{CRLF}'
    )
    return head.encode("ascii") + base64.encodebytes(attachment.data).replace(b"\n", b"\r\n")


def _multipart(subtype: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    out = bytearray(f'Content-Type: multipart/{subtype}; boundary="{boundary}"{CRLF}{CRLF}'.encode("ascii"))
    for part in parts:
        out += f"--{boundary}{CRLF}".encode("ascii") + part + CRLF.encode()
    out += f"--{boundary}--{CRLF}".encode("ascii")
    return bytes(out)
