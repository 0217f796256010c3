"""The mails about holds: texts of ours, which a matter may replace, and the messages made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from retention.refusals import BadCriteria

MAX_TEXT: Final = 20_000
SUBJECT: Final = "Legal hold: please keep what you have, and confirm"
TEXT: Final = """\
You are asked to keep everything that could matter in a legal case: mail, documents, notes, pictures and
messages, on paper and on every device, at work and at home. Until you are told in writing that this hold has
ended, please do not delete, change or throw away any of it, even where a rule or a setting would.

Mail that our archive keeps is safe there already; this is about everything else that you have.

Please confirm that you have read this. Open this address and press the button there:

  {link}

If you have questions, or know of others who should get this notice, write to {contact}.

Reference: {hold}
"""
RELEASE_SUBJECT: Final = "Legal hold: it has ended for you"
RELEASE_TEXT: Final = """\
The legal hold {hold}, of which you were told on {told}, has ended for you. From now on the usual rules for
keeping and deleting apply again to what you kept only because of it.
{others}
If you have questions, write to {contact}.
"""
STILL_HELD: Final = """
Another legal hold still concerns you: please go on keeping what that one names.
"""
REMINDER: Final = """\
You have not yet confirmed that you have read the notice below, sent on {told}. Please do so now.

"""
ESCALATION_SUBJECT: Final = "Legal hold: notices that nobody has confirmed"
ESCALATION: Final = """\
These people were told of the legal hold {hold} and have not confirmed it in {days} days, although they were
reminded:

{people}

Please see to it that each of them reads the notice and confirms it by the address in it. Only they can do so:
it isn't repeated here. Questions: {contact}.
"""
REVIEW_SUBJECT: Final = "Legal hold {hold}: a review is due"
REVIEW: Final = """\
The legal hold {hold} of matter {matter} {when}.

It goes on protecting {messages} messages until two persons release it. If it is still needed, set a new date:

  holdfast hold review {hold} --review-on YYYY-MM-DD --reason WHY

If it isn't, ask for its release:

  holdfast hold release {hold} --reason WHY
"""
_PLACES: Final = re.compile(r"\{([^{}]*)\}")
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "subject": frozenset({"hold"}),
    "text": frozenset({"link", "contact", "hold"}),
    "release_subject": frozenset({"hold"}),
    "release_text": frozenset({"contact", "hold", "told", "others"}),
}
"""What may stand in braces in each text of a matter."""


def check(name: str, text: str) -> str:
    """A matter's own text, ready for use. Raises BadCriteria saying what is wrong with it."""
    text = text.replace("\r\n", "\n").strip("\n")
    one_line = name.endswith("subject")
    if not text.strip() or len(text) > (200 if one_line else MAX_TEXT):
        raise BadCriteria(f"the notice's {name} must have 1 to {200 if one_line else MAX_TEXT:,} characters")
    if any(not c.isprintable() and (one_line or c not in "\n\t") for c in text):
        raise BadCriteria(f"the notice's {name} must have printable characters only")
    allowed = ALLOWED[name]
    if any(place not in allowed for place in _PLACES.findall(text)):
        names = ", ".join(f"{{{one}}}" for one in sorted(allowed))
        raise BadCriteria(f"the notice's {name} may have {names} in braces and nothing else")
    if "link" in allowed and "{link}" not in text:
        raise BadCriteria(f"the notice's {name} must have {{link}} where the address to confirm goes")
    return text if one_line else text + "\n"


def fill(text: str, **values: str) -> str:
    """Put values in the places that a text has for them; braces in the values are left alone."""
    return _PLACES.sub(lambda found: values.get(found[1], found[0]), text)


def people(addresses: Sequence[str]) -> str:
    """A list of addresses for a text."""
    return "\n".join(f"  {address}" for address in addresses)


def message(*, sender: str, to: str, subject: str, text: str, message_id: str, now: datetime) -> EmailMessage:
    """A mail to one person. `message_id` is the same whenever it is sent again."""
    mail = EmailMessage(policy.SMTP)
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message_id}>"
    mail["Auto-Submitted"] = "auto-generated"
    # ASCII on the wire whatever the text: relays that can't carry 8 bits take it too.
    mail.set_content(text, cte="quoted-printable")
    return mail
