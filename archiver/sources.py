"""Sources: the journal feeds, mailboxes and imports that mail comes from, with their reconciliation.

For each source, always: received = stored + duplicates + refused (promise 9).
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, func, select, update

from archiver.capture.journal.guards import DEFAULT_TLS
from archiver.capture.prepare import new_id
from archiver.capture.smtp.ports import ClientCertificates, JournalSource
from archiver.clock import Clock, from_us, rfc3339, to_us
from archiver.errors import AlreadyThere, CaptureError, NotFound
from archiver.seal.blind import BlindIndex
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store.records import Records
from archiver.store.schema import refusals, sources

Kind = Literal["journal", "imap", "import"]


@dataclass(frozen=True, slots=True)
class Source:
    """One source. `detail` holds what only its door understands (IMAP server, folders, owner)."""

    id: str
    kind: Kind
    name: str
    address: str | None
    networks: tuple[str, ...]
    detail: dict[str, Any]
    received: int
    stored: int
    duplicates: int
    refused: int
    last_seen: str | None
    disabled: bool

    @property
    def reports(self) -> bool:
        """Whether journal reports from it are believed: a journal feed's, unless it sends plain copies.

        An import's and a mailbox's are not, unless the operator said so when adding it (docs/adr/0011).
        """
        return bool(self.detail.get("reports", self.kind == "journal"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One arrival that was refused: its number, when, and the stable reason code."""

    n: int
    at: str
    reason: str


