"""Where a `message/rfc822` part lies in raw bytes, exactly: what was enclosed comes out as it went in."""

from __future__ import annotations

from dataclasses import dataclass

from archiver.message.structure import Entity, scan
from archiver.message.transfer import is_identity


@dataclass(frozen=True, slots=True)
class EmbeddedMessage:
    """One enclosed message.

    `content` is every byte between the blank line of the part's header and the line end that belongs
    to the next delimiter (RFC 2046 5.1.1); without a next delimiter, to the end. `start` and `end` are
    its offsets in the raw bytes. A part that was base64 or quoted-printable encoded, against
    RFC 2046 5.2.1, has `encoded` True and its decoded bytes as `content`. `path` is its part number.
    """

    path: str
    start: int
    end: int
    content: bytes
    encoded: bool


def embedded_messages(raw: bytes) -> tuple[EmbeddedMessage, ...]:
    """Return the messages enclosed in `raw`, in order, not those inside them. Never raises."""
    entity, _ = scan(raw)
    return tuple(embedded_in(entity, raw))


def embedded_in(entity: Entity, raw: bytes) -> list[EmbeddedMessage]:
    """Return the messages enclosed in a scanned entity, cut out of the raw bytes it was scanned from."""
    found: list[EmbeddedMessage] = []
    waiting = [entity]
    while waiting:
        current = waiting.pop()
        if current.content_type.startswith("multipart/"):
            waiting.extend(reversed(current.children))
        elif current.content_type in ("message/rfc822", "message/global"):
            encoded = not is_identity(current.encoding)
            if encoded and current.children:
                content = current.children[0].buffer
            else:
                # The scanner may have read bare CRs as LFs: cut from what really arrived.
                content = raw[current.body : current.end]
            found.append(EmbeddedMessage(current.path, current.body, current.end, content, encoded))
    return found
