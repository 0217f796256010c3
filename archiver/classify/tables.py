"""Lists of patients: what stands in a column is told by the heading of the column, once for many rows.

Rows are lines, their cells parted by tabs, bars, commas, semicolons or several blanks; or, as tables of HTML
and of word processors come out as text, each cell is a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from archiver.classify.checks import digits, like_ssn, valid_dea, valid_mbi, valid_npi
from archiver.classify.medicaid import fits_medicaid
from archiver.classify.model import PHIFinding, PHIType
from archiver.classify.scan import at_words
from archiver.classify.words import bag

_NAMED: Final[tuple[tuple[PHIType, str], ...]] = (
    ("mrn", "mrn mrno mrnumber medicalrecord medicalrecordno medicalrecordnumber medrec medrecno chart"
     " chartid chartno chartnumber patientid patientno patientnumber ptid expediente"),
    ("date_of_birth", "dob birthdate birthday dateofbirth patientdob fechadenacimiento"),
    ("ssn", "ssn ssno ssnumber socialsecurity socialsecurityno socialsecuritynumber"),
    ("health_plan_id", "memberid memberno membernumber subscriberid subscriberno insuranceid insuranceno"
     " insurancenumber policyid hicn"),
    ("medicaid_id", "medicaid medicaidid medicaidno medicaidnumber"),
    ("mbi", "mbi medicareid medicareno medicarenumber"),
    ("npi", "npi npino providernpi"),
    ("dea", "dea deano deanumber"),
    ("account", "account accountno accountnumber acct acctno acctnumber"),
    ("name", "name fullname patient patientname ptname clientname membername lastname firstname surname"
     " givenname nombre paciente"),
    ("phone", "phone phoneno phonenumber telephone homephone cell cellphone mobile telefono"),
    ("fax", "fax faxno faxnumber"),
    ("icd10", "icd icdcode dx dxcode diagnosiscode"),
    ("cpt", "cpt cptcode hcpcs procedurecode"),
)  # fmt: skip
_HEADINGS: Final = {heading: kind for kind, headings in _NAMED for heading in bag(headings)}
_OF_PATIENTS: Final = frozenset({"mrn", "date_of_birth", "ssn", "health_plan_id", "medicaid_id", "mbi"})
"""A list is one of patients where it has a column of these."""
TABLE_WORDS: Final = bag(
    "mrn dob ssn birth birthdate birthday patientid patientdob chart medicaid medicare mbi member memberid"
    " subscriber social patient nacimiento expediente"
)
"""Without one of these words, in small letters, `columns` finds nothing."""
_PATIENTS: Final = [f"patient{by}{number}" for by in " _" for number in ("id", "no", "number", "dob")]
_LONGEST_LINE: Final = 2_000
_MOST_COLUMNS: Final = 16
_MOST_ODD: Final = 3
_NO_LETTER: Final = re.compile(r"[^a-z]+")
_PARTED: Final = tuple(re.compile(part) for part in (r"\t", r"\|", r";", r",", r"[ ]{2,}"))
_BLANK: Final = " \t\"'*"
# What may be the rest of a heading, from a word of it on.
_REST: Final = re.compile(r"(?:[^\s|;,]| (?! )){1,40}")
_ENDS: Final = frozenset(heading[start:] for heading in _HEADINGS for start in range(len(heading)))
_LONGEST_HEADING: Final = 30
_NUMBER: Final = re.compile(r"[A-Za-z]{0,6}[-# ]?[0-9][0-9A-Za-z]{0,30}(?:[-./ ][0-9A-Za-z]{1,20}){0,5}")
_DAY: Final = re.compile(
    r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{8}"
    r"|[0-9]{1,2}[- ]?[A-Za-z]{3,9}[- ,]{0,2}(?:[0-9]{4}|[0-9]{2})|[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}"
)
_NAME: Final = re.compile(r"[^\W\d_][^\d_@<>:;]{1,59}")
_ICD: Final = re.compile(r"[A-TV-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?")
_CPT: Final = re.compile(r"(?:[0-9]{5}|[0-9]{4}[FTU]|[A-V][0-9]{4})(?:-[0-9A-Z]{2})?")


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and len(digits(text)) > 2


_FITS: Final[dict[PHIType, Callable[[str], bool]]] = {
    "mrn": _is_number,
    "account": _is_number,
    "health_plan_id": _is_number,
    "medicaid_id": fits_medicaid,
    "mbi": valid_mbi,
    "ssn": lambda text: like_ssn(digits(text)) and len(text) <= 11,
    "npi": valid_npi,
    "dea": valid_dea,
    "date_of_birth": lambda text: _DAY.fullmatch(text) is not None,
    "name": lambda text: _NAME.fullmatch(text) is not None,
    "phone": lambda text: 7 <= len(digits(text)) <= 15 and len(text) <= 24,
    "fax": lambda text: 7 <= len(digits(text)) <= 15 and len(text) <= 24,
    "icd10": lambda text: _ICD.fullmatch(text) is not None,
    "cpt": lambda text: _CPT.fullmatch(text) is not None,
}
_Cell = tuple[int, str]
"""Where the text of a cell begins, and that text."""


def columns(text: str, lowered: str, words: set[str]) -> Iterator[PHIFinding]:
    """Yield what stands in the columns of lists of patients. `words` are those words of the text that
    `TABLE_WORDS` has."""
    done = 0
    if "patient" in words:  # by far the most frequent, and alone it heads no list
        words = words.difference(["patient"]).union(_PATIENTS)
    for place in sorted(start for start, _ in at_words(lowered, words)):
        if place < done or not _in_heading(text, place):
            continue
        begin = text.rfind("\n", max(0, place - _LONGEST_LINE), place) + 1
        line = _line(text, begin)
        last, done = done, begin + len(line) + 1
        if place - begin > _LONGEST_LINE:
            continue
        for parted in _PARTED:
            kinds = _kinds(_cells(line, begin, parted))
            if kinds:
                found, done = _rows(text, done, parted, kinds)
                yield from found
                break
        else:
            if _kind(line) is not None:
                found, end = _cell_a_line(text, _first_heading(text, begin, last))
                done = max(done, end)
                yield from found


def _in_heading(text: str, place: int) -> bool:
    """Whether the cell around a word is a heading: most words are of sentences, and that is soon seen."""
    rest = _REST.match(text, place)
    if rest is None or _NO_LETTER.sub("", rest[0].lower()) not in _ENDS:
        return False
    before = text[max(0, place - _LONGEST_HEADING) : place]
    cell = max(before.rfind(parted) for parted in ("\n", "\t", "|", ";", ",", "  ")) + 1
    return _kind(before[cell:] + rest[0]) is not None


def _line(text: str, begin: int) -> str:
    end = text.find("\n", begin, begin + _LONGEST_LINE)
    return text[begin : end if end >= 0 else begin + _LONGEST_LINE]


def _cells(line: str, begin: int, parted: re.Pattern[str]) -> list[_Cell]:
    cells: list[_Cell] = []
    last = 0
    for part in parted.finditer(line):
        if line.count('"', last, part.start()) % 2:
            continue  # within quotes it parts nothing
        cells.append(_cell(line[last : part.start()], begin + last))
        last = part.end()
    return [*cells, _cell(line[last:], begin + last)] if cells else []


def _cell(raw: str, begin: int) -> _Cell:
    bare = raw.rstrip(_BLANK + "\r")
    text = bare.lstrip(_BLANK)
    return begin + len(bare) - len(text), text


def _kind(heading: str) -> PHIType | None:
    return _HEADINGS.get(_NO_LETTER.sub("", heading.lower())) if len(heading) <= 40 else None


def _kinds(cells: list[_Cell]) -> list[PHIType | None]:
    """The kind of each column; nothing where these aren't the headings of a list of patients."""
    kinds = [_kind(text) for _, text in cells]
    told = [kind for kind in kinds if kind]
    return kinds if len(told) > 1 and not _OF_PATIENTS.isdisjoint(told) else []


