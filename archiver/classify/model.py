"""What the classifier says of a text: immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PHIType = Literal[
    "ssn",
    "mrn",
    "npi",
    "dea",
    "mbi",
    "phone",
    "email",
    "date_of_birth",
    "icd10",
    "health_plan_id",
    "credit_card",
    "address",
]


@dataclass(frozen=True, slots=True)
class PHIFinding:
    """One piece of patient information: `text` is the characters `start:end`; `why` a stable reason code."""

    type: PHIType
    start: int
    end: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record type by its schedule name; `confidence` from 0.5 (at the threshold) to 1; `why` names terms
    of our lexicons, never text of the message."""

    type: str
    confidence: float
    why: str


@dataclass(frozen=True, slots=True)
class Classification:
    """What a message holds. `record_types` is never empty; `jurisdictions` are two-letter State codes."""

    phi: tuple[PHIFinding, ...] = ()
    record_types: tuple[RecordType, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    language: str = "und"
