"""What an export needs besides the right to export: a second person for a large one, a reason for what is
sensitive.

Mail of sensitive record types (`search.cover.SENSITIVE`) leaves in the export of a matter, by a legal basis
that somebody stated, or by a grant that releases it; otherwise it is listed in the manifest as left out, with
why. 42 CFR 2.31 and 2.32 want a written consent or a court's order for records of Part 2, and 45 CFR
164.508(a)(2) an authorisation for psychotherapy notes: whether the basis suffices people judge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.store.schema import exports
from archiver.vault import Vault
from search.access import AccessDenied, Actor, Gate
from search.approving.approvals import Approvals
from search.approving.errors import ApprovalVoid
from search.approving.kept import Approval, Signed
from search.approving.request import items_sha256
from search.production_rows import Export, Rows
from search.reading_room import ReadingRoom

CREATE: Final = "export.create"


class SensitiveWithheld(AccessDenied):
    """A message of a sensitive record type, without a matter, a stated basis or a grant."""

    code = "sensitive_withheld"


class ExportAccess:
    """Asks for and checks what exports need. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom, rows: Rows, approvals: Approvals) -> None:
        self._vault = vault
        self._room = room
        self._rows = rows
        self._approvals = approvals
        approvals.doers[CREATE] = self._approve

    def made(self, connection: Connection, actor: Actor, export_id: str, pks: Sequence[int]) -> str | None:
        """Ask for a second person where the export is larger than the setting says; the approval's id."""
        most = self._vault.settings.export_approval_messages
        if not most or len(pks) <= most:
            return None
        asked = self._asked(connection, export_id)
        return self._approvals.kept.ask_in(
            connection, about_id=export_id, requester=actor.user_id, life=self._life(), **asked
        )

    def restated(self, connection: Connection, actor: Actor, export_id: str) -> None:
        """Ask anew where somebody else is to get it, or by another right, before it was ever downloaded: an
        approval is for one recipient."""
        done = connection.scalar(select(exports.c.downloaded_us).where(exports.c.id == export_id))
        if done is None:
            self.made(
                connection, actor, export_id, [pk for pk, _ in self._rows.items_in(connection, export_id)]
            )

    def check(self, export_id: str) -> str | None:
        """The approval under which an export may be downloaded; None where it needs none, or where it was
        downloaded under one. Raises ApprovalNeeded, ApprovalVoid."""
        with self._vault.records.read() as connection:
            done = connection.scalar(select(exports.c.downloaded_us).where(exports.c.id == export_id))
            asked = self._asked(connection, export_id) if done is None else None
        if asked is None:
            return None
        return self._approvals.check(CREATE, export_id, asked["params"], asked["items"])

    def use(self, connection: Connection, export_id: str, approval_id: str | None) -> None:
        """Use the approval up, as the download ends."""
        if approval_id is not None:
            asked = self._asked(connection, export_id)
            self._approvals.use_in(connection, approval_id, asked["params"], asked["items"])

    def withheld(self, actor: Actor, export: Export, pks: Sequence[int]) -> set[int]:
        """The messages that are sensitive, and that neither a matter, a stated basis nor a grant lets out."""
        free = self._vault.settings.sensitive_exports == "free"
        if free or export.matter_id is not None or export.spec.get("basis"):
            return set()
        return self._room.sensitive(actor, pks)

    # --- inside -------------------------------------------------------------------------------

    def _life(self) -> timedelta:
        return timedelta(hours=self._vault.settings.approval_hours)

    def _asked(self, connection: Connection, export_id: str) -> dict[str, Any]:
        row = connection.execute(
            select(exports.c.format, exports.c.matter_id, exports.c.purpose).where(exports.c.id == export_id)
        ).one()
        ids = [one for _, one in self._rows.items_in(connection, export_id)]
        spec = self._rows.spec_in(connection, export_id)
        to = json.dumps([spec.get(name, "") for name in ("recipient", "address", "basis")]).encode()
        return {
            "action": CREATE,
            "params": {
                "export": export_id,
                "format": row.format,
                "matter": row.matter_id,
                "purpose": row.purpose,
                "messages": len(ids),
                # Keyed: an approval's file is for strangers, and a recipient may be a patient.
                "to": self._vault.blind.token("recipient", hashlib.sha256(to).hexdigest()).hex(),
            },
            "items": items_sha256(ids),
        }

    def _approve(self, actor: Actor, asked: Approval, signed: Signed | None) -> None:
        with self._vault.records.write() as connection:
            now = self._asked(connection, asked.about_id)
            if not asked.request.same(now["params"], now["items"]):
                raise ApprovalVoid("this isn't what would be exported any more; look at the newer request")
            self._approvals.agree_in(
                connection,
                actor,
                about_id=asked.about_id,
                requester=asked.request.requester,
                signed=signed,
                **now,
            )