def _rows(
    text: str, begin: int, parted: re.Pattern[str], kinds: list[PHIType | None]
) -> tuple[list[PHIFinding], int]:
    """What the lines from `begin` on hold, as long as most have as many cells; and where they end."""
    found: list[PHIFinding] = []
    odd = 0
    while begin < len(text) and odd < _MOST_ODD:
        line = _line(text, begin)
        cells = _cells(line, begin, parted)
        if line.strip() and line.strip(_BLANK + "-=+|:\r"):
            odd = 0 if len(cells) == len(kinds) else odd + 1
            if not odd:
                found += _values(cells, kinds)
        begin += len(line) + 1
    return found, begin


def _values(cells: Sequence[_Cell], kinds: Sequence[PHIType | None]) -> list[PHIFinding]:
    return [
        PHIFinding(kind, start, start + len(value), value, "column_heading")
        for (start, value), kind in zip(cells, kinds, strict=True)
        if kind and _FITS[kind](value)
    ]


def _first_heading(text: str, begin: int, done: int) -> int:
    """Where the headings begin to which the line at `begin` belongs, a line each, behind `done`."""
    while begin > done:
        low = max(done, begin - 2 * _LONGEST_HEADING)
        before = text.rfind("\n", low, begin - 1) + 1 or low
        if _kind(_cell(text[before:begin], before)[1].rstrip("\n")) is None:
            break
        begin = before
    return begin


def _cell_a_line(text: str, begin: int) -> tuple[list[PHIFinding], int]:
    """The same where each cell is a line: the second row begins where values fit what the headings say."""
    lines = _lines(text, begin)
    kinds: list[PHIType] = []
    ahead: list[_Cell] = []
    for cell in lines:
        kind = _kind(cell[1])
        if kind is None or len(kinds) == _MOST_COLUMNS:
            ahead.append(cell)
            break
        kinds.append(kind)
        begin = cell[0] + len(cell[1])
    if len(kinds) < 2 or _OF_PATIENTS.isdisjoint(kinds):
        return [], begin
    ahead += islice(lines, _MOST_COLUMNS + len(kinds))
    for other in range(_MOST_COLUMNS - len(kinds)):
        row = ahead[other : other + len(kinds)]
        if len(row) == len(kinds) and _fit(row, kinds):
            break
    else:
        return [], begin
    found: list[PHIFinding] = []
    rest = chain(ahead[other:], lines)
    while (row := list(islice(rest, len(kinds)))) and len(row) == len(kinds):
        values = _values(row, kinds)
        if not any(one.type in _OF_PATIENTS for one in values):
            break
        found += values
        begin = row[-1][0] + len(row[-1][1])
        next(islice(rest, other, other), None)  # cells whose heading says nothing
    return found, begin


def _fit(row: list[_Cell], kinds: list[PHIType]) -> bool:
    return all(_FITS[kind](value) for (_, value), kind in zip(row, kinds, strict=True))


def _lines(text: str, begin: int) -> Iterator[_Cell]:
    while begin < len(text):
        line = _line(text, begin)
        cell = _cell(line, begin)
        if cell[1]:
            yield cell
        begin += len(line) + 1
