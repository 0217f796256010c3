"""The purposes that work has by its nature; where content leaves, people state theirs (docs/access.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from search.actors import Purpose

WORK_FOR: Final[Mapping[str, Purpose]] = {
    "matter": Purpose.LEGAL,
    "hold": Purpose.LEGAL,
    "notice": Purpose.LEGAL,
    "retention": Purpose.OPERATIONS,
    "disposition": Purpose.OPERATIONS,
    "correction": Purpose.OPERATIONS,
    "roster": Purpose.OPERATIONS,
    "saved": Purpose.OPERATIONS,
    "alert": Purpose.OPERATIONS,
    "tag": Purpose.OPERATIONS,
    "note": Purpose.OPERATIONS,
    "export": Purpose.OPERATIONS,
    "request": Purpose.PATIENT_REQUEST,
    "disclosure": Purpose.PATIENT_REQUEST,
    "breach": Purpose.SECURITY_INCIDENT,
    "audit": Purpose.AUDIT,
}
"""Work that tells of messages or patients and has one purpose by its nature, by the first word of what it
leaves in the audit log. Nobody is asked for it; the entry bears it where none was stated. What is neither
here nor asks for a purpose tells of no message and no patient, only what people of the house wrote of their
own work."""


def purpose_of(name: str) -> Purpose | None:
    """The purpose of what an audit entry is named after, where none was stated; None where it has none."""
    return WORK_FOR.get(name.partition(".")[0])
