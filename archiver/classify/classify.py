"""What is in a message: PHI, record types, States and language. Pure: text in, values out."""

from __future__ import annotations

import string

from archiver.classify.language import language_of
from archiver.classify.model import Classification
from archiver.classify.phi import find_phi
from archiver.classify.places import STATE_WORDS, named_states
from archiver.classify.records import record_types
from archiver.message.model import ParsedMessage

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


def classify(parsed: ParsedMessage | str) -> Classification:
    """Return what the detectors and lexicons find in a message, or in plain text. Never raises.

    Raises `ConfigError` only, at the first call, when a lexicon of this installation is malformed.
    """
    text = parsed if isinstance(parsed, str) else text_of(parsed)
    lowered = text.lower()
    if text.isascii():
        bare = text.encode("ascii").translate(_ASCII).decode("ascii")
        words = bare.split()
        distinct = set(words)
        plain = distinct if _CONTROL not in bare else _plain_words(distinct)
    else:
        words = lowered.translate(_MARKS).split()
        distinct = set(words)
        plain = _plain_words(distinct)
    phi = find_phi(text, lowered, plain)
    states = named_states(text, lowered) if not plain.isdisjoint(STATE_WORDS) else set()
    states.update(finding.why[-2:] for finding in phi if finding.type == "address")
    return Classification(
        phi=phi,
        record_types=record_types(words, distinct, {finding.type for finding in phi}),
        jurisdictions=tuple(sorted(states)),
        language=language_of(text, distinct),
    )


def _plain_words(distinct: set[str]) -> set[str]:
    """Return words as a pattern's `\\b` sees them at least: every run of ASCII letters and digits."""
    plain = {word for word in distinct if word.isascii() and word.isalnum()}
    odd = " ".join(distinct - plain).encode("ascii", "replace")
    plain.update(odd.translate(_PLAIN).decode("ascii").split())
    return plain
