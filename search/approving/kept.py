"""The rows of approvals: written once, moved on, and read. It asks no gate."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, RowMapping, select, update

from archiver.capture.ids import new_id
from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.sealed_fields import SealedFields
from archiver.store.schema import approvals, passkeys
from archiver.vault import Vault
from search.approving.errors import ApprovalEnded, NoSuchApproval
from search.approving.request import Request, read

OPEN: Final = ("asked", "approved")


class Signed(Protocol):
    """A passkey's verified assertion; `api.passkeys.Assertion` is it."""

    @property
    def user_id(self) -> str: ...
    @property
    def credential_id(self) -> bytes: ...
    @property
    def passkey_id(self) -> str: ...
    @property
    def authenticator_data(self) -> bytes: ...
    @property
    def client_data(self) -> bytes: ...
    @property
    def signature(self) -> bytes: ...
    @property
    def public_key(self) -> bytes: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def nonce(self) -> bytes: ...
    @property
    def rp_id(self) -> str: ...
    @property
    def origin(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval: what was asked, and what became of it. Times in microseconds of UTC."""

    id: str
    request: Request
    request_hash: bytes
    about_id: str
    state: str
    decided_by: str | None
    decided_us: int | None
    method: str | None
    void_why: str | None


class Kept:
    """Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._fields = SealedFields(vault)

    def ask_in(
        self,
        connection: Connection,
        *,
        action: str,
        requester: str,
        about_id: str = "",
        params: Mapping[str, Any] | None = None,
        items: str = "",
        reason: str = "",
        life: timedelta | None = None,
    ) -> str:
        """Write a request down in the caller's transaction; its id. `items` is `item_set_sha256`."""
        now = self._vault.clock.now()
        life = life or timedelta(hours=self._vault.settings.approval_hours)
        request = Request(action, params or {}, items, requester, reason, to_us(now), to_us(now + life))
        approval_id = new_id("v")
        connection.execute(
            approvals.insert().values(
                id=approval_id,
                action=action,
                about_id=about_id or None,
                request_hash=request.hash(),
                sealed=self._fields.seal(approval_id, {"request": request.canonical().decode()}),
                requester=requester,
                created_us=request.created_us,
                expires_us=request.expires_us,
                state="asked",
            )
        )
        return approval_id

    def void(self, approval_id: str, why: str) -> None:
        """Make an open approval void; on record."""
        with self._vault.records.write() as connection:
            done = connection.execute(
                update(approvals)
                .where(approvals.c.id == approval_id, approvals.c.state.in_(OPEN))
                .values(state="void", void_why=why, ended_us=to_us(self._vault.clock.now()))
            )
            if done.rowcount:
                event = AuditEvent(
                    action="approval.void",
                    outcome="success",
                    user_id="system",
                    client="system",
                    objects=(approval_id,),
                    reason=why,
                )
                self._vault.audit.record_in(connection, event)

    def waiting(
        self,
        connection: Connection,
        action: str,
        about_id: str,
        params: Mapping[str, Any],
        items: str,
        requester: str,
    ) -> Approval | None:
        """A request that waits for just this."""
        now = to_us(self._vault.clock.now())
        rows = connection.execute(
            select(approvals)
            .where(
                approvals.c.action == action,
                approvals.c.about_id == about_id,
                approvals.c.requester == requester,
                approvals.c.state == "asked",
                approvals.c.expires_us > now,
            )
            .order_by(approvals.c.created_us.desc())
        ).mappings()
        for row in rows:
            found = self.read(row)
            if found.request.same(params, items):
                return found
        return None

    def latest(self, connection: Connection, action: str, about_id: str) -> Approval | None:
        """The newest request about something, of those that weren't refused rather one approved."""
        rows = (
            connection.execute(
                select(approvals)
                .where(approvals.c.action == action, approvals.c.about_id == about_id)
                .order_by(approvals.c.created_us.desc(), approvals.c.id.desc())
            )
            .mappings()
            .all()
        )
        approved = next((row for row in rows if row["state"] == "approved"), None)
        chosen = approved or (rows[0] if rows else None)
        return None if chosen is None else self.read(chosen)

    def one(self, connection: Connection, approval_id: str) -> Approval:
        """An approval. Raises NoSuchApproval."""
        row = connection.execute(select(approvals).where(approvals.c.id == approval_id)).mappings().first()
        if row is None:
            raise NoSuchApproval("there is no such request; `holdfast approval list` shows them")
        return self.read(row)

    def read(self, row: RowMapping) -> Approval:
        """A row, opened."""
        told = self._fields.open(row["id"], row["sealed"])
        return Approval(
            row["id"],
            read(told["request"].encode()),
            bytes(row["request_hash"]),
            row["about_id"] or "",
            row["state"],
            row["decided_by"],
            row["decided_us"],
            row["method"],
            row["void_why"],
        )

    def assertion(self, approval_id: str) -> dict[str, str] | None:
        """What a passkey signed of an approval; None where none did."""
        query = select(approvals.c.sealed_assertion).where(approvals.c.id == approval_id)
        with self._vault.records.read() as connection:
            sealed = connection.scalar(query)
        if sealed is None:
            return None
        found: dict[str, str] = self._fields.open(f"{approval_id}/assertion", sealed)
        return found

    def sealed(self, approval_id: str, signed: Signed) -> bytes:
        """An assertion as it is kept."""
        return self._fields.seal(f"{approval_id}/assertion", _assertion(signed))

    @staticmethod
    def move(connection: Connection, approval_id: str, before: str, **values: Any) -> None:
        """Move an approval on from a state. Raises ApprovalEnded where it isn't in it any more."""
        done = connection.execute(
            update(approvals)
            .where(approvals.c.id == approval_id, approvals.c.state == before)
            .values(**values)
        )
        if not done.rowcount:
            raise ApprovalEnded("somebody decided this a moment ago; look at it again")

    @staticmethod
    def has_passkey(connection: Connection, user_id: str) -> bool:
        """Whether somebody could sign."""
        query = select(passkeys.c.id).where(passkeys.c.user_id == user_id, passkeys.c.removed_us.is_(None))
        return connection.execute(query.limit(1)).first() is not None


def _assertion(signed: Signed) -> dict[str, str]:
    """An assertion as it is kept, and as a stranger reads it: base64 of the authenticator's own bytes."""
    # Only here: what indexes beside an import keeps holds too, and would load it for nothing.
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography

    key: Any = decoded_public_key_to_cryptography(decode_credential_public_key(signed.public_key))
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = {
        "credential_id": signed.credential_id,
        "cose_key": signed.public_key,
        "public_key": spki,
        "authenticator_data": signed.authenticator_data,
        "client_data": signed.client_data,
        "signature": signed.signature,
        "nonce": signed.nonce,
    }
    told = {name: base64.b64encode(value).decode() for name, value in raw.items()}
    return {**told, "passkey": signed.passkey_id, "rp_id": signed.rp_id, "origin": signed.origin}
