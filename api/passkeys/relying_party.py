"""Who we are to an authenticator: one host's exact name, and the one origin of its pages (WebAuthn 5.1.2)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from api.errors import PasskeysImpossible
from config.settings import Settings

NAME = "Holdfast"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """`id` is the host's name without a port; `origins` are compared letter by letter."""

    id: str
    origins: tuple[str, ...]


def relying_party(settings: Settings) -> RelyingParty:
    """Who this installation is. Raises PasskeysImpossible where its address is a number."""
    parts = urlsplit(settings.url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(host, (origin_of(settings.url),))
    raise PasskeysImpossible("browsers make no passkeys for an IP number: set public_url to a host's name")


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it: the usual port left out."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
