"""Letters as values: blocks of text, written as plain text and as PDF/A alike, so that both say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from retention.typeset import typeset

_TEMPLATE: Final = Path(__file__).with_name("letter.typ")
_WIDTH: Final = 78
Block = Mapping[str, Any]


def plain_day(day: date | str) -> str:
    """A day as people read it in the United States: March 2, 2026. Text is ISO."""
    found = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{found:%B} {found.day}, {found.year}"


def heading(text: str) -> Block:
    """A title within a letter."""
    return {"kind": "heading", "text": text}


def text(words: str) -> Block:
    """A paragraph."""
    return {"kind": "text", "text": words}


def points(items: Sequence[str]) -> Block:
    """A list."""
    return {"kind": "list", "items": list(items)}


def facts(rows: Sequence[tuple[str, str]]) -> Block:
    """Names with values."""
    return {"kind": "facts", "rows": [list(row) for row in rows]}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], wide: frozenset[int] = frozenset()) -> Block:
    """A table; the columns numbered in `wide` share the width that is left."""
    columns = ["wide" if number in wide else "narrow" for number in range(len(head))]
    return {"kind": "table", "head": list(head), "rows": [list(row) for row in rows], "columns": columns}


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter. `about` is the id of the case, as its reference; `to` and `sender` are lines of an
    address."""

    title: str
    about: str
    to: tuple[str, ...]
    sender: tuple[str, ...]
    blocks: tuple[Block, ...]

    def to_json(self) -> dict[str, Any]:
        """The plain form in which it is sealed."""
        return {
            "title": self.title,
            "about": self.about,
            "to": list(self.to),
            "sender": list(self.sender),
            "blocks": [dict(block) for block in self.blocks],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Letter:
        """The inverse of `to_json`."""
        return cls(
            value["title"], value["about"], tuple(value["to"]), tuple(value["sender"]), tuple(value["blocks"])
        )

    def as_text(self, made: datetime) -> str:
        """The letter as plain text; `made` is the day it bears."""
        lines = [*self.sender, "", *self.to, "", plain_day(made.date()), "", self.title.upper(), ""]
        for block in self.blocks:
            lines += [*_lines(block), ""]
        return "\n".join([*lines, f"Reference: {self.about}", ""])

    def pdf(
        self, archive_id: str, made: datetime, files: Mapping[str, tuple[bytes, str]] | None = None
    ) -> bytes:
        """The letter as PDF/A-3 (see `retention.typeset`); its plain text is attached. Raises StoreError."""
        data = {
            "title": self.title,
            "id": self.about,
            "archive": archive_id,
            "about": ["Reference", plain_day(made.date())],
            "to": list(self.to),
            "sender": list(self.sender),
            "blocks": [dict(block) for block in self.blocks],
        }
        attached = {"letter.txt": (self.as_text(made).encode("utf-8", "replace"), "the same as plain text")}
        return typeset(_TEMPLATE, data, made, {**attached, **(files or {})})


def _lines(block: Block) -> list[str]:
    if block["kind"] == "heading":
        return [block["text"], "-" * min(len(block["text"]), _WIDTH)]
    if block["kind"] == "text":
        return [fill(line, _WIDTH) for line in str(block["text"]).split("\n")]
    if block["kind"] == "list":
        return [fill(one, _WIDTH, initial_indent="  - ", subsequent_indent="    ") for one in block["items"]]
    if block["kind"] == "facts":
        return [
            fill(f"{name}: {value}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
            for name, value in block["rows"]
        ]
    found = []
    for row in block["rows"]:
        cells = [f"{name}: {value}" for name, value in zip(block["head"], row, strict=True) if value]
        found.append(fill("; ".join(cells), _WIDTH, initial_indent="  * ", subsequent_indent="    "))
    return found
