"""What the SMTP door needs to be told: its settings, and which addresses are journal feeds."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Literal, Protocol

MAX_MESSAGE = 200 * 1024 * 1024
"""Largest message taken by a door, in bytes: a journal report is larger than what it reports (RFC 1870)."""

TlsPolicy = Literal["required", "implicit", "optional-on-loopback"]
"""How a feed's mail must come: over TLS; over TLS from the first byte; or over TLS but from this machine."""


@dataclass(frozen=True, slots=True)
class JournalSource:
    """A journal feed: mail to `address` belongs to source `id`.

    Only peers inside one of `networks` may send to it; with no network given any peer may. With
    `client_certs` (SHA-256, in hex, of a certificate's SubjectPublicKeyInfo) only a peer may that proved
    to hold one of these keys. With neither, nothing but the unguessable address guards the feed. Journal
    reports from it are believed where `reports` is True (docs/adr/0011).
    """

    id: str
    address: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    client_certs: frozenset[str] = frozenset()
    tls: TlsPolicy = "optional-on-loopback"
    reports: bool = True

    def admits(self, peer: IPv4Address | IPv6Address) -> bool:
        """True when the peer may send to this source."""
        return not self.networks or any(
            peer.version == network.version and peer in network for network in self.networks
        )


class SourceDirectory(Protocol):
    """Knows the journal feeds. Called from threads; an answer is used again for about a second."""

    def journal_source_for(self, address: str) -> JournalSource | None:
        """Return the feed an address (as written in RCPT TO) stands for, or None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Which client certificates to ask peers for. `anchors` are PEM certificates trusted for themselves.

    While no feed wants one, `wanted` is False and none is asked for: then none can fail to be verified.
    """

    wanted: bool = False
    anchors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Settings of one SMTP listener. Sizes are bytes, times seconds.

    `host` and `port` serve SMTP with `tls` by STARTTLS, which is always offered; with `require_starttls`
    a peer that isn't on this machine must use it before MAIL. `smtps` serves the same with TLS from the
    first byte (RFC 8314), `lmtp` LMTP (RFC 2033) on a TCP port or a Unix socket; None: not served.
    `reuse_port` lets several processes share the ports. `client_ca` is a PEM file of the authorities that
    sign senders' certificates; None: those the system trusts.

    `idle_timeout` bounds the silence of a client, `data_timeout` a whole message, `commit_timeout` the
    archive's answer. `max_commands` bounds the commands between two stored messages (recipients aside),
    `max_errors` those refused on one connection. Messages above `spool_above` wait sealed on disk;
    `in_flight_limit` bounds the bytes of all messages received but not yet answered.
    """

    tls: ssl.SSLContext
    spool_directory: Path
    host: str = "127.0.0.1"
    port: int = 0
    smtps: tuple[str, int] | None = None
    lmtp: tuple[str, int] | Path | None = None
    reuse_port: bool = False
    hostname: str = "localhost"
    max_size: int = MAX_MESSAGE
    require_starttls: bool = True
    client_ca: Path | None = None
    idle_timeout: float = 300.0
    data_timeout: float = 3600.0
    commit_timeout: float = 120.0
    max_connections: int = 256
    max_connections_per_peer: int = 128
    max_recipients: int = 5_000
    max_commands: int = 200
    max_errors: int = 20
    spool_above: int = 1024 * 1024
    in_flight_limit: int = 512 * 1024 * 1024


def peer_address(peername: object) -> IPv4Address | IPv6Address | None:
    """Return the IP address in a socket's peer name, an IPv4-mapped one as IPv4; None if there is none.

    The peer of a Unix socket has no name; who may use it is for the folder's permissions to say, and it
    counts as this machine.
    """
    if peername in ("", b""):
        return IPv4Address("127.0.0.1")
    if not isinstance(peername, tuple) or not peername:
        return None
    try:
        address = ip_address(str(peername[0]).partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
