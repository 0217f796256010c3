"""The text of one leaf part: transfer encoding, charset and format undone, or why that can't be done."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archiver.message.charsets import decode_bytes
from archiver.message.html import html_to_text
from archiver.message.model import TextStatus
from archiver.message.office import office_text
from archiver.message.rtf import rtf_text
from archiver.message.structure import Entity
from archiver.message.transfer import decode_transfer, is_identity, is_known

_BY_SUFFIX = {
    "txt": "text/plain", "text": "text/plain", "log": "text/plain", "md": "text/plain", "csv": "text/csv",
    "tsv": "text/csv", "json": "text/plain", "ndjson": "text/plain", "xml": "text/plain", "ini": "text/plain",
    "yaml": "text/plain", "yml": "text/plain", "hl7": "text/plain",
    "ics": "text/calendar", "vcf": "text/vcard",
    "htm": "text/html", "html": "text/html", "xhtml": "text/html", "rtf": "application/rtf",
    "docx": "office", "docm": "office", "dotx": "office", "xlsx": "office", "xlsm": "office",
    "xltx": "office",
    "pptx": "office", "pptm": "office", "ppsx": "office", "odt": "office", "ods": "office", "odp": "office",
    "ott": "office", "eml": "message/rfc822",
}  # fmt: skip
_OFFICE_TYPE = re.compile(
    r"application/vnd\.(?:openxmlformats-officedocument|oasis\.opendocument|ms-(?:word|excel|powerpoint)\.\w+)\b"
)
_TEXT_TYPE = re.compile(
    r"text/|message/|application/(?:json|xml|x-ndjson|ics|csv|x-csv|hl7-v2|fhir\+json|x-yaml|sql|x-sh)\b"
    r"|application/.*\+(?:xml|json)\Z|image/svg\+xml"
)
_MARKUP_TYPE = frozenset(
    {"text/html", "application/xhtml+xml", "text/enriched", "text/richtext", "image/svg+xml"}
)
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_RIGHTS = frozenset({"application/x-microsoft-rpmsg-message", "application/pgp-encrypted"})
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.IGNORECASE)
_ARMOUR = re.compile(r"-----BEGIN PGP MESSAGE-----.*?(?:-----END PGP MESSAGE-----|\Z)", re.DOTALL)


@dataclass(slots=True)
class LeafText:
    """What a leaf gave: its text, decoded size in bytes, what became of it, and the problems met.

    `message` holds the bytes of a mail that came as a file, to be parsed as a nested message.
    """

    text: str
    size: int
    status: TextStatus
    problems: tuple[str, ...] = ()
    message: bytes | None = None


def is_text(content_type: str) -> bool:
    """True for types that a reader sees as text."""
    return _TEXT_TYPE.match(content_type) is not None


def leaf_text(entity: Entity, filename: str | None, limit: int) -> LeafText:
    """Read one leaf. Input past four bytes (markup: two) a character of `limit` is left out: `too_large`."""
    problems: list[str] = []
    encoding = entity.encoding
    data = entity.content
    if not is_identity(encoding):
        if not is_known(encoding):
            problems.append("unknown_encoding")
        data, good = decode_transfer(data, encoding)
        if not good:
            problems.append("bad_base64" if encoding == "base64" else "bad_encoding")
    size = len(data)
    kind = _kind(entity, filename, data)
    if kind == "message/rfc822":
        return LeafText("", size, "indexed", tuple(problems), data)
    status = _opaque(entity, kind)
    text = ""
    if status is None:
        # Markup costs more memory and time a byte than plain text does.
        most = (2 if kind in _MARKUP_TYPE or kind == "application/rtf" else 4) * limit + 1024
        cut = len(data) > most and kind != "office"
        text, status = _read(entity, kind, data[:most] if cut else data, problems)
        if cut and status != "encrypted":
            status = "too_large"
    return LeafText(text, size, status, tuple(problems))


def _kind(entity: Entity, filename: str | None, data: bytes) -> str:
    content_type = entity.content_type
    suffix = filename.rpartition(".")[2].lower() if filename and "." in filename else ""
    if content_type in ("text/rtf", "application/rtf", "application/x-rtf"):
        return "application/rtf"
    if _OFFICE_TYPE.match(content_type):
        return "office"
    if not is_text(content_type) and not content_type.startswith(("image/", "audio/", "video/")):
        # Senders call anything octet-stream or msword: the name and the first bytes know better.
        guess = _BY_SUFFIX.get(suffix, content_type)
        if guess == "office" or data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            return "office"
        return "application/rtf" if data.startswith(b"{\\rtf") else guess
    if content_type == "text/plain" and suffix in ("htm", "html"):
        return "text/html"
    return content_type


def _opaque(entity: Entity, kind: str) -> TextStatus | None:
    """The status of what has no text for us, or None when there is something to read."""
    declared = entity.content_type
    if declared in _SIGNATURES:
        return "empty"
    if declared in _RIGHTS or entity.parent_type == "multipart/encrypted":
        return "encrypted"
    if declared in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        signed = entity.params.get("smime-type", "").lower() in ("signed-data", "certs-only")
        return "not_supported" if signed else "encrypted"
    if kind in ("office", "application/rtf") or is_text(kind):
        return None
    return "not_supported"


def _read(entity: Entity, kind: str, data: bytes, problems: list[str]) -> tuple[str, TextStatus]:
    if kind == "office":
        text, status = office_text(data)
        return text.replace("\0", " "), status
    if kind == "application/rtf":
        text, good = rtf_text(data)
        return text.replace("\0", " "), "failed" if not good else "indexed" if text else "empty"
    charset = entity.params.get("charset", "")
    if not charset and kind == "text/html":
        meta = _META_CHARSET.search(data, 0, 4096)
        charset = meta.group(1).decode("ascii") if meta else ""
    text, good = decode_bytes(data, charset)
    if not good:
        problems.append("bad_charset")
    if "\0" in text:
        text = text.replace("\0", " ")
    if kind in _MARKUP_TYPE:
        text = html_to_text(text)
    elif "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "-----BEGIN PGP MESSAGE-----" in text:
        return _ARMOUR.sub(" ", text).strip(), "encrypted"
    return text, "indexed" if text and not text.isspace() else "empty"
