"""What a document is: by its first bytes, then its name, then what it is declared to be."""

from __future__ import annotations

import re

_MAGIC = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"PK00PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"{\\rtf", "rtf"), (b"x\x9f>\"", "tnef"),
    (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\x1f\x8b\x08", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"Rar!\x1a\x07", "rar"),
    (b"\x89PNG\r\n\x1a\n", "image"), (b"\xff\xd8\xff", "image"), (b"GIF8", "image"), (b"II*\0", "image"),
    (b"MM\0*", "image"), (b"\0\0\0\x0cjP  ", "image"),
)  # fmt: skip
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_WEBP = re.compile(rb"RIFF....WEBP", re.DOTALL)
_HTML = re.compile(
    rb"\s*(?:<!--.{0,400}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.IGNORECASE)
"""The charset that an HTML page says of itself."""
_IMAGES = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpeg"), (b"GIF8", "gif"), (b"II*", "tiff"), (b"MM\0*", "tiff"))
_TYPES = {
    "pdf": "application/pdf", "text": "text/plain", "html": "text/html", "rtf": "application/rtf",
    "mail": "message/rfc822", "7z": "application/x-7z-compressed", "gzip": "application/gzip",
    "tar": "application/x-tar", "tnef": "application/ms-tnef",
}  # fmt: skip
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1b")) + b"\x7f"
_NO_TEXT = ("image/", "audio/", "video/", "font/")
_BOM = b"\xef\xbb\xbf"

_SUFFIXES = {
    "text": "txt text log md csv tsv json ndjson xml ini yaml yml hl7 ics vcf sql",
    "html": "htm html xhtml",
    "zip": "docx docm dotx xlsx xlsm xltx xlsb pptx pptm ppsx potx odt ods odp odg ott epub zip",
    "ole": "doc dot xls xlt ppt pps pot msg",
    "image": "png jpg jpeg gif tif tiff bmp webp jp2",
    "gzip": "gz tgz",
    "bzip2": "bz2 tbz2",
    "xz": "xz txz",
    "mail": "eml mht mhtml",
    "tar": "tar",
    "7z": "7z",
    "pdf": "pdf",
    "rtf": "rtf",
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_BY_TYPE = {
    "application/pdf": "pdf", "application/x-pdf": "pdf", "text/rtf": "rtf", "application/rtf": "rtf",
    "application/x-rtf": "rtf", "application/zip": "zip", "application/x-zip-compressed": "zip",
    "application/x-7z-compressed": "7z", "application/gzip": "gzip", "application/x-gzip": "gzip",
    "application/x-bzip2": "bzip2", "application/x-xz": "xz", "application/x-tar": "tar",
    "application/ms-tnef": "tnef", "application/vnd.ms-tnef": "tnef", "application/vnd.ms-outlook": "ole",
    "application/msword": "ole", "application/vnd.ms-excel": "ole", "application/vnd.ms-powerpoint": "ole",
    "application/epub+zip": "zip",
    "text/html": "html", "application/xhtml+xml": "html",
}  # fmt: skip
_OFFICE_TYPE = re.compile(
    r"application/vnd\.(?:openxmlformats-officedocument|oasis\.opendocument|ms-(?:word|excel|powerpoint)\.\w+)\b"
)
STRONG = frozenset({"pdf", "zip", "ole", "rtf", "tnef", "7z"})
"""Kinds whose first bytes overrule a declaration as text."""


def magic(data: bytes, strict: bool = False) -> str:
    """The kind that the first bytes tell, or ``""``; `strict` takes them only at the very beginning."""
    for start, kind in _MAGIC:
        if data.startswith(start):
            return kind
    if data.startswith(b"%PDF-") or (not strict and b"%PDF-" in data[:1024]):
        return "pdf"
    if _BZIP2.match(data):
        return "bzip2"
    if data[257:262] == b"ustar":
        return "tar"
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "image"
    return "image" if _WEBP.match(data) else ""


def sniff(data: bytes, name: str, content_type: str = "") -> str:
    """The kind of a document, or ``""`` where no reader is to be asked.

    Senders call anything octet-stream or msword, so bytes go before the name and the name before the type.
    """
    if kind := magic(data):
        return kind
    if data.startswith((b"\x7fELF", b"MZ", b"\xffWPC")):
        return ""
    _, dot, suffix = name.rpartition(".")
    named = _BY_SUFFIX.get(suffix.lower(), "") if dot else ""
    if not named and _OFFICE_TYPE.match(content_type):
        named = "zip"
    named = named or _BY_TYPE.get(content_type, "")
    if named in ("ole", "zip", "rtf", "") and _HTML.match(data[:1024].removeprefix(_BOM)):
        return "html"  # spreadsheets and letters that programs write as web pages
    if named == "ole" and data[:1] == b"\x09":
        return "biff"  # a workbook from before compound files
    if named in ("ole", "") and not content_type.startswith(_NO_TEXT) and _looks_like_text(data[:4096]):
        return "text"
    return named


def content_type_of(kind: str, data: bytes) -> str:
    """A MIME type for what came without one."""
    if kind == "image":
        for start, name in _IMAGES:
            if data.startswith(start):
                return f"image/{name}"
        return "image/x-unknown"
    return _TYPES.get(kind, "application/octet-stream")


def _looks_like_text(start: bytes) -> bool:
    """True for ASCII or UTF-8 without control characters; the last character may be cut."""
    if not start or start.translate(None, _CONTROL) != start:
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(start) - error.start < 4 and error.start > 0 and error.reason == "unexpected end of data"
    return True
