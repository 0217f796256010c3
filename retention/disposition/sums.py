"""Sums over a disposition's list: by rule, State, record type, year and size, and the hash over it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from retention.disposition.items import Item

SIZES = (
    (10_000, "up to 10 kB"),
    (100_000, "up to 100 kB"),
    (1_000_000, "up to 1 MB"),
    (10_000_000, "up to 10 MB"),
)
LARGER = "larger"


@dataclass(slots=True)
class Sums:
    """What a list comes to. `sha256` is its hash, as `items.digest` makes it."""

    messages: int = 0
    size: int = 0
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    by: dict[str, dict[str, int]] = field(default_factory=dict)
    sha256: bytes = b""

    def to_json(self) -> dict[str, Any]:
        """`{messages, bytes, rules: [...], by: {jurisdiction, record_type, year, size}}`."""
        return {
            "messages": self.messages,
            "bytes": self.size,
            "rules": sorted(self.rules.values(), key=lambda rule: (-rule["messages"], rule["rule_id"])),
            "by": {name: dict(sorted(counts.items())) for name, counts in self.by.items()},
        }


def add_up(items: Iterable[Item], *, hashed: bool = True) -> Sums:
    """One pass over a list; nothing of an item is kept but, where it is `hashed`, its line for that."""
    found = Sums(by={name: {} for name in ("jurisdiction", "record_type", "year", "size")})
    lines: list[tuple[str, bytes]] = []
    for item in items:
        found.messages += 1
        size = int(item.about["size"])
        found.size += size
        rule = item.rule
        known = found.rules.setdefault(
            rule["rule_id"],
            {
                "rule_id": rule["rule_id"],
                "jurisdiction": rule["jurisdiction"],
                "record_type": rule["record_type"],
                "citation": rule["citation"],
                "messages": 0,
                "bytes": 0,
            },
        )
        known["messages"] += 1
        known["bytes"] += size
        for name, value in (
            ("jurisdiction", rule["jurisdiction"]),
            ("record_type", rule["record_type"]),
            ("year", str(item.about["sent_at"])[:4]),
            ("size", next((text for most, text in SIZES if size <= most), LARGER)),
        ):
            counts = found.by[name]
            counts[str(value)] = counts.get(str(value), 0) + 1
        if hashed:
            lines.append((item.message_id, item.line))
    if hashed:
        lines.sort()
        digest = hashlib.sha256()
        for _, line in lines:
            digest.update(line + b"\n")
        found.sha256 = digest.digest()
    return found
