"""What is done and given, by code and by name: procedures (CPT, HCPCS) and medicines."""

from __future__ import annotations

import re

from archiver.classify.model import PHIFinding
from archiver.classify.scan import at_words, tried_at
from archiver.classify.words import word_list

CODE_WORDS = frozenset({"cpt", "cpts", "hcpcs", "procedure", "procedures"})
"""Without one of these words, in small letters, `procedures` finds nothing."""
_PROCEDURE_LABEL = re.compile(
    r"(?:CPTs?|HCPCS|procedures?(?=\s+(?:codes?|\#)))(?:[\s/&]*(?:CPT|HCPCS))?(?:\s*(?:codes?|level\s+II?"
    r"|no\.?|numbers?|\#))?"
    r"(?:[\s:#=(),.-]|\b(?:is|was|of|for|are|were|billed|as|the)\b){0,8}",
    re.IGNORECASE,
)
# Category I five digits, II and III four and a letter; HCPCS level II a letter and four.
_PROCEDURE = re.compile(
    r"(?:[0-9]{5}|[0-9]{4}[FTU]|[A-V][0-9]{4})(?:-(?:[0-9]{2}|[A-Z][A-Z0-9]))?(?![0-9A-Za-z]|[.,][0-9]{3})",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\s{0,2}(?:[,;/+&]|\band\b|\bor\b|x\s?[0-9]\b,?)\s{0,2}(?:and\s)?", re.IGNORECASE)
_MOST = 50


def procedures(text: str, lowered: str, words: set[str]) -> list[PHIFinding]:
    """Return procedure codes that stand behind a word for them, also in a row: `CPT 99213, 36415 and J1885`.

    `words` are those words of the text that `CODE_WORDS` has.
    """
    found: list[PHIFinding] = []
    done = 0
    labels = sorted(m.end() for m in tried_at(_PROCEDURE_LABEL, text, lowered, words))
    for position in labels:
        if position < done:
            continue
        for _ in range(_MOST):
            code = _PROCEDURE.match(text, position)
            if code is None:
                break
            why = "cpt_label" if code.group()[0].isdigit() else "hcpcs_label"
            found.append(PHIFinding("cpt", code.start(), code.end(), code.group(), why))
            done = code.end()
            following = _NEXT.match(text, done)
            if following is None:
                break
            position = following.end()
    return found


def drugs(text: str, lowered: str, words: set[str]) -> list[PHIFinding]:
    """Return where medicines are named. `words` are those words of the text that the lexicon has."""
    return [
        PHIFinding("drug", start, end, text[start:end], "drug_name")
        for start, end in at_words(lowered, words)
    ]


def drug_words() -> frozenset[str]:
    """The lexicon of medicines, in small letters."""
    return word_list("drugs")
