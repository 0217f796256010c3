"""Notices that came back, found in the archive itself: the report goes to their sender's mailbox, whose mail
arrives here like everybody's, by journal, mailbox or import.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, func, select

from archiver.errors import ArchiverError, KeyUnavailable
from archiver.store.schema import CUSTODIAN, borne_tokens, messages, notice_mails
from archiver.vault import Vault
from retention.notices.outbox import Outbox
from retention.notices.reports import MAX_BOUNCE, returned_mail

AT_ONCE: Final = 20_000
"""Messages of which one statement asks whose they are."""
REPORT: Final = "message/delivery-status"


class Returned:
    """Looks through the sender's new mail for failure reports. Safe from any thread."""

    def __init__(self, vault: Vault, outbox: Outbox) -> None:
        self._vault = vault
        self._outbox = outbox

    def look(self, cursor: str) -> tuple[str, int]:
        """Note what came back since `cursor`: where the next look begins, and how many mails it was.

        An empty cursor means since the first notice was queued. Idempotent; each one noted is on record.
        """
        sender = self._vault.settings.notice_from
        last = int(cursor) if cursor else self._before_the_first()
        if not sender or last is None:
            return cursor, 0
        token = self._vault.blind.token("address", sender)
        noted = 0
        while True:
            with self._vault.records.read() as connection:
                newest = connection.scalar(select(func.max(messages.c.seq)))
                if newest is None or newest <= last:
                    return str(last), noted
                end = min(int(newest), last + AT_ONCE)
                theirs = and_(borne_tokens.c.field == CUSTODIAN, borne_tokens.c.token == token)
                pks = connection.scalars(
                    select(messages.c.pk)
                    .join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
                    .where(
                        theirs,
                        borne_tokens.c.seq > last,
                        borne_tokens.c.seq <= end,
                        messages.c.disposed_us.is_(None),
                        messages.c.size <= MAX_BOUNCE,
                    )
                ).all()
            try:
                for pk in pks:
                    noted += self._note(pk)
            except KeyUnavailable:
                return str(last), noted  # the next look begins here again
            last = end

    # --- inside -------------------------------------------------------------------------------

    def _before_the_first(self) -> int | None:
        """The number of the message captured last before any notice was queued; None before that."""
        with self._vault.records.read() as connection:
            first = connection.scalar(select(func.min(notice_mails.c.queued_us)))
            if first is None:
                return None
            before = select(func.max(messages.c.seq)).where(messages.c.captured_us < first)
            return int(connection.scalar(before) or 0) - 1

    def _note(self, pk: int) -> bool:
        """Look at one message; what never opens is another's business. Raises KeyUnavailable."""
        archive = self._vault.archive
        try:
            record = archive.scan_records([pk]).get(pk)
            if record is None or all(part["content_type"] != REPORT for part in record.meta["parts"]):
                return False
            mail_id = returned_mail(archive.scan(pk).raw)
        except KeyUnavailable:
            raise
        except ArchiverError:
            return False
        return mail_id is not None and self._outbox.bounced(mail_id)
