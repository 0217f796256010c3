"""The address of a mail relay: `smtp://[USER@]HOST[:PORT][?starttls][&ca=FILE]` or `smtps://...`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_PORTS: Final = {"smtp": 25, "smtps": 465}
_ADDRESS: Final = re.compile(r"[!-~]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class RelayUrl:
    """A relay to hand messages to. `starttls` is asked for and not only offered; `ca` is a PEM file."""

    host: str
    port: int
    tls: bool = False
    starttls: bool = False
    user: str | None = None
    ca: str | None = None

    @property
    def loopback(self) -> bool:
        """True when nothing leaves this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def private(self) -> bool:
        """True when nobody on the way can listen."""
        return self.tls or self.starttls or self.loopback


def parse_relay(url: str) -> RelayUrl:
    """Read a relay's address. Raises ValueError saying what is wrong with it, never quoting it."""
    try:
        parts = urlsplit(url)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise ValueError("must be smtp://HOST:PORT?starttls or smtps://HOST") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise ValueError("must be smtp://HOST:PORT?starttls or smtps://HOST")
    if port == 0 or any(c <= " " or c > "~" for c in parts.hostname):
        raise ValueError("must name a host and a port from 1 to 65535")
    if parts.password is not None:
        raise ValueError("must not hold a password: give that by reference (file: or env:)")
    given = dict(options)
    if set(given) - {"starttls", "ca"} or given.get("starttls", "") not in ("", "1", "true"):
        raise ValueError("takes only ?starttls and &ca=FILE")
    if parts.scheme == "smtps" and "starttls" in given:
        raise ValueError("smtps:// is TLS from the first byte: leave out ?starttls")
    relay = RelayUrl(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        starttls="starttls" in given,
        user=unquote(parts.username) if parts.username else None,
        ca=given.get("ca") or None,
    )
    if relay.user and not relay.private:
        raise ValueError("must use ?starttls or smtps:// where a user signs in")
    return relay


def is_address(text: str) -> bool:
    """True for a plain `local@domain` that any relay takes; no display name, ASCII only."""
    return _ADDRESS.fullmatch(text) is not None and not any(c in '<>()[],;:\\"' for c in text)
