"""Which hosts this server is: whoever names another one is refused, so that no foreign name leads here.

A page of an attacker's can let its own name point to our address (DNS rebinding): to a browser it is then the
same origin. And behind a proxy that isn't set up, nobody should think that this is their archive.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from config.settings import Settings

ANY_HOST: Final = frozenset({"/healthz", "/readyz"})
"""What watches whether we live needn't know our name, and learns nothing."""


_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,300}", re.ASCII)


class Hosts:
    """The names that a request may carry: of the settings, of the certificate, and `localhost`."""

    def __init__(self, settings: Settings) -> None:
        names = {urlsplit(settings.url).hostname or "", "localhost"}
        if settings.tls_cert:
            names |= _certified(Path(settings.tls_cert))
        self._names = frozenset(name for name in names if "*" not in name)
        self._under = frozenset(name[1:] for name in names if name.startswith("*."))

    def known(self, host: str) -> bool:
        """Whether a Host header may be ours.

        A number may: no name was looked up for it, so none can have been pointed here by somebody else; and
        behind a translation of addresses we don't know our own.
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if not name or not _HOST.fullmatch(host):
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names or any(
                name.endswith(under) and "." not in name.removesuffix(under) for under in self._under
            )
        return True


def _certified(path: Path) -> set[str]:
    """The names that a certificate vouches for; none where it can't be read, as the server itself tells."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return set()
    return {name.lower() for name in found.get_values_for_type(x509.DNSName)}
