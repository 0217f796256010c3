"""What the tests of completeness share: a clock that stands still, mail, and a relay that listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from archiver.capture.ports import Arrival
from archiver.vault import Vault
from tests.support.mail import numbered


class StillClock:
    """Begins on a Monday at noon."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_(self, **span: float) -> None:
        self.moment += timedelta(**span)


def deliver(vault: Vault, source_id: str, *raws: bytes) -> list[str]:
    """Commit messages as they come; the outcome of each."""
    prepared = [vault.preparer.prepare(Arrival(raw, source_id)) for raw in raws]
    return [done.receipt.outcome for done in vault.archive.commit(prepared)]


def some(number: int, stream: str = "coverage") -> bytes:
    return numbered(number, stream=stream)


# --- a relay -------------------------------------------------------------------------------------


@dataclass
class Relay:
    """A real SMTP server on loopback; `taken` is what it was given. `answer` makes it refuse."""

    port: int = 0
    taken: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answer: str = "250 ok"
    certificate: Path | None = None
    encrypted: list[bool] = field(default_factory=list)
    on_message: Callable[[bytes], None] | None = None

    async def handle_DATA(self, _: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.taken.append(envelope.content)
            self.recipients.append(list(envelope.rcpt_tos))
            self.encrypted.append(session.ssl is not None)
            if self.on_message is not None:
                await asyncio.get_running_loop().run_in_executor(None, self.on_message, envelope.content)
        return self.answer

    def mails(self) -> list[EmailMessage]:
        """What was taken, parsed."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.taken]

    def texts(self) -> list[str]:
        """Subject and text of each."""
        return [f"{mail['Subject']}\n{mail.get_content()}" for mail in self.mails()]
