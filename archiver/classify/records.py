"""Record types by weighted lexicons (config/lexicons), scored on distinct words: repetition proves little."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from archiver.classify.model import RecordType
from config.errors import ConfigError

CORRESPONDENCE = "correspondence"
NOT_A_RECORD = "not_a_record"
NOT_ABOUT_PATIENTS = frozenset({CORRESPONDENCE, "administrative", NOT_A_RECORD})
"""Types that say nothing against a message being about a patient after all."""
CLINICAL_MARKS = frozenset({"mrn", "mbi", "medicaid_id", "health_plan_id", "icd10", "date_of_birth"})
"""Kinds of PHI that only mail about a patient carries."""
_PATIENTS = frozenset(
    {
        "mrn",
        "mbi",
        "medicaid_id",
        "health_plan_id",
        "ssn",
        "date_of_birth",
        "icd10",
        "cpt",
        "ndc",
        "device_id",
        "photo",
    }
)
_NOTHING = (RecordType(CORRESPONDENCE, 0.5, "no record type reached its threshold"),)
_PLAIN_LENGTH = 400
_MOST_GROWTH = 2.5
_SPEAKS_OF_PATIENTS = 0.4
_LONG_TEXT_SPEAKS = 0.8


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The evidence for one record type; `phrases` by their first word."""

    type: str
    clinical: bool
    threshold: float
    words: dict[str, float]
    phi: dict[str, float]


@dataclass(frozen=True, slots=True)
class Lexicons:
    """All record types, and where each term and each kind of PHI counts: (position of the lexicon, weight).

    `singles` are the terms of one word by each form of it. A phrase is looked for only where its longest
    word stands: phrases by that word, each with the next longest, the others, and the padded form under
    which it is found. `telling` are the words of both.
    """

    types: tuple[Lexicon, ...]
    weights: dict[str, tuple[tuple[int, float], ...]]
    singles: dict[str, str]
    telling: frozenset[str]
    phrases: dict[str, tuple[tuple[str, str, tuple[str, ...], str], ...]]
    phi: dict[str, tuple[tuple[int, float], ...]]
    phi_kinds: frozenset[str]


@lru_cache(maxsize=1)
def load_lexicons() -> Lexicons:
    """Read `config/lexicons/*.toml` once. Raises `ConfigError` naming the file that is malformed."""
    types: list[Lexicon] = []
    weights: dict[str, list[tuple[int, float]]] = {}
    phi: dict[str, list[tuple[int, float]]] = {}
    for entry in sorted(files("config").joinpath("lexicons").iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".toml"):
            continue
        lexicon = _read(entry.name, entry.read_text("utf-8"))
        for term, weight in lexicon.words.items():
            weights.setdefault(term, []).append((len(types), weight))
        for kind, weight in lexicon.phi.items():
            phi.setdefault(kind, []).append((len(types), weight))
        types.append(lexicon)
    singles: dict[str, str] = {}
    phrases: dict[str, list[tuple[str, str, tuple[str, ...], str]]] = {}
    for term in weights:
        if " " not in term:
            singles[term] = term
            singles.setdefault(f"{term}s", term)
            continue
        for form in (term, f"{term}s"):
            # Padded, so that `ct scan` is not seen in `direct scanner`.
            parts = form.split()
            longest = max(parts, key=len)
            others = tuple(sorted({*parts} - {longest}, key=len, reverse=True)) or (longest,)
            phrases.setdefault(longest, []).append((term, others[0], others[1:], f" {form} "))
    return Lexicons(
        types=tuple(types),
        weights={term: tuple(found) for term, found in weights.items()},
        singles=singles,
        telling=frozenset(singles) | frozenset(phrases),
        phrases={key: tuple(found) for key, found in phrases.items()},
        phi={kind: tuple(found) for kind, found in phi.items()},
        phi_kinds=frozenset(phi),
    )


