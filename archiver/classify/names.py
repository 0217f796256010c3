"""Names of people in clinical text, by what stands around them.

In business mail every message names people, who are no patients: to find them all would tell nothing. So
without a roster (see `roster.py`) a name counts only where the text is clinical.
"""

from __future__ import annotations

import re

from archiver.classify.model import PHIFinding
from archiver.classify.scan import tried_at
from archiver.classify.words import bag, word_list

_NAME = r"[A-Z][\w’'-]{1,24}"
_TITLED = re.compile(
    rf"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof)\.?[ ](?P<name>{_NAME}(?:[ ](?:[A-Z]\.|{_NAME})){{0,2}}"
    rf"|[A-Z]\.(?:[ ]{_NAME})?)"
)
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof"})
_NAMED_WORDS = bag(
    "patient pt client resident member child son daughter mother father wife husband baby named name"
)
_NAMED = re.compile(
    r"(?i:\w+(?:'s)?(?:[ ]name)?(?:[ ](?:is|named|called|like|known[ ]as))?)[:,]?[ ]"
    rf"(?P<name>{_NAME}[ ](?:[A-Z]\.?(?![\w])(?:[ ]{_NAME})?|{_NAME}))"
)
_GIVEN = re.compile(
    rf"(?P<name>[A-Z][a-z]+(?:[ ][A-Z]\.?(?=[ ]{_NAME}))?[ ](?:[A-Z](?:\.|(?![\w'’-]))|{_NAME}))"
)
_CAPITALS = re.compile(r"[A-Z](?<![0-9A-Za-z].)[a-z]{1,14}(?=[ ][A-Z])")
_NO_NAMES = bag(
    "Hospital Clinic Medical Center Health University Healthcare Hospice Street Avenue Road Kaiser"
    " January February March April May June July August September October November December"
    " Monday Tuesday Wednesday Thursday Friday Saturday Sunday MRN DOB SSN COPD CHF HTN CKD"
    " Has Was Is Had With And The For On In At Type Stage Grade Disease Syndrome History Patient Care"
    " Account Name Number Portal Record Information Chart"
)


def names_of_clinical_text(text: str, lowered: str, plain: set[str]) -> list[PHIFinding]:
    """Return names by title (`Mrs. Okafor`), by label (`patient named ...`) and by common given names."""
    found: list[PHIFinding] = []
    for pattern, words, why in ((_TITLED, _TITLES, "name_title"), (_NAMED, _NAMED_WORDS, "name_label")):
        for match in tried_at(pattern, text, lowered, plain & words):
            if (one := _name(text, *match.span("name"), why)) is not None:
                found.append(one)
    given = word_list("given_names")
    for capital in _CAPITALS.finditer(text):
        named = _GIVEN.match(text, capital.start()) if capital.group().lower() in given else None
        one = _name(text, *named.span("name"), "given_name") if named is not None else None
        if one is not None and " " in one.text:
            found.append(one)
    return found


def _name(text: str, start: int, end: int, why: str) -> PHIFinding | None:
    words = text[start:end].split()
    while words and words[-1] in _NO_NAMES:
        end -= len(words.pop()) + 1
    if not words or words[0] in _NO_NAMES:
        return None
    return PHIFinding("name", start, end, text[start:end], why)
