"""What leaves the archive and by which right: the legal bases, and the port to the book of disclosures.

The book itself stands above (`retention.disclosures`), since it says which patients were told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from sqlalchemy import Connection

from search.access import Purpose
from search.errors import SearchError

MAX_NAME: Final = 320
MAX_ADDRESS: Final = 1_000


class Basis(StrEnum):
    """By which right something was disclosed (45 CFR 164.502, 164.506, 164.508, 164.512)."""

    TREATMENT = "treatment"
    PAYMENT = "payment"
    OPERATIONS = "operations"
    INDIVIDUAL = "individual"
    AUTHORIZATION = "authorization"
    PUBLIC_HEALTH = "public_health"
    JUDICIAL = "judicial"
    LAW_ENFORCEMENT = "law_enforcement"
    OVERSIGHT = "oversight"
    REQUIRED_BY_LAW = "required_by_law"
    OTHER = "other"
    UNSTATED = "unstated"


CITED: Final[Mapping[Basis, str]] = {
    Basis.TREATMENT: "45 CFR 164.506",
    Basis.PAYMENT: "45 CFR 164.506",
    Basis.OPERATIONS: "45 CFR 164.506",
    Basis.INDIVIDUAL: "45 CFR 164.502(a)(1)(i)",
    Basis.AUTHORIZATION: "45 CFR 164.508",
    Basis.PUBLIC_HEALTH: "45 CFR 164.512(b)",
    Basis.JUDICIAL: "45 CFR 164.512(e)",
    Basis.LAW_ENFORCEMENT: "45 CFR 164.512(f)",
    Basis.OVERSIGHT: "45 CFR 164.512(d)",
    Basis.REQUIRED_BY_LAW: "45 CFR 164.512(a)",
    Basis.OTHER: "",
    Basis.UNSTATED: "",
}
LEFT_OUT: Final = frozenset(
    {Basis.TREATMENT, Basis.PAYMENT, Basis.OPERATIONS, Basis.INDIVIDUAL, Basis.AUTHORIZATION}
)
"""What an accounting needn't list (164.528(a)(1)(i), (ii), (iv)). Whatever isn't stated is listed."""
SUSPENDABLE: Final = frozenset({Basis.LAW_ENFORCEMENT, Basis.OVERSIGHT})
"""Disclosures that an agency may ask not to be told of for a time (164.528(a)(2)(i))."""

_INFERRED: Final[Mapping[Purpose, Basis]] = {
    Purpose.TREATMENT: Basis.TREATMENT,
    Purpose.PAYMENT: Basis.PAYMENT,
    Purpose.OPERATIONS: Basis.OPERATIONS,
    Purpose.AUDIT: Basis.OPERATIONS,
    Purpose.SECURITY_INCIDENT: Basis.OPERATIONS,
    Purpose.PATIENT_REQUEST: Basis.INDIVIDUAL,
    Purpose.PUBLIC_HEALTH: Basis.PUBLIC_HEALTH,
}


class BadRecipient(SearchError):
    """Whom something is for, or by which right, can't be read. The text says what is allowed."""

    code = "bad_recipient"
    exit_code = 2
    http_status = 422


def read_basis(text: str) -> Basis:
    """A basis that somebody states; `unstated` isn't one. Raises BadRecipient naming the allowed ones."""
    try:
        found = Basis(text.strip().lower().replace("-", "_"))
    except ValueError:
        found = Basis.UNSTATED
    if found is Basis.UNSTATED:
        allowed = ", ".join(one for one in Basis if one is not Basis.UNSTATED)
        raise BadRecipient(f"the legal basis is one of {allowed}")
    return found


def inferred(purpose: Purpose | None) -> Basis:
    """The basis that a purpose stands for. Legal purposes have several: who exports must say which."""
    return _INFERRED.get(purpose, Basis.UNSTATED) if purpose else Basis.UNSTATED


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets it: name or organisation, and an address if known (164.528(b)(2)(ii)). Both may be empty."""

    name: str = ""
    address: str = ""

    def checked(self) -> Recipient:
        """The same, trimmed. Raises BadRecipient where a part is too long or can't be printed."""
        name = " ".join(self.name.split())
        address = "\n".join(filter(None, (" ".join(line.split()) for line in self.address.splitlines())))
        if len(name) > MAX_NAME or len(address) > MAX_ADDRESS:
            raise BadRecipient(f"a recipient has {MAX_NAME} characters at most, an address {MAX_ADDRESS:,}")
        if not name.isprintable() or not address.replace("\n", " ").isprintable():
            raise BadRecipient("a recipient and an address have printable characters only")
        return Recipient(name, address)


@dataclass(frozen=True, slots=True)
class Told:
    """One disclosure as it happens. `what` is a short description; `about_id` an export or a request."""

    kind: str
    about_id: str
    by_id: str
    purpose: str
    basis: Basis
    recipient: Recipient
    what: str
    messages: int

    def sealed(self) -> dict[str, str]:
        """What the audit entry of it says in its sealed detail."""
        return {"legal_basis": str(self.basis), "recipient": self.recipient.name}


class Discloser(Protocol):
    """The book of disclosures, as productions need it."""

    def patients_in(self, pks: Sequence[int]) -> tuple[Mapping[str, int], int]:
        """Messages by patient (a person of the roster) that they are about or may be, and how many are about
        nobody on the roster."""
        ...

    def write(self, connection: Connection, told: Told, patients: tuple[Mapping[str, int], int]) -> str:
        """Write an act and a row for each patient down in the caller's transaction; the act's id."""
        ...
