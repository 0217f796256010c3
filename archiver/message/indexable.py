"""The text of a message as the search index wants it; made once, at capture, where it is parsed."""

from __future__ import annotations

import copyreg
import marshal
from dataclasses import dataclass, fields
from operator import attrgetter

from archiver.classify import Classification, identifiers
from archiver.message.conversation import joins_of
from archiver.message.model import Address, Envelope, ParsedMessage


# Not frozen, as nobody changes one: a frozen one takes eight times as long to make, and each is made twice.
@dataclass(slots=True)
class IndexText:
    """Plain text by field, and the exact labels (`name:value`) known at capture.

    `links` and `topic` join the message to its conversation: see `archiver.message.conversation`.
    """

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
    links: tuple[int, ...] = ()
    topic: int = 0

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return 512 + len(self.body) + len(self.attachment) + len(self.header) + len(self.to)


@dataclass(frozen=True, slots=True)
class PackedText:
    """An `IndexText` that came from another process: a run of bytes, handed on as it is until it is read."""

    data: bytes
    weight: int

    def unpacked(self) -> IndexText:
        """The text itself."""
        return IndexText(*marshal.loads(self.data))  # noqa: S302


def _packed(text: IndexText) -> tuple[type[PackedText], tuple[bytes, int]]:
    return PackedText, (marshal.dumps(_values(text)), text.weight)


_values = attrgetter(*(field.name for field in fields(IndexText)))
# Only between processes of one archive, and so of one Python: whoever unpickles a text gets it packed.
copyreg.pickle(IndexText, _packed)  # type: ignore[arg-type]


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
    senders = _written(parsed.from_)
    by_role = {
        "to": _written(parsed.to),
        "cc": _written(parsed.cc),
        "bcc": _written(parsed.bcc),
        "recipient": [],
    }
    for envelope in envelopes:
        senders += [a for a in (envelope.sender, envelope.on_behalf_of) if a]
        for recipient in envelope.recipients:
            by_role[recipient.role].append(recipient.address)
            if recipient.expanded_from is not None or recipient.forwarded_from is not None:
                # Whom a group or a redirection brought in is looked for as `to:`, whatever header named
                # it; so is the group or the redirected address itself.
                before = (recipient.expanded_from, recipient.forwarded_from, recipient.address)
                by_role["recipient"] += [a for a in before if a is not None]
    tags = {f"id:{message_id}", f"lang:{classification.language}"}
    tags.update([f"custodian:{address}" for address in custodians])
    tags.update([f"record:{r.type}" for r in classification.record_types])
    if classification.jurisdictions:
        tags.update([f"state:{s}" for s in classification.jurisdictions])
    if classification.phi:
        tags.update([f"phi:{f.type}" for f in classification.phi])
        tags.update([f"patient:{value}" for _, value in identifiers(classification)])
    if parsed.message_id:
        tags.add(f"message-id:{parsed.message_id.strip('<>')}")
    if parsed.has_attachment:
        tags.add("has:attachment")
    if sender := author_of(parsed, envelopes):
        tags.add(f"sender:{sender}")
    tags.update([f"unsearchable:{reason}" for reason in unread(clear if clear is not None else parsed)])
    body = parsed.body_text
    attachment = parsed.attachment_text
    subject = parsed.subject
    if clear is not None:
        subject = _joined([subject, clear.subject])
        body = _joined([body, clear.body_text])
        attachment = _joined([attachment, clear.attachment_text])
    joins = joins_of(parsed)
    return IndexText(
        size=size,
        subject=subject,
        body=body,
        attachment=attachment,
        filename=_joined(list(parsed.filenames)),
        from_=_joined(senders),
        to=_joined(by_role["to"]),
        cc=_joined(by_role["cc"]),
        bcc=_joined(by_role["bcc"]),
        recipient=_joined(by_role["recipient"]),
        header=parsed.headers,
        tags=tuple(sorted([tag.casefold() for tag in tags])),
        links=joins.links,
        topic=joins.topic,
    )


def unread(parsed: ParsedMessage) -> set[str]:
    """Why not all of a message can be searched, as it was read just now; with `any` if there is a reason."""
    reasons: set[str] = {p.text_status for p in parsed.parts if p.text_status not in ("indexed", "empty")}
    if parsed.parse_failed:
        reasons |= {"parse_failed"}
    return reasons | {"any"} if reasons else set()


def author_of(parsed: ParsedMessage, envelopes: tuple[Envelope, ...]) -> str:
    """Who wrote a message: the first address of `From`, else the envelope's sender, `""` where neither is."""
    written = (a.address for a in parsed.from_)
    enveloped = (e.on_behalf_of or e.sender or "" for e in envelopes)
    return next((found for address in (*written, *enveloped) if (found := address.strip())), "")


def custodians_of(
    parsed: ParsedMessage, envelopes: tuple[Envelope, ...], declared: tuple[str, ...]
) -> frozenset[str]:
    """Everybody whose mail this is: declared owners, and all who sent or received it, casefolded.

    A group and the original addressee of a redirection count too, so that a hold on them catches it.
    """
    found = {a.address for a in (*parsed.from_, *parsed.to, *parsed.cc, *parsed.bcc)}
    found.update(declared)
    for envelope in envelopes:
        found.add(envelope.sender or "")
        found.add(envelope.on_behalf_of or "")
        for recipient in envelope.recipients:
            found.add(recipient.address)
            found.add(recipient.expanded_from or "")
            found.add(recipient.forwarded_from or "")
    return frozenset([folded for address in found if (folded := address.strip().casefold())])


def _written(addresses: tuple[Address, ...]) -> list[str]:
    return [f"{a.name} {a.address}" if a.name else a.address for a in addresses]


def _joined(parts: list[str]) -> str:
    if len(parts) < 2:
        return parts[0] if parts else ""
    return "\n".join(dict.fromkeys(filter(None, parts)))
