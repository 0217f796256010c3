"""What `doctor` says of the audit log: kept how long, reviewed by whom, sent where."""

from __future__ import annotations

from collections.abc import Iterator

from api.auditing.service import Auditing
from api.doctor_doors import Finding
from config.settings import Settings


def audit_findings(settings: Settings, auditing: Auditing) -> Iterator[Finding]:
    """Every finding about the audit log."""
    overdue = auditing.reviews.unsigned()["overdue"]
    yield (
        "164.308(a)(1)(ii)(D) activity review",
        not overdue,
        "no review of activity is overdue",
        f"{overdue} periods of activity are unsigned and overdue; `holdfast audit reviews` lists them",
    )
    yield (
        "164.316(b)(2)(i) audit kept",
        settings.audit_years >= 10,
        f"details of the audit log are kept {settings.audit_years} years",
        f"details of the audit log are kept {settings.audit_years} years: ASTM E2147-18 asks for ten",
    )
    failing = [one["name"] for one in auditing.forwarder.state() if one["why"]]
    yield (
        "164.312(b) audit sent on",
        not failing,
        "every receiver of the audit log takes it"
        if auditing.forwarder.sinks
        else "the audit log is sent nowhere: the setting audit_sinks names no receiver",
        f"receivers of the audit log take nothing: {', '.join(failing)}; `holdfast audit sinks` says why",
    )
