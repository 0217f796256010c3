"""Identifiers by the words before them (`MRN:`, `born on`): tried only where a text holds such a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from archiver.classify.checks import (
    digits,
    like_ssn,
    valid_dea,
    valid_iban,
    valid_mbi,
    valid_npi,
    valid_routing,
)
from archiver.classify.medicaid import medicaid_number
from archiver.classify.model import PHIFinding, PHIType
from archiver.classify.scan import at_words

# What stands between a label and its number: marks of forms, tables, HL7 and JSON, and small words.
_MARKS = r"[\s:;#=(),.\[\]|_*'\"-]"
_JOIN = (
    rf"{_MARKS}{{0,40}}+"
    r"(?:(?:numbers?|num|no|nbr|id|identifier|ending(?:\s+in)?|is|was|of|as|es)\b"
    rf"{_MARKS}{{0,10}}+){{0,3}}+"
)
_ID = r"(#?[A-Za-z]{0,6}[-#]?[0-9][A-Za-z0-9]{0,40}+(?:-[A-Za-z0-9]{1,20}+){0,4}+)"
# As cards print it, `XYZ 123 456 789`.
_ID_IN_GROUPS = (
    r"(?:((?-i:[A-Z]{1,4})(?=(?:[ ]?[0-9]){6})[ ][0-9]{3,9}(?:[ ][0-9]{2,6}){0,3}(?![0-9A-Za-z-]))"
    rf"|{_ID})"
)
_SAID = (
    r"(?:\s?\([A-Za-z/ -]{1,14}\))?"
    rf"(?:{_MARKS}|\b(?:is|was|on|it|s|of|the|el|es)\b){{0,40}}"
)
_MONTH = (
    r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec"
    r"|ene|abr|mayo|ago|dic|setiem)[a-z]*\.?"
)
_YEARS = r"(?:[0-9]{4}|'?[0-9]{2})"
_DATE = (
    rf"([0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.][0-9]{{2,4}}|[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}"
    rf"|{_MONTH}\s+[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s+{_YEARS}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?[\s-]*(?:(?:of|de)\s+)?{_MONTH},?[\s-]*(?:del?\s+)?{_YEARS}"
    r"|[0-9]{8})(?![0-9])"
)
# A word of a name in capitals, that is no label of what stands beside it on a form.
_NAME = (
    r"(?!(?:DOB|MRN|SSN|ID|dates?|birth|age|sex|gender|phone|tel|acct|account|address|insurance|member|room|bed"
    r"|unit|provider|physician|doctor|number|record|has|is|was|with|the|and|of|for)\b)"
    r"(?-i:[A-Z])(?:\.(?=[ ])|[A-Za-z'-]{0,24})"
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_BLANKS = re.compile(r"[ -]")
_MEASURE = re.compile(
    r"[ ]?(?:%|mg|ml|am|pm|days?|years?|months?|weeks?|hours?|dollars?|percent)\b", re.IGNORECASE
)


class Label(NamedTuple):
    """One pattern and the words it can begin with. `check` sees the value; False drops it."""

    type: PHIType
    why: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    check: Callable[[str], bool]


def _any_id(text: str) -> bool:
    return len(text) <= 40


def _long_id(text: str) -> bool:
    return 4 <= len(text) <= 40 and sum(c.isdigit() for c in text) >= 3


def _account(text: str) -> bool:
    return _long_id(text) and _YEAR.fullmatch(text) is None


def _plate(text: str) -> bool:
    return 4 <= len(digits(text)) + sum(c.isalpha() for c in text) <= 8 and any(c.isdigit() for c in text)


def _npi(text: str) -> bool:
    return valid_npi(digits(text))


def _dea(text: str) -> bool:
    return valid_dea(_BLANKS.sub("", text))


def _ssn(text: str) -> bool:
    return like_ssn(digits(text))


def _routing(text: str) -> bool:
    return valid_routing(digits(text))


def _vin(text: str) -> bool:
    return any(c.isdigit() for c in text) and not set("IOQioq") & set(text)


def _always(_: str) -> bool:
    return True


def _label(
    kind: PHIType, why: str, words: str, before: str, value: str, check: Callable[[str], bool]
) -> Label:
    pattern = re.compile(rf"\b(?:{before}){value}", re.IGNORECASE)
    return Label(kind, why, tuple(words.split()), pattern, check)


LABELS: tuple[Label, ...] = (
    _label("mrn", "mrn_label", "mrn mrns", r"MRNs?(?![A-Za-z])", _JOIN + _ID, _any_id),
    _label(
        "mrn",
        "medical_record_label",
        "medical med chart patient patients pt mr hospital unit emr ehr epic encounter visit csn fin"
        " expediente historia paciente",
        r"medical\s+record|med\.?\s+rec|MR\s?\#|chart\s*(?:\#|no\b|number|id\b)|hospital\s+number"
        r"|unit\s+number|(?:EMR|EHR|Epic)\s*(?:\#|no\b|id\b|number)"
        r"|(?:encounter|visit)\s*(?:\#|id\b|number)|(?:CSN|FIN)\s*(?:\#|:|number)"
        r"|(?:expediente|historia)\s+(?:medic[oa]|clinic[oa])|expediente|paciente\s*(?:\#|no\b|id\b|numero)"
        r"|(?:patients?|pt)(?:'s)?\s*(?:\#|id\b|identifier|identification|no\b|number|record)",
        _JOIN + _ID,
        _long_id,
    ),
    _label(
        "health_plan_id",
        "health_plan_label",
        "member membership subscriber health insurance insured beneficiary medicaid medicare hicn hpbn hbn"
        " enrollee plan",
        r"member(?:ship)?|subscriber|(?:health\s+)?insurance(?:\s+policy)?|insured|enrollee"
        r"|insurance\s+plan|health\s+plan(?:\s+beneficiary)?|beneficiary|medicaid|medicare|HICN|HPBN|HBN"
        r"|insurance\s+group|plan(?:\s[a-z]{2,9})?(?=\s+(?:ID\b|number|\#))",
        r"\s*(?:\#|no\b|num\b|numbers?|id\b|identifier|identification|:)" + _JOIN + _ID_IN_GROUPS,
        _long_id,
    ),
    _label(
        "health_plan_id",
        "insurance_number",
        "insurance ins policy",
        r"insurance(?:\s+(?:policy|plan))?|ins|policy\s*(?:\#|no\b|number)",
        _JOIN + r"(\#?[A-Z]{1,5}-?[0-9]{4,10}(?:-[0-9]{1,6})?)(?![0-9A-Za-z])",
        _long_id,
    ),
    _label(
        "health_plan_id",
        "insurance_near",
        "insurance insurer payer",
        r"insurance|insurer|payer",
        r"\b[^0-9\n.;:]{0,24}?\b([A-Z]{2,5}-[0-9]{5,10})(?![0-9A-Za-z-])",
        _always,
    ),
    _label(
        "health_plan_id",
        "medicaid_label",
        "medicaid medi cin ahcccs masshealth tenncare badgercare hoosier forwardhealth providerone sooner"
        " soonercare husky peachcare",
        r"medicaid|medi-?cal|CIN|AHCCCS|MassHealth|TennCare|BadgerCare|ForwardHealth|ProviderOne|SoonerCare"
        r"|HUSKY|PeachCare",
        r"(?:\s*(?:recipient|client|member|case))?"
        + _JOIN
        + r"([A-Za-z]{0,2}[0-9][A-Za-z0-9-]{5,16})(?![0-9A-Za-z])",
        _long_id,
    ),
    _label(
        "date_of_birth",
        "birth_label",
        "dob birth birthdate birthday born bday nacimiento nacido nacida nac fdn",
        r"DOB|birth\s?-?date|birth\s?-?day|(?<=of\s)birth|(?<=/)birth|birth(?=\s*:)|born|b-?day"
        r"|nacimiento|nacid[oa]|nac\b|FDN",
        _SAID + _DATE,
        _always,
    ),
    _label("date_of_birth", "birth_label", "d.o.b d/o/b", r"D\.O\.B\.?|D/O/B", _SAID + _DATE, _always),
    _label(
        "npi",
        "npi_check_digit",
        "npi npis provider",
        r"NPIs?|provider\s+identifier",
        _JOIN + r"([0-9](?:[ -]?[0-9]){9})(?![0-9])",
        _npi,
    ),
    _label(
        "dea",
        "dea_check_digit",
        "dea",
        r"DEA",
        _JOIN + r"([A-Z][A-Z9][ -][0-9]{7})(?![0-9A-Za-z])",
        _dea,
    ),
    _label(
        "mbi",
        "mbi_form",
        "mbi medicare",
        r"MBI|medicare(?:\s+(?:beneficiary|card))?",
        _JOIN + r"([1-9][A-Z][A-Z0-9][0-9][ -][A-Z][A-Z0-9][0-9][ -][A-Z]{2}[0-9]{2})(?![0-9A-Za-z])",
        valid_mbi,
    ),
    _label(
        "ssn",
        "ssn_label",
        "ssn ssns ss social soc seguro",
        r"SSNs?|SS\s?\#|soc(?:ial)?\.?\s+sec(?:urity)?\.?|seguro\s+social",
        _JOIN + r"([0-9]{3}[-. ]?[0-9]{2}[-. ]?[0-9]{4})(?![0-9])",
        _ssn,
    ),
    _label(
        "ssn",
        "ssn_last_four",
        "ssn ss social",
        r"SSNs?|SS\s?\#|social\s+security",
        r"(?:\s+number)?[\s:(]{0,3}(?:ending(?:\s+in)?|last\s+(?:four|4)(?:\s+digits)?(?:\s+are)?"
        r"|x{3}-?x{2}-?|\*{3}-?\*{2}-?)[\s:-]{0,3}"
        r"([0-9]{4})(?![0-9-])",
        _always,
    ),
    _label(
        "name",
        "patient_label",
        "patient patients pt paciente",
        r"(?:patient|pt)(?:'?s)?\s+(?:full\s+|legal\s+)?name|name\s+of\s+(?:the\s+)?patient|(?:patient|paciente)(?=\s*:)"
        r"|nombre\s+del\s+paciente",
        rf"{_MARKS}{{0,40}}+({_NAME}(?:,?[ ]{_NAME}){{1,3}})",
        _always,
    ),
    _label(
        "account",
        "account_label",
        "account accounts acct accts acc checking savings guarantor",
        r"(?:guarantor\s+)?accounts?|acc(?:oun)?ts?\.?|acc(?=\s*(?:\#|no\b|number))|(?:checking"
        r"|savings)(?=\s*(?:\#|no\b|number))"
        r"|guarantor(?=\s*(?:\#|no\b|id\b|number))",
        _JOIN + _ID,
        _account,
    ),
    _label(
        "routing",
        "routing_check_digit",
        "routing aba rtn",
        r"routing|ABA|RTN",
        r"(?:\s*/?\s*(?:transit|routing|ABA))?" + _JOIN + r"([0-9]{4}-?[0-9]{4}-?[0-9])(?![0-9])",
        _routing,
    ),
    _label(
        "iban",
        "iban_check_digits",
        "iban ibans swift bic",
        r"IBANs?|SWIFT|BIC",
        r"[^0-9\n]{0,30}?\b([A-Z]{2}[0-9]{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?)(?![0-9A-Za-z])",
        valid_iban,
    ),
    _label(
        "license",
        "license_label",
        "license licence driver drivers dl dln certificate passport credential",
        r"driver'?s?'?\s+(?:license|licence)|(?:license|licence)(?=\s*(?:\#|no\b|number|id\b|:))"
        r"|DLN?(?=\s*(?:\#|no\b|number|:))"
        r"|certificate(?=\s*(?:\#|no\b|number))|passport(?=\s*(?:\#|no\b|number|:|is\b))"
        r"|credential(?=\s*(?:\#|id\b|number))",
        _JOIN + _ID,
        _long_id,
    ),
    _label(
        "license_plate",
        "plate_label",
        "plate plates tag license licence registration",
        r"(?:licen[cs]e|registration)\s+(?:plates?|tags?)|plates?(?=\s*(?:\#|no\b|number|:))",
        _JOIN + r"((?=[A-Z0-9 -]{0,8}[0-9])[A-Z0-9]{1,4}[- ]?[A-Z0-9]{2,5})(?![0-9A-Za-z])",
        _plate,
    ),
    _label(
        "vin",
        "vin_label",
        "vin vehicle",
        r"VIN|vehicle(?:\s+(?:identification|id))?(?=\s*(?:\#|no\b|number|id\b))",
        _JOIN + r"([A-HJ-NPR-Z0-9]{17})(?![0-9A-Za-z])",
        _vin,
    ),
    _label(
        "device_id",
        "device_label",
        "device serial udi implant pacemaker imei s/n",
        r"device(?=\s*(?:\#|no\b|number|id\b|identifier|serial|\(?UDI))(?:\s+serial)?|serial(?=\s*(?:\#"
        r"|no\b|num|number|:|[A-Z]{2,4}[0-9]{5}))|UDI(?:-(?:DI|PI))?|IMEI|S/N"
        r"|implant(?=\s*(?:\#|id\b|serial|number))(?:\s+serial)?|pacemaker(?=\s*(?:\#|id\b|serial|number"
        r"|model))(?:\s+serial)?",
        _JOIN + _ID,
        _long_id,
    ),
)
"""In order of strength: where two find the same place, the earlier one is right."""


def _by_word() -> dict[str, tuple[Label, ...]]:
    table: dict[str, list[Label]] = {}
    for label in LABELS:
        for word in label.words:
            table.setdefault(word, []).append(label)
    return {word: tuple(found) for word, found in table.items()}


_LABELS_AT = _by_word()
_SPELT = {"b": ("d.o.b", "d/o/b"), "n": ("s/n",)}
"""Labels that aren't one word, by a word of theirs."""
LABEL_WORDS = frozenset(_LABELS_AT).difference(*_SPELT.values()).union(_SPELT)
"""Without one of these words, in small letters, `labelled` finds nothing."""
_GLUED = frozenset({"mrn", "dob", "ssn"})


