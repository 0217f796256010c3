"""Record types by weighted lexicons (config/lexicons), scored on distinct words: repetition proves little."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from archiver.classify.model import RecordType
from config.errors import ConfigError

CORRESPONDENCE = "correspondence"
_NOTHING = (RecordType(CORRESPONDENCE, 0.5, "no record type reached its threshold"),)
_PLAIN_LENGTH = 400
_MOST_GROWTH = 2.5


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
    """All record types, and where each term counts: term -> (position of the lexicon, weight).

    A phrase is looked for only where its longest word stands: phrases by that word, each with its
    other words and the padded form under which it is found. `telling` are these words and `singles`.
    """

    types: tuple[Lexicon, ...]
    weights: dict[str, tuple[tuple[int, float], ...]]
    singles: frozenset[str]
    telling: frozenset[str]
    phrases: dict[str, tuple[tuple[str, tuple[str, ...], str], ...]]


@lru_cache(maxsize=1)
def load_lexicons() -> Lexicons:
    """Read `config/lexicons/*.toml` once. Raises `ConfigError` naming the file that is malformed."""
    types: list[Lexicon] = []
    weights: dict[str, list[tuple[int, float]]] = {}
    for entry in sorted(files("config").joinpath("lexicons").iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".toml"):
            continue
        lexicon = _read(entry.name, entry.read_text("utf-8"))
        for term, weight in lexicon.words.items():
            weights.setdefault(term, []).append((len(types), weight))
        types.append(lexicon)
    singles: set[str] = set()
    phrases: dict[str, list[tuple[str, tuple[str, ...], str]]] = {}
    for term in weights:
        if " " not in term:
            singles |= {term, f"{term}s"}
            continue
        for form in (term, f"{term}s"):
            # Padded, so that `ct scan` is not seen in `direct scanner`.
            parts = form.split()
            longest = max(parts, key=len)
            others = tuple(sorted({*parts} - {longest}, key=len, reverse=True))
            phrases.setdefault(longest, []).append((term, others, f" {form} "))
    return Lexicons(
        types=tuple(types),
        weights={term: tuple(found) for term, found in weights.items()},
        singles=frozenset(singles),
        telling=frozenset(singles) | frozenset(phrases),
        phrases={key: tuple(found) for key, found in phrases.items()},
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


def record_types(words: list[str], distinct: set[str], phi_kinds: Iterable[str]) -> tuple[RecordType, ...]:
    """Return the record types of a text, surest first, or `correspondence` where none is clear.

    `words` are its lower-case words in order, `distinct` the set of them. The threshold grows by a
    quarter per doubling past 400 words, to 2.5 times at most; confidence is `score/(score+threshold)`.
    """
    lexicons = load_lexicons()
    kinds = frozenset(phi_kinds)
    terms = _terms(lexicons, words, distinct)
    if not terms and not kinds:
        return _NOTHING
    evidence: dict[int, list[tuple[float, str]]] = {}
    for term in terms:
        for position, weight in lexicons.weights[term]:
            evidence.setdefault(position, []).append((weight, term))
    growth = 1.0
    if len(words) > _PLAIN_LENGTH:
        growth = min(_MOST_GROWTH, 1.0 + 0.25 * math.log2(len(words) / _PLAIN_LENGTH))
    found: list[RecordType] = []
    for position, lexicon in enumerate(lexicons.types):
        weights = evidence.get(position, [])
        if kinds:
            weights = weights + [(lexicon.phi[k], f"phi:{k}") for k in kinds if k in lexicon.phi]
        threshold = lexicon.threshold * growth
        score = sum(weight for weight, _ in weights)
        if score < threshold or (len(weights) < 2 and weights[0][0] < lexicon.threshold):
            continue
        weights.sort(key=lambda item: (-item[0], item[1]))
        why = ", ".join(term for _, term in weights[:5])
        found.append(RecordType(lexicon.type, round(score / (score + threshold), 3), why))
    if not found:
        return _NOTHING
    return tuple(sorted(found, key=lambda record: (-record.confidence, record.type)))


def _terms(lexicons: Lexicons, words: list[str], distinct: set[str]) -> set[str]:
    """Return the lexicon terms that a text holds, in the form the lexicons write them."""
    weights, singles, phrases = lexicons.weights, lexicons.singles, lexicons.phrases
    terms: set[str] = set()
    line = ""
    for word in distinct & lexicons.telling:
        if word in singles:
            terms.add(word if word in weights else word[:-1])
        for term, others, padded in phrases.get(word, ()):
            # Most phrases are of two words; asking for the second one first spares the rest.
            if not others or (others[0] in distinct and distinct.issuperset(others)):
                line = line or f" {' '.join(words)} "
                if padded in line:
                    terms.add(term)
    return terms
