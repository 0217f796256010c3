"""Compound files (MS-CFB): tells which program's they are, and reads what is embedded in them."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import olefile

from archiver.message.extract import excel, mapimail, powerpoint, word
from archiver.message.extract.archives import short_name
from archiver.message.extract.faults import Damaged, Encrypted, NotSupported, TooLarge, Unreadable
from archiver.message.extract.msg import is_msg, read_msg
from archiver.message.extract.sniff import sniff

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_EMBEDDED = 200
_RIGHTS = ("EncryptedPackage", "\x06DataSpaces", "\x09DRMContent")
_SUMMARY = ("title", "subject", "author", "keywords", "comments")


def read_ole(data: bytes, context: Context) -> None:
    """Read a Word, Excel, PowerPoint or Outlook file of the binary kind."""
    try:
        ole = olefile.OleFileIO(io.BytesIO(data))
    except (OSError, IndexError, struct.error):
        raise Encrypted if "EncryptedPackage".encode("utf-16-le") in data else Damaged from None
    with ole:
        if any(ole.exists(name) for name in _RIGHTS):
            raise Encrypted
        if is_msg(ole):
            mapimail.read_message(read_msg(ole), context)
            return
        _read_summary(ole, context)
        fault = _try_document(ole, data, context)
        _read_embedded(ole, context)
        if fault is not None:
            raise fault


def _try_document(ole: olefile.OleFileIO, data: bytes, context: Context) -> Unreadable | None:
    """Read the document itself; damage to it must not hide what is embedded in it."""
    try:
        _read_document(ole, data, context)
    except (Encrypted, TooLarge):
        raise
    except Unreadable as why:
        return why
    except (MemoryError, RecursionError):
        raise
    except Exception:  # xlrd and olefile meet damage with whatever their own code trips over
        return Damaged()
    return None


def _read_document(ole: olefile.OleFileIO, data: bytes, context: Context) -> None:
    if ole.exists("WordDocument"):
        word.read_word(ole, context)
    elif ole.exists("Workbook") or ole.exists("Book"):
        excel.read_excel(data, ole, context)
    elif ole.exists("PowerPoint Document"):
        powerpoint.read_powerpoint(ole, context)
    elif ole.exists("\1Ole10Native"):
        _read_native(stream(ole, ["\1Ole10Native"], context), context)
    elif ole.exists("Package") or ole.exists("CONTENTS"):
        inner = stream(ole, ["Package" if ole.exists("Package") else "CONTENTS"], context)
        context.nested("package", sniff(inner, ""), inner)
    else:
        raise NotSupported


def stream(ole: olefile.OleFileIO, path: list[str], context: Context) -> bytes:
    """A whole stream, counted. Raises TooLarge."""
    context.unpacked(ole.get_size(path))
    return bytes(ole.openstream(path).read())


def _read_summary(ole: olefile.OleFileIO, context: Context) -> None:
    try:
        facts = ole.get_metadata()
    except Exception:  # a title that can't be read must not hide the document
        return
    found = []
    for name in _SUMMARY:
        value = getattr(facts, name, None)
        if isinstance(value, bytes):
            value = value.decode("utf-8" if getattr(facts, "codepage", 0) == 65001 else "cp1252", "replace")
        if isinstance(value, str) and value.strip("\0 "):
            found.append(value.strip("\0 "))
    context.add("\n".join(found))


def _read_embedded(ole: olefile.OleFileIO, context: Context) -> None:
    """Files put into the document as OLE packages, and documents of other programs kept as storages."""
    count = 0
    for path in ole.listdir(streams=True, storages=False):
        if len(path) < 2:
            continue
        last = path[-1]
        if last not in ("\1Ole10Native", "Package", "CONTENTS", "WordDocument", "Workbook", "Book"):
            continue
        count += 1
        if count > MAX_EMBEDDED:
            raise TooLarge
        context.entry()
        if last == "\1Ole10Native":
            _read_native(stream(ole, path, context), context)
        elif last in ("Package", "CONTENTS"):
            inner = stream(ole, path, context)
            context.nested(short_name(path[-2]), sniff(inner, ""), inner)
        elif last in ("Workbook", "Book"):
            context.nested(short_name(path[-2]), "biff", stream(ole, path, context))
        else:
            word.read_word(ole, context, path[:-1])


def _read_native(data: bytes, context: Context) -> None:
    """An OLE package (Ole10Native): label, path, path again, then the file."""
    try:
        position = 6
        end = data.index(b"\0", position)
        label = data[position:end].decode("cp1252", "replace")
        position = data.index(b"\0", end + 1) + 1 + 4
        (size,) = struct.unpack_from("<I", data, position)
        position += 4 + size
        (size,) = struct.unpack_from("<I", data, position)
        inner = data[position + 4 : position + 4 + size]
    except (ValueError, struct.error):
        label, inner = "package", data[4:]
    name = short_name(label)
    context.nested(name, sniff(inner, name), inner)
