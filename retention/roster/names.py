"""Names as words of the search index, and where a text names somebody.

Pure. A name is looked for as its first given word and its last family word, in the words that the index
makes (case and accents don't matter), close together and in the order in which people write names. No
nicknames: who is on the roster as William isn't found as Bill.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from search.language.words import words, words_at

_AFTER_NAME: Final = frozenset(
    # Generations and degrees.
    word
    for line in (
        "jr sr ii iii iv md do phd rn np pa pac lpn cna",
        "dds dmd dpm od pharmd psyd lcsw lmft esq aprn crna facp",
    )
    for word in line.split()
)
_TITLES: Final = frozenset(
    ["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "hon", "sir", "dame", "mstr", "master"]
)
_SLICE: Final = 65_536
_OVERLAP: Final = 400
_BEFORE_GIVEN: Final = 4
"""How many words before a family name its given name may begin: two middle names, or a particle or two."""
_APART: Final = 200
"""How many bytes may be between the two: a hostile mail's blanks aren't tried one by one."""
_NEAR: Final = 120
"""How many bytes of text a date may be away from the name it belongs to."""

# Between given and family name: middle names, initials, a nickname in quotes. No comma, no full stop but an
# initial's: `with Jane, Bob Roe` names no Jane Roe.
_FORWARD: Final = re.compile(rb"(?:[\s'\"()A-Za-z\x80-\xff-]|(?<=[\s.][A-Za-z])\.){1,80}")
_BACKWARD: Final = re.compile(rb"\s*,?\s*(?:(?:mr|mrs|ms|miss|dr)\.?\s+)?", re.IGNORECASE)
_LABELLED: Final = re.compile(
    rb"[\s:,;|/>-]*(?:(?:first|last|middle|given|family|sur|fore|patient|legal|name)[\s:,;|/_>-]*)+",
    re.IGNORECASE,
)
_PATIENT_BEFORE: Final = re.compile(
    rb"(?:\b(?:patient|patient'?s?\s+name|pt|re|regarding|ref|concerning|chart\s+(?:of|for)|records?\s+(?:of|for)"
    rb"|resident|beneficiary|member|insured|subscriber|minor(?:\s+child)?|newborn|infant|baby)\b"
    rb"[\s:.,#*'\"(-]*(?:(?:name|is|was|of|for|mr|mrs|ms|miss|last|first)\b[\s:.,#*'\"(-]*){0,3})\Z",
    re.IGNORECASE,
)
_PARTICLES: Final = re.compile(
    rb"(?:[A-Za-z\x80-\xff]{1,30}['-]|[A-Za-z]\xe2\x80\x99|\b(?:de|la|las|los|del|da|di|du|le|van|von|der|den|ter"
    rb"|el|al|st\.?|saint|san|santa)\s+){1,4}\Z",
    re.IGNORECASE,
)
"""What of a family name stands before its last word: `O'`, `Smith-`, `de la`."""
_DOCTOR_BEFORE: Final = re.compile(rb"\b(?:dr|doctor|nurse|attorney|prof(?:essor)?)\.?\s+\Z", re.IGNORECASE)
_DOCTOR_AFTER: Final = re.compile(
    rb",?\s*(?:m\.?d|d\.?o|r\.?n|n\.?p|p\.?a(?:-c)?|ph\.?d|d\.?d\.?s|d\.?m\.?d|l\.?p\.?n|pharm\.?d|esq|cna|crna"
    rb"|lcsw|aprn|psy\.?d)\b",
    re.IGNORECASE,
)
_BIRTH_WORD: Final = re.compile(rb"\b(?:d\.?o\.?b|birth|born|birth\s?date|birthday)\b", re.IGNORECASE)

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july",
            "aug august", "sep sept september", "oct october", "nov november", "dec december",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH: Final = rb"([A-Za-z]{3,9})\.?"
_DATE: Final = re.compile(
    rb"(?<![0-9])(?:"
    rb"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})"
    rb"|([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})"
    rb"|([0-9]{1,2})(?:st|nd|rd|th)?[\s-]+(?:of\s+)?" + _MONTH + rb"[,\s-]+([0-9]{4})"
    rb")(?![0-9])"
    rb"|\b" + _MONTH + rb"\s+([0-9]{1,2})(?:st|nd|rd|th)?,?\s+([0-9]{4})(?![0-9])"
)


class NameKey(NamedTuple):
    """What a name is looked for as: two index words."""

    given: str
    family: str

    @property
    def text(self) -> str:
        """One text, of which tokens are made."""
        return f"{self.given} {self.family}"


def key_of(name: str) -> NameKey | None:
    """The key of a name as a roster writes it: `Jane Mary Roe`, `Roe, Jane M.`, `Dr. Jane Roe Jr.`.

    None for a name of one word, or one without words of at least two letters at both ends.
    """
    family_part, comma, given_part = name.partition(",")
    if comma and (given := _kept(given_part)):
        family = _kept(family_part)
    else:
        all_words = _kept(family_part)
        given, family = all_words[:1], all_words[1:]
    if not given or not family or len(family[-1]) < 2 or (len(given[0]) < 2 and len(family[-1]) < 3):
        return None
    return NameKey(given[0], family[-1])


def _kept(part: str) -> list[str]:
    found = words(part)
    while found and found[0] in _TITLES:
        del found[0]
    while len(found) > 1 and found[-1] in _AFTER_NAME:
        del found[-1]
    while len(found) > 1 and found[0] in _AFTER_NAME:
        del found[0]
    return [] if len(found) == 1 and found[0] in _AFTER_NAME else found


class Names:
    """Many names, asked all at once. Not safe to change while others read."""

    def __init__(self, keys: Iterable[NameKey] = ()) -> None:
        self._families: dict[str, set[str]] = {}
        for key in keys:
            self.add(key)

    def add(self, key: NameKey) -> None:
        """Take one more."""
        self._families.setdefault(key.family, set()).add(key.given)

    def possible(self, distinct: set[str]) -> dict[str, set[str]]:
        """By family word, the given words: names of which both words are among `distinct`."""
        found = {}
        families = self._families
        for word in distinct & families.keys():
            given = families[word]
            if not given.isdisjoint(distinct):
                found[word] = given & distinct
        return found


@dataclass(slots=True)
class Named:
    """How a text names somebody. `as_patient`: in words that are said of patients; `plainly`: not as a
    doctor, a nurse or a lawyer; `dates` stand near, `born` says that one of them is a date of birth."""

    as_patient: bool = False
    plainly: bool = False
    born: bool = False
    dates: set[date] = field(default_factory=set)


def find_names(text: str, wanted: Mapping[str, set[str]]) -> dict[NameKey, Named]:
    """Where a text names one of `wanted` (family word to given words), and in which company."""
    found: dict[NameKey, Named] = {}
    for raw in _slices(text.encode("utf-8", "replace")):
        placed = words_at(raw.decode("utf-8", "replace"))
        for key, start, end in _occurrences(raw, placed, wanted):
            _describe(found.setdefault(key, Named()), raw, start, end)
    return found


def _slices(raw: bytes) -> Iterator[bytes]:
    """A long text piece by piece, so that its words needn't be in memory at once; pieces overlap."""
    start = 0
    while True:
        end = start + _SLICE
        piece = raw[start:end]
        # A cut character at either end is no name.
        yield piece.decode("utf-8", "ignore").encode()
        if end >= len(raw):
            return
        start = end - _OVERLAP


