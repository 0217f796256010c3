"""Heartbeats: a message sent through the organisation's own mail path must come back by its source in time.

It is the only proof that a feed that says nothing would say something: the journal rule, the connector, the
network and our own door are all on its way. What comes back is archived like any mail.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from sqlalchemy import delete, func, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.coverage import beats
from archiver.coverage.gaps import HEARTBEAT_MISSED, Gaps
from archiver.coverage.relay import Patience, RelayError, read_relay, send
from archiver.errors import CaptureError
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store import dialect
from archiver.store.schema import heartbeat_beats, heartbeats
from archiver.vault import Vault
from config.relay import is_address

KEEP: Final = timedelta(days=90)
_PATIENCE: Final = Patience(answer=30.0)
"""Other watches wait meanwhile, and a beat more does no harm."""
log = logging.getLogger("holdfast.coverage")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a source's heartbeat goes. `via` is a relay's address, `password` a reference or empty."""

    to: str
    sender: str
    via: str
    every_s: int
    within_s: int
    password: str = ""

    def check(self) -> None:
        """Raise CaptureError for what can't work."""
        if not (is_address(self.to) and is_address(self.sender)):
            raise CaptureError(
                "a heartbeat needs plain addresses for --to and --from, like probe@example.org"
            )
        relay = read_relay(self.via)
        if bool(relay.user) != bool(self.password):
            raise CaptureError("a relay that asks for a sign-in needs both USER@ in --via and --password")
        if not 60 <= self.within_s <= 86_400 or not 300 <= self.every_s <= 7 * 86_400:
            raise CaptureError("a heartbeat goes every 5m to 7d, and is awaited for 1m to 24h")


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a source's heartbeat does. Times in microseconds since 1970, None where there is none yet."""

    every_s: int
    within_s: int
    sent_us: int | None
    arrived_us: int | None
    latency_us: int | None

    def to_json(self) -> dict[str, object]:
        """As `source show` and HTTP show it."""
        return {
            "every_seconds": self.every_s,
            "within_seconds": self.within_s,
            "last_sent": rfc3339(from_us(self.sent_us)) if self.sent_us is not None else None,
            "last_arrived": rfc3339(from_us(self.arrived_us)) if self.arrived_us is not None else None,
            "latency_seconds": self.latency_us / 1e6 if self.latency_us is not None else None,
        }


