"""FHIR R4 resources as they are read: an object, where it stands, and its elements, strictly or not at all.

A fault names the resource and the element, never a value.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

from archiver.classify import normalise_identifier
from retention.errors import RosterError
from retention.roster.csv_file import email_address, phone_number
from retention.roster.patient import Days

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_WHITE: Final = re.compile(r"[\t\r\n]+")
"""Control characters that R4 allows in text."""
_DAY: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_OTHER: Final = re.compile(r"https?://\S+|[A-Z][A-Za-z]*[/?]\S+")
_FIRST_YEAR, _LAST_YEAR = 1800, 2300
_PREVIOUS: Final = frozenset({"old", "maiden"})
_NOT_A_NAME: Final = frozenset({"anonymous", "nickname", "temp"})


def first_day(days: date | tuple[date, ...]) -> date:
    """The earliest of several."""
    return days[0] if isinstance(days, tuple) else days


def last_day(days: date | tuple[date, ...]) -> date:
    """The latest of several."""
    return days[-1] if isinstance(days, tuple) else days


def both_days(node: Node, name: str, text: str, day: str) -> tuple[date, date]:
    """The day at the place of the event, and in UTC."""
    try:
        whole = text if re.search(r":\d{2}:\d{2}", text) else re.sub(r"(T\d{2}:\d{2})", r"\1:00", text)
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", whole))
        return date.fromisoformat(day), moment.astimezone(UTC).date()
    except (ValueError, OverflowError):
        raise node.fault(name, "must be a FHIR dateTime") from None


class Node:
    """An object of a resource, and where it stands."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise RosterError(f"{where}: must be a JSON object")
        self._value: dict[str, Any] = value
        self._where = where

    def fault(self, name: str, what: str) -> RosterError:
        return RosterError(f"{self._where}.{name}: {what}")

    def value(self, name: str) -> Any:
        return self._value.get(name)

    def no_modifier(self) -> None:
        """FHIR forbids to use what a modifier extension may turn into its opposite."""
        if self._value.get("modifierExtension"):
            raise self.fault("modifierExtension", "not understood; leave this resource out")

    def text(self, name: str, most: int) -> str:
        value = self._value.get(name)
        if value is None:
            return ""
        if isinstance(value, str) and _CONTROL.search(value):
            value = _WHITE.sub(" ", value)
        if not isinstance(value, str) or len(value) > most or _CONTROL.search(value):
            raise self.fault(name, f"must be text of at most {most} characters, without control characters")
        return value.strip()

    def texts(self, name: str, most: int) -> list[str]:
        values = self._value.get(name) or []
        if not isinstance(values, list):
            raise self.fault(name, "must be an array")
        return [text for value in values if (text := Node({name: value}, self._where).text(name, most))]

    def child(self, name: str) -> Iterator[Node]:
        """The object of this name, if it is there."""
        if self._value.get(name) is not None:
            yield Node(self._value[name], f"{self._where}.{name}")

    def children(self, name: str) -> Iterator[Node]:
        """The objects of an array."""
        values = self._value.get(name) or []
        if not isinstance(values, list):
            raise self.fault(name, "must be an array")
        for number, value in enumerate(values):
            yield Node(value, f"{self._where}.{name}[{number}]")

    def days(self, name: str) -> Days:
        """A date that may be partial: then the first and the last day it can mean."""
        text = self.text(name, 64)
        if not text:
            return None
        match = _DAY.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            year, month, day = (int(part) if part else 0 for part in match.groups())
            if not _FIRST_YEAR <= year <= _LAST_YEAR:
                raise self.fault(name, f"must be a date from {_FIRST_YEAR} to {_LAST_YEAR}")
            if day:
                return date(year, month, day)
            if month:
                return date(year, month, 1), date(year, month, monthrange(year, month)[1])
            return date(year, 1, 1), date(year, 12, 31)
        except (ValueError, IndexError):
            raise self.fault(name, "must be a date as YYYY, YYYY-MM or YYYY-MM-DD") from None

    def moments(self, name: str) -> tuple[date, date] | None:
        """The earliest and the latest day that a dateTime can mean, at the place of the event or in UTC."""
        text = self.text(name, 64)
        if (time := TIME.fullmatch(text)) is not None:
            both = both_days(self, name, text, time.group(1))
            if not _FIRST_YEAR <= min(both).year <= max(both).year <= _LAST_YEAR:
                raise self.fault(name, f"must be a date from {_FIRST_YEAR} to {_LAST_YEAR}")
            return min(both), max(both)
        days = self.days(name)
        return (first_day(days), last_day(days)) if days is not None else None


def reference_of(reference: str) -> str | None:
    """What a reference names a patient by: a FHIR id, or `mrn:` and a record number; "" for another kind of
    resource, None for what is no reference."""
    if reference.startswith("urn:uuid:"):
        return reference.removeprefix("urn:uuid:")
    head, found, tail = reference.rpartition("Patient/")
    if found and (not head or head.endswith("/")):
        own = tail.split("/")[0]
        return own if ID.fullmatch(own) else None
    if reference.startswith("Patient?identifier="):
        return by_number(re.split(r"[=|]", reference)[-1])
    return "" if _OTHER.fullmatch(reference) else None


def by_number(value: str) -> str:
    """What a record number names a patient by; "" where nothing is left of it."""
    number = normalise_identifier("mrn", value)
    return f"mrn:{number}" if number else ""


def logical(node: Node) -> str:
    """What a reference that gives an identifier instead of a target names a patient by."""
    return next((by_number(one.text("value", 200)) for one in node.child("identifier")), "")


def several(values: Iterable[str]) -> tuple[str, ...]:
    """Each once, in order, blanks left out."""
    return tuple(dict.fromkeys(value for value in values if value))


def names_of(node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of today, and those of before."""
    present: list[str] = []
    previous: list[str] = []
    for name in node.children("name"):
        use = name.text("use", 32)
        if use in _NOT_A_NAME:
            continue
        family, given = name.text("family", 200), " ".join(name.texts("given", 200))
        told = f"{family}, {given}" if family and given else name.text("text", 400) or family or given
        if told:
            (previous if use in _PREVIOUS else present).append(told)
    return several(present), several(previous)


def telecom_of(node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """E-mail addresses and telephone numbers."""
    emails, phones = [], []
    for one in node.children("telecom"):
        system, value = one.text("system", 32), one.text("value", 320)
        if system == "email" or value.startswith("mailto:"):
            emails.append(email_address(value.removeprefix("mailto:")))
        elif system in ("phone", "sms", "fax"):
            phones.append(phone_number(value))
    return several(emails), several(phones)
