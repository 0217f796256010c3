"""States, the District of Columbia and the territories: their postal codes, and how rosters write them."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

_NAMES: Final = MappingProxyType(
    {
        "Alabama": "AL",
        "Alaska": "AK",
        "American Samoa": "AS",
        "Arizona": "AZ",
        "Arkansas": "AR",
        "California": "CA",
        "Colorado": "CO",
        "Connecticut": "CT",
        "Delaware": "DE",
        "District of Columbia": "DC",
        "Florida": "FL",
        "Georgia": "GA",
        "Guam": "GU",
        "Hawaii": "HI",
        "Idaho": "ID",
        "Illinois": "IL",
        "Indiana": "IN",
        "Iowa": "IA",
        "Kansas": "KS",
        "Kentucky": "KY",
        "Louisiana": "LA",
        "Maine": "ME",
        "Maryland": "MD",
        "Massachusetts": "MA",
        "Michigan": "MI",
        "Minnesota": "MN",
        "Mississippi": "MS",
        "Missouri": "MO",
        "Montana": "MT",
        "Nebraska": "NE",
        "Nevada": "NV",
        "New Hampshire": "NH",
        "New Jersey": "NJ",
        "New Mexico": "NM",
        "New York": "NY",
        "North Carolina": "NC",
        "North Dakota": "ND",
        "Northern Mariana Islands": "MP",
        "Ohio": "OH",
        "Oklahoma": "OK",
        "Oregon": "OR",
        "Pennsylvania": "PA",
        "Puerto Rico": "PR",
        "Rhode Island": "RI",
        "South Carolina": "SC",
        "South Dakota": "SD",
        "Tennessee": "TN",
        "Texas": "TX",
        "Utah": "UT",
        "Vermont": "VT",
        "Virgin Islands": "VI",
        "Virginia": "VA",
        "Washington": "WA",
        "West Virginia": "WV",
        "Wisconsin": "WI",
        "Wyoming": "WY",
    }
)
_CODES: Final = frozenset(_NAMES.values())
_LETTERS: Final = re.compile(r"[^A-Z]+")


def _plain(text: str) -> str:
    return _LETTERS.sub("", text.upper())


_BY_PLAIN: Final = MappingProxyType(
    {_plain(name): code for name, code in _NAMES.items()}
    | {code: code for code in _CODES}
    | {"WASHINGTONDC": "DC", "USVIRGINISLANDS": "VI", "VIRGINISLANDSUS": "VI"}
)
_TERRITORIES: Final = frozenset({"AS", "GU", "MP", "PR", "VI"})
_HERE: Final = frozenset(
    {"", "US", "USA", "UNITEDSTATES", "UNITEDSTATESOFAMERICA", "ASM", "GUM", "MNP", "PRI", "VIR"}
)
"""Countries as addresses name them; those of the territories may be their own (ISO 3166-1)."""


def state_code(value: str) -> str:
    """A State's postal code from its code or name, however it is spelled (`nc`, `N.C.`, `North Carolina`);
    `""` for anything else."""
    return _BY_PLAIN.get(_plain(value), "")


def is_here(country: str) -> bool:
    """Whether an address of this country is in a State or a territory; one without a country is."""
    plain = _plain(country)
    return plain in _HERE or _BY_PLAIN.get(plain) in _TERRITORIES


def state_name(code: str) -> str:
    """A State's name; the code itself where it is none of ours."""
    return next((name for name, one in _NAMES.items() if one == code), code)
