"""Documents for people as PDF/A-3: typeset from plain data, with files attached; nothing touches a disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from archiver.errors import StoreError

_SHEET: Final = Path(__file__).with_name("sheet.typ")
_STANDARDS: Final[tuple[Literal["a-3b", "1.7"], ...]] = ("a-3b", "1.7")


def typeset(
    template: Path, data: Mapping[str, Any], made: datetime, files: Mapping[str, tuple[bytes, str]]
) -> bytes:
    """A template filled with data, `files` (their UTF-8 text, and what they are) attached, by name.

    PDF/A-3b; a plain PDF where the text has a letter that our fonts lack, which PDF/A forbids: the files
    have it in full. `data` has `{title, id, archive, about}`. Raises StoreError where it can't be made.
    """
    import typst  # a third of a second; only who asks for paper waits for it

    told = {
        **data,
        "date": [made.year, made.month, made.day],
        "attached": [
            {"name": name, "data": text.decode(), "type": "text/plain", "about": about}
            for name, (text, about) in files.items()
        ],
    }
    # What nobody can write down is shown as a question mark; the files have it as it is.
    inputs = {"data": json.dumps(told, ensure_ascii=False).encode("utf-8", "replace").decode()}
    source = _SHEET.read_bytes() + template.read_bytes()
    for standard in _STANDARDS:
        try:
            found = typst.compile(
                source,
                format="pdf",
                sys_inputs=inputs,
                ignore_system_fonts=True,
                pdf_standards=standard,
                timestamp=int(made.timestamp()),
            )
        except (OSError, RuntimeError):
            continue
        if isinstance(found, bytes):
            return found
    raise StoreError("the PDF couldn't be made; all that it would say is had with --json")


def when(moment: str | None) -> str:
    """A time as people read it."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else "never"


def size(count: int) -> str:
    """A number of bytes as people read it."""
    if count < 1_000:
        return f"{count} bytes"
    for unit, one in (("kB", 1_000), ("MB", 1_000_000)):
        if count < one * 1_000:
            return f"{count / one:.1f} {unit}"
    return f"{count / 1e9:.1f} GB"


def counted(count: int) -> str:
    """A number of messages as people read it."""
    return "1 message" if count == 1 else f"{count:,} messages"
