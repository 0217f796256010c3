"""What is in a message: PHI, record types, States and language. Pure: text in, values out."""

from __future__ import annotations

import string
from collections.abc import Iterable
from functools import lru_cache

from archiver.classify.formats import RecordNumbers
from archiver.classify.language import STOP_WORDS, language_of
from archiver.classify.model import Classification, PHIFinding
from archiver.classify.phi import find_in_clinical, find_phi, settle, telling_words
from archiver.classify.photos import photos
from archiver.classify.places import STATE_WORDS, named_states
from archiver.classify.records import judge, load_lexicons
from archiver.classify.roster import RosterBook
from archiver.classify.visible import visible
from archiver.message.model import ParsedMessage

CLASSIFIER_VERSION = 3
"""Grows whenever the same text may get other findings or record types, so that verdicts made from older ones
are known. 1: eleven detectors, no version kept. 2: ASCII forms only."""
_CONTROL = "\x01"


def _plain(char: str) -> str:
    """An ASCII character as words have it: lower case, a blank for a mark, one control for all of them."""
    if char.isalnum():
        return char.lower()
    return " " if char.isprintable() or char.isspace() else _CONTROL


_ASCII = "".join(_plain(chr(code)) for code in range(128)).encode("ascii") + bytes(128)
_PLAIN = _ASCII.replace(_CONTROL.encode("ascii"), b" ")
_MARKS = {
    ord(mark): " "
    for mark in string.punctuation
    + "\u00a0\u00ab\u00bb\u00b7\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u2026"
}


def text_of(parsed: ParsedMessage) -> str:
    """The text that `classify` reads of a message, and that the offsets of its findings point into:
    subject, body and attachments, one after the other, each on a line of its own."""
    return "\n".join(filter(None, (parsed.subject, parsed.body_text, parsed.attachment_text)))


class Classifier:
    """The detectors and lexicons, with what an organisation adds to them. Pure; safe from any thread."""

    def __init__(self, *, roster: RosterBook | None = None, record_numbers: Iterable[str] = ()) -> None:
        """`roster`: whom to know by name and number. `record_numbers`: forms as in the setting
        `record_number_forms`; raises ConfigError for a malformed one."""
        self._roster = roster
        self._numbers = RecordNumbers(record_numbers)

    def classify(self, parsed: ParsedMessage | str) -> Classification:
        """Return what is in a message, or in plain text. Never raises.

        Raises `ConfigError` only, at the first call, when a lexicon of this installation is malformed.
        """
        whole = parsed if isinstance(parsed, str) else text_of(parsed)
        text, places = visible(whole)
        lowered, words, distinct, plain = words_of(text)
        known = distinct & known_words()
        told = (known if plain is distinct else plain) & telling_words()
        found = find_phi(text, lowered, told)
        if self._numbers:
            found += self._numbers.find(text)
        if self._roster is not None:
            found += self._roster.find(text, lowered, words, distinct)
        if not isinstance(parsed, str) and parsed.parts:
            found += photos(parsed, len(text))
        phi = settle(found)
        states = named_states(text, lowered) if not told.isdisjoint(STATE_WORDS) else set()
        kinds = {finding.type for finding in phi}
        if "address" in kinds:
            states.update([finding.why[-2:] for finding in phi if finding.why.startswith("zip_of_")])
        types, clinical = judge(words, distinct, known, kinds)
        if clinical:
            phi = settle([*phi, *find_in_clinical(text, lowered, plain)])
        return Classification(
            phi=phi if places is None else places.of(phi),
            record_types=types,
            jurisdictions=tuple(sorted(states)) if states else (),
            language=language_of(whole, known),
        )

    def find(self, text: str, *, clinical: bool = False) -> list[PHIFinding]:
        """Return what the detectors find in a piece of text, in no order; findings may overlap.

        Nothing is judged here: `clinical` says whether the text is about a patient, so that names count.
        """
        seen, places = visible(text)
        lowered, words, distinct, plain = words_of(seen)
        found = find_phi(seen, lowered, plain & telling_words())
        if self._numbers:
            found += self._numbers.find(seen)
        if self._roster is not None:
            found += self._roster.find(seen, lowered, words, distinct)
        if clinical:
            found += find_in_clinical(seen, lowered, plain)
        return found if places is None else list(places.of(found))


classify = Classifier().classify
"""Classify without a roster and without the organisation's own forms; see `Classifier.classify`."""


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Every word that says anything to the detectors, the lexicons or the vote on languages: a text's words
    are looked up here once."""
    return telling_words() | load_lexicons().telling | STOP_WORDS


def words_of(text: str) -> tuple[str, list[str], set[str], set[str]]:
    """Return a text in small letters, as long as the text; its words in order; the set of them; and every
    run of ASCII letters and digits, as a pattern's `\\b` sees words."""
    lowered = text.lower()
    if text.isascii():
        bare = text.encode("ascii").translate(_ASCII).decode("ascii")
        words = bare.split()
        distinct = set(words)
        return lowered, words, distinct, distinct if _CONTROL not in bare else _plain_words(distinct)
    if len(lowered) != len(text):
        lowered = _lowered_alike(text)
    words = lowered.translate(_MARKS).split()
    distinct = set(words)
    return lowered, words, distinct, _plain_words(distinct)


def _lowered_alike(text: str) -> str:
    """Small letters, one for one: a few letters have a small form of two, and then offsets wouldn't serve."""
    return "".join([low if len(low := char.lower()) == 1 else char for char in text])


def _plain_words(distinct: set[str]) -> set[str]:
    """Return words as a pattern's `\\b` sees them at least: every run of ASCII letters and digits."""
    plain = {word for word in distinct if word.isascii() and word.isalnum()}
    odd = " ".join(distinct - plain).encode("ascii", "replace")
    plain.update(odd.translate(_PLAIN).decode("ascii").split())
    return plain
