"""Who really sent and received a message, from the best witness: journal, then SMTP, then headers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from archiver.message.addresses import parse_addresses
from archiver.message.model import Address, Envelope, JournalReport, ParsedMessage, Recipient, Role

# Where Google Workspace, Zimbra's amavisd and Postfix note a copy's envelope recipient.
_EVIDENCE = re.compile(r"(?im)^(?:x-gm-original-to|x-envelope-to|x-original-to)[ \t]*:(.*)$")

_RANK = {"journal": 2, "smtp": 1, "headers": 0}


def resolve_envelope(
    parsed: ParsedMessage,
    report: JournalReport | None,
    smtp_sender: str | None,
    smtp_recipients: Iterable[Recipient],
    *,
    journal_addresses: frozenset[str] = frozenset(),
) -> Envelope:
    """Return the envelope of one delivery.

    A journal report is believed as it stands. Otherwise recipients are those of To, Cc and Bcc with
    those roles, and, where SMTP delivered it, the SMTP recipients the headers don't name, with the
    role they came with; so are those that relays noted in the header, as Google Workspace
    does. `journal_addresses` (casefolded) are the archive's own and never recipients.
    """
    if report is not None:
        return report.envelope
    recipients = list(smtp_recipients)
    if smtp_sender is not None:
        recipients += noted_recipients(parsed)
    listed = header_recipients(parsed)
    if smtp_sender is None and not recipients:
        sender = next((a.address for a in parsed.from_ if a.address), None)
        return Envelope(sender, None, merge_recipients(listed), "headers")
    named = {recipient.address.casefold() for recipient in listed}
    merged: list[Recipient] = list(listed)
    for recipient in recipients:
        key = recipient.address.casefold()
        if not key or key in journal_addresses:
            continue
        if key not in named:
            merged.append(recipient)
        elif recipient.expanded_from or recipient.forwarded_from:
            role = next(r.role for r in listed if r.address.casefold() == key)
            merged.append(
                Recipient(recipient.address, role, recipient.expanded_from, recipient.forwarded_from)
            )
    kept = (r for r in merged if r.address.casefold() not in journal_addresses)
    return Envelope(smtp_sender or None, None, merge_recipients(kept), "smtp")


def header_recipients(parsed: ParsedMessage) -> list[Recipient]:
    """Return the recipients the headers claim, in order, with their roles."""
    fields: tuple[tuple[Role, tuple[Address, ...]], ...] = (
        ("to", parsed.to),
        ("cc", parsed.cc),
        ("bcc", parsed.bcc),
    )
    return [Recipient(a.address, role) for role, found in fields for a in found if a.address]


def noted_recipients(parsed: ParsedMessage) -> list[Recipient]:
    """Return the envelope recipients that relays wrote into the header of a copy. A claim, like To and Cc."""
    return [
        Recipient(found.address, "recipient")
        for value in _EVIDENCE.findall(parsed.headers)
        for found in parse_addresses(value)[0]
        if found.address
    ]


def merge_recipients(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Make one of all recipients with the same address and role; the first spelling and origin stay."""
    merged: dict[tuple[str, Role], Recipient] = {}
    for recipient in recipients:
        key = (recipient.address.casefold(), recipient.role)
        known = merged.get(key)
        if known is None:
            merged[key] = recipient
        elif known.expanded_from is None or known.forwarded_from is None:
            merged[key] = Recipient(
                known.address,
                known.role,
                known.expanded_from or recipient.expanded_from,
                known.forwarded_from or recipient.forwarded_from,
            )
    return tuple(merged.values())


def merge_envelopes(a: Envelope, b: Envelope) -> Envelope:
    """Return what two deliveries of one message say together.

    One message may come in several journal reports (bifurcation, group expansion): recipients are
    united. Sender and origin are those of the better witness, the first one where they are equal. An
    address that one of them can place (to, cc, bcc) is not listed as a bare `recipient` besides.
    """
    first, second = (b, a) if _RANK[b.origin] > _RANK[a.origin] else (a, b)
    merged = merge_recipients((*first.recipients, *second.recipients))
    placed = {r.address.casefold(): r for r in merged if r.role != "recipient"}
    kept: list[Recipient] = []
    for recipient in merged:
        known = placed.get(recipient.address.casefold())
        bare = recipient.role == "recipient" and known is not None
        if not (bare and _tells_nothing_new(recipient, known)):
            kept.append(recipient)
    return Envelope(
        first.sender or second.sender,
        first.on_behalf_of or second.on_behalf_of,
        tuple(kept),
        first.origin,
    )


def _tells_nothing_new(bare: Recipient, known: Recipient | None) -> bool:
    return known is not None and (
        bare.expanded_from in (None, known.expanded_from)
        and bare.forwarded_from in (None, known.forwarded_from)
    )
