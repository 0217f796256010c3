"""Fuzzing of the classifier: any text, with nothing and with everything an organisation adds."""

from __future__ import annotations

from archiver.classify import PHI_TYPES, Classification, Classifier, Person, RosterBook
from archiver.classify.reasons import reason
from archiver.message.parse import parse
from benchmarks.exhibits import exhibits
from tests.fuzz.targets import seeds as mail

_PLAIN = Classifier()
_OWN = Classifier(
    roster=RosterBook(
        [Person(("Ann Okafor", "Grace May"), ("MC-004711",)), Person(("John Smith",), ("12345",))]
    ),
    record_numbers=["MC-######", "@#######", "???-###"],
)


def classify(data: bytes) -> None:
    """Whatever a text says: findings lie in it, in order, none over another, each with a reason."""
    text = data.decode("utf-8", "replace")
    found = _PLAIN.classify(text)
    _check(text, found)
    assert found == _PLAIN.classify(text)
    _PLAIN.classify(parse(data, text_limit=1 << 14))


def roster(data: bytes) -> None:
    """The same where people and forms are known."""
    text = data.decode("latin-1")
    _check(text, _OWN.classify(text))


def _check(text: str, found: Classification) -> None:
    end = 0
    for finding in found.phi:
        assert text[finding.start : finding.end] == finding.text
        assert finding.start >= end
        assert finding.type in PHI_TYPES
        assert reason(finding.why)
        end = finding.end
    assert found.record_types


def seeds() -> list[bytes]:
    """Our own mail and exhibits; several exhibits together, so that what stands side by side is met too."""
    texts = [text for text, _ in exhibits()]
    rows = [" ".join(texts[start::97]).encode() for start in range(40)]
    return [*mail(), *rows, b"Ann Okafor MC-004711, Grace May and John Q. Smith 12345"]
