"""What the SMTP door needs to be told: its settings, and which addresses are journal feeds."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Protocol

MAX_MESSAGE = 200 * 1024 * 1024
"""Largest message taken by a door, in bytes: a journal report is larger than what it reports (RFC 1870)."""


@dataclass(frozen=True, slots=True)
class JournalSource:
    """A journal feed: mail to `address` belongs to source `id`.

    Only peers inside one of `networks` may send to it. With no network given any peer may: then
    nothing but the unguessable address guards the feed.
    """

    id: str
    address: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def admits(self, peer: IPv4Address | IPv6Address) -> bool:
        """True when the peer may send to this source."""
        return not self.networks or any(
            peer.version == network.version and peer in network for network in self.networks
        )


class SourceDirectory(Protocol):
    """Knows the journal feeds. Called from threads, one call per RCPT."""

    def journal_source_for(self, address: str) -> JournalSource | None:
        """Return the feed an address (as written in RCPT TO) stands for, or None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Settings of one SMTP listener. Sizes are bytes, times seconds.

    `tls` is used for STARTTLS, which is always offered; with `require_starttls` a peer that isn't on
    this machine must use it before MAIL. `command_timeout` bounds the silence of a client,
    `data_timeout` a whole message, `commit_timeout` the archive's answer. Messages above
    `spool_above` wait sealed on disk; `in_flight_limit` bounds the bytes of all messages received but
    not yet answered.
    """

    tls: ssl.SSLContext
    spool_directory: Path
    host: str = "127.0.0.1"
    port: int = 0
    hostname: str = "localhost"
    max_size: int = MAX_MESSAGE
    require_starttls: bool = True
    command_timeout: float = 300.0
    data_timeout: float = 3600.0
    commit_timeout: float = 120.0
    max_connections: int = 256
    max_recipients: int = 100
    spool_above: int = 1024 * 1024
    in_flight_limit: int = 512 * 1024 * 1024


def peer_address(peername: object) -> IPv4Address | IPv6Address | None:
    """Return the IP address in a socket's peer name, an IPv4-mapped one as IPv4; None if there is none."""
    if not isinstance(peername, tuple) or not peername:
        return None
    try:
        address = ip_address(str(peername[0]).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
