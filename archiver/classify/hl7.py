"""The patient of a message between systems (HL7 v2, segment PID, v2.5.1 chapter 3.4.2), as it is mailed when
an interface fails: its numbers stand behind bars, without any word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archiver.classify.checks import digits
from archiver.classify.model import PHIFinding, PHIType

HL7_WORD = "pid"
"""Without this word, in small letters, `patients_of_segments` finds nothing."""
_SEGMENT = re.compile(r"(?<![0-9A-Za-z])PID\|(?:[^|\r\n]{0,500}\|){3,40}[^|\r\n]{0,500}")
_KINDS: dict[int, PHIType] = {
    2: "mrn", 3: "mrn", 4: "mrn", 5: "name", 7: "date_of_birth", 9: "name", 11: "address", 13: "phone",
    14: "phone", 18: "account", 19: "ssn", 20: "license",
}  # fmt: skip
_WHOLE = frozenset({"name", "address"})
_OF_TYPE: dict[str, PHIType] = {
    "SS": "ssn",
    "MC": "mbi",
    "MA": "medicaid_id",
    "DL": "license",
    "AN": "account",
}


def patients_of_segments(text: str) -> Iterator[PHIFinding]:
    """Yield what the fields of such segments say of a patient."""
    for segment in _SEGMENT.finditer(text):
        start = segment.start()
        for number, field in enumerate(segment.group().split("|")):
            kind = _KINDS.get(number)
            if kind is not None:
                yield from _values(field, start, kind)
            start += len(field) + 1


def _values(field: str, start: int, kind: PHIType) -> Iterator[PHIFinding]:
    for value in field.split("~"):
        parts = value.split("^")
        said = value.strip("^") if kind in _WHOLE else parts[0]
        begin = start + (len(value) - len(value.lstrip("^")) if kind in _WHOLE else 0)
        of_type = _OF_TYPE.get(parts[4], kind) if kind == "mrn" and len(parts) > 4 else kind
        # Two quotes say that there is none; a number has three digits at least.
        if len(said) > 2 and (kind in _WHOLE or len(digits(said)) > 2):
            yield PHIFinding(of_type, begin, begin + len(said), said, "hl7_field")
        start += len(value) + 1
