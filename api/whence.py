"""Where somebody signed in from, as the audit log keeps it: sealed, for breach inquiries and for SIEMs.

It stands in the sealed detail of an entry, as `network` and `agent`, and never in a leaf, a log line or a
metric: leaves are published, and an address of a home may tell who somebody is.
"""

from __future__ import annotations

import ipaddress
from typing import Final

MOST_AGENT: Final = 300
MOST_ADDRESS: Final = 64
"""More than any address has: behind a careless proxy its sender may write what they like."""


def plain(address: str) -> str:
    """A peer's address as limits, networks and the log know it: an IPv4 address in IPv6's clothes is one.

    A proxy that listens for both says `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2); taken as it stands, all of IPv4
    would be one network, and no `access_networks` of IPv4 would ever hold it.
    """
    try:
        mapped = ipaddress.IPv6Address(address.partition("%")[0]).ipv4_mapped
    except ValueError:
        return address
    return str(mapped) if mapped is not None else address


def whence(address: str, agent: str = "") -> dict[str, str]:
    """The detail of an entry: the peer's address and what its browser says of itself, where known."""
    said = {"network": address[:MOST_ADDRESS], "agent": agent[:MOST_AGENT]}
    return {name: value for name, value in said.items() if value}