def _read(name: str, text: str) -> Lexicon:
    try:
        data = tomllib.loads(text)
        return Lexicon(
            type=str(data["type"]),
            clinical=bool(data["clinical"]),
            threshold=float(data["threshold"]),
            words={str(term): float(weight) for term, weight in data["terms"].items()},
            phi={str(kind): float(weight) for kind, weight in data.get("phi", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"lexicon {name} is malformed; see config/lexicons/README.md") from error


def clinical_types() -> frozenset[str]:
    """The record types that are part of a patient's record."""
    return frozenset(lexicon.type for lexicon in load_lexicons().types if lexicon.clinical)


def classified_types() -> frozenset[str]:
    """Every record type that the classifier tells, by its names."""
    return frozenset(lexicon.type for lexicon in load_lexicons().types) | {CORRESPONDENCE}


def record_types(words: list[str], distinct: set[str], phi_kinds: Collection[str]) -> tuple[RecordType, ...]:
    """Return the record types of a text, surest first, or `correspondence` where none is clear.

    `words` are its lower-case words in order, `distinct` the set of them. The threshold grows by a
    quarter per doubling past 400 words, to 2.5 times at most; confidence is `score/(score+threshold)`.
    """
    return judge(words, distinct, distinct, phi_kinds)[0]


def judge(
    words: list[str], distinct: set[str], known: set[str], phi_kinds: Collection[str]
) -> tuple[tuple[RecordType, ...], bool]:
    """Return the record types as `record_types` does, and whether the text speaks of patients at all: with
    two fifths of what a clinical type needs, in a long text four fifths. `known` are those of `distinct` that
    may be in a lexicon."""
    lexicons = load_lexicons()
    kinds = lexicons.phi_kinds.intersection(phi_kinds)
    terms = _terms(lexicons, words, distinct, known)
    if not terms and not kinds:
        return _NOTHING, False
    scores = [0.0] * len(lexicons.types)
    for term in terms:
        for position, weight in lexicons.weights[term]:
            scores[position] += weight
    for kind in kinds:
        for position, weight in lexicons.phi[kind]:
            scores[position] += weight
    growth, speaks = 1.0, _SPEAKS_OF_PATIENTS
    if len(words) > _PLAIN_LENGTH:
        growth = min(_MOST_GROWTH, 1.0 + 0.25 * math.log2(len(words) / _PLAIN_LENGTH))
        speaks = _LONG_TEXT_SPEAKS
    found: list[RecordType] = []
    clinical = False
    for position, score in enumerate(scores):
        if not score:
            continue
        lexicon = lexicons.types[position]
        threshold = lexicon.threshold * growth
        if lexicon.clinical and score >= speaks * threshold:
            clinical = True
        if score >= threshold:
            why = ", ".join(term for _, term in _evidence(lexicon, terms, kinds)[:5])
            found.append(RecordType(lexicon.type, round(score / (score + threshold), 3), why))
    if len(found) > 1 or clinical or not _PATIENTS.isdisjoint(phi_kinds):
        # Cautious: mail is no record only where nothing else speaks for its being one.
        found = [record for record in found if record.type != NOT_A_RECORD]
    if not found:
        return _NOTHING, clinical
    return tuple(sorted(found, key=lambda record: (-record.confidence, record.type))), clinical


def _evidence(lexicon: Lexicon, terms: set[str], kinds: frozenset[str]) -> list[tuple[float, str]]:
    """What counts for a record type in a text, the weightiest first."""
    weights = [(lexicon.words[term], term) for term in terms if term in lexicon.words]
    weights += [(lexicon.phi[kind], f"phi:{kind}") for kind in kinds if kind in lexicon.phi]
    return sorted(weights, key=lambda item: (-item[0], item[1]))


def _terms(lexicons: Lexicons, words: list[str], distinct: set[str], known: set[str]) -> set[str]:
    """Return the lexicon terms that a text holds, in the form the lexicons write them."""
    singles, phrases = lexicons.singles, lexicons.phrases
    terms: set[str] = set()
    line = ""
    for word in known & lexicons.telling:
        if word in singles:
            terms.add(singles[word])
        if word in phrases:
            for term, other, others, padded in phrases[word]:
                # Most phrases are of two words; asking for the second one first spares the rest.
                if other in distinct and distinct.issuperset(others):
                    line = line or f" {' '.join(words)} "
                    if padded in line:
                        terms.add(term)
    return terms
