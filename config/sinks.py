"""Where the audit log is sent: `NAME=syslog+tls://HOST[:PORT]`, `NAME=https://HOST/fhir`, `NAME=file:/PATH`.

Options stand behind a question mark: `format`, `ca`, `cert`, `key`, `token`, `phi=yes`, `from=start`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

Kind = Literal["syslog", "fhir", "file"]
FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "syslog": ("dicom", "cef", "ocsf", "json"),
    "fhir": ("fhir",),
    "file": ("json", "ocsf", "fhir", "cef"),
}
"""What each kind of sink can be sent; the first is what it gets unless told otherwise."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_OPTIONS: Final = frozenset({"format", "ca", "cert", "key", "token", "phi", "from"})
_HOW: Final = "must be NAME=syslog+tls://HOST:6514, NAME=https://HOST/fhir or NAME=file:/PATH"


@dataclass(frozen=True, slots=True)
class Sink:
    """One receiver of the audit log.

    `path` is the URL's path or the file's. `ca`, `cert` and `key` are PEM files; `token` is a reference to a
    bearer token. `phi`: whether it may have what is sealed here. `whole`: from the log's first entry on, and
    not only from when it was named.
    """

    name: str
    kind: Kind
    format: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = True
    ca: str = ""
    cert: str = ""
    key: str = ""
    token: str = ""
    phi: bool = False
    whole: bool = False


def parse_sink(text: str) -> Sink:
    """Read one. Raises ValueError saying what is wrong, never quoting it: an address may hold a secret."""
    name, _, url = text.strip().partition("=")
    if _NAME.fullmatch(name) is None or not url:
        raise ValueError(f"{_HOW}; a name has small letters, digits and hyphens")
    try:
        parts = urlsplit(url)
        port = parts.port
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise ValueError(_HOW) from None
    kinds: dict[str, Kind] = {"syslog+tls": "syslog", "https": "fhir", "http": "fhir", "file": "file"}
    if parts.scheme not in kinds or parts.fragment or set(given) - _OPTIONS:
        raise ValueError(f"{_HOW}; options are {', '.join(sorted(_OPTIONS))}")
    kind = kinds[parts.scheme]
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password: give a token by reference (token=file:PATH)")
    if kind == "file":
        if not parts.path.startswith("/") or parts.netloc:
            raise ValueError("must name a file by its whole path: NAME=file:/var/log/holdfast/audit.jsonl")
    elif not parts.hostname or (kind == "syslog" and parts.path not in ("", "/")):
        raise ValueError(_HOW)
    if parts.scheme == "http" and not _loopback(parts.hostname or ""):
        raise ValueError("must be https:// beyond this machine")
    form = given.get("format", FORMATS[kind][0])
    if form not in FORMATS[kind]:
        raise ValueError(f"format must be one of {', '.join(FORMATS[kind])} here")
    if bool(given.get("cert")) != bool(given.get("key")):
        raise ValueError("cert and key must be given together")
    if given.get("token") and not given["token"].startswith(("file:", "env:")):
        raise ValueError("token must be a reference: file:PATH or env:NAME")
    if kind == "file" and given.get("phi") == "yes":
        raise ValueError("a file must not hold what is sealed here: leave out phi=yes")
    if given.get("phi", "no") not in ("yes", "no") or given.get("from", "now") not in ("now", "start"):
        raise ValueError("phi must be yes or no, and from must be now or start")
    defaults = {"syslog": 6514, "fhir": 443 if parts.scheme == "https" else 80, "file": 0}
    return Sink(
        name=name,
        kind=kind,
        format=form,
        host=parts.hostname or "",
        port=port or defaults[kind],
        path=parts.path if kind == "file" else urlunsplit(("", "", parts.path.rstrip("/"), "", "")),
        tls=parts.scheme != "http",
        ca=given.get("ca", ""),
        cert=given.get("cert", ""),
        key=given.get("key", ""),
        token=given.get("token", ""),
        phi=given.get("phi") == "yes",
        whole=given.get("from") == "start",
    )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
