"""What an accounting says of each legal basis: a sentence for the patient (45 CFR 164.528(b)(2)(iv))."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from search.disclosing import CITED, Basis

_SAID: Final[Mapping[Basis, str]] = {
    Basis.TREATMENT: "For your treatment",
    Basis.PAYMENT: "For payment",
    Basis.OPERATIONS: "For health care operations",
    Basis.INDIVIDUAL: "To you, or to who may act for you",
    Basis.AUTHORIZATION: "With your written authorization",
    Basis.PUBLIC_HEALTH: "For public health activities",
    Basis.JUDICIAL: "In a judicial or administrative proceeding: a court order, subpoena or discovery "
    "request",
    Basis.LAW_ENFORCEMENT: "For law enforcement",
    Basis.OVERSIGHT: "To a health oversight agency",
    Basis.REQUIRED_BY_LAW: "Because a law requires it",
    Basis.OTHER: "For another purpose that the privacy rule permits",
    Basis.UNSTATED: "The purpose is still being looked into",
}


def sentence(basis: Basis) -> str:
    """The purpose of a disclosure as a patient reads it."""
    cited = CITED[basis]
    return f"{_SAID[basis]} ({cited})" if cited else _SAID[basis]
