"""Character data of XML, by expat and nothing else: no entity is expanded, no reference followed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from xml.parsers import expat

from archiver.message.charsets import codec_name
from archiver.message.extract.faults import Damaged, TooDeep, TooLarge

MAX_DEPTH = 1_000
MAX_ELEMENTS = 2_000_000

_BREAKS = frozenset({
    "p", "br", "cr", "tab", "tr", "tc", "row", "c", "si", "h", "line-break", "table-cell", "table-row",
    "list-item", "comment", "title", "creator", "subject", "description", "keywords", "text", "lpwstr",
    "lastModifiedBy", "revision", "created", "modified", "lastPrinted", "category", "version",
})  # fmt: skip
_TABS = frozenset({"tab", "c", "tc", "table-cell"})
_HIDDEN = frozenset({"binary-data", "instrText", "delInstrText", "style"})
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})")


def xml_text(data: bytes) -> str:
    """Return the character data of an XML document, broken at paragraphs, rows and cells.

    Raises Damaged for what is no XML and for a DOCTYPE (so no entity is ever expanded), TooLarge past
    `MAX_ELEMENTS` and TooDeep past `MAX_DEPTH`.
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
            raise TooLarge
        if depth > MAX_DEPTH:
            raise TooDeep
        local = name.rpartition(":")[2]
        if local == "c":
            # A cell of type "s" holds an index into the shared strings, not text.
            shared = attributes.get("t") == "s"
        elif (
            skipped or local == "f" or local in _HIDDEN or name == "number:text" or (local == "v" and shared)
        ):
            skipped += 1
        elif local == "s" and name != local:
            out.append(" ")  # OpenDocument's element for blanks.
        elif local in ("sheet", "docPr", "cNvPr", "table"):
            # Names of sheets, and the alternative text of pictures.
            given = attributes if local != "table" else {"name": attributes.get("table:name", "")}
            out.extend(f"{given[key]}\n" for key in ("name", "title", "descr") if _said(local, key, given))

    def end(name: str) -> None:
        nonlocal skipped, depth
        depth -= 1
        local = name.rpartition(":")[2]
        if skipped and local != "c":
            skipped -= 1
        elif local in _BREAKS:
            out.append("\t" if local in _TABS else "\n")

    def characters(text: str) -> None:
        if not skipped:
            out.append(text)

    def doctype(*_: object) -> None:
        raise Damaged

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
    try:
        parser.Parse(_as_utf8(data), True)
    except (expat.ExpatError, LookupError, ValueError):  # the last two for encodings that expat asks about
        raise Damaged from None
    return "".join(out).strip()


def _said(element: str, key: str, given: dict[str, str]) -> bool:
    """Whether an attribute is text somebody wrote: pictures are named by programs."""
    return bool(given.get(key)) and (key != "name" or element in ("sheet", "table"))


def _as_utf8(data: bytes) -> bytes:
    """Expat reads four encodings; the rest it asks for by a callback that has crashed before."""
    declared = _DECLARED.match(data)
    if declared is None:
        return data
    with contextlib.suppress(LookupError, ValueError):
        name = codec_name(declared.group(1).decode("ascii"))
        if name and name not in ("utf-8", "utf-16", "iso8859-1", "ascii"):
            text = data.decode(name)
            return text.replace(text[: text.find("?>") + 2], "", 1).encode()
    return data
