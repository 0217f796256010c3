"""What joins a message to the others of its conversation: references, Exchange's thread, or its topic.

Only 64-bit hashes are kept: the index needs to know what is the same, not what it says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from archiver.message.model import Address, ParsedMessage

MOST_REFERENCES: Final = 1_000
"""The newest references that count. RFC 5322 3.6.4 lets clients trim them; real threads are far shorter."""

_ID: Final = re.compile(r"<([^<>\s]+)>")
# Linear in every subject there can be: what is blank is never tried in two ways.
_PREFIX: Final = re.compile(
    r"\s*+(?:re|fwd?|aw|wg|sv|vs|vb|tr|rv|res|enc|antw|odp|ynt|r|i|rif|doorst)"
    r"\s*+(?:(?:\[\d+\]|\(\d+\)|\^\d+)\s*+)?[:\uff1a]",
    re.IGNORECASE,
)
_THREAD_BYTES: Final = 22
"""The head of a Thread-Index: time and GUID of the conversation, before five bytes a reply (MS-OXOMSG
2.2.1.3, PidTagConversationIndex)."""


@dataclass(frozen=True, slots=True)
class Joins:
    """`links`: hashes that all messages of a conversation share, pair by pair. `topic`: a hash of subject and
    people, its lowest bit 1 for a reply or forward that names no message; 0 where it takes no part."""

    links: tuple[int, ...] = ()
    topic: int = 0


def joins_of(parsed: ParsedMessage) -> Joins:
    """What joins a message to its conversation."""
    links: list[str] = []
    if parsed.message_id:
        links.append(f"m {parsed.message_id.strip('<> ')}")
    referring = False
    for name, value in _headers(parsed.headers):
        if name == "thread-index":
            thread = _thread(value)
            links += [thread] if thread else []
            # The first message of a conversation has one too, and is still what replies without one are to.
            referring |= len(thread) > 0 and _reply_levels(value) > 0
            continue
        ids = _ID.findall(value)[-MOST_REFERENCES:]
        links += [f"m {each}" for each in ids]
        referring |= bool(ids)
    subject, reply = topic_of(parsed.subject)
    threaded = any(link.startswith("t ") for link in links)
    topic = 0
    # Who names the message that is answered needs no topic, and nobody looks for its own by one.
    if subject and not referring and not (reply and threaded):
        people = sorted({a.address.casefold() for a in _people(parsed) if a.address})
        topic = _hash("\n".join((subject, *people))) & ~1 | reply
    return Joins(tuple(dict.fromkeys(map(_hash, links))), topic)


def topic_of(subject: str) -> tuple[str, bool]:
    """A subject without the prefixes of replies and forwards, folded, and whether it had one."""
    at = 0
    while found := _PREFIX.match(subject, at):
        at = found.end()
    return " ".join(subject[at:].casefold().split()), at > 0


def _people(parsed: ParsedMessage) -> Iterable[Address]:
    return (*parsed.from_, *parsed.to, *parsed.cc)


def _headers(text: str) -> Iterable[tuple[str, str]]:
    """The values of the fields that join, from decoded headers, one `Name: value` a line."""
    folded = f"\n{text.lower()}" if text.isascii() else f"\n{_lower(text)}"
    for name in ("references", "in-reply-to", "thread-index"):
        at = folded.find(f"\n{name}:")
        while at >= 0:
            end = folded.find("\n", at + 1)
            # `folded` is one character ahead, and as long as the text: positions are the same less one.
            yield name, text[at + len(name) + 1 : end - 1 if end >= 0 else len(text)]
            at = folded.find(f"\n{name}:", at + 1)


def _lower(text: str) -> str:
    """ASCII letters in lower case and nothing else changed: some letters' lower case is longer."""
    return text.translate(_ASCII_LOWER)


_ASCII_LOWER: Final = {code: code + 32 for code in range(65, 91)}


def _raw_thread(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _thread(value: str) -> str:
    raw = _raw_thread(value)
    return f"t {raw[:_THREAD_BYTES].hex()}" if len(raw) >= _THREAD_BYTES else ""


def _reply_levels(value: str) -> int:
    return (len(_raw_thread(value)) - _THREAD_BYTES) // 5


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")