def _occurrences(
    raw: bytes, placed: Sequence[tuple[int, int, str]], wanted: Mapping[str, set[str]]
) -> Iterator[tuple[NameKey, int, int]]:
    for at, (start, end, word) in enumerate(placed):
        given = wanted.get(word)
        if given is None:
            continue
        for before in range(max(0, at - _BEFORE_GIVEN), at):
            first, upto, other = placed[before]
            if (
                other in given
                and start - upto <= _APART
                and (_FORWARD.fullmatch(raw, upto, start) or _LABELLED.fullmatch(raw, upto, start))
            ):
                yield NameKey(other, word), first, end
        for after in range(at + 1, min(len(placed), at + 4)):
            from_, last, other = placed[after]
            if (
                other in given
                and from_ - end <= _APART
                and (_BACKWARD.fullmatch(raw, end, from_) or _LABELLED.fullmatch(raw, end, from_))
            ):
                yield NameKey(other, word), start, last


def _describe(named: Named, raw: bytes, start: int, end: int) -> None:
    before = _PARTICLES.sub(b"", raw[max(0, start - 80) : start])
    if _PATIENT_BEFORE.search(before):
        named.as_patient = named.plainly = True
    elif not _DOCTOR_BEFORE.search(before) and not _DOCTOR_AFTER.match(raw, end):
        named.plainly = True
    first = max(0, start - _NEAR)
    around = raw[first : end + _NEAR]
    days = set(dates_in(around))
    if days:
        named.dates |= days
        named.born = named.born or _BIRTH_WORD.search(around) is not None


def dates_in(raw: bytes) -> Iterator[date]:
    """The days that a text names; where month and day can't be told apart, both readings."""
    for match in _DATE.finditer(raw):
        y1, m1, d1, a, b, y2, d3, n3, y3, n4, d4, y4 = match.groups()
        if y1:
            yield from _day(int(y1), int(m1), int(d1))
        elif y2:
            year = int(y2)
            years = (year,) if year >= 100 else (1900 + year, 2000 + year)
            for one in years:
                yield from _day(one, int(a), int(b))
                if a != b:
                    yield from _day(one, int(b), int(a))
        elif y3:
            yield from _day(int(y3), _MONTHS.get(n3.decode().lower(), 0), int(d3))
        else:
            yield from _day(int(y4), _MONTHS.get(n4.decode().lower(), 0), int(d4))


def _day(year: int, month: int, day: int) -> Iterator[date]:
    if 1850 <= year <= 2150 and 1 <= month <= 12:
        try:
            yield date(year, month, day)
        except ValueError:
            return
