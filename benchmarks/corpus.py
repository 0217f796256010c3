"""Real mail to measure with: the Enron set, and as many messages as asked for, varied deterministically."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import count
from pathlib import Path

from archiver.capture.files.doors import open_items

DEFAULT = Path(__file__).resolve().parents[1] / "../shared/corpora"
SHIFT = timedelta(days=37, seconds=11)
"""How far each round through the set is moved in time, so that no two messages share a second."""

_DATE = re.compile(rb"^Date: ([^\r\n]*)", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^(Message-ID: <)", re.MULTILINE | re.IGNORECASE)


def enron(corpora: Path) -> Iterator[bytes]:
    """Every message of the Enron set, in the order of its files. Stops the program where it is absent."""
    folder = corpora / "enron"
    if not folder.is_dir():
        sys.exit(f"no mail to measure with: {folder} is missing; say where it is with --corpora PATH")
    for item in open_items([folder], "mbox"):
        if item.raw is not None:
            yield item.raw


def varied(corpora: Path, number: int) -> Iterator[bytes]:
    """Exactly `number` messages: the set as it is, then again and again with other ids, dates and a
    reference of its own at each message's end. The same call always gives the same bytes."""
    given = 0
    for turn in count():
        for position, raw in enumerate(enron(corpora)):
            if given == number:
                return
            given += 1
            yield raw if turn == 0 else _variant(raw, turn, position)


def _variant(raw: bytes, turn: int, position: int) -> bytes:
    raw = _MESSAGE_ID.sub(rb"\g<1>r%d.%d." % (turn, position), raw, count=1)
    raw = _DATE.sub(lambda found: b"Date: " + _later(found.group(1), turn), raw, count=1)
    return raw + b"\nReference HF-%d-%d\n" % (turn, position)


def _later(value: bytes, turn: int) -> bytes:
    try:
        moved = parsedate_to_datetime(value.decode("ascii")) + turn * SHIFT
    except (ValueError, TypeError, OverflowError):
        return value
    return format_datetime(moved).encode("ascii")


def write_mbox(path: Path, messages: Iterable[bytes]) -> int:
    """Write an mboxrd file and return how many messages it holds."""
    written = 0
    quoted = re.compile(rb"^(>*From )", re.MULTILINE)
    with path.open("wb") as file:
        for raw in messages:
            file.write(b"From bench@example.org Thu Jan  1 00:00:00 1970\n")
            file.write(quoted.sub(rb">\1", raw))
            file.write(b"\n" if raw.endswith(b"\n") else b"\n\n")
            written += 1
    return written


def write_maildir(path: Path, messages: Iterable[bytes]) -> int:
    """Write a Maildir and return how many messages it holds."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    written = 0
    for written, raw in enumerate(messages, 1):
        (path / "cur" / f"{written}.bench.host:2,S").write_bytes(raw)
    return written
