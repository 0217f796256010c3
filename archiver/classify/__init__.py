"""What is in a message: PHI detectors, record type, patients, jurisdiction."""

from __future__ import annotations

from archiver.classify.classify import classify, text_of
from archiver.classify.identifiers import identifiers, normalise_identifier
from archiver.classify.model import Classification, PHIFinding, PHIType, RecordType

__all__ = [
    "Classification",
    "PHIFinding",
    "PHIType",
    "RecordType",
    "classify",
    "identifiers",
    "normalise_identifier",
    "text_of",
]
