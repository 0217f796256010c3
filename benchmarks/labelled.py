"""Texts whose patient information somebody has marked: what the detectors are measured against.

Two sets are other people's, text and marks. The letters are ours around values of Synthea's patients, and the
exhibits are all ours, made by a seeded generator: for kinds of numbers that no public set has. Half of each
set, by the hash of the text, is held back: detectors are improved by looking at the other half only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archiver.classify.words import bag
from benchmarks.exhibits import exhibits, letters

# The label of a set -> the types of finding that are right for it.
ASQ = {
    "MEDICAL_RECORD_NUMBER": "mrn",
    "SOCIAL_SECURITY_NUMBER": "ssn",
    "HEALTH_PLAN_BENEFICIARY_NUMBER": "health_plan_id medicaid_id mbi",
    "UNIQUE_IDENTIFIER": "mrn health_plan_id",
    "ACCOUNT_NUMBER": "account",
    "PHONE_NUMBER": "phone fax",
    "FAX_NUMBER": "fax",
    "EMAIL_ADDRESS": "email",
    "IP_ADDRESS": "ip",
    "DATE": "date date_of_birth",
    "NAME": "name",
    "GEOGRAPHIC_LOCATION": "place address",
}
PRESIDIO = {
    "US_SSN": "ssn",
    "CREDIT_CARD": "credit_card",
    "IBAN_CODE": "iban",
    "PHONE_NUMBER": "phone fax",
    "EMAIL_ADDRESS": "email",
    "IP_ADDRESS": "ip",
    "DOMAIN_NAME": "url",
    "DATE_TIME": "date date_of_birth",
    "STREET_ADDRESS": "address",
    "ZIP_CODE": "address",
    "PERSON": "name",
}
_WEEKDAYS = bag("monday tuesday wednesday thursday friday saturday sunday")


@dataclass(frozen=True, slots=True)
class Mark:
    """One piece of information that somebody marked: where it is, its label, and which findings are right."""

    start: int
    end: int
    label: str
    types: frozenset[str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with all that is marked in it. `held`: of the half that is only measured, never looked at."""

    text: str
    marks: tuple[Mark, ...]

    @property
    def held(self) -> bool:
        """Whether this text is of the half held back."""
        return bool(hashlib.sha256(self.text.encode("utf-8", "replace")).digest()[0] % 2)


def sets(corpora: Path) -> dict[str, list[Labelled]]:
    """The labelled sets by name; those that are not in `corpora` are left out."""
    found: dict[str, list[Labelled]] = {}
    if (asq := corpora / "asq-phi/synthetic_dataset.txt").is_file():
        found["asq-phi"] = list(_asq(asq))
    if (presidio := corpora / "presidio-research/synth_dataset_v2.json").is_file():
        found["presidio"] = list(_presidio(presidio))
    if (synthea := corpora / "synthea-100/patients_fhir.jsonl").is_file():
        found["letters"] = [_marked(*one) for one in letters(synthea)]
    found["exhibits"] = [_marked(*one) for one in exhibits()]
    return found


def _asq(path: Path) -> Iterator[Labelled]:
    for block in path.read_text("utf-8").split("===QUERY===")[1:]:
        text, _, tags = block.partition("===PHI_TAGS===")
        marks = []
        for line in tags.strip().splitlines():
            label = json.loads(line)
            start = text.find(label["value"])
            if start >= 0:
                kind = label["identifier_type"]
                marks.append(Mark(start, start + len(label["value"]), kind, frozenset(ASQ[kind].split())))
        yield Labelled(text, tuple(marks))


def _presidio(path: Path) -> Iterator[Labelled]:
    for sample in json.loads(path.read_text("utf-8")):
        marks = []
        for span in sample["spans"]:
            kind = span["entity_type"]
            if kind not in PRESIDIO:
                continue
            label = f"{kind} (weekday)" if span["entity_value"].casefold() in _WEEKDAYS else kind
            types = frozenset(PRESIDIO[kind].split())
            marks.append(Mark(span["start_position"], span["end_position"], label, types))
        yield Labelled(sample["full_text"], tuple(marks))


def _marked(text: str, found: list[tuple[int, int, str, str]]) -> Labelled:
    return Labelled(text, tuple(Mark(s, e, label, frozenset(types.split())) for s, e, label, types in found))
