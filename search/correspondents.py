"""Who wrote a message and who received it, by its headers and every envelope: addresses in small letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from archiver.opened import Record


class Correspondents(NamedTuple):
    """The addresses of one message. Together they are its `custodian:` labels."""

    wrote: frozenset[str]
    received: frozenset[str]


def correspondents_of(record: Record) -> Correspondents:
    """Everybody who sent or received a message, Bcc, groups and declared owners included."""
    wrote = [a["address"] for a in record.meta["from"]]
    received = [a["address"] for field in ("to", "cc", "bcc") for a in record.meta[field]]
    for delivery in record.deliveries:
        envelope = delivery.detail["envelope"]
        wrote += [envelope["sender"], envelope["on_behalf_of"]]
        received += delivery.detail["custodians"]
        for one in envelope["recipients"]:
            received += [one["address"], one["expanded_from"], one["forwarded_from"]]
    writers = _folded(wrote)
    return Correspondents(writers, _folded(received) - writers)


def _folded(addresses: Iterable[str | None]) -> frozenset[str]:
    return frozenset(folded for address in addresses if (folded := (address or "").strip().casefold()))
