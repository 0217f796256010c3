"""How this process has documents read: the limits its settings gave it, and the way to the children."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from archiver.errors import ArchiverError
from archiver.message.extract.client import POOL
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Extracted, Job

Extract = Callable[[Sequence[Job]], list[Extracted]]
"""Reads documents; one result each, in order."""

_current = Limits()


def configure(limits: Limits) -> None:
    """Set the limits of this process: once, when an archive is opened, or in a child when it starts."""
    global _current
    _current = limits


def limits() -> Limits:
    """The limits in force."""
    return _current


def through_children(text: int) -> Extract:
    """The way for ordinary use: `text` characters of each document at most."""
    return lambda jobs: POOL.extract(jobs, replace(_current, text=text))


def briefly(text: int, seconds: float) -> Extract:
    """The way for a page somebody waits for: all of a message in at most three times `seconds`, no OCR."""
    return lambda jobs: POOL.extract(jobs, replace(_current, text=text, seconds=seconds, ocr=False))


def body_only(text: int) -> Extract:
    """The way for whoever shows a message: HTML is read, attachments are left out."""

    def extract(jobs: Sequence[Job]) -> list[Extracted]:
        pages = [job for job in jobs if job.kind == "markup"]
        found = iter(POOL.extract(pages, replace(_current, text=text)))
        return [next(found) if job.kind == "markup" else Extracted("", "empty") for job in jobs]

    return extract


class NotAtOnce(ArchiverError):
    """A message has a document to be read in a child: it isn't understood without waiting."""

    code = "not_at_once"


def at_once(jobs: Sequence[Job]) -> list[Extracted]:
    """The way for whoever mustn't wait. Raises NotAtOnce."""
    raise NotAtOnce("this message has a document that is read in a process of its own")


def leave_out(jobs: Sequence[Job]) -> list[Extracted]:
    """The way for whoever wants the headers only."""
    return [Extracted("", "empty")] * len(jobs)
