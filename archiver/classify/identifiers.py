"""One spelling per patient identifier, so that mail, rosters and queries meet on equality."""

from __future__ import annotations

import re
from functools import lru_cache

from archiver.classify.checks import digits
from archiver.classify.model import Classification
from archiver.classify.visible import plain

_MARKS = re.compile(r"[^0-9A-Za-z]+")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_EXTENSION = re.compile(r"[eExX]")
_LONGEST_REMEMBERED = 100
_IDENTIFYING = frozenset({"mrn", "ssn", "mbi", "medicaid_id", "health_plan_id", "phone", "email"})


def normalise_identifier(kind: str, value: str) -> str:
    """Return the one spelling of an identifier; ``""`` when nothing is left of it.

    A record number is `MRN-` and its letters and digits in upper case, without marks and without a
    leading MRN of its own: `MRN-00123`, `MRN 00123`, `mrn:00123` and `00123` are all `MRN-00123`.
    Leading zeros count. An SSN is `123-45-6789`; a telephone number its ten digits, without
    an extension; an address is in
    lower case; MBI and plan numbers are letters and digits in upper case.
    """
    if kind == "email":
        return _UNSEEN.sub("", value).strip().casefold()
    value = plain(value)
    return _remembered(kind, value) if len(value) <= _LONGEST_REMEMBERED else _normalise(kind, value)


def _normalise(kind: str, value: str) -> str:
    if kind == "phone":
        number = digits(_EXTENSION.split(value, maxsplit=1)[0])
        return number[1:] if len(number) == 11 and number[0] == "1" else number
    if kind == "ssn":
        number = digits(value)
        return f"{number[:3]}-{number[3:5]}-{number[5:]}" if len(number) == 9 else number
    core = _MARKS.sub("", value).upper()
    if kind == "mrn":
        core = core.removeprefix("MRN")
        return f"MRN-{core}" if core else ""
    return core


_remembered = lru_cache(maxsize=4096)(_normalise)


def identifiers(classification: Classification) -> tuple[tuple[str, str], ...]:
    """Return `(kind, value)` of what identifies patients, normalised, each once, in order of appearance."""
    pairs = (
        (finding.type, normalise_identifier(finding.type, finding.text))
        for finding in classification.phi
        if finding.type in _IDENTIFYING
    )
    return tuple(dict.fromkeys(pair for pair in pairs if pair[1]))
