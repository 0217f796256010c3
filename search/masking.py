"""Minimum necessary in lists (45 CFR 164.502(b), 164.514(d)): identifiers in excerpts are
withheld, unless the purpose and the role need them.

A subject stays as it is: it is how people tell one message from another, as sender and date are.
What a person typed into the query is no news to them and is shown. Opening a message shows all of it, on
record. Detectors are the archive's own (archiver/classify); what they don't know as an identifier isn't
withheld, so this lessens what is seen in passing and is no de-identification.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from whoosh.query import And, Not, Or, Phrase, Query, Term

from archiver.classify.model import PHIFinding
from archiver.classify.phi import settle
from search.language.highlight import Hidden
from search.language.tree import Address, Near, PrefixPhrase, Tag, Word
from search.language.words import words

MARKS: Final[Mapping[str, str]] = {
    "name": "[name]",
    "ssn": "[SSN]",
    "mrn": "[record number]",
    "mbi": "[Medicare number]",
    "medicaid_id": "[Medicaid number]",
    "health_plan_id": "[plan number]",
    "date_of_birth": "[birth date]",
    "phone": "[telephone]",
    "fax": "[fax]",
    "email": "[e-mail address]",
    "url": "[web address]",
    "ip": "[IP address]",
    "address": "[address]",
    "account": "[account]",
    "credit_card": "[card]",
    "routing": "[routing number]",
    "iban": "[IBAN]",
    "license": "[license]",
    "dea": "[DEA number]",
    "license_plate": "[license plate]",
    "vin": "[vehicle]",
    "device_id": "[device]",
}
"""The kinds of finding that are withheld, those of 164.514(b)(2)(i), and their marks. Not among them: days
other than that of birth, ages, diagnoses and drugs, by which mail is told apart, and NPIs, which are
public."""

AROUND: Final = 200
"""How many characters on either side of an excerpt the detectors see: an identifier that the edge cuts, and
the label that tells what a number is."""

_TOKEN: Final = 4_096
"""How far a single run of characters (a long web address) is followed beyond that."""
_SPOKEN: Final = frozenset({"name", "address", "email", "url"})
"""Kinds whose words count like their digits; of the others a label (`MRN`) may be part."""
_BLANK: Final = re.compile(r"\s")
_POSTAL: Final = re.compile(r",?[ \t]{1,2}[0-9]{5}(?:-[0-9]{4})?(?![0-9])")


class Detector(Protocol):
    """What finds identifiers; `archiver.classify.classify.Classifier` is it."""

    def find(self, text: str, *, clinical: bool = False) -> list[PHIFinding]:
        """The findings of a piece of text, in no order, maybe overlapping."""
        ...


class Mask:
    """Withholds the identifiers of one page. `asked` are index words that the reader typed themselves."""

    def __init__(self, detector: Detector, asked: Iterable[str]) -> None:
        self._detector = detector
        self._asked = frozenset(asked)

    def hide(
        self, text: str, start: int, end: int, *, clinical: bool = False, known: frozenset[str] = frozenset()
    ) -> list[Hidden]:
        """What of `text[start:end]` is withheld; see `search.language.highlight.Hide`.

        `clinical`: people are named in it as patients, so names are withheld. `known` are addresses, in small
        letters, that the same line shows anyway.
        """
        first = _whole(text, max(0, start - AROUND), -1)
        last = _whole(text, min(len(text), end + AROUND), 1)
        seen = text[first:last]
        found = []
        for one in _withheld(self._detector.find(seen, clinical=clinical)):
            end_ = one.end
            if one.type == "address" and (code := _POSTAL.match(seen, one.end)):
                end_ = code.end()  # a telephone number right behind it may have drawn it off
            begin, beyond = first + one.start, first + end_
            if begin < end and beyond > start and not self._is_known(one, known):
                found.append(Hidden(begin, beyond, MARKS[one.type]))
        return _apart(found)

    def _is_known(self, finding: PHIFinding, known: frozenset[str]) -> bool:
        if finding.type == "email" and finding.text.casefold() in known:
            return True
        said = words(finding.text)
        if finding.type not in _SPOKEN:
            said = [word for word in said if any(map(str.isdigit, word))]
        return bool(said) and self._asked.issuperset(said)


def asked_words(query: Query) -> frozenset[str]:
    """The index words that whoever asked wrote out: of patterns, which stand for others, there are none."""
    return frozenset(_asked(query))


def _asked(query: Query) -> Iterator[str]:
    if isinstance(query, And | Or):
        for part in query.subqueries:
            yield from _asked(part)
    elif isinstance(query, Not):
        return
    elif isinstance(query, PrefixPhrase):
        yield from query.words[:-1]
    elif isinstance(query, Phrase):
        yield from query.words
    elif isinstance(query, Address | Tag):
        yield from words(query.text)
    elif type(query) in (Term, Word):
        yield query.text
    elif isinstance(query, Near):
        yield from (word for row in query.words for word in row.split(" "))


def _withheld(found: list[PHIFinding]) -> list[PHIFinding]:
    """Those of a kind that is withheld. One that lies within a surer finding of another kind is that
    (an NPI has a telephone number's digits); one that sticks out of it isn't left half shown."""
    if not any(one.type in MARKS for one in found):
        return []
    others = [one for one in settle(found) if one.type not in MARKS]
    return [
        one
        for one in found
        if one.type in MARKS and not any(o.start <= one.start and one.end <= o.end for o in others)
    ]


def _apart(found: list[Hidden]) -> list[Hidden]:
    """The same by position, those that overlap as one, under the first one's mark."""
    apart: list[Hidden] = []
    for one in sorted(found, key=lambda h: (h.start, -h.end)):
        if apart and one.start < apart[-1].end:
            apart[-1] = apart[-1]._replace(end=max(apart[-1].end, one.end))
        else:
            apart.append(one)
    return apart


def _whole(text: str, at: int, step: int) -> int:
    """The end of the run of characters at a place, in one direction: no number is seen in part."""
    if step > 0:
        most = min(len(text), at + _TOKEN)
        blank = _BLANK.search(text, at, most)
        return blank.start() if blank else most
    least = max(0, at - _TOKEN)
    return max(least, *(text.rfind(blank, least, at) + 1 for blank in " \n\t"))
