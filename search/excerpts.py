"""The excerpt under each result: from where the words are, attachments asked last and not for long."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from archiver.classify.records import clinical_types
from archiver.message.extract import policy
from archiver.opened import Opened
from search.language.highlight import Hide, Segment, snippet
from search.language.marking import Marks
from search.masking import AROUND, Mask

TEXT = 256 * 2**10
"""Characters of a message that are looked at."""

PAGE_SECONDS = 1.0
"""What reading attachments may add to one page of results; after that, excerpts come from bodies alone."""

_NAMES_COUNT: Final = frozenset({"name", "mrn", "mbi", "health_plan_id"})
"""Kinds of finding beside which a message names people as patients."""


class Excerpts:
    """Makes the excerpts of one page. `words` are what `IndexReader.words_like` gives; without a `mask`
    nothing is withheld."""

    def __init__(self, words: set[str], mask: Mask | None = None) -> None:
        self._any = bool(words)
        self._marks = Marks(words)
        self._mask = mask
        self._left = PAGE_SECONDS

    def of(
        self,
        opened: Opened | None,
        *,
        has_attachment: bool,
        clinical: bool = False,
        known: frozenset[str] = frozenset(),
    ) -> tuple[Segment, ...]:
        """The excerpt of a message; none for one that can't be opened, which `verify` names. `clinical` and
        `known` are as in `search.masking.Mask.hide`."""
        if opened is None:
            return ()
        hide: Hide | None = None
        if self._mask is not None:
            hide = partial(self._mask.hide, clinical=clinical, known=known)
        parsed = opened.parsed(text_limit=TEXT, extract=policy.body_only(TEXT))
        text = "\n".join(_whole(t) for t in (parsed.body_text, parsed.attachment_text) if t)
        found = tuple(snippet(text, self._marks, hide=hide))
        if not has_attachment or not self._any or any(segment.hit for segment in found):
            return found
        if self._left <= 0:
            return found
        started = time.monotonic()
        attached = opened.parsed(text_limit=TEXT, extract=policy.briefly(TEXT, self._left)).attachment_text
        self._left -= time.monotonic() - started
        deeper = tuple(snippet(_whole(attached), self._marks, hide=hide))
        return deeper if any(segment.hit for segment in deeper) else found


def is_clinical(meta: Mapping[str, Any]) -> bool:
    """Whether a message was found to be about a patient, as far as its description says."""
    types = {str(name) for name, _ in meta.get("record_types", ())}
    return not (types.isdisjoint(clinical_types()) and _NAMES_COUNT.isdisjoint(meta.get("phi", ())))


def _whole(text: str) -> str:
    """A text that was cut at `TEXT` without its end: an identifier that the cut went through is no
    identifier to any detector."""
    return text[: TEXT - AROUND] if len(text) >= TEXT else text
