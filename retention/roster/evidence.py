"""What a message itself says of the patients it names: tokens, which depend on no roster but on its names.

A name alone proves little. It counts where it stands in words said of patients, beside a date of birth, or
in clinical mail; there neither as a doctor's nor as the sender's or a recipient's own, unless the mail is a
patient's. A name with a date near it counts for a patient born that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from archiver.classify.records import clinical_types
from archiver.message.indexable import IndexText
from archiver.seal.blind import BlindIndex
from retention.roster.names import Named, NameKey, Names, find_names
from search.language.words import distinct_words, words

NAME: Final = "patient-name"
BIRTH: Final = "patient-birth"
"""Names of token fields: of a name, and of a name with a date of birth."""

_OWN_WORDS: Final = frozenset({"patient_communication"})
_CLINICAL_PHI: Final = frozenset({"mrn", "mbi", "icd10", "health_plan_id"})
_MOST_DATES: Final = 16


def name_value(key: NameKey) -> str:
    """What the token of a name is made of."""
    return key.text


def birth_value(key: NameKey, day: str) -> str:
    """What the token of a name with a date of birth (ISO) is made of."""
    return f"{key.text}|{day}"


def evidence(text: IndexText, names: Names, blind: BlindIndex) -> set[bytes]:
    """The tokens that a message bears for those of `names` that it names."""
    parts = (text.subject, text.body, text.attachment)
    possible = names.possible(distinct_words(parts))
    if not possible:
        return set()
    return _tokens(text, find_names("\n".join(filter(None, parts)), possible), blind)


def _tokens(text: IndexText, found: Mapping[NameKey, Named], blind: BlindIndex) -> set[bytes]:
    tags = set(text.tags)
    clinical = any(f"record:{name}" in tags for name in clinical_types()) or any(
        f"phi:{kind}" in tags for kind in _CLINICAL_PHI
    )
    by_patients = any(f"record:{name}" in tags for name in _OWN_WORDS)
    own: list[set[str]] | None = None
    tokens: set[bytes] = set()
    for key, named in found.items():
        # Where so many days stand around a name, any of them may be the birth date: it counts for them all.
        counts = named.as_patient or named.born or len(named.dates) > _MOST_DATES
        if not counts and clinical and named.plainly:
            if own is None:
                own = [] if by_patients else _participants(text)
            counts = not any({key.given, key.family} <= line for line in own)
        if counts:
            tokens.add(blind.token(NAME, name_value(key)))
        for day in sorted(named.dates)[:_MOST_DATES]:
            tokens.add(blind.token(BIRTH, birth_value(key, day.isoformat())))
    return tokens


def _participants(text: IndexText) -> list[set[str]]:
    """The words of each sender's and recipient's name and address."""
    fields = (text.from_, text.to, text.cc, text.bcc, text.recipient)
    return [set(words(line)) for line in _lines(fields)]


def _lines(fields: Iterable[str]) -> Iterable[str]:
    for field in fields:
        yield from field.split("\n")