class Heartbeats:
    """The heartbeats of one archive. Safe from many processes: each message is sent by one of them."""

    def __init__(self, vault: Vault, gaps: Gaps) -> None:
        self._vault = vault
        self._records = vault.records
        self._clock = vault.clock
        self._gaps = gaps
        self._key = vault.keyring.branch_key("field")

    def set(self, source_id: str, plan: Plan) -> None:
        """Begin to send, or go on by another plan; the first goes at once. Raises CaptureError. Durable."""
        plan.check()
        detail = seal(self._key, self._context(source_id), json.dumps(asdict(plan)).encode())
        row = {
            "source_id": source_id,
            "sealed_detail": detail,
            "every_s": plan.every_s,
            "within_s": plan.within_s,
            "next_us": to_us(self._clock.now()),
            "ended_us": None,
        }
        with self._records.write() as connection:
            dialect.upsert(connection, heartbeats, [row], update=[n for n in row if n != "source_id"])

    def end(self, source_id: str) -> bool:
        """Send no more; False when there was none. What is awaited isn't any more. Durable on return."""
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            ended = connection.execute(
                update(heartbeats)
                .where(heartbeats.c.source_id == source_id, heartbeats.c.ended_us.is_(None))
                .values(ended_us=now)
            ).rowcount
        self._gaps.close(source_id, HEARTBEAT_MISSED, "")
        return bool(ended)

    def plan(self, source_id: str) -> Plan | None:
        """The plan of a source, or None."""
        query = select(heartbeats.c.sealed_detail).where(
            heartbeats.c.source_id == source_id, heartbeats.c.ended_us.is_(None)
        )
        with self._records.read() as connection:
            sealed = connection.scalar(query)
        if sealed is None:
            return None
        return Plan(**json.loads(open_sealed(self._key, self._context(source_id), sealed)))

    def pulses(self) -> dict[str, Pulse]:
        """How every active heartbeat does, by source."""
        with self._records.read() as connection:
            rows = connection.execute(select(heartbeats).where(heartbeats.c.ended_us.is_(None))).all()
        found = {}
        for row in rows:
            of = heartbeat_beats.c.source_id == row.source_id
            newest = heartbeat_beats.c.begun_us.desc()
            with self._records.read() as connection:
                sent = connection.scalar(
                    select(heartbeat_beats.c.begun_us).where(of).order_by(newest).limit(1)
                )
                back = connection.execute(
                    select(heartbeat_beats.c.begun_us, heartbeat_beats.c.arrived_us)
                    .where(of, heartbeat_beats.c.arrived_us.is_not(None))
                    .order_by(newest)
                    .limit(1)
                ).first()
            found[row.source_id] = Pulse(
                row.every_s,
                row.within_s,
                sent,
                back.arrived_us if back else None,
                back.arrived_us - back.begun_us if back else None,
            )
        return found

    # --- the watch ----------------------------------------------------------------------------

    def send_due(self) -> int:
        """Send every heartbeat that is due; how many a relay took. Its failures are logged, not raised."""
        now = to_us(self._clock.now())
        due = select(heartbeats.c.source_id).where(
            heartbeats.c.ended_us.is_(None), heartbeats.c.next_us <= now
        )
        with self._records.read() as connection:
            waiting = list(connection.scalars(due))
        return sum(self._send(source_id) for source_id in waiting)

    def look(self) -> None:
        """Open or close the gap of each source, by which heartbeats are overdue now."""
        now = to_us(self._clock.now())
        with self._records.read() as connection:
            active = list(
                connection.scalars(select(heartbeats.c.source_id).where(heartbeats.c.ended_us.is_(None)))
            )
        for source_id in active:
            of = heartbeat_beats.c.source_id == source_id
            with self._records.read() as connection:
                # A late one proves the path again, as long as no newer one is overdue.
                proven = connection.scalar(
                    select(func.max(heartbeat_beats.c.begun_us)).where(
                        of, heartbeat_beats.c.arrived_us.is_not(None)
                    )
                )
                missed = connection.scalar(
                    select(func.count()).where(
                        of,
                        heartbeat_beats.c.arrived_us.is_(None),
                        heartbeat_beats.c.begun_us > (proven if proven is not None else -1),
                        heartbeat_beats.c.due_us <= now,
                    )
                )
            if missed:
                self._gaps.open(source_id, HEARTBEAT_MISSED, "", missed)
            else:
                self._gaps.close(source_id, HEARTBEAT_MISSED, "")

    def forgive(self, since_us: int) -> None:
        """After a pause of ours: what couldn't reach us meanwhile is awaited anew."""
        now = to_us(self._clock.now())
        query = select(heartbeats.c.source_id, heartbeats.c.within_s)
        with self._records.write() as connection:
            for row in connection.execute(query).all():
                connection.execute(
                    update(heartbeat_beats)
                    .where(
                        heartbeat_beats.c.source_id == row.source_id,
                        heartbeat_beats.c.arrived_us.is_(None),
                        heartbeat_beats.c.due_us > since_us,
                    )
                    .values(due_us=now + row.within_s * 1_000_000)
                )

    def forget_old(self) -> None:
        """Drop the beats of more than 90 days ago; the daily reports keep what they came to."""
        with self._records.write() as connection:
            connection.execute(
                delete(heartbeat_beats).where(heartbeat_beats.c.begun_us < to_us(self._clock.now() - KEEP))
            )

    def _send(self, source_id: str) -> bool:
        plan = self.plan(source_id)
        if plan is None:
            return False
        now = self._clock.now()
        secret = beats.new_secret()
        token = beats.blind(self._vault.blind, secret)
        with self._records.write() as connection:
            mine = connection.execute(
                update(heartbeats)
                .where(
                    heartbeats.c.source_id == source_id,
                    heartbeats.c.ended_us.is_(None),
                    heartbeats.c.next_us <= to_us(now),
                )
                .values(next_us=to_us(now + timedelta(seconds=plan.every_s)))
            ).rowcount
            if not mine:
                return False  # another process was faster
            # Known before it is sent: a fast path brings it back before the relay has answered us.
            connection.execute(
                heartbeat_beats.insert().values(
                    source_id=source_id,
                    token=token,
                    begun_us=to_us(now),
                    due_us=to_us(now + timedelta(seconds=plan.within_s)),
                )
            )
        try:
            send(read_relay(plan.via), self._message(plan, secret), plan.password, _PATIENCE)
            taken = True
        except RelayError as error:
            log.warning("heartbeat not sent: source %s, %s", source_id, error)
            taken = False
        with self._records.write() as connection:
            connection.execute(
                update(heartbeat_beats).where(heartbeat_beats.c.token == token).values(taken=taken)
            )
            if not taken:
                # A relay that is away for a moment shouldn't cost a whole interval.
                again = timedelta(seconds=min(plan.every_s, max(60, plan.within_s // 3)))
                connection.execute(
                    update(heartbeats)
                    .where(heartbeats.c.source_id == source_id)
                    .values(next_us=to_us(now + again))
                )
        return taken

    def _message(self, plan: Plan, secret: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = plan.sender
        message["To"] = plan.to
        message["Subject"] = f"{beats.SUBJECT} {secret}"
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{secret}@{self._vault.settings.smtp_domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message[beats.HEADER] = secret
        message.set_content(
            "This message checks that this organisation's mail reaches its archive. Nobody needs to answer.\n"
        )
        return message

    def _context(self, source_id: str) -> bytes:
        return object_context(self._vault.archive_id, f"heartbeat/{source_id}", "field")
