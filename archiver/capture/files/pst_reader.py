"""The process that reads one PST: `python -m archiver.capture.files.pst_reader SKIP LIMIT < FILE`.

libpff is C and calls itself alpha; a PST may be hostile. So it runs here, without core dumps, unable to
write files, within bounds of memory, and tells each item in a frame: sizes (4 and 8 bytes, big-endian), a
JSON head, the message. `begin` comes before each item, so that its reader knows where a crash was.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import sys
from collections.abc import Iterator
from typing import Any

from archiver.capture.files.mapi import to_mime
from archiver.message.extract import mapi
from archiver.message.extract.mapi import MAX_DEPTH, Attachment, Item, Props

MOST_MEMORY = 3 * 1024**3
_LARGEST_VALUE = 64 * 1024 * 1024
_NO_MAIL = (
    "ipm.contact",
    "ipm.distlist",
    "ipm.configuration",
    "ipm.microsoft",
    "ipm.rule",
    "ipm.extendedrule",
)
"""Item classes that are no correspondence: address books, rules, settings."""


def main(skip: int, limit: int) -> None:
    """Read the PST on standard input, passing over its first `skip` items."""
    import pypff

    out = os.fdopen(os.dup(1), "wb")
    file = pypff.file()
    try:
        file.open_file_object(os.fdopen(0, "rb", closefd=False))
        root = file.get_root_folder()
    except Exception:  # libpff's one error for everything is OSError, its binding's others are not documented
        _tell(out, {"kind": "bad"})
        return
    for number, (message, folder) in enumerate(_walk(file, root)):
        if number >= skip:
            head: dict[str, Any] = {"id": _number(message), "folder": folder}
            _tell(out, {**head, "kind": "begin"})
            told, raw = _read(message, limit)
            _tell(out, {**head, **told}, raw)
    _tell(out, {"kind": "end"})


def _tell(out: io.BufferedIOBase | Any, head: dict[str, Any], raw: bytes = b"") -> None:
    told = json.dumps(head).encode()
    out.write(struct.pack(">IQ", len(told), len(raw)) + told)
    out.write(raw)
    out.flush()


def _walk(file: Any, root: Any) -> Iterator[tuple[Any, list[str]]]:
    """Every item, folder by folder in the order of the file; then those whose folder is lost."""
    waiting: list[tuple[Any, list[str]]] = [(root, [])]
    while waiting:
        folder, path = waiting.pop()
        for number in _count(folder, "number_of_sub_messages"):
            with contextlib.suppress(OSError):
                yield folder.get_sub_message(number), path
        inner = []
        for number in _count(folder, "number_of_sub_folders"):
            with contextlib.suppress(OSError):
                found = folder.get_sub_folder(number)
                name = _name(found)
                # The tree that users see hangs below a folder that none of them sees.
                shown = path if name == "Top of Personal Folders" and not path else [*path, name]
                if len(path) < 64:
                    inner.append((found, shown))
        waiting += reversed(inner)
    for number in _count(file, "number_of_orphan_items"):
        with contextlib.suppress(OSError):
            yield file.get_orphan_item(number), ["(orphans)"]


def _count(thing: Any, name: str) -> range:
    try:
        return range(getattr(thing, name) or 0)
    except (OSError, AttributeError):
        return range(0)


def _name(folder: Any) -> str:
    try:
        return str(folder.name or "").replace("/", "_") or "(no name)"
    except OSError:
        return "(no name)"


def _number(item: Any) -> int:
    try:
        return int(item.identifier)
    except OSError:
        return 0


def _read(message: Any, limit: int) -> tuple[dict[str, Any], bytes]:
    try:
        item = _item(message, limit, 0)
        kind = item.text(mapi.MESSAGE_CLASS).lower()
        if kind.startswith(_NO_MAIL) or not kind.startswith(("ipm", "report")):
            return {"kind": "refused", "why": "not_mail"}, b""
        raw = to_mime(item, "pst")
    except (MemoryError, _TooLarge):
        return {"kind": "refused", "why": "too_large"}, b""
    except Exception:  # whatever this item did, the next may be sound
        return {"kind": "refused", "why": "bad_pst"}, b""
    if len(raw) > limit:
        return {"kind": "refused", "why": "too_large"}, b""
    received = mapi.time_of(item.properties, mapi.DELIVERY_TIME)
    told = {"kind": "item", "problems": item.problems, "received": received and received.isoformat()}
    return told, raw


class _TooLarge(Exception):
    """An attachment is above the limit."""


def _item(message: Any, limit: int, depth: int) -> Item:
    props = _props(message.get_record_set(0)) if _count(message, "number_of_record_sets") else {}
    item, charset = Item(props), mapi.charset_in(props)
    recipients = getattr(message, "recipients", None)
    if recipients is not None:
        for number in _count(recipients, "number_of_record_sets"):
            item.recipients.append(_props(recipients.get_record_set(number), charset))
    for number in _count(message, "number_of_attachments"):
        try:
            item.attachments.append(_attachment(message.get_attachment(number), charset, limit, depth))
        except OSError:
            item.problems.append("bad_attachment")
    return item


def _attachment(found: Any, charset: str, limit: int, depth: int) -> Attachment:
    props = _props(found.get_record_set(0), charset) if _count(found, "number_of_record_sets") else {}
    attachment = Attachment(props)
    method = props.get(mapi.ATTACH_METHOD, 1)
    if method == 5 and _count(found, "number_of_sub_items") and depth <= MAX_DEPTH:
        attachment.item = _item(found.get_sub_item(0), limit, depth + 1)
    elif method == 1:
        size = found.get_size() or 0
        if size > limit:
            raise _TooLarge
        data = b""
        while len(data) < size and (block := found.read_buffer(size - len(data))):
            data += block
        attachment.data = data
    return attachment


def _props(records: Any, charset: str = "") -> Props:
    props = mapi.read_props(_entries(records), charset)
    subject = props.get(mapi.SUBJECT)
    if isinstance(subject, str) and subject[:1] == "\x01":
        # PidTagSubject in a PST begins with two characters that count its prefix ([MS-PST] 2.5.3.1.1.1).
        props[mapi.SUBJECT] = subject[2:]
    return props


def _entries(records: Any) -> Iterator[tuple[int, int, bytes]]:
    for number in _count(records, "number_of_entries"):
        try:
            entry = records.get_entry(number)
            key, kind, data = entry.entry_type, entry.value_type, entry.data
        except OSError:
            continue
        if key is None or kind is None or data is None or len(data) > _LARGEST_VALUE:
            continue
        # Ids above 0x8000 are named properties: their numbers mean something else in every file.
        if key < 0x8000 and key != mapi.ATTACH_DATA:
            yield key, kind, data


def _confine() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    _confine()
    main(int(sys.argv[1]), int(sys.argv[2]))
