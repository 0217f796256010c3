"""The excerpt under each result: from where the words are, attachments asked last and not for long."""

from __future__ import annotations

import time

from archiver.message.extract import policy
from archiver.opened import Opened
from search.language.highlight import Segment, snippet

TEXT = 256 * 2**10
"""Characters of a message that are looked at."""

PAGE_SECONDS = 1.0
"""What reading attachments may add to one page of results; after that, excerpts come from bodies alone."""


class Excerpts:
    """Makes the excerpts of one page. `words` are what `IndexReader.words_like` gives."""

    def __init__(self, words: set[str]) -> None:
        self._words = words
        self._left = PAGE_SECONDS

    def of(self, opened: Opened | None, *, has_attachment: bool) -> tuple[Segment, ...]:
        """The excerpt of a message; none for one that can't be opened, which `verify` names."""
        if opened is None:
            return ()
        parsed = opened.parsed(text_limit=TEXT, extract=policy.body_only(TEXT))
        text = "\n".join(t for t in (parsed.body_text, parsed.attachment_text) if t)
        found = tuple(snippet(text, self._words))
        if not has_attachment or not self._words or any(segment.hit for segment in found):
            return found
        if self._left <= 0:
            return found
        started = time.monotonic()
        attached = opened.parsed(text_limit=TEXT, extract=policy.briefly(TEXT, self._left)).attachment_text
        self._left -= time.monotonic() - started
        deeper = tuple(snippet(attached, self._words))
        return deeper if any(segment.hit for segment in deeper) else found
