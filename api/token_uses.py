"""From when, and from where, an API token was used: its first use is on record by itself.

What a token is used for is on record each time, before it is done; nobody signs in with it as people do.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, update

from api.whence import MOST_ADDRESS, whence
from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.sealed_fields import SealedFields
from archiver.store.schema import api_tokens, credentials
from archiver.vault import Vault

MOST: Final = 500


def seal_place(fields: SealedFields, token_id: str, address: str) -> bytes | None:
    """Where a token is used from for the first time, for its row; None where nothing is known."""
    return (
        fields.seal(_place_of(token_id), {"address": address[:MOST_ADDRESS]})
        if token_id and address
        else None
    )


def note_first_uses(vault: Vault) -> int:
    """Put on record which API tokens have begun to be used, and from where; how many. For the daily jobs."""
    fields = SealedFields(vault)
    fresh = (
        credentials.c.kind == "api",
        credentials.c.last_used_us.is_not(None),
        credentials.c.noted_us.is_(None),
    )
    with vault.records.read() as connection:
        rows = connection.execute(
            select(credentials.c.hash, credentials.c.user_id, credentials.c.sealed_place, api_tokens.c.id)
            .outerjoin(api_tokens, api_tokens.c.hash == credentials.c.hash)
            .where(*fresh)
            .limit(MOST)
        ).all()
    for row in rows:
        place = fields.open(_place_of(row.id), row.sealed_place) if row.id and row.sealed_place else {}
        with vault.records.write() as connection:
            noted = connection.execute(
                update(credentials)
                .where(credentials.c.hash == row.hash, credentials.c.noted_us.is_(None))
                .values(noted_us=to_us(vault.clock.now()))
            )
            if noted.rowcount:
                event = AuditEvent(
                    action="token.first_use",
                    outcome="success",
                    user_id=row.user_id,
                    client="system",
                    objects=(row.user_id, row.id) if row.id else (row.user_id,),
                    detail=whence(place.get("address", "")),
                )
                vault.audit.record_in(connection, event)
    return len(rows)


def _place_of(token_id: str) -> str:
    # Not the id alone: what a token was made for is sealed under that.
    return f"{token_id}/place"
