"""Where people live and are cared for: streets, boxes, towns with their State, and places of care."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from archiver.classify.model import PHIFinding
from archiver.classify.places import STATE_CODES, STATE_NAMES, state_before
from archiver.classify.scan import at_words, tried_at
from archiver.classify.words import bag, word_list

# After USPS Publication 28, C1, without what is hardly ever a street and often something else.
_SUFFIXES = (
    "street st avenue ave road rd drive dr lane ln boulevard blvd court ct way place pl circle cir"
    " terrace parkway pkwy highway hwy plaza trail trl loop broadway square alley pike crossing xing"
    " route turnpike path mall heights hts hollow corner corners cove crescent glen grove knoll knolls"
    " landing manor meadow meadows mews overpass ridge row trace track trafficway vista walk key annex"
    " arcade bayou beach bend bluff branch bridge brook burg bypass camp canyon cape causeway center"
    " cliff creek crest crossroad curve dale dam divide estate estates expressway falls ferry flat flats"
    " ford forest forge fork fort freeway garden gardens gateway harbor haven hill hills inlet island"
    " isle junction lake lakes lock lodge mill mills mission motorway mountain neck orchard oval park"
    " passage pine pines port ports prairie radial ranch rapids river shoal shore shores skyway springs"
    " spur stravenue stream throughway underpass valley viaduct village ville"
)
_MILITARY_WORDS = frozenset({"apo", "fpo", "dpo"})
_ABROAD_WORDS = bag("rue via viale piazza corso avenida calle carrer rua travessa ulica chemin impasse")
_ZIP_WORDS = frozenset({"zip", "zipcode", "postcode"})
_NO_ROADS = _MILITARY_WORDS | _ABROAD_WORDS | _ZIP_WORDS | {"box"}
_SUFFIX_SET = frozenset(_SUFFIXES.split())
_UNIT_WORDS = frozenset({"apt", "apartment", "suite", "ste", "unit"})
_FLAT_WORDS = _UNIT_WORDS - {"unit"}
STREET_WORDS = _NO_ROADS | _SUFFIX_SET | _UNIT_WORDS
"""Without one of these words, in small letters, `streets` finds nothing."""
# Where a street's number can be, in the sketch of a text (see shapes.py), and what it must be there.
_STREET_BEGINS = re.compile(
    rb"0(?<!00)(?<![Aa/.:$-]0)0{0,5}+(?:-0{1,4}+)?[Aa]?,?[ ]{1,2}(?:A(?:[a.]|AA|[ ]A)|00?0?(?:aa|AA))"
)
_STREET = re.compile(
    r"[0-9]{1,6}+(?:-[0-9]{1,4})?[A-Za-z]?,?[ ]{1,2}"
    r"(?P<words>(?:(?:[A-Z][\w.'’-]{0,24}|[0-9]{1,3}(?:st|nd|rd|th|ST|ND|RD"
    r"|TH))[ ]{1,2}){0,5}[A-Z][\w'’-]{0,24}\.?)"
)
_SMALL = frozenset({"street", "avenue", "ave", "road", "boulevard", "blvd"})
_BEFORE_SMALL = re.compile(
    r"(?<![0-9A-Za-z/.:$-])[0-9]{1,6},?[ ](?P<words>(?:[a-z][a-z.'-]{1,20}[ ]){1,2})\Z"
)
_NOT_NAMES = bag("the a an this that of in on at to down across along off your our his her my their every")
_UNIT = re.compile(
    r"\.?(?:,?[ ]{1,2}(?:N|S|E|W|NE|NW|SE|SW)\b\.?)?"
    r"(?:,?\s{1,2}(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Bldg|Building"
    r"|\#)\.?[ ]?\#?[ ]?[A-Za-z0-9-]{1,6}(?![A-Za-z0-9]))?",
    re.IGNORECASE,
)
_UNIT_NUMBER = re.compile(r"[ ]\#?[0-9]{1,5}[A-Z]?(?![0-9A-Za-z])")
_BOX = re.compile(
    r"Box[ ]\#?[0-9]{1,6}(?:,?\s{1,2}(?:APO|FPO|DPO)[ ](?:AA|AE|AP)[ ][0-9]{5})?", re.IGNORECASE
)
_BEFORE_BOX = re.compile(
    r"(?:P\.?[ ]?O\.?|Post[ ]Office|(?:PSC|CMR|Unit)[ ][0-9]{1,5},?)[ ]?\Z", re.IGNORECASE
)
_SHIP = re.compile(r"(?:USS|USNS|USNV|USCGC)[ ][^\W\d_][\w'’-]{1,24}\s{1,2}\Z")
_MILITARY = re.compile(r"(?:APO|FPO|DPO)[ ](?:AA|AE|AP)[ ][0-9]{5}(?:-[0-9]{4})?(?![0-9])", re.IGNORECASE)

# Streets elsewhere: what has a flat is a house, `28030 Edeby 55, Apt. 297`, whatever the street is called;
# and names that begin with the word for a street, `Via Tasso 129`, `62 Rue Gafsa`.
_FLAT = re.compile(
    r"(?:Apt|Apartment|Suite|Ste)\.?[ ]\#?(?P<number>[0-9]{1,5}[A-Z]?)(?![0-9A-Za-z-])", re.IGNORECASE
)
_BEFORE_FLAT = re.compile(
    r"(?<![0-9A-Za-z/.:$-])[0-9]{1,6}[ ](?P<name>[^\W_][\w.'’-]{0,24}(?:[ ][^\W\d_][\w.'’-]{0,24}){0,5})"
    r"(?P<number>[ ][0-9]{1,5}[A-Za-z]?\.?)?,?\s{1,4}\Z"
)
_ABROAD = re.compile(
    r"\w+(?:[ ](?:de|del|della|des|do|dos|da|du|la|las|los|di)){0,2}"
    r"[ ](?P<name>[^\W\d_][\w.'’-]{1,24})(?:[ ][^\W\d_][\w.'’-]{1,24}){0,3}?"
    r"(?:,?[ ](?P<number>[0-9]{1,5}[A-Za-z]?)(?![0-9A-Za-z:/%]|[.,][0-9])|(?![ ][^\W\d_]))",
    re.IGNORECASE,
)
_NUMBER_BEFORE = re.compile(r"(?<![0-9A-Za-z/.:$-])[0-9]{1,6},?[ ]\Z")
# The town and its code behind a flat: names, and a number of four to six figures at their end.
_TOWN_AFTER = re.compile(
    r"(?:,?\s{1,3},?[ ]?\(?[^\W\d_][\w.'’()-]{0,24}){1,7}?,?\s{1,3}(?P<code>[0-9]{4,6})(?![0-9A-Za-z-])"
)
_NO_TOWN = re.compile(r"\bbox\b", re.IGNORECASE)
_ZIP = re.compile(
    r"(?:zip(?:[ ]?code)?[ ]?[:#]|zip[ ]?code|postcode[ ]?:?)[ ]{0,2}"
    r"(?P<code>[0-9]{4,5}(?:-[0-9]{3,4})?(?:[ ][A-Z]{2})?)(?![0-9A-Za-z])",
    re.IGNORECASE,
)

_CODE_AFTER = re.compile(r",[ ](?P<state>[A-Z][A-Z])(?![A-Za-z])")
_STATES_BY_END: dict[str, tuple[str, ...]] = {
    end: tuple(name for name in sorted(STATE_NAMES, key=len, reverse=True) if name.split()[-1].lower() == end)
    for end in {name.split()[-1].lower() for name in STATE_NAMES}
}
_TOWN_BEFORE = re.compile(r"(?:[A-Z][A-Za-z.'-]{1,24}[ ]){0,2}[A-Z][A-Za-z.'-]{1,24}\Z")
# After a person's name these are a degree or a title; as words they are common.
_UNSURE = bag("MD PA MS MA DC ND OK IN OR ME HI CO DE LA AL ID PR VA")

_CARE_WORDS = bag(
    "hospital hospitals clinic clinics medical med health healthcare infirmary hospice nursing rehab"
    " rehabilitation cancer surgery surgical urgent dialysis birth birthing pediatrics university"
)
_CARE = re.compile(
    r"Hospitals?|Clinics?|Med(?:ical)?\.?[ ](?:Center|Centre|Ctr\.?|Group|Associates|College)"
    r"|Health(?:care)?(?:[ ](?:Center|System|Services|Sciences|Network))?|Infirmary|Hospice"
    r"|Nursing[ ]Home|Rehab(?:ilitation)?(?:[ ]Center)?|Cancer[ ](?:Center|Institute)|Surg(?:ery"
    r"|ical)[ ]Center"
    r"|Urgent[ ]Care|Dialysis[ ]Center|Birth(?:ing)?[ ]Center|Pediatrics|University(?:[ ]Hospital)?"
)
_WORD = r"[A-Z][\w.’'&-]{0,24}"
_BEFORE_CARE = re.compile(
    rf"(?<![\w-])(?!(?:The|At|In|A|From|To|Our|Your|This|Dr|Mr|Mrs|Ms)\b)"
    rf"{_WORD}[ ](?:(?:{_WORD}|&|and|of|for|the|de)[ ]){{0,4}}\Z"
)
_SAINT = re.compile(
    r"(?:St\.?|Saint|Mt\.?|Mount)[ ][A-Z][\w’'-]{2,24}(?:[ ](?:Hospital|Clinic|Health|Medical[ ]Center))?"
)
_SEEN_WORDS = bag(
    "at seen treated admitted evaluated referred presented presenting visited visit "
    "hospitalized hospitalised surgery"
    " discharged observed examined checked checkup check followed follow operated diagnosed attended "
    "attending consulted"
    " transferred appointment procedure performed appt"
)
_SEEN_AT = re.compile(
    r"(?:at|(?:visited|attended|attending)|\w+(?:[ -](?:up|in))?[ ](?:(?:back|recently|last|today"
    r"|just)[ ])?(?:at|to|in|from))[ ](?:(?:the|our|a)[ ])?"
    rf"(?P<place>{_WORD}(?:[ ](?:{_WORD}|&|and|of)){{0,4}})"
)
_SAINTS = frozenset({"st", "saint", "mt", "mount"})
_FIRST_WORD = re.compile(r"[^0-9A-Za-z]")
_NOT_PLACES = bag(
    "Dr Dr. Mr Mr. Mrs Mrs. Ms Ms. MRN January February March April May June July August "
    "September October November"
    " December Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Monday Tuesday Wednesday Thursday Friday "
    "Saturday Sunday"
    " COPD CHF HTN CKD AFib DM DM2 T2DM T1DM CAD PTSD MS HIV A I II III IV ACE NSAIDs CT MRI"
)
_TRAILING = re.compile(r"(?:[ ](?:and|of|&))+\Z|[.']+\Z")


def streets(text: str, lowered: str, outline: bytes, words: set[str]) -> list[PHIFinding]:
    """Return street addresses and boxes. `words` are those words of the text that `STREET_WORDS` has."""
    found: list[PHIFinding] = []
    for match in tried_at(_BOX, text, lowered, words & {"box"}):
        before = _BEFORE_BOX.search(text, max(0, match.start() - 16), match.start())
        if before is not None:
            found.append(
                PHIFinding(
                    "address", before.start(), match.end(), text[before.start() : match.end()], "post_box"
                )
            )
    for match in tried_at(_MILITARY, text, lowered, words & _MILITARY_WORDS):
        ship = _SHIP.search(text, max(0, match.start() - 34), match.start())
        start = ship.start() if ship is not None else match.start()
        found.append(PHIFinding("address", start, match.end(), text[start : match.end()], "military_post"))
    for match in tried_at(_ZIP, text, lowered, words & _ZIP_WORDS):
        found.append(PHIFinding("address", *match.span("code"), match.group("code"), "zip_label"))
    if flats := words & _FLAT_WORDS:
        found += _flats(text, lowered, flats)
    if abroad := words & _ABROAD_WORDS:
        found += _abroad(text, lowered, abroad)
    roads = words - _NO_ROADS
    if roads:
        for begins in _STREET_BEGINS.finditer(outline):
            street = _STREET.match(text, begins.start())
            if street is not None and (end := _end_of_street(street)):
                found.append(_with_unit(text, street.start(), end))
    for start, end in at_words(lowered, roads & _SMALL):
        before = _BEFORE_SMALL.search(text, max(0, start - 52), start) if text[start].islower() else None
        if before is not None and _NOT_NAMES.isdisjoint(before.group("words").split()):
            found.append(_with_unit(text, before.start(), end))
    return found


def _flats(text: str, lowered: str, words: set[str]) -> Iterator[PHIFinding]:
    """Where a flat or suite stands behind a number and a name, which are the street then."""
    for flat in tried_at(_FLAT, text, lowered, words):
        before = _BEFORE_FLAT.search(text, max(0, flat.start() - 90), flat.start())
        # In small letters it is a street only where a house's number is behind the name.
        if before is None or not (before.group("number") or before.group("name")[0].isupper()):
            continue
        start, end = before.start(), flat.end()
        town = _TOWN_AFTER.match(text, end)
        # A State with its ZIP code is found by itself, as what tells whose law applies; so is a box.
        if town is not None and not _NO_TOWN.search(town.group()):
            own = state_before(text, town.start("code"), town.group("code")) is not None
            end = end if own else town.end()
        yield PHIFinding("address", start, end, text[start:end], "street")


def _abroad(text: str, lowered: str, words: set[str]) -> Iterator[PHIFinding]:
    """Streets whose names begin with the word for one; a house's number stands before or behind."""
    for match in tried_at(_ABROAD, text, lowered, words):
        start, end = match.span()
        number = _NUMBER_BEFORE.search(text, max(0, start - 9), start)
        written = text[start].isupper() and match.group("name")[0].isupper()
        # `2 via the office` is English.
        if not written and (number is None or text.startswith("via", start)):
            continue
        if number is None and not match.group("number"):
            continue
        start = number.start() if number is not None else start
        yield PHIFinding("address", start, end, text[start:end], "street")


