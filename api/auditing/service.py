"""All that answers for the audit log of one opened archive, wired once."""

from __future__ import annotations

from dataclasses import dataclass

from api.auditing.expiry import Expiries
from api.auditing.exporting import AuditExport
from api.auditing.forwarding import Forwarder
from api.auditing.projection import Projection
from api.auditing.reports import AuditReports
from api.auditing.reviews import Reviews
from api.auditing.starting import Starts
from api.auditing.unusual import Unusual
from api.auditing.watched import Watched
from archiver.vault import Vault
from retention.notices.audit_mails import AuditMails
from search.access import Gate


@dataclass(frozen=True, slots=True)
class Auditing:
    """The services around the audit log. Safe from any thread."""

    projection: Projection
    reports: AuditReports
    watched: Watched
    unusual: Unusual
    reviews: Reviews
    expiries: Expiries
    exports: AuditExport
    forwarder: Forwarder
    mails: AuditMails
    starts: Starts

    def upkeep(self) -> dict[str, int]:
        """What a job does every minute: `{entries, alarms, mails}`. Never raises for a relay's sake."""
        entries = self.projection.follow()
        return {"entries": entries, "alarms": self.forwarder.alarm(), "mails": self.mails.flush()}


def auditing_of(vault: Vault, gate: Gate) -> Auditing:
    """The services of an opened archive."""
    projection, mails = Projection(vault), AuditMails(vault)
    watched = Watched(vault, gate, projection)
    unusual = Unusual(vault, gate, projection, watched)
    return Auditing(
        projection=projection,
        reports=AuditReports(vault, gate, projection),
        watched=watched,
        unusual=unusual,
        reviews=Reviews(vault, gate, projection, unusual, mails),
        expiries=Expiries(vault, gate, projection),
        exports=AuditExport(vault, gate, projection),
        forwarder=Forwarder(vault, projection, mails),
        mails=mails,
        starts=Starts(vault),
    )
