"""PHI detectors of our own: one pass over the shapes that identifiers have, and, only where a text holds
their words, patterns that need context (`MRN:`, `born on`). Check digits keep look-alikes out."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from archiver.classify.checks import (
    digits,
    valid_card,
    valid_dea,
    valid_mbi,
    valid_nanp,
    valid_npi,
    valid_ssn,
)
from archiver.classify.model import PHIFinding, PHIType
from archiver.classify.places import state_before

# Every shape holds a digit or an at sign, so the pass starts only there: the regular expression engine
# skips from one to the next. Each alternative continues from the first digit of a run.
_SHAPES = re.compile(
    r"""
    [0-9@](?:
      (?<=@)(?P<email>[A-Za-z0-9][A-Za-z0-9.-]{1,253})
    | (?<![0-9].)(?:
        (?P<ssn>[0-9]{2}(?P<gap>[- ])[0-9]{2}(?P=gap)[0-9]{4})(?![0-9])
      | (?P<phone>(?:(?<=1)[-. ]?\(?[2-9][0-9]{2}|[0-9]{2})(?:\)[ ]?|[-./ ])[0-9]{3}[-. ][0-9]{4})(?![0-9])
      | (?P<card>[0-9]{3}(?:[- ]?[0-9]{4}){2}[- ]?[0-9]{1,7}|[0-9]{3}[- ]?[0-9]{6}[- ]?[0-9]{5})(?![0-9])
      | (?P<mbi>[A-Za-z][A-Za-z0-9][0-9]-?[A-Za-z][A-Za-z0-9][0-9]-?[A-Za-z]{2}[0-9]{2})(?![0-9A-Za-z])
      | (?<=[A-Z][A-Z9][0-9])(?P<dea>[0-9]{6})(?![0-9A-Za-z])
      | (?<=[A-TV-Z][0-9])(?P<icd10>[0-9AB](?:\.[0-9A-Z]{1,4})?)(?![0-9A-Za-z])
      | (?P<zip>[0-9]{4}(?:-[0-9]{4})?)(?![0-9A-Za-z])
      )
    )
    """,
    re.VERBOSE,
)

# Where a shape can begin, asked of a sketch of the text that has one character for all digits, one for
# capitals and one for small letters: so the engine looks for one character only, which is much faster.
_OUTLINE = bytes(
    ord("0")
    if char in b"0123456789"
    else ord("A")
    if 65 <= char <= 90
    else ord("a")
    if 97 <= char <= 122
    else char
    for char in range(256)
)
_MAY_BEGIN = re.compile(rb"0(?<!00)(?=00(?:[-./ )]|0[-0 ])|[-. ]?\(?000|[Aa][Aa0]0|(?<=A0)[0A])")

_JOIN = r"[\s:#=(),.\[\]-]{0,6}(?:(?:numbers?|num|no|nbr|id|identifier|is|was|of)\b[\s:#=(.\[-]{0,4}){0,3}"
_ID = r"(#?[A-Za-z]{0,6}[-#]?[0-9][A-Za-z0-9]{0,40}(?:-[A-Za-z0-9]{1,20}){0,4})"
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DATE = (
    rf"([0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.][0-9]{{2,4}}|[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}"
    rf"|{_MONTH}\s+[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s+[0-9]{{4}}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH},?\s+[0-9]{{4}})(?![0-9])"
)


def _any_id(text: str) -> bool:
    return len(text) <= 40


def _long_id(text: str) -> bool:
    return 4 <= len(text) <= 40 and sum(c.isdigit() for c in text) >= 3


def _npi(text: str) -> bool:
    return valid_npi(digits(text))


def _ssn(text: str) -> bool:
    return valid_ssn(digits(text))


def _date(text: str) -> bool:
    return True


# Type, reason code, all the beginnings its pattern can have, pattern, check of its group.
_Context = tuple[PHIType, str, tuple[str, ...], re.Pattern[str], Callable[[str], bool]]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_CONTEXTS: tuple[_Context, ...] = (
    ("mrn", "mrn_label", ("mrn",), _pattern(r"\bMRNs?" + _JOIN + _ID), _any_id),
    (
        "mrn",
        "medical_record_label",
        ("med", "chart", "patient", "mr#", "mr #", "hospital"),
        _pattern(
            r"\b(?:medical\s+record|med\.?\s+rec|MR\s?\#|chart\s*(?:\#|no\b|number|id\b)|hospital\s+number"
            r"|patient\s*(?:\#|id\b|identifier|identification|no\b|number))" + _JOIN + _ID
        ),
        _long_id,
    ),
    (
        "health_plan_id",
        "health_plan_label",
        ("member", "subscriber", "insur", "health", "beneficiary", "medicaid", "medicare", "hicn", "hpbn"),
        _pattern(
            r"\b(?:member(?:ship)?|subscriber|(?:health\s+)?insurance(?:\s+policy)?|insured"
            r"|insurance\s+plan|health\s+plan(?:\s+beneficiary)?|beneficiary|medicaid|medicare|HICN|HPBN)"
            r"\s*(?:\#|no\b|num\b|numbers?|id\b|identifier|identification|:)" + _JOIN + _ID
        ),
        _long_id,
    ),
    (
        "health_plan_id",
        "insurance_number",
        ("ins", "policy"),
        _pattern(
            r"\b(?:insurance(?:\s+policy|\s+plan)?|ins|policy\s*(?:\#|no\b|number))" + _JOIN
            + r"(\#?[A-Z]{1,5}-?[0-9]{4,10}(?:-[0-9]{1,6})?)(?![0-9A-Za-z])"
        ),
        _long_id,
    ),
    (
        "date_of_birth",
        "birth_label",
        ("dob", "d.o.b", "date", "birth", "born"),
        _pattern(
            r"\b(?:DOB|D\.O\.B\.?|date\s+of\s+birth|birth\s?-?date|birthday|born)"
            r"(?:[\s:=(),-]|\bis\b|\bwas\b|\bon\b){0,8}" + _DATE
        ),
        _date,
    ),
    (
        "npi",
        "npi_check_digit",
        ("npi", "provider"),
        _pattern(r"\b(?:NPI|provider\s+identifier)" + _JOIN + r"([0-9]{10})(?![0-9])"),
        _npi,
    ),
    (
        "ssn",
        "ssn_label",
        ("ssn", "ss#", "ss #", "soc"),
        _pattern(
            r"\b(?:SSN|SS\s?\#|soc(?:ial)?\.?\s+sec(?:urity)?\.?)" + _JOIN
            + r"([0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4})(?![0-9])"
        ),
        _ssn,
    ),
)  # fmt: skip


def _start(label: str) -> str:
    """The plain word, or its beginning, with which a label starts: `mr` of `mr #`."""
    return re.split("[^a-z]", label)[0]


def _any_start() -> re.Pattern[str]:
    """A pattern for the words that a label can start with, among words with blanks about them.

    By first letters, each once, because the engine tries alternatives one after the other.
    """
    labels = {label for context in _CONTEXTS for label in context[2]}
    starts = {_start(label) + ("" if label.isalpha() else "(?= )") for label in labels}
    letters = []
    for letter in sorted({start[0] for start in starts}):
        rests = sorted((start[1:] for start in starts if start[0] == letter), key=len, reverse=True)
        letters.append(f"{letter}(?:{'|'.join(rests)})")
    return re.compile(f" (?:{'|'.join(letters)})")


_ANY_START = _any_start()
_LOCAL_BACKWARDS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_CODE_WORD = re.compile(r"\b(?:icd|dx|diagnos[ei]s|diagnosed|diagnostic|code[sd]?)\b", re.IGNORECASE)
_PHONE_WORD = re.compile(
    r"(?:phone|tel|call|cell|mobile|fax|contact|reach|pager|number|dial|at)\b", re.IGNORECASE
)
_NOT_BEFORE = frozenset("-./+#_\\")


def find_phi(text: str, lowered: str, plain: set[str]) -> tuple[PHIFinding, ...]:
    """Return what the detectors find, by position, no two overlapping; a labelled value wins over a shape.

    `lowered` is `text.lower()` and `plain` every run of ASCII letters and digits in it: both are used to
    see where a label can be at all.
    """
    found: list[PHIFinding] = []
    taken = _Taken()
    # Every pattern begins at a word's edge: where no word starts as a label does, there is none.
    possible = {
        label for start in _ANY_START.findall(f" {' '.join(plain)} ") for label in _labels_with(start)
    }
    # A few letters change length in lower case: then offsets don't serve.
    shifted = len(lowered) != len(text)
    for kind, why, labels, pattern, check in _CONTEXTS if possible or shifted else ():
        here = labels if shifted else [label for label in labels if label in possible]
        for match in _labelled(text, lowered, here, pattern):
            start, end = match.span(1)
            if text[start] == "#":
                start += 1
            elif text[match.start() : start].upper() == "MRN-":
                start = match.start()  # `MRN-00123`: the label is part of the number as people write it.
            value = text[start:end]
            if check(value) and taken.take(start, end):
                found.append(PHIFinding(kind, start, end, value, why))
    for match in _shapes(text):
        finding = _DETECT[match.lastgroup or ""](text, match)
        if finding is not None and taken.is_free(finding.start, finding.end):
            found.append(finding)
    found.sort(key=lambda finding: finding.start)
    return tuple(found)


@lru_cache(maxsize=64)
def _labels_with(start: str) -> frozenset[str]:
    """The labels that a find of `_ANY_START` can begin."""
    labels = (label for context in _CONTEXTS for label in context[2])
    return frozenset(label for label in labels if start.startswith(f" {_start(label)}"))


def _labelled(
    text: str, lowered: str, labels: Sequence[str], pattern: re.Pattern[str]
) -> Iterator[re.Match[str]]:
    """Try a pattern only where one of the words it can begin with stands."""
    if len(lowered) != len(text):
        if any(label in lowered for label in labels):
            yield from pattern.finditer(text)
        return
    for label in labels:
        position = lowered.find(label)
        while position >= 0:
            match = pattern.match(text, position)
            if match is not None:
                yield match
            position = lowered.find(label, position + 1)


def _shapes(text: str) -> Iterator[re.Match[str]]:
    """What `_SHAPES.finditer` gives."""
    outline = text.encode("ascii", "replace").translate(_OUTLINE)  # one byte a character, whatever it is
    places = [match.start() for match in _MAY_BEGIN.finditer(outline)]
    at = text.find("@")
    if at >= 0:
        while at >= 0:
            places.append(at)
            at = text.find("@", at + 1)
        places.sort()
    end = 0
    for place in places:
        if place >= end:
            match = _SHAPES.match(text, place)
            if match is not None:
                end = match.end()
                yield match


class _Taken:
    """Spans that labelled values hold, in order, so that a long list of them stays quick to ask."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def is_free(self, start: int, end: int) -> bool:
        """True when no span held overlaps `start:end`."""
        if not self._starts:
            return True
        after = bisect_left(self._starts, start)
        if after < len(self._starts) and self._starts[after] < end:
            return False
        return after == 0 or self._ends[after - 1] <= start

    def take(self, start: int, end: int) -> bool:
        """Hold a span; False when it is not free."""
        if not self.is_free(start, end):
            return False
        position = bisect_left(self._starts, start)
        self._starts.insert(position, start)
        self._ends.insert(position, end)
        return True


