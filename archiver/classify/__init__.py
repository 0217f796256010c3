"""What is in a message: PHI detectors, record type, patients, jurisdiction."""

from __future__ import annotations

from archiver.classify.classify import CLASSIFIER_VERSION, Classifier, classify, text_of
from archiver.classify.identifiers import identifiers, normalise_identifier
from archiver.classify.model import PHI_TYPES, Classification, PHIFinding, PHIType, RecordType
from archiver.classify.roster import Person, PersonMatch, RosterBook

__all__ = [
    "CLASSIFIER_VERSION",
    "PHI_TYPES",
    "Classification",
    "Classifier",
    "PHIFinding",
    "PHIType",
    "Person",
    "PersonMatch",
    "RecordType",
    "RosterBook",
    "classify",
    "identifiers",
    "normalise_identifier",
    "text_of",
]
