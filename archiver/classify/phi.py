"""All PHI detectors together: which of them a text needs, and what is right where two find the same place."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter

from archiver.classify.addresses import STREET_WORDS, places_of_clinical_text, streets, towns
from archiver.classify.codes import CODE_WORDS, drug_words, drugs, procedures
from archiver.classify.dates import AGE_WORDS, MONTHS, ages, days_of_clinical_text, named_days
from archiver.classify.hl7 import HL7_WORD, patients_of_segments
from archiver.classify.labels import LABEL_WORDS, labelled, labelled_at_once
from archiver.classify.model import PHIFinding, PHIType
from archiver.classify.names import names_of_clinical_text
from archiver.classify.places import STATE_WORDS
from archiver.classify.shapes import shapes, sketch_of
from archiver.classify.tables import TABLE_WORDS, columns

_URL_REST = re.compile(r"[^\s<>\"'`{}|\\^\x00-\x1f]{3,2000}")
_SCHEME_BACKWARDS = re.compile(r"[A-Za-z0-9+.-]{2,10}")
_URL_END = ".,;:!?)]*_-"
_COLONS = re.compile(r":(?::|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:)")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_HEXES = re.compile(r"[0-9A-Fa-f:]{2,39}")
_UDI = re.compile(r"\(01\)[ ]?(?P<gtin>[0-9]{14})(?:[ ]?\((?:10|11|17|21)\)[ ]?[0-9A-Za-z./-]{1,20}){0,4}")

# What is told by its label, its check digit or a long form beats what is told by less.
_RANK = {
    "hl7_field": 96, "roster_mrn": 95, "url_form": 90, "email_form": 85, "udi_form": 84, "roster_name": 80,
    "column_heading": 75,
    "dea_check_digit": 45,
    "birth_label": 78, "name_label": 42, "patient_label": 43, "name_title": 41, "given_name": 40,
    "date_form": 50, "date_named": 52, "month_of_year": 30, "day_of_month": 29, "day_relative": 20,
    "day_and_month": 25, "phone_groups": 10, "phone_label": 35, "phone_abroad": 45, "phone_form": 44,
    "place_of_care": 43, "care_given_at": 36, "town": 34, "street": 46, "town_and_state": 38, "drug_name": 33,
}  # fmt: skip
_OF_SHAPE, _OF_LABEL = 40, 70
_SHAPES = frozenset(
    {"ssn_form", "itin_form", "ip_form", "ndc_form", "card_check_digit", "mbi_form", "icd10_dotted"}
)


_FAX_WORDS = frozenset({"fax", "faxed", "faxes", "faxing", "facsimile", "f"})
_URL_WORDS = frozenset({"http", "https", "ftp", "sftp", "www"})
_UDI_WORD = "01"
_OFTEN = _FAX_WORDS | _URL_WORDS | MONTHS | STATE_WORDS


@lru_cache(maxsize=1)
def telling_words() -> frozenset[str]:
    """The words, in small letters, without which no detector but those of shapes finds anything."""
    rest = _FAX_WORDS | _URL_WORDS | {_UDI_WORD, HL7_WORD} | STATE_WORDS
    return LABEL_WORDS | TABLE_WORDS | MONTHS | STREET_WORDS | CODE_WORDS | AGE_WORDS | drug_words() | rest


def find_phi(text: str, lowered: str, told: set[str]) -> list[PHIFinding]:
    """Return what the detectors find in any text, in no order; findings may overlap.

    `lowered` is the text in small letters, as long as the text, and `told` those of its runs of ASCII letters
    and digits that are in `telling_words`: both are used to see what need not be looked for.
    """
    glued: list[int] = []
    outline = sketch_of(text)
    found = shapes(text, outline, not _FAX_WORDS.isdisjoint(told), glued)
    if months := told & MONTHS:
        found += named_days(text, lowered, months)
    if not _URL_WORDS.isdisjoint(told):
        found += _urls(text)
    if not _OFTEN.issuperset(told):
        found += _told(text, lowered, outline, told)
    if glued:
        found += labelled_at_once(text, lowered, glued)
    if _COLONS.search(text) is not None:
        found += _machines(text)
    if ", " in text:
        found += towns(text)
    return found


def _told(text: str, lowered: str, outline: bytes, told: set[str]) -> list[PHIFinding]:
    """What most texts have no word for."""
    found: list[PHIFinding] = []
    if labels := told & LABEL_WORDS:
        found += labelled(text, lowered, labels)
    if headings := told & TABLE_WORDS:
        found += columns(text, lowered, headings)
    if medicines := told & drug_words():
        found += drugs(text, lowered, medicines)
    if roads := told & STREET_WORDS:
        found += streets(text, lowered, outline, roads)
    if codes := told & CODE_WORDS:
        found += procedures(text, lowered, codes)
    if years := told & AGE_WORDS:
        found += ages(text, lowered, years)
    if HL7_WORD in told:
        found += patients_of_segments(text)
    if _UDI_WORD in told:
        found += _found(_UDI, text, "device_id", "udi_form")
    return found


def _found(pattern: re.Pattern[str], text: str, kind: PHIType, why: str) -> list[PHIFinding]:
    return [PHIFinding(kind, m.start(), m.end(), m.group(), why) for m in pattern.finditer(text)]


def find_in_clinical(text: str, lowered: str, plain: set[str]) -> list[PHIFinding]:
    """Return what identifies only in text about a patient: names, places, days told by their distance."""
    return [
        *names_of_clinical_text(text, lowered, plain),
        *places_of_clinical_text(text, lowered, plain),
        *days_of_clinical_text(text, lowered, plain),
    ]


def _urls(text: str) -> list[PHIFinding]:
    found = []
    for mark in ("://", "www."):
        position = text.find(mark)
        while position >= 0:
            start = end = position
            if mark == "://":
                start -= _length_of_scheme(text[max(0, position - 10) : position])
            elif position and (text[position - 1].isalnum() or text[position - 1] in "/.@-"):
                end = -1
            rest = _URL_REST.match(text, position) if end >= 0 else None
            end = position + len(mark)
            if rest is not None and (start < position or mark == "www."):
                end = rest.end()
                value = text[start:end].rstrip(_URL_END)
                found.append(PHIFinding("url", start, start + len(value), value, "url_form"))
            position = text.find(mark, end)
    return found


@lru_cache(maxsize=256)
def _length_of_scheme(before: str) -> int:
    scheme = _SCHEME_BACKWARDS.match(before[::-1])
    return scheme.end() if scheme is not None else 0


def _machines(text: str) -> list[PHIFinding]:
    """Addresses of version 6 of the Internet Protocol (RFC 4291 2.2)."""
    found = []
    position = 0
    while (colons := _COLONS.search(text, position)) is not None:
        start = colons.start()
        position = colons.end() - 1
        while start > max(0, colons.start() - 4) and text[start - 1] in _HEX_DIGITS:
            start -= 1
        whole = _HEXES.match(text, start)
        if whole is None or (start and (text[start - 1].isalnum() or text[start - 1] in ":.")):
            continue
        value = whole.group()
        position = max(position, whole.end() - 1)
        if (
            (value.count(":") > 2 or len(value) > 6)
            and _is_machine(value)
            and not text[whole.end() : whole.end() + 1].isalnum()
        ):
            found.append(PHIFinding("ip", start, whole.end(), value, "ip_form"))
    return found


def _is_machine(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return True


def settle(found: Sequence[PHIFinding]) -> tuple[PHIFinding, ...]:
    """Return findings by position, no two overlapping: the surer one stays, then the longer one."""
    if len(found) < 2:
        return tuple(found)
    ordered = sorted(found, key=itemgetter(1))
    kept = [ordered[0]]
    for one in ordered[1:]:
        last = kept[-1]
        if one.start >= last.end:
            kept.append(one)
        elif _sureness(one) > _sureness(last):
            kept[-1] = one
    return tuple(kept)


def _sureness(finding: PHIFinding) -> tuple[int, int]:
    rank = _RANK.get(finding.why)
    if rank is None:
        rank = (
            _OF_LABEL if not finding.why.startswith("zip_of_") and finding.why not in _SHAPES else _OF_SHAPE
        )
    return rank, finding.end - finding.start
