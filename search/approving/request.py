"""What is approved: a JSON object in its one canonical form (RFC 8785), and the SHA-256 of that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger import canonical


@dataclass(frozen=True, slots=True)
class Request:
    """Something that takes two persons. `params` are strings, whole numbers, booleans, lists and objects of
    them; `item_set_sha256` is the hash of the things it concerns, in hex, or empty; `requester` a user's id,
    `operator` or `system`; times in microseconds of UTC."""

    action: str
    params: Mapping[str, Any]
    item_set_sha256: str
    requester: str
    reason: str
    created_us: int
    expires_us: int

    def document(self) -> dict[str, Any]:
        """The object that is hashed."""
        return {
            "action": self.action,
            "params": dict(self.params),
            "item_set_sha256": self.item_set_sha256,
            "requester": self.requester,
            "reason": self.reason,
            "created": rfc3339(from_us(self.created_us)),
            "expires": rfc3339(from_us(self.expires_us)),
        }

    def canonical(self) -> bytes:
        """Its canonical form. Raises LedgerError for what JSON can't carry exactly."""
        return canonical.dumps(self.document())

    def hash(self) -> bytes:
        """`request_hash`: what a passkey signs, 32 bytes."""
        return hashlib.sha256(self.canonical()).digest()

    def same(self, params: Mapping[str, Any], item_set_sha256: str) -> bool:
        """Whether this is still what would be done."""
        return canonical.dumps(dict(params)) == canonical.dumps(dict(self.params)) and (
            item_set_sha256 == self.item_set_sha256
        )


def read(data: bytes) -> Request:
    """The request of a canonical form. Raises LedgerError."""
    told: Any = canonical.loads(data)
    return Request(
        told["action"],
        told["params"],
        told["item_set_sha256"],
        told["requester"],
        told["reason"],
        _us(told["created"]),
        _us(told["expires"]),
    )


def items_sha256(ids: Iterable[str]) -> str:
    """The hash of a set of things by their ids, in hex: sorted, each on a line of its own."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(set(ids))).encode()).hexdigest()


def _us(text: str) -> int:
    return to_us(datetime.fromisoformat(text))
