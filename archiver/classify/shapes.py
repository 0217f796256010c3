"""Identifiers by their shape alone: one pass over a sketch of the text, then a look at each number in it.

The sketch has one character for all digits, one for capitals and one for small letters. So a single, simple
pattern sees every number, and a number's sketch (`000-00-0000`) says what it can be at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from archiver.classify.model import PHIFinding
from archiver.classify.numbers import (
    Found,
    as_fax,
    beneficiary,
    bracketed,
    card_number,
    day,
    day_between,
    dea_number,
    diagnosis,
    digits_alone,
    grouped,
    machine_address,
    ndc,
    other,
    phone,
    phone_abroad,
    social_security,
    spaced,
    zip_code,
)

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

# Each begins at the first digit of a run. Quantifiers are possessive: no run is tried twice.
_NUMBER = re.compile(
    rb"""0(?<!00)(?:
      (?P<glued>(?<=[Aa][Aa][Aa]0))
    | (?=0*+[-/.)][ \n0-]|0*+[ ][0(]|0000|0?[Aa]|(?<=A0)0) (?:  # Most numbers are none of these.
      (?P<icd>(?<=A0)[0A](?:\.?[0A]{1,4}+)?+(?![0Aa]))
    | (?P<paren>0{0,4}+\)[ \n]?-?[ ]?0{2,8}+(?:[-. ]0{2,8}+)*+)
    | (?P<spaced>0{0,6}+(?:[ ]\(?0{2,8}+\)?(?:[-.]0{2,8}+)*+){2,6}+ | 00[ ]0{3,4}+-0000(?!0)
        | 00[ ]0000(?!0) | 0{1,3}+[ ]0{5,8}+(?!0))
    | (?P<zip>0000(?:-0000)?(?![-0A]|[./]0))
    | (?P<joined>0*+(?:[-/.]0++){2,12}+ | 00-0{4}(?:0{3})?(?!0))
    | (?P<mbi>[Aa][Aa0]0-?[Aa][Aa0]0-?[Aa]{2}00(?![0Aa]))
    | (?P<dea>(?<=AA0)0{6}(?![0Aa]) | (?<=A0)0{7}(?![0Aa]))
    | (?P<run>0{6,18}+(?![0Aa]))
    | (?P<military>0?[Aa]{3}00(?:00)?(?![0Aa]))
    ))""",
    re.VERBOSE,
)
_ABROAD = re.compile(rb"\+0{1,3}+(?:[ .-]?\(?0{1,8}+\)?){1,8}+")
_LOCAL_BACKWARDS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{1,253}")
_LOCAL_LONGEST = 64


def sketch_of(text: str) -> bytes:
    """The sketch of a text, one byte a character, whatever it is."""
    return text.encode("ascii", "replace").translate(_OUTLINE)


def shapes(text: str, outline: bytes, fax: bool, glued: list[int]) -> list[PHIFinding]:
    """Return what is known by its shape, in no order; findings may overlap.

    `outline` is the text's sketch. `fax` is false where the text doesn't speak of telefax. Where a number
    follows three letters at once, as in `MRN00123`, its position is added to `glued`.
    """
    found: list[PHIFinding] = []
    search = _NUMBER.search
    match = search(outline)
    while match is not None:
        start, end = match.span()
        kind = match.lastgroup or ""
        one: Found
        if kind == "glued":
            glued.append(start)
            match = search(outline, end)
            continue
        if kind == "joined":
            detect = _JOINED.get(match.group())
            one = detect(text, start, end) if detect is not None else other(text, start, end)
        else:
            one = _DETECT[kind](text, start, end)
        if one is not None:
            if fax and one.type == "phone":
                one = as_fax(text, one)
            found.append(one)
            end = max(one.end, start + 1)
        match = search(outline, end)
    if b"+" in outline:
        for match in _ABROAD.finditer(outline):
            if (one := phone_abroad(text, match.start(), match.end())) is not None:
                found.append(as_fax(text, one) if fax else one)
    at = text.find("@")
    while at >= 0:
        if (one := _email(text, at)) is not None:
            found.append(one)
        at = text.find("@", at + 1)
    return found


def _email(text: str, at: int) -> Found:
    domain = _DOMAIN.match(text, at + 1)
    if domain is None or not (length := _length_of_domain(domain.group())):
        return None
    before = text[max(0, at - _LOCAL_LONGEST) : at].rsplit(None, 1)
    local = _length_of_local(before[-1]) if before else 0
    if not local or text[at - 1].isspace():
        return None
    end = at + 1 + length
    return PHIFinding("email", at - local, end, text[at - local : end], "email_form")


@lru_cache(maxsize=4096)
def _length_of_local(before: str) -> int:
    """How much at the end of what precedes an at sign is its local part; 0 for none."""
    local = _LOCAL_BACKWARDS.match(before[::-1])
    return len(local.group()[::-1].lstrip(".'")) if local is not None else 0


@lru_cache(maxsize=4096)
def _length_of_domain(written: str) -> int:
    """How much of what follows an at sign is a domain; 0 for none."""
    domain = written.rstrip(".-")
    suffix = domain.rpartition(".")[2]
    if len(suffix) == len(domain) or ".." in domain or len(suffix) < 2 or not _is_top(suffix):
        return 0
    return len(domain)


def _is_top(suffix: str) -> bool:
    """Letters, or letters of another script as ASCII (RFC 5891)."""
    return suffix.isalpha() or suffix.lower().startswith("xn--")


_DETECT: dict[str, Callable[[str, int, int], Found]] = {
    "paren": bracketed,
    "spaced": spaced,
    "zip": zip_code,
    "mbi": beneficiary,
    "run": digits_alone,
    "icd": diagnosis,
    "dea": dea_number,
    "military": day_between,
}


def _sketches() -> dict[bytes, Callable[[str, int, int], Found]]:
    """What a number joined by marks can be, by its sketch."""
    table: dict[str, Callable[[str, int, int], Found]] = {"000-00-0000": social_security}
    for area in ("000-000-0000", "000.000.0000", "000/000-0000", "000-000.0000", "000/000.0000"):
        table[area] = phone
        for first in ("0-", "0."):
            table[first + area] = phone
        for first in ("000-", "00-"):
            table[first + area] = grouped
    for groups in ("00000-0000-00", "0000-0000-00", "00000-000-00", "00000-0000-0"):
        table[groups] = ndc
    table["0000-0000-0000-0000"] = table["0000-000000-00000"] = table["0000.0000.0000.0000"] = card_number
    for one in range(1, 4):
        for two in range(1, 4):
            for three in range(1, 4):
                for four in range(1, 4):
                    table[".".join("0" * n for n in (one, two, three, four))] = machine_address
    for one in (1, 2):
        for two in (1, 2):
            for mark in "-/.":
                table[f"0000{mark}{'0' * one}{mark}{'0' * two}"] = day
                table[f"{'0' * one}{mark}{'0' * two}{mark}0000"] = day
            for mark in "-/":
                table[f"{'0' * one}{mark}{'0' * two}{mark}00"] = day
    return {sketch.encode("ascii"): detect for sketch, detect in table.items()}


_JOINED = _sketches()
