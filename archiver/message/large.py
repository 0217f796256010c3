"""Messages of any size, parsed: one too large for memory by its skeleton and what that leaves out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from archiver.message.content import WHOLE_UP_TO, Raw, whole
from archiver.message.extract.policy import Extract
from archiver.message.model import ParsedMessage
from archiver.message.parse import parse
from archiver.message.split import Split
from archiver.message.split_stream import split_stream


@runtime_checkable
class Taken(Protocol):
    """A content that knows how it was taken apart."""

    @property
    def split(self) -> Split | None: ...


def parse_content(raw: Raw, *, text_limit: int = 4 * 2**20, extract: Extract | None = None) -> ParsedMessage:
    """Parse a message of any size. Only one of at most 8 MiB is taken into memory.

    Never raises for any bytes; raises ArchiverError where they can't be read.
    """
    if len(raw) <= WHOLE_UP_TO:
        return parse(whole(raw), text_limit=text_limit, extract=extract)
    # Bytes have a `split` of their own, which is another matter.
    done = raw.split if not isinstance(raw, bytes) and isinstance(raw, Taken) else None
    return parse_split(done or split_stream(raw)[0], text_limit=text_limit, extract=extract)


def parse_split(done: Split, *, text_limit: int = 4 * 2**20, extract: Extract | None = None) -> ParsedMessage:
    """Parse a message that was taken apart."""
    apart = {region.at: region for region in done.regions}
    return parse(done.skeleton, text_limit=text_limit, apart=apart, extract=extract)
