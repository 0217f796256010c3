"""What a reviewer says of each message of a request: given to the patient, or why not (45 CFR 164.524(a))."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from retention.requests.errors import BadCase


class Mark(StrEnum):
    """A reviewer's mark. `given`: it is in her designated record set (164.501) and she gets it."""

    GIVEN = "given"
    OUTSIDE = "outside"
    ANOTHER_PERSON = "another_person"
    PSYCHOTHERAPY = "psychotherapy"
    LITIGATION = "litigation"
    CONFIDENTIAL_SOURCE = "confidential_source"
    ENDANGERS = "endangers"
    REFERS = "refers"
    REPRESENTATIVE = "representative"


SAID: Final[Mapping[Mark, str]] = {
    Mark.GIVEN: "in the designated record set: given",
    Mark.OUTSIDE: "not in the designated record set (45 CFR 164.501)",
    Mark.ANOTHER_PERSON: "about another person, not about the patient",
    Mark.PSYCHOTHERAPY: "psychotherapy notes (45 CFR 164.524(a)(1)(i))",
    Mark.LITIGATION: "compiled in reasonable anticipation of a legal proceeding (45 CFR 164.524(a)(1)(ii))",
    Mark.CONFIDENTIAL_SOURCE: "obtained from somebody else under a promise of confidentiality, "
    "whom access would reveal (45 CFR 164.524(a)(2)(v))",
    Mark.ENDANGERS: "a licensed health care professional has found that access is reasonably likely to "
    "endanger "
    "life or physical safety (45 CFR 164.524(a)(3)(i))",
    Mark.REFERS: "it refers to another person, and a licensed health care professional has found that "
    "access is "
    "reasonably likely to cause that person substantial harm (45 CFR 164.524(a)(3)(ii))",
    Mark.REPRESENTATIVE: "a licensed health care professional has found that access by the personal "
    "representative is reasonably likely to cause substantial harm (45 CFR 164.524(a)(3)(iii))",
}
GROUNDS: Final = frozenset(
    {
        Mark.PSYCHOTHERAPY,
        Mark.LITIGATION,
        Mark.CONFIDENTIAL_SOURCE,
        Mark.ENDANGERS,
        Mark.REFERS,
        Mark.REPRESENTATIVE,
    }
)
"""Grounds on which access to what is in the record set is denied: it takes two persons."""
REVIEWABLE: Final = frozenset({Mark.ENDANGERS, Mark.REFERS, Mark.REPRESENTATIVE})
"""Grounds that the patient may have reviewed by another licensed professional (164.524(a)(3), (a)(4))."""


def read_mark(text: str) -> Mark:
    """A mark. Raises BadCase naming the allowed ones."""
    try:
        return Mark(text.strip().lower().replace("-", "_"))
    except ValueError:
        raise BadCase(f"a mark is one of {', '.join(Mark)}") from None
