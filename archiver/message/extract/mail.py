"""Mail inside a document (an .eml in a ZIP, say), read by the archive's one parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archiver.message.extract.archives import short_name
from archiver.message.extract.faults import TooDeep
from archiver.message.extract.model import Extracted, Job

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

MAX_MAILS = 10
"""Mails within mails within documents: the parser's own depth comes on top."""


def read_mail(data: bytes, context: Context) -> None:
    """Add all text of a mail, and list its attachments."""
    from archiver.message.parse import parse  # it calls us

    def extract(jobs: Sequence[Job]) -> list[Extracted]:
        return [context.apart(job.kind, bytes_of(job), job.name) for job in jobs]

    if len(context.name.split("/")) > MAX_MAILS:
        raise TooDeep
    parsed = parse(data, text_limit=context.limits.text, extract=extract)
    people = [*parsed.from_, *parsed.to, *parsed.cc, *parsed.bcc]
    context.add("\n".join([parsed.subject, *(f"{a.name} {a.address}" for a in people), parsed.headers]))
    context.add(parsed.body_text)
    context.add(parsed.attachment_text)
    for part in parsed.parts:
        if part.filename or part.text_status not in ("indexed", "empty"):
            context.entry()
            name = short_name(part.filename or part.path)
            context.listed(name, part.text_status, part.size, part.content_type)


def bytes_of(job: Job) -> bytes:
    """All bytes of a job."""
    return job.data if isinstance(job.data, bytes) else b"".join(job.data)
