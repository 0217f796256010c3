"""The forms of the States' Medicaid identifiers. There is no national one, and most have no check digit."""

from __future__ import annotations

import re

# What is on the card: 9 stands for a digit, A for a letter, X for either. Several States share a form, so
# a form alone never tells the State, and hardly anything hangs on one: a number behind a program's name is
# found whether or not a form fits, then as `health_plan_id`.
# Looked up at the States in 2026: AL (Ala. Admin. Code r. 560-X-1-.09: 13 digits), CA (8 digits and a
# letter, on the card with a check digit and a date: Santa Clara County, Medi-Cal handbook, ID card format),
# LA (lamedicaid.com, id_numbers: 13 digits), NY (mmcdruginformation.nysdoh.suny.edu/faq: AA11111A), SD
# (dss.sd.gov, benefits card: 9 digits), WI (dhs.wisconsin.gov/medicaid/member-info: 10 digits). The others
# aren't confirmed by the State itself; of ND and VT none is known.
_FORMS = {
    "AK": ("9999999999",),
    "AL": ("9999999999999",),
    "AR": ("9999999999",),
    "AZ": ("A99999999",),
    "CA": ("99999999A", "99999999A99999"),
    "CO": ("A999999",),
    "CT": ("999999999",),
    "DC": ("99999999",),
    "DE": ("9999999999",),
    "FL": ("9999999999",),
    "GA": ("999999999999",),
    "HI": ("9999999999",),
    "IA": ("9999999A",),
    "ID": ("9999999999", "9999999"),
    "IL": ("999999999",),
    "IN": ("999999999999",),
    "KS": ("99999999999",),
    "KY": ("9999999999",),
    "LA": ("9999999999999",),
    "MA": ("999999999999",),
    "MD": ("99999999999",),
    "ME": ("99999999A",),
    "MI": ("9999999999",),
    "MN": ("99999999",),
    "MO": ("99999999",),
    "MS": ("999999999",),
    "MT": ("999999999", "9999999"),
    "NC": ("999999999A",),
    "NE": ("99999999999",),
    "NH": ("99999999999",),
    "NJ": ("999999999999",),
    "NM": ("99999999999999",),
    "NV": ("99999999999",),
    "NY": ("AA99999A",),
    "OH": ("999999999999",),
    "OK": ("A99999999", "999999999"),
    "OR": ("AA999A9A", "XX999X9X"),
    "PA": ("9999999999",),
    "RI": ("9999999999",),
    "SC": ("9999999999",),
    "SD": ("999999999",),
    "TN": ("99999999999",),
    "TX": ("999999999",),
    "UT": ("9999999999",),
    "VA": ("999999999999",),
    "WA": ("999999999AA",),
    "WI": ("9999999999",),
    "WV": ("99999999999",),
    "WY": ("9999999999",),
}
_SIGNS = {"9": "[0-9]", "A": "[A-Z]", "X": "[A-Z0-9]"}
_ANY = re.compile(
    "|".join(sorted({"".join(_SIGNS[sign] for sign in form) for forms in _FORMS.values() for form in forms}))
)
_PROGRAM = re.compile(
    r"medicaid|medi-?cal|\bCIN\b|AHCCCS|MassHealth|TennCare|BadgerCare|ForwardHealth|ProviderOne|SoonerCare"
    r"|HUSKY|PeachCare",
    re.IGNORECASE,
)


def medicaid_number(label: str, value: str) -> str:
    """Return a reason when a labelled number is a Medicaid identifier: its label says so and some State's
    form fits; ``""`` otherwise."""
    if _PROGRAM.search(label) is None:
        return ""
    return "medicaid_form" if fits_medicaid(value) else ""


def fits_medicaid(value: str) -> bool:
    """Whether some State's form fits a number."""
    return _ANY.fullmatch(value.replace("-", "").upper()) is not None
