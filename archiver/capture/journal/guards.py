"""What a journal feed asks of those who send to it, as its source's detail keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archiver.capture.smtp.ports import TlsPolicy
from archiver.capture.smtp.tls import Pin

DEFAULT_TLS: TlsPolicy = "optional-on-loopback"


def guards_detail(pins: Sequence[Pin], *, tls: TlsPolicy, plain: bool) -> dict[str, Any]:
    """The detail of a new journal feed. With `plain` a journal report from it is just a message."""
    return {
        "reports": not plain,
        "tls": tls,
        "client_certs": sorted({key for key, _ in pins}),
        "anchors": sorted({pem for _, pem in pins if pem}),
    }


def guards_shown(detail: dict[str, Any]) -> dict[str, Any]:
    """The same for people and the audit log: certificates are counted."""
    return {
        "tls": detail.get("tls", DEFAULT_TLS),
        "plain": not detail.get("reports", True),
        "client_certs": len(detail.get("client_certs", ())),
    }