def _end_of_street(match: re.Match[str]) -> int:
    """Where a row of words ends with the last one that ends a street's name; 0 where none does."""
    words = match.group("words")
    end = match.end()
    last = words.rpartition(" ")
    if last[0] and last[2].rstrip(".").lower() in _UNIT_WORDS and _UNIT_NUMBER.match(match.string, end):
        return end - len(last[2]) - 1  # Whatever it is called, what has apartments is a house.
    while words:
        if words.rpartition(" ")[2].rstrip(".").lower() in _SUFFIX_SET:
            return end
        shorter = words.rpartition(" ")[0].rstrip(" ")
        end -= len(words) - len(shorter)
        words = shorter
    return 0


def _with_unit(text: str, start: int, end: int) -> PHIFinding:
    unit = _UNIT.match(text, end)
    end = unit.end() if unit is not None else end
    return PHIFinding("address", start, end, text[start:end], "street")


def towns(text: str) -> list[PHIFinding]:
    """Return towns that stand with their State's code, like `Fresno, CA`."""
    spans = [m.span("state") for m in _CODE_AFTER.finditer(text) if m.group("state") in STATE_CODES]
    return _towns_before(text, spans) if spans else []


def _towns_before(text: str, states: Iterable[tuple[int, int]]) -> list[PHIFinding]:
    found: list[PHIFinding] = []
    for start, end in states:
        town = _TOWN_BEFORE.search(text, max(0, start - 62), start - 2)
        if town is None or (text[start:end] in _UNSURE and not _known_town(town.group())):
            continue
        found.append(PHIFinding("address", town.start(), end, text[town.start() : end], "town_and_state"))
    return found


