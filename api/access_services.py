"""The services of access, wired once: approvals, grants, break-glass, changes of role, the access review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from api.appointing import Appointing
from archiver.vault import Vault
from retention.units.addresses import addresses_of
from search.access import Actor, Gate
from search.approving.approvals import Approvals
from search.emergencies import Emergencies
from search.granting.covering import Covering
from search.granting.grants import Grants
from search.granting.live import Live
from search.granting.review import AccessReview


@dataclass(slots=True)
class AccessServices:
    """Everything about access that people use. Each is safe from any thread."""

    vault: Vault
    approvals: Approvals
    grants: Grants
    emergencies: Emergencies
    appointing: Appointing
    review: AccessReview

    def present(self, actor: Actor) -> Actor:
        """An actor who has just signed in, as everything about access sees them at this moment."""
        with self.vault.records.read() as connection:
            on = Live(self.vault).emergency(connection, actor.user_id) is not None
        return replace(actor, emergency=True) if on else actor


def wire(vault: Vault, gate: Gate, approvals: Approvals) -> AccessServices:
    """The services of one archive."""

    def unit_addresses(connection: Connection, which: str) -> Sequence[str]:
        return addresses_of(vault, connection, which)

    covering = Covering(vault, unit_addresses)
    return AccessServices(
        vault=vault,
        approvals=approvals,
        grants=Grants(vault, gate, approvals, covering),
        emergencies=Emergencies(vault, gate, covering),
        appointing=Appointing(vault, gate, approvals),
        review=AccessReview(vault, gate),
    )
