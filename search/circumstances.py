"""What the policy is told of a request besides who asks: grants, passkeys, break-glass, place, hour, volume.

Read from the records for each request. Which circumstances count, and to what they lead, the settings say
(`config.access`); by default they tell the privacy officers and shut nobody out, since a clinic that can't
read its mail may be in worse trouble than one that is told.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select, update

from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.store import dialect
from archiver.store.schema import (
    access_alarms,
    access_hours,
    access_places,
    emergencies,
    grants,
    passkeys,
)
from archiver.vault import Vault
from config.access import in_hours, in_networks
from search import alarms
from search.access import Action, Actor, Purpose
from search.granting.live import Live, added
from search.policy import NEEDS_PURPOSE, Asked, Condition, Decision

_HOUR_US: Final = 3_600_000_000
_MONTH: Final = timedelta(days=30)
_QUIET: Final = timedelta(hours=1)
"""So long nobody is told of the same again."""
LEAST_BASELINE: Final = 20
"""Views an hour below which nobody's own busiest hour is held against them."""


class Circumstances:
    """The facts of the gate of one archive. Safe from any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._live = Live(vault)

    def of(self, actor: Actor, action: Action, purpose: Purpose | None) -> Asked:
        """See `search.access.Facts`."""
        settings = self._vault.settings
        with self._vault.records.read() as connection:
            emergency = self._live.emergency(connection, actor.user_id) is not None
            has_one = select(passkeys.c.id).where(
                passkeys.c.user_id == actor.user_id, passkeys.c.removed_us.is_(None)
            )
            watched = action in NEEDS_PURPOSE and actor.client != "job"
            return Asked(
                actor if actor.emergency == emergency else replace(actor, emergency=emergency),
                action,
                purpose,
                now_us=to_us(self._vault.clock.now()),
                granted=added(self._live.grants(connection, actor.user_id)),
                passkey=connection.execute(has_one.limit(1)).first() is not None,
                required=getattr(settings, "passkeys", "required") != "optional",
                locked=action is Action.EMERGENCY_USE and self._live.locked(connection, actor.user_id),
                conditions=tuple(self._conditions(connection, actor)) if watched else (),
            )

    def granted(self, actor: Actor) -> frozenset[Action]:
        """See `search.access.Facts`."""
        with self._vault.records.read() as connection:
            return added(self._live.grants(connection, actor.user_id))

    def passed(self, actor: Actor, action: Action) -> None:
        """Count a look at a message, and know a place once somebody was let in from there."""
        if action in NEEDS_PURPOSE and actor.client != "job":
            self._know_place(actor)
        if action is Action.READ:
            self._count(actor)
        if action in NEEDS_PURPOSE:
            self._use(actor, action)

    def tell(self, actor: Actor, action: Action, decision: Decision) -> None:
        """Put what is unusual on record and tell the privacy officers, each thing at most once an hour."""
        now = self._vault.clock.now()
        for code in decision.alerts:
            with self._vault.records.write() as connection:
                key = {"user_id": actor.user_id, "code": code}
                connection.execute(dialect.insert_or_ignore(connection, access_alarms), [{**key, "at_us": 0}])
                fresh = connection.execute(
                    update(access_alarms)
                    .where(
                        access_alarms.c.user_id == actor.user_id,
                        access_alarms.c.code == code,
                        access_alarms.c.at_us <= to_us(now - _QUIET),
                    )
                    .values(at_us=to_us(now))
                )
                if not fresh.rowcount:
                    continue
                count = alarms.tell_officers(connection, self._vault.clock, alarms.UNUSUAL, actor.user_id)
                event = AuditEvent(
                    action="access.alert",
                    outcome="success",
                    user_id=actor.user_id,
                    role=str(actor.role),
                    client=actor.client,
                    count=count,
                    reason=code,
                    detail={"asked": str(action), "decision": decision.outcome, "network": actor.network},
                    session=actor.session,
                )
                self._vault.audit.record_in(connection, event)

    # --- inside -------------------------------------------------------------------------------

    def _conditions(self, connection: Connection, actor: Actor) -> Iterator[Condition]:
        settings = self._vault.settings
        role = str(actor.role)
        if actor.network and not in_networks(settings.access_networks, role, actor.network):
            yield from _then("network", settings.access_networks_then)
        moment = self._vault.clock.now().astimezone(ZoneInfo(settings.access_hours_zone))
        if not in_hours(settings.access_hours, role, moment):
            yield from _then("hours", settings.access_hours_then)
        if settings.access_new_place_then != "off" and self._is_new(connection, actor):
            yield from _then("new_place", settings.access_new_place_then)
        yield from self._volume(connection, actor)

    def _volume(self, connection: Connection, actor: Actor) -> Iterator[Condition]:
        settings = self._vault.settings
        hour = self._hour()
        mine = access_hours.c.user_id == actor.user_id
        views = connection.scalar(select(access_hours.c.views).where(mine, access_hours.c.hour == hour)) or 0
        if views >= settings.access_views_per_hour:
            yield from _then("ceiling", settings.access_ceiling_then)
        if views < LEAST_BASELINE or settings.access_volume_then == "off":
            return
        month = hour - _MONTH // timedelta(hours=1)
        busiest = connection.scalar(
            select(func.max(access_hours.c.views)).where(
                mine, access_hours.c.hour >= month, access_hours.c.hour < hour
            )
        )
        if busiest is not None and views >= settings.access_volume_factor * max(busiest, LEAST_BASELINE):
            yield from _then("volume", settings.access_volume_then)

    def _count(self, actor: Actor) -> None:
        hour = self._hour()
        with self._vault.records.write() as connection:
            connection.execute(
                dialect.insert_or_ignore(connection, access_hours),
                [{"user_id": actor.user_id, "hour": hour, "views": 0}],
            )
            connection.execute(
                update(access_hours)
                .where(access_hours.c.user_id == actor.user_id, access_hours.c.hour == hour)
                .values(views=access_hours.c.views + 1)
            )

    def _use(self, actor: Actor, action: Action) -> None:
        """Note that grants were used, at most once an hour each, and count what is read in an emergency."""
        now = to_us(self._vault.clock.now())
        with self._vault.records.read() as connection:
            unused = [one.id for one in self._live.grants(connection, actor.user_id)]
            emergency = self._live.emergency(connection, actor.user_id)
        if emergency is not None and action is Action.READ:
            with self._vault.records.write() as connection:
                connection.execute(
                    update(emergencies)
                    .where(emergencies.c.id == emergency.id)
                    .values(views=emergencies.c.views + 1)
                )
        if unused:
            stale = grants.c.last_used_us.is_(None) | (grants.c.last_used_us <= now - _HOUR_US)
            with self._vault.records.read() as connection:
                found = connection.scalars(select(grants.c.id).where(grants.c.id.in_(unused), stale)).all()
            if found:
                with self._vault.records.write() as connection:
                    connection.execute(update(grants).where(grants.c.id.in_(found)).values(last_used_us=now))

    def _is_new(self, connection: Connection, actor: Actor) -> bool:
        token = self._place(actor)
        if token is None:
            return False
        known = connection.scalars(
            select(access_places.c.token).where(access_places.c.user_id == actor.user_id)
        ).all()
        return bool(known) and token not in {bytes(one) for one in known}

    def _know_place(self, actor: Actor) -> None:
        token = self._place(actor)
        if token is None:
            return
        row = {"user_id": actor.user_id, "token": token}
        with self._vault.records.read() as connection:
            found = select(access_places.c.token).filter_by(**row)
            if connection.execute(found).first() is not None:
                return
        with self._vault.records.write() as connection:
            connection.execute(
                dialect.insert_or_ignore(connection, access_places),
                [{**row, "first_us": to_us(self._vault.clock.now())}],
            )

    def _place(self, actor: Actor) -> bytes | None:
        """A token of the network somebody asks from: /24 of IPv4, /48 of IPv6. None where it isn't known."""
        try:
            address = ipaddress.ip_address(actor.network)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        bits = 24 if address.version == 4 else 48
        network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
        return self._vault.blind.token("place", f"{actor.user_id} {network}")

    def _hour(self) -> int:
        return to_us(self._vault.clock.now()) // _HOUR_US


def _then(code: str, then: str) -> Iterator[Condition]:
    known: tuple[Literal["alert", "limit", "step_up", "deny"], ...] = ("alert", "limit", "step_up", "deny")
    for one in known:
        if one == then:
            yield Condition(code, one)
