"""How a heartbeat message is known when it comes back: by a token that nobody else can make up.

The message carries 128 random bits; the database has only their blind token. Where both the header and
the subject were rewritten on the way, it isn't known, and counts as missed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final, Protocol

from sqlalchemy import Connection, update

from archiver.seal.blind import BlindIndex
from archiver.store.schema import heartbeat_beats

HEADER: Final = "X-Holdfast-Heartbeat"
SUBJECT: Final = "Holdfast heartbeat"

_MARK: Final = HEADER.encode() + b": "
_LOOK: Final = 64 * 1024
"""How much of a message's beginning is looked at for the header; relays put theirs before it."""
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


class Arrived(Protocol):
    """What was prepared: the source it came by, and its token if it has one."""

    @property
    def source_id(self) -> str: ...
    @property
    def heartbeat(self) -> bytes | None: ...


def new_secret() -> str:
    """A fresh unguessable word for one message."""
    return secrets.token_hex(16)


def blind(index: BlindIndex, secret: str) -> bytes:
    """What the database keeps of a secret."""
    return index.token("heartbeat", secret)


def recognise(index: BlindIndex, raw: bytes, subject: str) -> bytes | None:
    """The blind token of a heartbeat message, or None; almost all mail costs one search of its bytes."""
    at = raw.find(_MARK, 0, _LOOK)
    if at >= 0:
        text = raw[at + len(_MARK) : at + len(_MARK) + 40].decode("ascii", "replace")
    elif SUBJECT in subject:
        text = subject.partition(SUBJECT)[2][:60]
    else:
        return None
    found = _TOKEN.search(text)
    return blind(index, found.group()) if found else None


def arrived(connection: Connection, batch: Iterable[Arrived], now_us: int) -> None:
    """Note which heartbeats a batch brought, in its own transaction; the first arrival counts.

    One that came by another source than it was sent for proves nothing about that source.
    """
    for prepared in batch:
        if prepared.heartbeat is not None:
            connection.execute(
                update(heartbeat_beats)
                .where(
                    heartbeat_beats.c.token == prepared.heartbeat,
                    heartbeat_beats.c.source_id == prepared.source_id,
                    heartbeat_beats.c.arrived_us.is_(None),
                )
                .values(arrived_us=now_us)
            )