def _free(text: str, start: int) -> bool:
    """True when no letter, digit or mark binds the number at `start` to what stands before it."""
    if start == 0:
        return True
    before = text[start - 1]
    return not (before.isalnum() or before in _NOT_BEFORE)


def _finding(kind: PHIType, text: str, start: int, end: int, why: str) -> PHIFinding:
    return PHIFinding(kind, start, end, text[start:end], why)


def _detect_email(text: str, match: re.Match[str]) -> PHIFinding | None:
    local = _LOCAL_BACKWARDS.match(text[max(0, match.start() - 64) : match.start()][::-1])
    domain = match.group("email").rstrip(".-")
    suffix = domain.rpartition(".")[2]
    if local is None or "." not in domain or ".." in domain or len(suffix) < 2 or not suffix.isalpha():
        return None
    start = match.start() - local.end()
    while start < match.start() and text[start] in ".'":
        start += 1
    if start == match.start():
        return None
    return _finding("email", text, start, match.start() + 1 + len(domain), "email_form")


def _detect_ssn(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.span()
    if not _free(text, start) or text[end : end + 1] == "-" or not valid_ssn(digits(text[start:end])):
        return None
    # Without dashes three numbers in a row are just that: then only a label, seen before, makes it one.
    return _finding("ssn", text, start, end, "ssn_form") if match.group("gap") == "-" else None


def _detect_phone(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.span()
    number = digits(text[start:end])
    plain = number[1:] if len(number) == 11 else number
    while start > 0 and text[start - 1] in "+(":
        start -= 1
    if start and text[start - 1].isalnum():
        return None
    if valid_nanp(plain) and not (start and text[start - 1] in "-."):
        return _finding("phone", text, start, end, "phone_form")
    if _PHONE_WORD.search(text, max(0, start - 30), start):
        return _finding("phone", text, start, end, "phone_label")
    return None


def _detect_card(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.span()
    if not _free(text, start) or not valid_card(digits(text[start:end])):
        return None
    return _finding("credit_card", text, start, end, "card_check_digit")


def _detect_mbi(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.span()
    if not _free(text, start) or not valid_mbi(text[start:end]):
        return None
    return _finding("mbi", text, start, end, "mbi_form")


def _detect_dea(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.start() - 2, match.end()
    if not _free(text, start) or not valid_dea(text[start:end]):
        return None
    return _finding("dea", text, start, end, "dea_check_digit")


def _detect_icd10(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.start() - 1, match.end()
    if not _free(text, start):
        return None
    if "." in match.group("icd10") and text[start] not in "VWXY":
        return _finding("icd10", text, start, end, "icd10_dotted")
    # `B12` or `V10.2` may be a vitamin or a version: they need a word that speaks of diagnoses.
    if _CODE_WORD.search(text, max(0, start - 60), start):
        return _finding("icd10", text, start, end, "icd10_label")
    return None


def _detect_zip(text: str, match: re.Match[str]) -> PHIFinding | None:
    start, end = match.span()
    if start == 0 or not text[start - 1].isspace():
        return None
    state = state_before(text, start, text[start])
    if state is None:
        return None
    return _finding("address", text, state[1], end, f"zip_of_{state[0]}")


_DETECT: dict[str, Callable[[str, re.Match[str]], PHIFinding | None]] = {
    "email": _detect_email,
    "ssn": _detect_ssn,
    "gap": _detect_ssn,
    "phone": _detect_phone,
    "card": _detect_card,
    "mbi": _detect_mbi,
    "dea": _detect_dea,
    "icd10": _detect_icd10,
    "zip": _detect_zip,
}
