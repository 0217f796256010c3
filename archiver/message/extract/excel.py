"""Text of Excel's binary files by xlrd: cells, names of sheets, notes; text boxes by their records."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import xlrd

from archiver.message.extract.faults import Damaged, Encrypted, TooLarge

if TYPE_CHECKING:
    import olefile

    from archiver.message.extract.context import Context

MAX_CELLS = 4_000_000
_TEXT_BOX, _CONTINUE, _HEADER, _FOOTER = 0x01B6, 0x003C, 0x0014, 0x0015


def read_excel(data: bytes, ole: olefile.OleFileIO, context: Context) -> None:
    """Add the text of a workbook in a compound file."""
    from archiver.message.extract.ole import stream

    _read_book(data, context)
    name = "Workbook" if ole.exists("Workbook") else "Book"
    context.add("\n".join(text_boxes(stream(ole, [name], context))))


def read_biff(data: bytes, context: Context) -> None:
    """Add the text of a workbook that is a bare stream of records: embedded, or Excel 4 and older."""
    _read_book(data, context)
    context.add("\n".join(text_boxes(data)))


def _read_book(data: bytes, context: Context) -> None:
    try:
        book = xlrd.open_workbook(
            file_contents=data, logfile=io.StringIO(), on_demand=True, ragged_rows=True, formatting_info=False
        )
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise Encrypted from None
        raise Damaged from None
    cells = 0
    for number in range(book.nsheets):
        context.check_time()
        context.add(book.sheet_names()[number])
        sheet = book.sheet_by_index(number)
        for row in range(sheet.nrows):
            cells += sheet.row_len(row)
            if cells > MAX_CELLS:
                raise TooLarge
            context.add("\t".join(filter(None, (_shown(cell, book.datemode) for cell in sheet.row(row)))))
        context.add("\n".join(note.text for note in sheet.cell_note_map.values()))
        context.add(
            "\n".join(link.url_or_path for link in sheet.hyperlink_list if _is_text(link.url_or_path))
        )
        book.unload_sheet(number)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _shown(cell: Any, datemode: int) -> str:
    """A cell as a reader would type it into a search."""
    if cell.ctype == xlrd.XL_CELL_NUMBER:
        value = float(cell.value)
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            moment = xlrd.xldate_as_datetime(cell.value, datemode)
        except (ValueError, OverflowError, xlrd.xldate.XLDateError):
            return repr(cell.value)
        return str(moment.date()) if not (moment.hour or moment.minute or moment.second) else str(moment)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    return cell.value if cell.ctype == xlrd.XL_CELL_TEXT else ""


def text_boxes(book: bytes) -> list[str]:
    """The text of text boxes, page headers and footers (MS-XLS 2.4.329, 2.4.136), which xlrd leaves out."""
    found: list[str] = []
    position = 0
    left = 0
    while position + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, position)
        body = book[position + 4 : position + 4 + size]
        position += 4 + size
        if kind == _TEXT_BOX and len(body) >= 12:
            (left,) = struct.unpack_from("<H", body, 10)
            continue
        if kind == _CONTINUE and left and body:
            text = body[1:].decode("utf-16-le" if body[0] & 1 else "latin-1", "replace")
            found.append(text[:left])
            left = 0
        elif kind in (_HEADER, _FOOTER) and len(body) > 3:
            found.append(body[3:].decode("utf-16-le" if body[2] & 1 else "latin-1", "replace"))
    return found
