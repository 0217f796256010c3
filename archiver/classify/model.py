"""What the classifier says of a text: immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

PHIType = Literal[
    "name",
    "ssn",
    "mrn",
    "npi",
    "dea",
    "mbi",
    "medicaid_id",
    "health_plan_id",
    "date_of_birth",
    "date",
    "age",
    "phone",
    "fax",
    "email",
    "url",
    "ip",
    "address",
    "place",
    "icd10",
    "cpt",
    "ndc",
    "drug",
    "account",
    "credit_card",
    "routing",
    "iban",
    "license",
    "license_plate",
    "vin",
    "device_id",
    "photo",
]
"""The kinds of finding; docs/classification.md says of each what it is and which forms are found.

Names are stable: `phi:` in searches and the retention verdicts know them.
"""

PHI_TYPES = frozenset(get_args(PHIType))


class PHIFinding(NamedTuple):
    """One piece of patient information: `text` is the characters `start:end`; `why` a stable reason code.

    A photo has no text: its span is empty and stands at the end.
    """

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