def labelled(text: str, lowered: str, words: set[str]) -> list[PHIFinding]:
    """Return the labelled identifiers of a text, in no order; findings may overlap.

    `lowered` is the text in small letters, as long as the text; `words` those of its words that are in
    `LABEL_WORDS`.
    """
    found: list[PHIFinding] = []
    for letter in words & _SPELT.keys():
        words = words.difference(letter).union(_SPELT[letter])
    for word in words:
        for start, _ in at_words(lowered, (word,)):
            found += _labelled_at(text, word, start)
    return found


def labelled_at_once(text: str, lowered: str, numbers: Sequence[int]) -> list[PHIFinding]:
    """Return the identifiers that follow their label without a blank, as in `MRN00123`.

    `numbers` is where numbers follow three letters.
    """
    found: list[PHIFinding] = []
    for number in numbers:
        word = lowered[number - 3 : number]
        if word in _GLUED and not (number > 3 and lowered[number - 4].isalnum()):
            found += _labelled_at(text, word, number - 3)
    return found


def _labelled_at(text: str, word: str, start: int) -> list[PHIFinding]:
    for label in _LABELS_AT[word]:
        one = _try(label, text, start)
        if one is not None:
            return [one]
    return []


def _try(label: Label, text: str, position: int) -> PHIFinding | None:
    match = label.pattern.match(text, position)
    if match is None:
        return None
    start, end = match.span(match.lastindex or 0)
    if text[start] == "#":
        start += 1
    elif text[match.start() : start].upper() == "MRN-":
        start = match.start()  # `MRN-00123`: the label is part of the number as people write it.
    value = text[start:end]
    if not label.check(value):
        return None
    kind, why = label.type, label.why
    if kind == "health_plan_id" and valid_mbi(value):
        kind, why = "mbi", "mbi_form"
    elif kind == "health_plan_id" and (medicaid := medicaid_number(text[match.start() : start], value)):
        kind, why = "medicaid_id", medicaid
    elif kind == "account" and len(value) < 6 and _MEASURE.match(text, end):
        return None
    return PHIFinding(kind, start, end, value, why)
