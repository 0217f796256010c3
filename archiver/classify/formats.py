"""Record numbers in the organisation's own forms, like `MC-######`: found without any label."""

from __future__ import annotations

import re
from collections.abc import Iterable

from archiver.classify.model import PHIFinding
from config.record_numbers import pattern_of


class RecordNumbers:
    """The organisation's forms of record numbers, to be found in text. Immutable; safe from any thread."""

    def __init__(self, forms: Iterable[str]) -> None:
        """`forms` as the setting `record_number_forms` has them. Raises ConfigError for a malformed one."""
        patterns = [pattern_of(form) for form in dict.fromkeys(forms)]
        self._pattern = (
            re.compile(rf"(?<![0-9A-Za-z#-])(?:{'|'.join(patterns)})(?![0-9A-Za-z]|-[0-9A-Za-z])")
            if patterns
            else None
        )

    def __bool__(self) -> bool:
        return self._pattern is not None

    def find(self, text: str) -> list[PHIFinding]:
        """Return the record numbers of a text as findings of type `mrn`."""
        if self._pattern is None:
            return []
        return [
            PHIFinding("mrn", m.start(), m.end(), m.group(), "record_number_form")
            for m in self._pattern.finditer(text)
        ]
