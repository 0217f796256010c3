"""Forty questions as compliance officers and lawyers ask them; names come from the mail itself."""

from __future__ import annotations

import email
from collections import Counter
from collections.abc import Iterable
from email.utils import getaddresses

WORDS = (
    "meeting",
    "contract",
    "patient",
    "schedule",
    "confidential",
    "california power",
    "credit agreement",
    "termination notice",
    "insurance claim review",
    "please forward the attached invoice",
    '"conference call"',
    '"please let me know"',
    '"purchase and sale agreement"',
    '"social security number"',
    "subject:meeting",
    "subject:(contract OR agreement)",
    'subject:"conference call"',
    "body:surgery",
    "contract AND (breach OR default)",
    "gas NOT power",
    "meeting -lunch",
    "(doctor OR hospital OR medical) insurance",
    "regulat*",
    "settle* litigation",
    "date:2001-05",
    "date:[2000-10 to 2001-03] contract",
    "after:2001-06-01 before:2001-09-01 meeting",
    "larger:20k agreement",
    "phi:phone",
    "record:correspondence contract",
    "phi:phone record:billing",
    "has:attachment",
    "zyxwvutsrq",
)


def questions(messages: Iterable[bytes]) -> list[str]:
    """The forty queries: 33 of fixed words, seven about the most frequent correspondents of `messages`."""
    senders: Counter[str] = Counter()
    receivers: Counter[str] = Counter()
    for raw in messages:
        parsed = email.message_from_bytes(raw)
        senders.update(address for _, address in getaddresses([str(parsed["From"] or "")]) if "@" in address)
        receivers.update(address for _, address in getaddresses([str(parsed["To"] or "")]) if "@" in address)
    first, second, third = (address for address, _ in senders.most_common(3))
    to, other = (address for address, _ in receivers.most_common(2))
    return [
        *WORDS,
        f"from:{first}",
        f"to:{to}",
        f"participant:{second} contract",
        f"custodian:{third}",
        f"custodian:{other} date:2001",
        f"from:{second} subject:meeting",
        f"from:{first} to:{to}",
    ]
