"""Custodians as people write them, and every spelling under which their mail may bear them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from archiver.message.addresses import parse_addresses
from archiver.seal.blind import BlindIndex
from retention.refusals import BadCriteria

_ACE: Final = "xn--"


def read_custodians(text: str) -> list[str]:
    """The custodians that somebody's words name, as address books and mail programs give them too: `Ann
    <ann@clinic.example>; bob@clinic.example`. What has no `@` names the owner of a mailbox, as its source
    was given it.

    Raises BadCriteria for what would name nobody: a hold must not look placed and cover nothing.
    """
    if "@" not in text:
        return [text.strip()]
    found = []
    for one in parse_addresses(text)[0]:
        local, at, domain = one.address.rstrip(".").rpartition("@")
        if at and (not local or "*" in local):
            raise BadCriteria(
                "a custodian is one address, and this is a whole domain; hold its mail by --query, as in"
                " participant:clinic.example"
            )
        said_again = one.name.strip("'\" ").casefold() == one.address.casefold()
        if not (at and domain) or ("@" in one.name and not said_again):
            raise BadCriteria("a custodian can't be read; write one address each, as in ann@clinic.example")
        found.append(f"{local}@{domain}")
    if not found:
        raise BadCriteria("a custodian can't be read; write one address each, as in ann@clinic.example")
    return found


def tokens_of(blind: BlindIndex, custodian: str) -> set[bytes]:
    """The blind tokens by which mail may bear a custodian: a domain is written in its own letters or in ASCII
    (RFC 5891, A-labels and U-labels), by whoever sent it."""
    return {blind.token("address", one) for one in (custodian, in_ascii(custodian), _in_letters(custodian))}


def in_ascii(address: str) -> str:
    """An address with its domain as every mail system takes it (A-labels); as it is where it has none."""
    return _with_labels(address, _a_label)


def _in_letters(address: str) -> str:
    return _with_labels(address, _u_label)


def _with_labels(address: str, spelt: Callable[[str], str]) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + ".".join(spelt(label) for label in domain.split(".")) if at else address


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    return _ACE + unicodedata.normalize("NFC", label.lower()).encode("punycode").decode("ascii")


def _u_label(label: str) -> str:
    if not label.lower().startswith(_ACE):
        return label
    try:
        return label[len(_ACE) :].encode("ascii").decode("punycode")
    except UnicodeError:
        return label
