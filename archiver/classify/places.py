"""State names and codes, and the first ZIP digits of each: what makes an address clearly of one State."""

from __future__ import annotations

import re

# State -> name and the first digits of its ZIP codes (USPS Publication 65).
_STATES = {
    "AL": ("Alabama", "3"), "AK": ("Alaska", "9"), "AZ": ("Arizona", "8"), "AR": ("Arkansas", "7"),
    "CA": ("California", "9"), "CO": ("Colorado", "8"), "CT": ("Connecticut", "0"), "DE": ("Delaware", "1"),
    "DC": ("District of Columbia", "2"), "FL": ("Florida", "3"), "GA": ("Georgia", "3"),
    "HI": ("Hawaii", "9"), "ID": ("Idaho", "8"), "IL": ("Illinois", "6"), "IN": ("Indiana", "4"),
    "IA": ("Iowa", "5"), "KS": ("Kansas", "6"), "KY": ("Kentucky", "4"), "LA": ("Louisiana", "7"),
    "ME": ("Maine", "0"), "MD": ("Maryland", "2"), "MA": ("Massachusetts", "0"), "MI": ("Michigan", "4"),
    "MN": ("Minnesota", "5"), "MS": ("Mississippi", "3"), "MO": ("Missouri", "6"), "MT": ("Montana", "5"),
    "NE": ("Nebraska", "6"), "NV": ("Nevada", "8"), "NH": ("New Hampshire", "0"), "NJ": ("New Jersey", "0"),
    "NM": ("New Mexico", "8"), "NY": ("New York", "01"), "NC": ("North Carolina", "2"),
    "ND": ("North Dakota", "5"), "OH": ("Ohio", "4"), "OK": ("Oklahoma", "7"), "OR": ("Oregon", "9"),
    "PA": ("Pennsylvania", "1"), "PR": ("Puerto Rico", "0"), "RI": ("Rhode Island", "0"),
    "SC": ("South Carolina", "2"), "SD": ("South Dakota", "5"), "TN": ("Tennessee", "3"),
    "TX": ("Texas", "78"),
    "UT": ("Utah", "8"), "VT": ("Vermont", "0"), "VA": ("Virginia", "2"), "WA": ("Washington", "9"),
    "WV": ("West Virginia", "2"), "WI": ("Wisconsin", "5"), "WY": ("Wyoming", "8"),
}  # fmt: skip

STATE_CODES = frozenset(_STATES)
STATE_NAMES = frozenset(name for name, _ in _STATES.values())
_CODE_OF = {name.casefold(): code for code, (name, _) in _STATES.items()}
_LAST_WORDS = {code.casefold() for code in _STATES} | {name.split()[-1] for name in _CODE_OF}
_NAMES = "|".join(sorted((name for name, _ in _STATES.values()), key=len, reverse=True)).replace(" ", r"\s+")
_BEFORE_ZIP = re.compile(
    rf"(?:(?P<city>[A-Z][A-Za-z.'-]{{1,24}}(?: [A-Z][A-Za-z.'-]{{1,24}}){{0,2}})\s{{0,2}},\s{{0,3}})?"
    rf"\b(?P<state>[A-Z]{{2}}|{_NAMES})[,.]?\s{{1,3}}\Z"
)
_NAMED = re.compile(rf"\b(?:State|Commonwealth)\s+of\s+({_NAMES})\b", re.IGNORECASE)
STATE_WORDS = frozenset({"state", "commonwealth"})
"""Without one of these words `named_states` finds nothing."""
_OPENINGS = ("state of", "state\nof", "wealth of", "wealth\nof")


def state_before(text: str, zip_start: int, zip_code: str) -> tuple[str, int] | None:
    """Return the State named right before a ZIP code and where city or State begin; None when unclear."""
    last = text[max(0, zip_start - 24) : zip_start].split()[-1:]
    if not last or last[0].rstrip(",.").casefold() not in _LAST_WORDS:
        return None
    window = max(0, zip_start - 90)
    match = _BEFORE_ZIP.search(text, window, zip_start)
    if match is None:
        return None
    named = " ".join(match.group("state").split())
    code = named if len(named) == 2 else _CODE_OF.get(named.casefold(), "")
    if code not in _STATES or zip_code[0] not in _STATES[code][1]:
        return None
    return code, match.start()


def named_states(text: str, lowered: str) -> set[str]:
    """Return the States that a text names as such: `State of Texas`, `Commonwealth of Virginia`."""
    if not any(opening in lowered for opening in _OPENINGS):
        return set()
    return {_CODE_OF[" ".join(found.split()).casefold()] for found in _NAMED.findall(text)}