class Sources:
    """The sources of one archive. Safe from any thread; a lookup by address is cached for a second."""

    def __init__(
        self, records: Records, key: bytes, archive_id: str, blind: BlindIndex, clock: Clock, domain: str
    ) -> None:
        self._records = records
        self._key = key
        self._archive_id = archive_id
        self._blind = blind
        self._clock = clock
        self._domain = domain
        self._lock = threading.Lock()
        self._by_address: dict[bytes, tuple[float, JournalSource | None]] = {}

    def add(
        self,
        kind: Kind,
        name: str,
        networks: Sequence[str] = (),
        detail: dict[str, Any] | None = None,
        *,
        connection: Connection | None = None,
    ) -> Source:
        """Create a source. Raises CaptureError when the name is taken or a network is malformed."""
        name = name.strip()
        if not name:
            raise CaptureError("a source needs a name")
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise CaptureError(f"{network!r} is not a network; write it like 192.0.2.0/24") from None
        if self.by_name(name) is not None:
            raise CaptureError("a source of this name exists; choose another name or use that one")
        source_id = new_id("s")
        address = f"j-{secrets.token_hex(8)}@{self._domain}" if kind == "journal" else None
        sealed = {"name": name, "address": address, "networks": list(networks), "detail": detail or {}}
        values = {
            "id": source_id,
            "kind": kind,
            "name_token": self._blind.token("source-name", name),
            "address_token": self._blind.token("address", address) if address else None,
            "sealed_detail": seal(
                self._key, object_context(self._archive_id, source_id, "field"), json.dumps(sealed).encode()
            ),
            "created_us": to_us(self._clock.now()),
        }
        if connection is not None:
            connection.execute(sources.insert().values(**values))
        else:
            try:
                with self._records.write() as own:
                    own.execute(sources.insert().values(**values))
            except AlreadyThere as error:  # another process made it since we looked
                raise CaptureError(
                    "a source of this name exists; choose another name or use that one"
                ) from error
        return Source(
            source_id, kind, name, address, tuple(networks), detail or {}, 0, 0, 0, 0, None, disabled=False
        )

    def disable(self, source_id: str) -> None:
        """Take no more from a source; what it brought stays. Idempotent, durable on return."""
        with self._records.write() as connection:
            connection.execute(
                update(sources)
                .where(sources.c.id == source_id, sources.c.disabled_us.is_(None))
                .values(disabled_us=to_us(self._clock.now()))
            )

    def all(self) -> list[Source]:
        """Every source, oldest first."""
        query = select(sources).order_by(sources.c.created_us, sources.c.id)
        with self._records.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [self._source(row) for row in rows]

    def page(self, offset: int, limit: int) -> list[Source]:
        """At most `limit` sources after the first `offset`, oldest first."""
        query = select(sources).order_by(sources.c.created_us, sources.c.id).limit(limit).offset(offset)
        with self._records.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [self._source(row) for row in rows]

    def by_name(self, name: str) -> Source | None:
        """The source of a name, or None."""
        return self._one(sources.c.name_token == self._blind.token("source-name", name.strip()))

    def get(self, source_id: str) -> Source:
        """The source of an id. Raises NotFound."""
        source = self._one(sources.c.id == source_id)
        if source is None:
            raise NotFound("there is no such source; `holdfast source list` shows them")
        return source

    def journal_source_for(self, address: str) -> JournalSource | None:
        """The journal feed that takes mail for an address, as `SourceDirectory` asks."""
        token = self._blind.token("address", address)
        now = self._clock.now().timestamp()
        with self._lock:
            cached = self._by_address.get(token)
        if cached and 0 <= now - cached[0] < 1.0:
            return cached[1]
        source = self._one((sources.c.address_token == token) & sources.c.disabled_us.is_(None))
        found = None
        if source is not None and source.address is not None:
            found = JournalSource(
                source.id,
                source.address,
                tuple(ipaddress.ip_network(n) for n in source.networks),
                frozenset(source.detail.get("client_certs", ())),
                source.detail.get("tls", DEFAULT_TLS),
                source.reports,
            )
        with self._lock:
            if len(self._by_address) > 1_000:
                self._by_address.clear()
            self._by_address[token] = (now, found)
        return found

    def client_certificates(self) -> ClientCertificates:
        """Which client certificates journal feeds want, for `SmtpListener`. Raises StoreError."""
        feeds = [s for s in self.all() if s.kind == "journal" and not s.disabled]
        anchors = {pem for feed in feeds for pem in feed.detail.get("anchors", ())}
        wanted = any(feed.detail.get("client_certs") for feed in feeds)
        return ClientCertificates(wanted, tuple(sorted(anchors)))

    def refuse(self, source_id: str, reason: str, count: int = 1) -> None:
        """Count refused arrivals of one reason, durably."""
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            connection.execute(
                update(sources)
                .where(sources.c.id == source_id)
                .values(
                    received=sources.c.received + count, refused=sources.c.refused + count, last_seen_us=now
                )
            )
            row = {"source_id": source_id, "at_us": now, "reason": reason}
            connection.execute(refusals.insert(), [row] * count)

    def refusals(self, source_id: str, *, limit: int = 100, before: int | None = None) -> list[Refusal]:
        """What was refused, item by item, newest first; `before` is the number of a refusal."""
        query = select(refusals).where(refusals.c.source_id == source_id)
        if before is not None:
            query = query.where(refusals.c.id < before)
        with self._records.read() as connection:
            rows = connection.execute(query.order_by(refusals.c.id.desc()).limit(limit)).all()
        return [Refusal(row.id, rfc3339(from_us(row.at_us)), row.reason) for row in rows]

    def refused_by_reason(self, source_id: str) -> dict[str, int]:
        """How many were refused for each reason."""
        query = (
            select(refusals.c.reason, func.count())
            .where(refusals.c.source_id == source_id)
            .group_by(refusals.c.reason)
            .order_by(refusals.c.reason)
        )
        with self._records.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def _one(self, condition: Any) -> Source | None:
        with self._records.read() as connection:
            row = connection.execute(select(sources).where(condition)).mappings().first()
        return self._source(row) if row else None

    def _source(self, row: RowMapping) -> Source:
        context = object_context(self._archive_id, row["id"], "field")
        sealed = json.loads(open_sealed(self._key, context, row["sealed_detail"]))
        return Source(
            row["id"],
            row["kind"],
            sealed["name"],
            sealed["address"],
            tuple(sealed["networks"]),
            sealed["detail"],
            row["received"],
            row["stored"],
            row["duplicates"],
            row["refused"],
            rfc3339(from_us(row["last_seen_us"])) if row["last_seen_us"] is not None else None,
            disabled=row["disabled_us"] is not None,
        )
