"""What `doctor` says of the doors: who may send, what they send through, and who hears of gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archiver.sources import Sources
from config.settings import Endpoint, Settings

Finding = tuple[str, bool, str, str]
"""Control, whether it is good, what to say if so, what to say and do if not."""


def door_findings(settings: Settings, sources: Sources, open_gaps: int) -> Iterator[Finding]:
    """Every finding about capture."""
    bare = [
        source.id
        for source in sources.all()
        if source.kind == "journal"
        and not source.disabled
        and not (source.networks or source.detail.get("client_certs"))
    ]
    yield (
        "164.312(d) authentication of senders",
        not bare,
        "every journal feed takes mail from its own networks or certificates only",
        f"whoever learns its address can send to a journal feed: {_few(bare)}; add one anew with --network or"
        " --client-cert, let the sender use that, then `holdfast source disable` the old one",
    )
    reachable = [
        name for name in ("smtp_listen", "smtps_listen", "lmtp_listen") if _reachable(getattr(settings, name))
    ]
    yield (
        "164.312(e)(1) transmission security",
        not reachable or bool(settings.tls_cert),
        "no listener for mail is reachable from elsewhere without a certificate that somebody vouches for",
        f"{', '.join(reachable)} can be reached from elsewhere with a self-made certificate, which a sender"
        " can't tell from an attacker's; set HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY",
    )
    yield (
        "completeness of capture",
        not open_gaps,
        "no gap is open",
        f"{open_gaps} gaps are open: mail may be missing; see `holdfast source gaps`, mend each, or close it"
        " with `holdfast source accept`",
    )
    yield (
        "completeness alerts",
        settings.alerts,
        "gaps are told by mail",
        "nobody is told of a gap by mail: set alert_to, alert_from and alert_relay",
    )


def _reachable(door: Any) -> bool:
    return isinstance(door, Endpoint) and not door.loopback


def _few(ids: list[str]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(ids[:5]) + more
