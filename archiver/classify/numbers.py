"""Detectors of numbers: each is shown where a number of its form stands, and says what it is, if anything."""

from __future__ import annotations

import re
from functools import lru_cache

from archiver.classify.checks import (
    digits,
    like_card,
    valid_card,
    valid_day,
    valid_dea,
    valid_itin,
    valid_mbi,
    valid_nanp,
    valid_ssn,
)
from archiver.classify.model import PHIFinding, PHIType
from archiver.classify.places import state_before
from archiver.classify.words import bag

_CARD_GROUPS = re.compile(r"[0-9]{4}([- ])(?:[0-9]{4}\1[0-9]{4}\1[0-9]{4}|[0-9]{6}\1[0-9]{4,5})(?![0-9])")
_NANP = re.compile(
    r"(?:(?<![0-9])1[-. ]?)?(?:\([2-9][0-9]{2}\)\s?-?[ ]?|(?<![0-9])[2-9][0-9]{2}(?:\)[ ]?|[-./ ]))"
    r"[0-9]{3}[-. ][0-9]{4}(?![0-9])"
)

_DAYS = re.compile(
    r"[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})(?=-)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?![0-9])"
)
_SHORT_MONTHS = bag("jan feb mar apr may jun jul aug sep oct nov dec")
_CODE_WORD = re.compile(r"\b(?:icd|dx|diagnos[ei]s|diagnosed|diagnostic|code[sd]?)\b", re.IGNORECASE)
_PROCEDURES = frozenset({"cpt", "hcpcs", "procedure", "procedures"})
_WHICH_CODE = re.compile(r"\b(?:icd|dx|diagnos[ei]s|cpt|hcpcs|procedures?)\b", re.IGNORECASE)
_LINE = (
    r"phone|ph|tel(?:ephone|e|\.?\s?no)?|cell(?:ular|phone)?|mobile|mob|fax|pager|beeper|desk|office|home"
    r"|direct|voicemail"
)
_CALLED = re.compile(
    rf"\b(?:{_LINE}|work|call|contact|reach|dial|text|hotline|extension|toll\s?-?free)"
    r"(?:'s|s)?\b[^0-9\n]{0,25}\n?[^0-9\n]{0,4}\Z",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\b(?:number|at)\b[^0-9\n]{0,12}\Z", re.IGNORECASE)
_CALLED_AFTER = re.compile(rf"[ ]?[-(/,]?[ ]?(?:{_LINE})\b", re.IGNORECASE)
_EXTENSION = re.compile(r"[ ,]{0,2}(?:x|ext\.?|extension)[ ]?[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE)
_FAX = re.compile(
    r"\b(?:fax(?:ed|es|ing)?|facsimile)\b[^0-9\n]{0,20}\Z|(?<![0-9A-Za-z])f[ ]?[:.][ ]{0,2}\(?\Z",
    re.IGNORECASE,
)
_FAX_AFTER = re.compile(r"[ ]?[-(/,]?[ ]?(?:fax\b|\(?f\))", re.IGNORECASE)
_CARD_WORD = re.compile(
    r"\b(?:cards?|visa|mastercard|amex|american\s+express|discover|maestro|diners|credit|debit"
    r"|cc)\b[^0-9]{0,30}\Z",
    re.IGNORECASE,
)
_IP_WORD = re.compile(r"\bIP\b[^0-9]{0,16}\Z", re.IGNORECASE)
_NDC_WORD = re.compile(r"\bNDC\b[^0-9]{0,12}\Z", re.IGNORECASE)
_BOUND = frozenset("-./+#_\\")

Found = PHIFinding | None
_LONGEST_KNOWN = 12


def _finding(kind: PHIType, text: str, start: int, end: int, why: str) -> PHIFinding:
    return PHIFinding(kind, start, end, text[start:end], why)


def _free(text: str, start: int) -> bool:
    """True when no letter, digit or mark binds the number at `start` to what stands before it."""
    if start == 0:
        return True
    before = text[start - 1]
    return not (before.isalnum() or before in _BOUND)


# --- numbers joined by marks, by their sketch -----------------------------------------------------


def social_security(text: str, start: int, end: int) -> Found:
    if not _free(text, start) or text[end : end + 1] == "-":
        return None
    number = digits(text[start:end])
    if valid_ssn(number):
        return _finding("ssn", text, start, end, "ssn_form")
    return _finding("ssn", text, start, end, "itin_form") if valid_itin(number) else None


def day(text: str, start: int, end: int) -> Found:
    """Month, day and year in the order that is possible; `9/30/2001` and `30.9.2001` alike."""
    value = text[start:end]
    # The second day of `9/1/2001-9/30/2001` is bound to the first, and nothing else may be.
    before = text[start - 1] if start else " "
    if (before.isalnum() or before in _BOUND) and (before != "-" or "/" not in value):
        return None
    return PHIFinding("date", start, end, value, "date_form") if _is_day(value) else None


@lru_cache(maxsize=4096)
def _is_day(value: str) -> bool:
    one, two, three = value.replace("-", "/").replace(".", "/").split("/")
    if len(one) == 4:
        return valid_day(int(one), int(two), int(three))
    year = int(three) if len(three) == 4 else 0
    month, day = int(one), int(two)
    return valid_day(year, month, day) or valid_day(year, day, month)


def day_between(text: str, start: int, end: int) -> Found:
    """A day around its month, as in `04MAR2024`."""
    value = text[start:end]
    month = value.strip("0123456789")
    if (
        month.lower() not in _SHORT_MONTHS
        or not _free(text, start)
        or not 1 <= int(value.partition(month)[0]) <= 31
    ):
        return None
    return PHIFinding("date", start, end, value, "date_named")


def machine_address(text: str, start: int, end: int) -> Found:
    if start and (text[start - 1].isalnum() or text[start - 1] in "-.+#_\\"):
        return None
    value = text[start:end]
    figures = value.split(".")
    if any(int(figure) > 255 or (len(figure) > 1 and figure[0] == "0") for figure in figures):
        return None
    # 1.2.0.0 is more likely the version of a program.
    if len(value) < 9 and not _IP_WORD.search(text, max(0, start - 24), start):
        return None
    return PHIFinding("ip", start, end, value, "ip_form")


def ndc(text: str, start: int, end: int) -> Found:
    # 4-4-2 is also how many other numbers are written: it needs its label.
    if not _free(text, start) or text[end : end + 1] in ("-", "/"):
        return None
    if end - start == 12 and text[start + 4] == "-" and not _NDC_WORD.search(text, max(0, start - 24), start):
        return None
    return _finding("ndc", text, start, end, "ndc_form")


def card_number(text: str, start: int, end: int) -> Found:
    if not _free(text, start) or not valid_card(digits(text[start:end])):
        return None
    return _finding("credit_card", text, start, end, "card_check_digit")


def phone(text: str, start: int, end: int) -> Found:
    """A number with the groups of a North American one, or one that words say is a telephone's."""
    number = digits(text[start:end])
    plain = number[1:] if len(number) == 11 and number[0] == "1" else number
    while start > 0 and text[start - 1] in "+(":
        start -= 1
    if start and text[start - 1].isalnum():
        return None
    extension = _EXTENSION.match(text, end)
    if extension is not None:
        end = extension.end()
    if valid_nanp(plain) and not (start and text[start - 1] in "-."):
        return _finding("phone", text, start, end, "phone_form")
    if (
        extension is not None
        or _said_to_be_phone(text, start, end)
        or _NUMBERED.search(text, max(0, start - 30), start)
    ):
        return _finding("phone", text, start, end, "phone_label")
    return None


def _said_to_be_phone(text: str, start: int, end: int) -> bool:
    if _CALLED.search(text, max(0, start - 45), start) is not None:
        return True
    return _CALLED_AFTER.match(text, end) is not None


def grouped(text: str, start: int, end: int) -> Found:
    """Groups of digits that are a telephone number only where words say so."""
    if not 7 <= len(digits(text[start:end])) <= 15 or not _free(text, start):
        return None
    return _finding("phone", text, start, end, "phone_label") if _said_to_be_phone(text, start, end) else None


def other(text: str, start: int, end: int) -> Found:
    """Groups that are nothing by their sketch: something may be within, or words say what it is."""
    if end - start > _LONGEST_KNOWN and (one := inside(text, start, end)) is not None:
        return one
    return grouped(text, start, end) if 8 <= end - start <= 19 and "/" not in text[start:end] else None


def inside(text: str, start: int, end: int) -> Found:
    """The first card, day or telephone number within a longer row of numbers."""
    match = _CARD_GROUPS.search(text, start, end)
    if match is not None and (one := card_number(text, *match.span())) is not None:
        return one
    match = _DAYS.match(text, start, end)
    if match is not None and (one := day(text, *match.span())) is not None:
        return one
    match = _NANP.search(text, start, end)
    return phone(text, *match.span()) if match is not None else None


# --- other numbers --------------------------------------------------------------------------------


def bracketed(text: str, start: int, end: int) -> Found:
    """A telephone number whose area stands in brackets; it begins behind the first of them."""
    if start == 0 or text[start - 1] != "(":
        return None
    match = _NANP.search(text, start - 1, end)
    if match is not None:
        one = phone(text, _with_one(text, match.start()), match.end())
        if one is not None:
            return one
    start -= 1
    return _finding("phone", text, start, end, "phone_label") if _said_to_be_phone(text, start, end) else None


def _with_one(text: str, start: int) -> int:
    """Where a number begins that may have a leading 1 (of North America) before its bracket."""
    for one in ("1 ", "1-", "1.", "1"):
        begin = start - len(one)
        if begin >= 0 and text[begin:start] == one and (begin == 0 or not text[begin - 1].isalnum()):
            return begin
    return start


def spaced(text: str, start: int, end: int) -> Found:
    one = inside(text, start, end)
    if one is not None:
        return one
    if not 7 <= len(digits(text[start:end])) <= 15 or not _free(text, start):
        return None
    if text[start - 1 : start] == "(":
        start -= 1
    if _said_to_be_phone(text, start, end):
        return _finding("phone", text, start, end, "phone_label")
    # Elsewhere numbers begin with a nought for the trunk line and come in three groups or more.
    groups = text[start:end].split()
    if text[start] == "0" and len(groups) >= 3 and 2 <= len(groups[0]) <= 5 and end - start >= 11:
        return _finding("phone", text, start, end, "phone_groups")
    return None


def phone_abroad(text: str, start: int, end: int) -> Found:
    number = digits(text[start:end])
    while not text[end - 1].isdigit():
        end -= 1
    if not 8 <= len(number) <= 15 or (start and text[start - 1].isalnum()):
        return None
    extension = _EXTENSION.match(text, end)
    end = extension.end() if extension is not None else end
    return _finding("phone", text, start, end, "phone_abroad")


def digits_alone(text: str, start: int, end: int) -> Found:
    """Digits without a mark: a card by its check digit, a telephone number by its label."""
    length = end - start
    if not _free(text, start):
        return None
    number = text[start:end]
    if length >= 12:
        if valid_card(number):
            return PHIFinding("credit_card", start, end, number, "card_check_digit")
        if _CARD_WORD.search(text, max(0, start - 50), start) and like_card(number):
            return PHIFinding("credit_card", start, end, number, "card_label")
        return None
    if 7 <= length <= 11 and _CALLED.search(text, max(0, start - 45), start):
        return PHIFinding("phone", start, end, number, "phone_label")
    if length in (10, 11) and _NDC_WORD.search(text, max(0, start - 24), start):
        return PHIFinding("ndc", start, end, number, "ndc_label")
    return None


def beneficiary(text: str, start: int, end: int) -> Found:
    if not _free(text, start) or not valid_mbi(text[start:end]):
        return None
    return _finding("mbi", text, start, end, "mbi_form")


def dea_number(text: str, start: int, end: int) -> Found:
    start -= 2 if end - start == 7 else 1
    if not _free(text, start) or (text[start + 1].isdigit() and text[start + 1] != "9"):
        return None
    return _finding("dea", text, start, end, "dea_check_digit") if valid_dea(text[start:end]) else None


def diagnosis(text: str, start: int, end: int) -> Found:
    start -= 1
    if (text[start] == "U" and text[start : start + 3] not in ("U07", "U09")) or not _free(text, start):
        return None
    if "." in text[start:end] and text[start] not in "VWXY":
        return _finding("icd10", text, start, end, "icd10_dotted")
    if "." not in text[start:end] and end - start > 3:
        # As claims write it, `E1165`; so are procedures: what is nearest says which.
        said = _WHICH_CODE.findall(text, max(0, start - 60), start)
        ours = bool(said) and said[-1].lower() not in _PROCEDURES
        return _finding("icd10", text, start, end, "icd10_label") if ours else None
    # `B12` or `V10.2` may be a vitamin or a version: they need a word that speaks of diagnoses.
    if _CODE_WORD.search(text, max(0, start - 60), start):
        return _finding("icd10", text, start, end, "icd10_label")
    return None


def zip_code(text: str, start: int, end: int) -> Found:
    if start == 0 or not text[start - 1].isspace():
        return None
    state = state_before(text, start, text[start])
    if state is None:
        return None
    return _finding("address", text, state[1], end, f"zip_of_{state[0]}")


def as_fax(text: str, one: PHIFinding) -> PHIFinding:
    """A telephone number, or the fax number that the word beside it makes of it."""
    before = _FAX.search(text, max(0, one.start - 30), one.start)
    if before is None and _FAX_AFTER.match(text, one.end) is None:
        return one
    return one._replace(type="fax")
