"""Days written with a month's name, ages over 89, and, in clinical text, days told by their distance.

All elements of dates but the year, and all ages over 89, identify a patient (45 CFR 164.514(b)(2)(i)(C)).
"""

from __future__ import annotations

import re

from archiver.classify.model import PHIFinding
from archiver.classify.scan import at_words, tried_at
from archiver.classify.words import bag

MONTHS = bag(
    "january february march april may june july august september october november december"
    " jan feb mar apr jun jul aug sep sept oct nov dec"
    " enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre"
)
"""Without one of these words, in small letters, `named_days` finds nothing."""

_NTH = r"(?:st|nd|rd|th)?"
# From the month on: `March 5th, 2021`, `Mar. 5`, `March 2021`, `Jan 20th '23`.
_AFTER = re.compile(
    rf"\.?(?:[ ]?[-,][ ]?|\s{{1,3}})(?:"
    rf"(?P<day>0?[1-9]|[12][0-9]|3[01]){_NTH}(?![0-9A-Za-z]|[.:/%][0-9])(?:(?:[ ]?[-,][ ]?"
    rf"|,?\s{{1,3}})(?P<year>(?:1[89]|20)[0-9]{{2}}(?![0-9])|'[0-9]{{2}}(?![0-9])))?"
    rf"|(?:of\s{{1,3}})?(?P<only>(?:19|20)[0-9]{{2}}(?![0-9A-Za-z]|[.:/%-][0-9])))"
)
# From the month on, where a day stands before it: `5 March 2021`, `5-Mar-21`, `the 5th of March`.
_YEAR_AFTER = re.compile(
    r"\.?(?:,?\s{1,3}(?:del?\s{1,3})?|[-/]|(?=[12]))(?P<year>(?:1[89]|20)[0-9]{2}(?![0-9])|'?[0-9]{2}(?![0-9A-Za-z:.]))"
)
_DAY_BEFORE = re.compile(
    rf"(?<![0-9A-Za-z.,:/$-])(?P<day>0?[1-9]|[12][0-9]|3[01]){_NTH}(?P<by>(?:\s+(?:of|de))?\s{{1,3}}|-|/|)\Z"
)
_BEFORE_LONGEST = 14
_ENDS_A_DAY = frozenset("0123456789thndrdstfe ")

