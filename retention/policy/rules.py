"""What a rule of the schedules is known by in the archive: its id with a hash over its data."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from archiver.ledger import canonical
from archiver.seal.blind import BlindIndex
from retention.law.rules import Rule


@lru_cache(maxsize=4096)
def rule_digest(rule: Rule) -> str:
    """SHA-256 (hex) over a rule's data: a rule that changed is another rule to counsel."""
    digest = getattr(rule, "digest", None)
    return str(digest) if digest else hashlib.sha256(canonical.dumps(rule.to_json())).hexdigest()


def rule_token(blind: BlindIndex, rule: Rule) -> bytes:
    """The blind token of a rule as its data stands now."""
    return blind.token("retention-rule", f"{rule.rule_id}\n{rule_digest(rule)}")