def _named_states(text: str, lowered: str, plain: set[str]) -> Iterator[tuple[int, int]]:
    """Where a State's name stands behind a comma."""
    for word in plain & _STATES_BY_END.keys():
        for _, end in at_words(lowered, (word,)):
            for name in _STATES_BY_END[word]:
                start = end - len(name)
                if start > 2 and text.startswith(name, start) and text[start - 2 : start] == ", ":
                    yield start, end
                    break


def places_of_clinical_text(text: str, lowered: str, plain: set[str]) -> list[PHIFinding]:
    """Return places of care and towns: they identify where a patient is spoken of, and only there."""
    found: list[PHIFinding] = []
    for match in tried_at(_CARE, text, lowered, plain & _CARE_WORDS):
        before = _BEFORE_CARE.search(text, max(0, match.start() - 80), match.start())
        if before is not None:
            found.append(_place(text, before.start(), match.end(), "place_of_care"))
    for match in tried_at(_SAINT, text, lowered, plain & _SAINTS):
        found.append(_place(text, match.start(), match.end(), "place_of_care"))
    for match in tried_at(_SEEN_AT, text, lowered, plain & _SEEN_WORDS):
        start, end = match.span("place")
        value = match.group("place")
        if value.split()[0].rstrip(",.") in _NOT_PLACES:
            continue
        trailing = _TRAILING.search(value)
        end -= len(trailing.group()) if trailing is not None else 0
        found.append(_place(text, start, end, "care_given_at"))
    found += _towns_before(text, _named_states(text, lowered, plain))
    towns_by_word = _towns()
    for word in plain & towns_by_word.keys():
        for start, _ in at_words(lowered, (word,)):
            for name in towns_by_word[word]:
                end = start + len(name)
                if text.startswith(name, start) and not text[end : end + 1].isalnum():
                    found.append(_place(text, start, end, "town"))
                    break
    return found


def _place(text: str, start: int, end: int, why: str) -> PHIFinding:
    return PHIFinding("place", start, end, text[start:end], why)


def _known_town(words: str) -> bool:
    parts = words.split()
    return any(" ".join(parts[start:]) in word_list("cities") for start in range(len(parts)))


@lru_cache(maxsize=1)
def _towns() -> dict[str, tuple[str, ...]]:
    """Towns by their first word in small letters, the longest name first."""
    table: dict[str, list[str]] = {}
    for name in sorted(word_list("cities"), key=lambda name: (-len(name), name)):
        table.setdefault(_FIRST_WORD.split(name)[0].lower(), []).append(name)
    return {word: tuple(names) for word, names in table.items()}