_UNITS = ("yo", "yr", "y", "yrs", "yom", "yof")
_GLUED = frozenset([f"{years}{unit}" for years in range(90, 121) for unit in _UNITS])
_BEHIND = frozenset({"old", "age", "yo", "yom", "yof", "anos"})
_SLASHED = frozenset({"y/o", "y.o"})
_BEFORE = frozenset({"age", "aged", "ages", "edad"})
AGE_WORDS = _GLUED | _BEHIND | _BEFORE | {"o"}
"""Without one of these words, in small letters, `ages` finds nothing."""
_OVER_89 = r"(?<![0-9.,$/:-])(?:9[0-9]|1[01][0-9]|120)"
_YEARS_BEFORE = re.compile(
    rf"{_OVER_89}[\s-]{{0,2}}(?:(?:years?|yrs?|y)[\s.-]{{0,2}}(?:of\s)?)?\Z", re.IGNORECASE
)
_AGE_AFTER = re.compile(
    rf"(?:age[ds:]?|edad:?)(?:\s(?:is|of|was))?\s{{0,2}}(?P<age>{_OVER_89})(?![0-9]|[.,%/:-][0-9]|%)",
    re.IGNORECASE,
)
_GLUED_AFTER = re.compile(r"(?:[ -]?old)?")
_NEAR_WORDS = frozenset({"last", "past", "this", "next", "previous"})
_DAY_WORDS = bag(
    "yesterday tomorrow monday tuesday wednesday thursday friday saturday sunday mondays "
    "tuesdays wednesdays thursdays"
    " fridays saturdays sundays"
)
_NEAR = re.compile(
    r"\w+\s{1,2}(?:week(?:end)?|month|spring|summer|fall|autumn|winter|monday|tuesday|wednesday|thursday"
    r"|friday|saturday|sunday"
    r"|january|february|march|april|may|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)
_SHORT_DAY = re.compile(
    r"[0-9](?<![0-9A-Za-z/.,:$-].)[0-9]?/(?P<day>0?[1-9]|[12][0-9]|3[01])(?![0-9A-Za-z/.%-]|\s?(?:mg|ml"
    r"|of\b))"
)
_DAY_SAID = re.compile(
    r"\b(?:on|since|dated|visit|seen|from|until|after|before|by|was|admitted|discharged)[ ]\Z", re.IGNORECASE
)


def named_days(text: str, lowered: str, months: set[str]) -> list[PHIFinding]:
    """Return the days and months of years that `months`, of `MONTHS`, name in a text.

    `lowered` is the text in small letters, as long as the text.
    """
    found: list[PHIFinding] = []
    for month in months:
        length = len(month)
        position = lowered.find(month)
        while position >= 0:
            end = position + length
            # `Mar5` and `5Mar` are written too: only letters make it another word.
            if not lowered[end : end + 1].isalpha() and not (position and lowered[position - 1].isalpha()):
                one = _day(text, position, end)
                if one is not None:
                    found.append(one)
            position = lowered.find(month, end)
    return found


def _day(text: str, position: int, end: int) -> PHIFinding | None:
    before = after = None
    # A day before it ends with a digit, or as `5th`, `5th of` and `5 de` do.
    glued = position > 0 and text[position - 1].isdigit()
    if glued or (position > 1 and text[position - 2] in _ENDS_A_DAY and not text[position - 1].isalnum()):
        before = _DAY_BEFORE.search(text, max(0, position - _BEFORE_LONGEST), position)
        after = _YEAR_AFTER.match(text, end)
    if glued and after is None:
        before = None  # `04MAR2024` is a day, `3may` isn't
    spanish = end - position == 4 and text[position + 3] in "oO"  # mayo: there is a clinic of that name
    if spanish and (before is None or "de" not in before.group("by")):
        return None
    if before is not None:
        start = before.start()
        stop = after.end() if after is not None else end
        if after is None and before.group("by") in ("-", "/") and text[end : end + 1] in ("-", "/"):
            return None
        return PHIFinding("date", start, stop, text[start:stop], "date_named")
    # `may be` and `March on` are no dates, and common.
    after = None if text[end + 1 : end + 2].isalpha() and text[end + 1] != "o" else _AFTER.match(text, end)
    if after is None:
        return None
    # `may 5` in small letters may be a verb, unless a year follows.
    if text[position] == "m" and end - position == 3 and after.group("day") and not after.group("year"):
        return None
    stop = after.end()
    why = "month_of_year" if after.group("only") else "date_named" if after.group("year") else "day_of_month"
    return PHIFinding("date", position, stop, text[position:stop], why)


def ages(text: str, lowered: str, words: set[str]) -> list[PHIFinding]:
    """Return the ages over 89 in a text; younger ones identify nobody.

    `words` are those words of the text that `AGE_WORDS` has.
    """
    found: list[PHIFinding] = []
    behind = words & _BEHIND
    if "o" in words:
        behind |= _SLASHED
    for start, end in at_words(lowered, behind):
        before = _YEARS_BEFORE.search(text, max(0, start - 16), start)
        # `99 old` is no age, but `99 yo` and `99 years old` are.
        if before is not None and (lowered.startswith(("y", "anos"), start) or "y" in before.group().lower()):
            found.append(PHIFinding("age", before.start(), end, text[before.start() : end], "over_89"))
    for match in tried_at(_AGE_AFTER, text, lowered, words & _BEFORE):
        found.append(PHIFinding("age", *match.span("age"), match.group("age"), "over_89"))
    for start, end in at_words(lowered, words & _GLUED):
        after = _GLUED_AFTER.match(text, end)
        end = after.end() if after is not None else end
        found.append(PHIFinding("age", start, end, text[start:end], "over_89"))
    return found


def days_of_clinical_text(text: str, lowered: str, plain: set[str]) -> list[PHIFinding]:
    """Return days told by their distance, or without a year: only where a patient is spoken of."""
    spans = [m.span() for m in tried_at(_NEAR, text, lowered, plain & _NEAR_WORDS)]
    spans += at_words(lowered, plain & _DAY_WORDS)
    found = [PHIFinding("date", start, end, text[start:end], "day_relative") for start, end in spans]
    for match in _SHORT_DAY.finditer(text):
        month = match.group().partition("/")[0]
        if 1 <= int(month) <= 12 and _DAY_SAID.search(text, max(0, match.start() - 12), match.start()):
            found.append(PHIFinding("date", match.start(), match.end(), match.group(), "day_and_month"))
    return found
