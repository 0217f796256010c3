"""The text of a message as the search index wants it; made once, at capture, where it is parsed."""

from __future__ import annotations

from dataclasses import dataclass

from archiver.classify import Classification, identifiers
from archiver.message.model import Address, Envelope, ParsedMessage


@dataclass(frozen=True, slots=True)
class IndexText:
    """Plain text by field, and the exact labels (`name:value`) known at capture."""

    size: int
    subject: str
    body: str
    attachment: str
    filename: str
    from_: str
    to: str
    cc: str
    bcc: str
    recipient: str
    header: str
    tags: tuple[str, ...]


def index_text(
    message_id: str,
    size: int,
    parsed: ParsedMessage,
    clear: ParsedMessage | None,
    envelopes: tuple[Envelope, ...],
    classification: Classification,
    custodians: frozenset[str],
) -> IndexText:
    """Lay a parsed message, the envelopes of all its deliveries and its classification out for the index.

    `clear` is the decrypted twin of a rights-protected message: it is searched in its stead.
    """
    by_role: dict[str, list[str]] = {"to": [], "cc": [], "bcc": [], "recipient": []}
    senders = [_written(a) for a in parsed.from_]
    for envelope in envelopes:
        senders += [a for a in (envelope.sender, envelope.on_behalf_of) if a]
        for recipient in envelope.recipients:
            by_role[recipient.role].append(recipient.address)
            before = [a for a in (recipient.expanded_from, recipient.forwarded_from) if a is not None]
            if before:
                # Whom a group or a redirection brought in is looked for as `to:`, whatever header named
                # it; so is the group or the redirected address itself.
                by_role["recipient"] += [*before, recipient.address]
    tags = {f"id:{message_id}", f"lang:{classification.language}"}
    tags |= {f"custodian:{address}" for address in custodians}
    tags |= {f"record:{r.type}" for r in classification.record_types}
    tags |= {f"state:{s}" for s in classification.jurisdictions}
    tags |= {f"phi:{f.type}" for f in classification.phi}
    tags |= {f"patient:{value}" for _, value in identifiers(classification)}
    if parsed.message_id:
        tags.add(f"message-id:{parsed.message_id.strip('<>')}")
    if parsed.has_attachment:
        tags.add("has:attachment")
    body = parsed.body_text
    attachment = parsed.attachment_text
    subject = parsed.subject
    if clear is not None:
        subject = _joined([subject, clear.subject])
        body = _joined([body, clear.body_text])
        attachment = _joined([attachment, clear.attachment_text])
    return IndexText(
        size=size,
        subject=subject,
        body=body,
        attachment=attachment,
        filename=_joined(list(parsed.filenames)),
        from_=_joined(senders),
        to=_joined([_written(a) for a in parsed.to] + by_role["to"]),
        cc=_joined([_written(a) for a in parsed.cc] + by_role["cc"]),
        bcc=_joined([_written(a) for a in parsed.bcc] + by_role["bcc"]),
        recipient=_joined(by_role["recipient"]),
        header=parsed.headers,
        tags=tuple(sorted(tag.casefold() for tag in tags)),
    )


def custodians_of(
    parsed: ParsedMessage, envelopes: tuple[Envelope, ...], declared: tuple[str, ...]
) -> frozenset[str]:
    """Everybody whose mail this is: declared owners, and all who sent or received it, casefolded.

    A group and the original addressee of a redirection count too, so that a hold on them catches it.
    """
    found = {a.address for a in (*parsed.from_, *parsed.to, *parsed.cc, *parsed.bcc)} | set(declared)
    for envelope in envelopes:
        found |= {a for a in (envelope.sender, envelope.on_behalf_of) if a}
        for recipient in envelope.recipients:
            found |= {
                a
                for a in (recipient.address, recipient.expanded_from, recipient.forwarded_from)
                if a is not None
            }
    return frozenset(address.strip().casefold() for address in found if address.strip())


def _written(address: Address) -> str:
    return f"{address.name} {address.address}" if address.name else address.address


def _joined(parts: list[str]) -> str:
    return "\n".join(dict.fromkeys(part for part in parts if part))
