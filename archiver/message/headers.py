"""From header fields to what people read: subject, addresses, date, and the rest as text."""

from __future__ import annotations

import re
from datetime import datetime

from archiver.message.addresses import parse_addresses
from archiver.message.charsets import clean
from archiver.message.dates import parse_date
from archiver.message.model import Address
from archiver.message.params import parse_value
from archiver.message.structure import Entity, Field
from archiver.message.words import decode_words

_ADDRESS_FIELDS = frozenset({"from", "to", "cc", "bcc"})
_ANGLE = re.compile(r"<([^<>]*)>")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class Headers:
    """The header of one message, decoded. `problems` are codes as in `ParsedMessage`."""

    __slots__ = ("addresses", "date", "message_id", "problems", "rest", "subject")

    def __init__(self, fields: list[Field]) -> None:
        self.problems: list[str] = []
        self.subject = ""
        self.message_id = ""
        self.date: datetime | None = None
        self.addresses: dict[str, list[Address]] = {"from": [], "to": [], "cc": [], "bcc": []}
        rest: list[str] = []
        seen: set[str] = set()
        for name, value in fields:
            key = name.lower()
            if key in _ADDRESS_FIELDS:
                self._take_addresses(key, value)
                continue
            text = self.decode(value) if "=?" in value or "\0" in value or "\r" in value else value
            if key == "subject" and key not in seen:
                self.subject = _CONTROLS.sub(" ", text) if not text.isprintable() else text
                seen.add(key)
                continue
            rest.append(f"{name}: {text}" if name else text)
            if key == "date" and key not in seen:
                self.date = parse_date(value)
                if self.date is None:
                    self.problems.append("bad_date")
                seen.add(key)
            elif key == "message-id" and key not in seen:
                angle = _ANGLE.search(text)
                self.message_id = (angle.group(1) if angle else text).strip()
                seen.add(key)
        self.rest = "\n".join(rest)

    def _take_addresses(self, key: str, value: str) -> None:
        if "\0" in value:
            value = value.replace("\0", " ")
        found, good = parse_addresses(value)
        self.addresses[key].extend(found)
        if not good:
            self.problems.append("bad_address")

    def decode(self, value: str) -> str:
        """Return one unstructured value decoded, without line ends or NULs."""
        if "=?" in value:
            value, good = decode_words(value)
            if not good:
                self.problems.append("bad_encoded_word")
            value = clean(value)
            if "\n" in value:
                value = value.replace("\n", " ")
        if "\0" in value or "\r" in value:
            value = value.replace("\0", " ").replace("\r", " ")
        return value


def filename_of(entity: Entity) -> str | None:
    """The name a part is saved under: Content-Disposition's, else Content-Type's."""
    disposition = entity.get("content-disposition")
    name = ""
    if disposition:
        name = parse_value(disposition)[1].get("filename", "")
    name = name or entity.params.get("name", "")
    return _CONTROLS.sub(" ", clean(name)).strip() or None
