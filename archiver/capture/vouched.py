"""From when the retention clock may run: the archive's own capture, unless somebody vouches for earlier.

A sender writes whatever `Date:` and whatever lower `Received:` lines it likes, so no claim inside a message
is believed alone. Somebody else has to have seen the message: a person who signs for a source's dates, the
server that wrote a journal report, the mailbox server that kept it, a receiving host the operator named.
What such a witness opens is only the question; the answer is always the *latest* of all that is claimed,
the sender's `Date:` included. So a forged earlier date, wherever it is put, can never move the clock back,
and a forged later one only keeps the message longer. What ends up after the capture is the capture's
(`clock_start`), since mail can't be older than itself nor younger than its arrival.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from archiver.capture.ports import Arrival
from archiver.message.dates import parse_date
from archiver.message.model import JournalReport, ParsedMessage

Basis = Literal["captured", "attested", "journal", "internaldate", "received"]
"""Who vouches for a message's anchor; `captured` is the archive itself."""

_COMMENT = re.compile(r"\([^()]*\)")
_BY = re.compile(r"(?:^|\s)by\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vouched:
    """An instant before which the message can't have come into the source's hands, and who says so."""

    at: datetime
    basis: Basis


def vouched(arrival: Arrival, parsed: ParsedMessage, report: JournalReport | None = None) -> Vouched | None:
    """Return what is vouched for, or None: then the clock starts at capture.

    In this order: a named person's attestation (`attested`); `ReceivedUtc` of a journal report that came
    through its feed (`journal`; `SentUtc` alone repeats the sender); INTERNALDATE of mail that lay in its
    folder when we first saw it (`internaldate`); the topmost `Received:` stamps, as long as they are by
    hosts the operator named (`received`). Pure; never raises.
    """
    received = _reported(arrival, report)
    first_reading = arrival.first_reading and arrival.received_at is not None
    if arrival.attested_by is None and received is None and not first_reading and not arrival.received_by:
        return None
    dates, stamps = _claims(parsed)
    claims = [at for at in (*dates, *(at for _, at in stamps)) if at is not None]
    if arrival.received_at is not None:
        claims.append(arrival.received_at)
    if arrival.attested_by is not None:
        # An unreadable `Date:` may claim anything: what is uncertain is kept.
        return Vouched(max(claims), "attested") if claims and None not in dates else None
    if received is not None:
        return Vouched(max([*claims, received]), "journal")
    if first_reading:
        return Vouched(max(claims), "internaldate")
    if _stamped(stamps, arrival.received_by):
        return Vouched(max(claims), "received")
    return None


def clock_start(found: Vouched | None, captured_at: datetime) -> tuple[datetime, Basis]:
    """Return the instant the clock starts at and its basis; never later than the capture."""
    if found is None or found.at >= captured_at:
        return captured_at, "captured"
    return found.at, found.basis


def _claims(parsed: ParsedMessage) -> tuple[list[datetime | None], list[tuple[str, datetime | None]]]:
    """`Date:` headers, None for an unreadable one; `Received:` stamps from the top: (host, time)."""
    dates: list[datetime | None] = []
    stamps: list[tuple[str, datetime | None]] = []
    for line in parsed.headers.split("\n"):
        head = line[:9].lower()
        if head == "received:":
            stamps.append(_stamp(line[9:]))
        elif head[:5] == "date:":
            dates.append(parse_date(line[5:]))
    return dates, stamps


def _stamp(value: str) -> tuple[str, datetime | None]:
    """Read one `Received:` value (RFC 5321 4.4): the one host after `by`, and the time after the last `;`."""
    text, _, at = value.rpartition(";")
    text = text[:2_000]
    while (shorter := _COMMENT.sub(" ", text)) != text:
        text = shorter
    hosts = _BY.findall(text)
    # A HELO name that says `by` makes two of them: then nobody can say who wrote the line.
    host = hosts[0].rstrip(".").casefold() if len(hosts) == 1 else ""
    return host, parse_date(at)


def _stamped(stamps: list[tuple[str, datetime | None]], named: tuple[str, ...]) -> bool:
    """True when the topmost stamp is by a named host, and every stamp down to the first foreign one is dated.

    A relay writes above what it was given; so what stands below a foreign line was there before it.
    """
    trusted = {host.rstrip(".").casefold() for host in named}
    ours = []
    for host, at in stamps:
        if host not in trusted:
            break
        ours.append(at)
    return bool(ours) and None not in ours


def _reported(arrival: Arrival, report: JournalReport | None) -> datetime | None:
    """When the journaling server received the message; believed only where the report came by its feed."""
    if report is None or arrival.smtp_sender is None:
        return None
    return report.received_at
