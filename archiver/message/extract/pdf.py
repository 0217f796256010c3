"""PDF by pdfium: the text layer page by page, what stands in forms and notes, and attached files."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from archiver.message.extract.faults import Damaged, Encrypted, TooLarge, Unreadable
from archiver.message.extract.sniff import sniff

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_PAGES = 20_000
MAX_ANNOTATIONS = 2_000
MAX_ATTACHMENTS = 200
OCR_DPI = 200
OCR_PIXELS = 40_000_000
"""Of one page: an A2 sheet at 200 dpi."""

_NOTES = ("Contents", "RC", "V", "TU")
"""Keys of an annotation that hold text: a note, a form field's value and tooltip (ISO 32000-1 12.5, 12.7)."""
_FACTS = ("Title", "Author", "Subject", "Keywords")
_PASSWORD = 4


def read_pdf(data: bytes, context: Context) -> None:
    """Add a document's text. `no_text` where a page is a picture without a text layer and OCR is off."""
    start = max(0, data.find(b"%PDF-", 0, 1024))  # what a gateway put before it moves every offset
    try:
        document = pdfium.PdfDocument(data[start:])
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            raise Encrypted from None
        raise Damaged from None
    try:
        _read(document, context)
    finally:
        document.close()


def _read(document: Any, context: Context) -> None:
    facts = document.get_metadata_dict(skip_empty=True)
    context.add("\n".join(facts[name] for name in _FACTS if facts.get(name)))
    pages = len(document)
    pictures = damaged = 0
    for number in range(min(pages, MAX_PAGES)):
        context.check_time()
        try:
            page = document[number]
        except pdfium.PdfiumError:
            damaged += 1
            continue
        try:
            pictures += not _read_page(page, number, context)
        finally:
            page.close()
    _read_outline(document, context)
    _read_attachments(document, context)
    if pages > MAX_PAGES:
        raise TooLarge
    if damaged or not pages:
        raise Damaged
    if pictures:
        raise Unreadable("no_text")


def _read_page(page: Any, number: int, context: Context) -> bool:
    """Add a page's text; False where it shows a picture and has none."""
    with contextlib.closing(page.get_textpage()) as layer:
        text = layer.get_text_bounded() if layer.count_chars() else ""
    # pdfium marks a hyphen at a line's end by U+FFFE (as U+0002 in older versions): the word goes on.
    text = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\x02\n", "")
    context.add(text.replace("\ufffe", "").replace("\x02", ""))
    noted = _read_annotations(page, context)
    if text.strip():
        return True
    if not any(o.type == raw.FPDF_PAGEOBJ_IMAGE for o in page.get_objects(max_depth=3)):
        return True
    if context.limits.ocr and number < context.limits.ocr_pages:
        from archiver.message.extract.ocr import read_pixels

        width, height = page.get_size()
        scale = min(OCR_DPI / 72, (OCR_PIXELS / max(1.0, width * height)) ** 0.5)
        bitmap = page.render(scale=scale, grayscale=True)
        with contextlib.closing(bitmap):
            read_pixels(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride, context)
        return True
    return noted


def _read_annotations(page: Any, context: Context) -> bool:
    found = []
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        for key in _NOTES:
            value = _string(raw.FPDFAnnot_GetStringValue, annotation, key.encode())
            if value and not value.startswith("<?xml"):
                found.append(value)
        raw.FPDFPage_CloseAnnot(annotation)
    context.add("\n".join(dict.fromkeys(found)))
    return bool(found)


def _string(call: Any, handle: Any, key: bytes) -> str:
    size = call(handle, key, None, 0)
    if not 2 < size <= 2**22:
        return ""
    buffer = ctypes.create_string_buffer(size)
    call(handle, key, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\0").strip()


def _read_outline(document: Any, context: Context) -> None:
    with contextlib.suppress(pdfium.PdfiumError):
        titles = []
        for item in document.get_toc(max_depth=10):
            title = item.get_title()
            if title:
                titles.append(title)
            if len(titles) > MAX_ANNOTATIONS:
                break
        context.add("\n".join(titles))


def _read_attachments(document: Any, context: Context) -> None:
    count = document.count_attachments()
    for index in range(min(count, MAX_ATTACHMENTS)):
        context.entry()
        try:
            attachment = document.get_attachment(index)
            name = attachment.get_name() or f"attachment-{index + 1}"
            data = bytes(attachment.get_data())
        except pdfium.PdfiumError:
            context.listed(f"attachment-{index + 1}", "damaged")
            continue
        context.unpacked(len(data))
        context.nested(name, sniff(data, name), data)
    if count > MAX_ATTACHMENTS:
        raise TooLarge
