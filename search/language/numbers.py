"""Numbers and codes as people write them: one typed form, the others that mean the same.

Only where the forms can't mean anything else. `E11.9` is `E119` on a claim, and `MRN-00123` is `MRN00123` and
`MRN 00123`; but `3.5` is never `35`, nor `1.5mg` `15mg`, and `10-12` is no `1012`: whatever isn't listed here
stays the row of words it was typed as. In quotes nothing is added.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Final

Writing = list[str]
"""Index words in a row."""

_US_PHONE: Final = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9][0-9]{2})\)?[ .-]?([0-9]{3})[ .-]?([0-9]{4})")
_ABROAD: Final = re.compile(r"\+[0-9][0-9 .()-]+")
_SSN: Final = re.compile(r"([0-9]{3})(-?)([0-9]{2})\2([0-9]{4})")
# Medicare's Beneficiary Identifier: CMS writes it 4-3-4, its cards and claims without hyphens.
_MBI: Final = re.compile(
    r"([1-9][a-z][a-z0-9][0-9])(-?)([a-z][a-z0-9][0-9])\2([a-z]{2}[0-9]{2})", re.IGNORECASE
)
# ICD-10-CM: a letter, a digit, a digit or A or B; then up to four behind a full stop or, on claims, none.
_ICD10: Final = re.compile(r"([a-z][0-9][0-9ab])(\.?)([0-9x]{0,3}[0-9a-s])", re.IGNORECASE)
_RECORD: Final = re.compile(r"[a-z]{1,10}[-_#/][0-9][0-9a-z]*(?:-[0-9a-z]+)*", re.IGNORECASE)
_RECORD_JOINED: Final = re.compile(r"([a-z]{2,10})([0-9]{2,})", re.IGNORECASE)
_SEPARATOR: Final = re.compile(r"[^0-9a-z]+")


def writings(typed: str) -> list[Writing]:
    """Return the usual writings of a number or code typed in ASCII, the one typed among them; else [].

    Telephone numbers (of ten digits, the country's 1 before them or not) in every grouping at their usual
    seams; those with another `+` country code, social security numbers, Medicare identifiers, ICD-10 codes
    and record numbers (letters, then a hyphen and digits) with their separators and without.
    """
    if found := _US_PHONE.fullmatch(typed):
        return _american(*found.groups())
    typed = typed.lower()
    if _ABROAD.fullmatch(typed):
        return _either(_SEPARATOR.sub(" ", typed).split())
    for shape in (_SSN, _MBI):
        if found := shape.fullmatch(typed):
            return _either([found[1], found[3], found[4]])
    if found := _ICD10.fullmatch(typed):
        return _either([found[1], found[3]])
    if _RECORD.fullmatch(typed):
        return _either(_SEPARATOR.sub(" ", typed).split())
    if found := _RECORD_JOINED.fullmatch(typed):
        return _either([found[1], found[2]])
    return []


def is_spaced(typed: str) -> bool:
    """True for a telephone number typed as bare groups of digits, which may be numbers by themselves."""
    groups = typed.removeprefix("+").split(" ")
    return len(groups) > 1 and all(map(str.isdecimal, groups)) and not typed.startswith("+1 ")


def _either(parts: Writing) -> list[Writing]:
    return [parts, ["".join(parts)]] if len(parts) > 1 else [parts]


def _american(area: str, exchange: str, line: str) -> list[Writing]:
    """Every grouping: with separators at each seam or not, and the country's 1 joined to the area or not.

    A 1 that stands apart needs no writing of its own: the number's words are in a row behind it.
    """
    found = []
    for first, one, two in product(("", "1"), (" ", ""), (" ", "")):
        found.append(f"{first}{area}{one}{exchange}{two}{line}".split())
    return found
