"""What `doctor` says of holds: reviews that are overdue, custodians who weren't reached or don't confirm."""

from __future__ import annotations

from collections.abc import Iterator

from api.doctor_doors import Finding
from retention.holds.holds import Holds
from retention.notices.notices import Notices


def hold_findings(holds: Holds, notices: Notices, cooling_days: int) -> Iterator[Finding]:
    """Every finding about holds."""
    overdue = holds.reviews.overdue()
    yield (
        "164.316(b)(2)(iii) periodic review of holds",
        not overdue,
        "no hold is past its review",
        f"{overdue} holds are past their review and go on protecting; `holdfast hold list` names them",
    )
    found = notices.unanswered()
    yield (
        "notices of holds",
        not found["failing"] and not found["escalated"],
        f"every hold notice went out; {found['unacknowledged']} wait to be confirmed, none too long",
        f"{found['failing']} hold notices could not be sent, {found['escalated']} custodians never confirmed"
        " theirs; `holdfast hold notices` names them",
    )
    yield (
        "cooling-off of released holds",
        cooling_days > 0,
        f"a released hold protects for {cooling_days} more days",
        "released holds stop protecting at once: set hold_cooling_days to 30",
    )
