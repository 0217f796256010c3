"""What the policy is told of a request besides who asks: grants, passkeys, break-glass, place, hour, volume.

Read from the records for each request. Which circumstances count, and to what they lead, the settings say
(`config.access`); by default they tell the privacy officers and shut nobody out, since a clinic that can't
read its mail may be in worse trouble than one that is told.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import BindParameter, LargeBinary, bindparam, case, func, select, update

from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.store import dialect
from archiver.store.schema import (
    access_alarms,
    access_hours,
    access_places,
    appointments,
    emergencies,
    grants,
    passkeys,
)
from archiver.vault import Vault
from config.access import in_hours, in_networks
from search import alarms
from search.access import Action, Actor, Purpose
from search.engine.ports import IndexReader
from search.granting.live import Live, added
from search.policy import NEEDS_PURPOSE, Asked, Condition, Decision
from search.scoping import Scoping

_HOUR_US: Final = 3_600_000_000
_MONTH: Final = timedelta(days=30)
_QUIET: Final = timedelta(hours=1)
"""So long nobody is told of the same again."""
LEAST_BASELINE: Final = 20
"""Views an hour below which nobody's own busiest hour is held against them."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was on record as a request was decided, for when it was let through."""

    emergency: str | None
    grants: tuple[str, ...]
    place: bytes | None
    known: bool


_USER: BindParameter[str] = bindparam("user")
_NOW: BindParameter[int] = bindparam("now")
_HOUR: BindParameter[int] = bindparam("hour")
_MINE = access_hours.c.user_id == _USER
_PENDING = appointments.c.approval_id.is_not(None) & appointments.c.approved_by.is_(None)
# One statement: it is asked for every request.
_LOOK: Final = select(
    select(passkeys.c.id)
    .where(passkeys.c.user_id == _USER, passkeys.c.removed_us.is_(None))
    .limit(1)
    .scalar_subquery()
    .label("passkey"),
    select(emergencies.c.id)
    .where(
        emergencies.c.user_id == _USER,
        emergencies.c.ended_us.is_(None),
        emergencies.c.begun_us <= _NOW,
        emergencies.c.until_us > _NOW,
    )
    .limit(1)
    .scalar_subquery()
    .label("emergency"),
    select(grants.c.id)
    .where(grants.c.user_id == _USER, grants.c.state == "granted", grants.c.until_us > _NOW)
    .limit(1)
    .scalar_subquery()
    .label("granted"),
    select(case((_PENDING, 1), else_=0))
    .where(appointments.c.user_id == _USER)
    .order_by(appointments.c.at_us.desc(), appointments.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("waits"),
    select(access_hours.c.views).where(_MINE, access_hours.c.hour == _HOUR).scalar_subquery().label("views"),
    select(func.max(access_hours.c.views))
    .where(_MINE, access_hours.c.hour >= bindparam("month"), access_hours.c.hour < _HOUR)
    .scalar_subquery()
    .label("busiest"),
    select(access_places.c.token)
    .where(access_places.c.user_id == _USER)
    .limit(1)
    .scalar_subquery()
    .label("any_place"),
    select(access_places.c.token)
    .where(access_places.c.user_id == _USER, access_places.c.token == bindparam("place", type_=LargeBinary))
    .scalar_subquery()
    .label("this_place"),
)


class Circumstances:
    """The facts of the gate of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, reader: IndexReader) -> None:
        self._vault = vault
        self._live = Live(vault)
        self._scoping = Scoping(vault, reader)

    def of(self, actor: Actor, action: Action, purpose: Purpose | None) -> Asked:
        """See `search.access.Facts`."""
        settings = self._vault.settings
        now = to_us(self._vault.clock.now())
        hour = now // _HOUR_US
        place = self._place(actor)
        with self._vault.records.read() as connection:
            row = connection.execute(
                _LOOK,
                {
                    "user": actor.user_id,
                    "now": now,
                    "hour": hour,
                    "month": hour - _MONTH // timedelta(hours=1),
                    "place": place or b"",
                },
            ).one()
            found = self._live.grants(connection, actor.user_id) if row.granted is not None else []
            locked = action is Action.EMERGENCY_USE and self._live.locked(connection, actor.user_id)
        emergency = row.emergency is not None
        watched = action in NEEDS_PURPOSE and actor.client != "job"
        known = place is None or row.this_place is not None
        return Asked(
            actor if actor.emergency == emergency else replace(actor, emergency=emergency),
            action,
            purpose,
            now_us=now,
            granted=added(found),
            passkey=row.passkey is not None,
            required=getattr(settings, "passkeys", "required") != "optional",
            locked=locked,
            waits=bool(row.waits),
            conditions=tuple(self._conditions(actor, row, known)) if watched else (),
            seen=_Seen(row.emergency, tuple(one.id for one in found), place, known),
        )

    def granted(self, actor: Actor) -> frozenset[Action]:
        """See `search.access.Facts`."""
        with self._vault.records.read() as connection:
            return added(self._live.grants(connection, actor.user_id))

    def visible(self, actor: Actor, pks: Collection[int] | None, *, holding: bool) -> set[int] | None:
        """See `search.access.Facts`."""
        scope = self._scoping.holding(actor) if holding else self._scoping.of(actor)
        if scope.everything:
            return None
        return self._scoping.visible(actor, pks or (), scope=scope)

    def patients(self, actor: Actor) -> frozenset[str] | None:
        """See `search.access.Facts`."""
        return self._scoping.patients(actor)

    def passed(self, asked: Asked) -> None:
        """Count a look at a message, note which grants were used, and know a place somebody came from."""
        actor, action, seen = asked.actor, asked.action, asked.seen
        if action not in NEEDS_PURPOSE or actor.client == "job" or not isinstance(seen, _Seen):
            return
        if seen.place is not None and not seen.known:
            self._know(actor, seen.place, asked.now_us)
        if action is Action.READ:
            self._count(actor, asked.now_us // _HOUR_US, seen.emergency)
        if seen.grants:
            self._used(seen.grants, asked.now_us)

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

    def _conditions(self, actor: Actor, row: Any, known: bool) -> Iterator[Condition]:
        settings = self._vault.settings
        role = str(actor.role)
        if actor.network and not in_networks(settings.access_networks, role, actor.network):
            yield from _then("network", settings.access_networks_then)
        moment = self._vault.clock.now().astimezone(ZoneInfo(settings.access_hours_zone))
        if not in_hours(settings.access_hours, role, moment):
            yield from _then("hours", settings.access_hours_then)
        if not known and row.any_place is not None:
            yield from _then("new_place", settings.access_new_place_then)
        views = row.views or 0
        if views >= settings.access_views_per_hour:
            yield from _then("ceiling", settings.access_ceiling_then)
        usual = max(row.busiest or 0, LEAST_BASELINE)
        # Who has no past of their own is held to nobody's.
        if row.busiest is not None and views >= settings.access_volume_factor * usual:
            yield from _then("volume", settings.access_volume_then)

    def _count(self, actor: Actor, hour: int, emergency: str | None) -> None:
        mine = {"user_id": actor.user_id, "hour": hour}
        with self._vault.records.write() as connection:
            more = (
                update(access_hours)
                .where(access_hours.c.user_id == actor.user_id, access_hours.c.hour == hour)
                .values(views=access_hours.c.views + 1)
            )
            if not connection.execute(more).rowcount:
                connection.execute(dialect.insert_or_ignore(connection, access_hours), [{**mine, "views": 0}])
                connection.execute(more)
            if emergency is not None:
                connection.execute(
                    update(emergencies)
                    .where(emergencies.c.id == emergency)
                    .values(views=emergencies.c.views + 1)
                )

    def _know(self, actor: Actor, place: bytes, now: int) -> None:
        row = {"user_id": actor.user_id, "token": place, "first_us": now}
        with self._vault.records.write() as connection:
            connection.execute(dialect.insert_or_ignore(connection, access_places), [row])

    def _used(self, grant_ids: Sequence[str], now: int) -> None:
        """Note that grants were used, at most once an hour."""
        stale = grants.c.last_used_us.is_(None) | (grants.c.last_used_us <= now - _HOUR_US)
        with self._vault.records.read() as connection:
            found = connection.scalars(select(grants.c.id).where(grants.c.id.in_(grant_ids), stale)).all()
        if found:
            with self._vault.records.write() as connection:
                connection.execute(update(grants).where(grants.c.id.in_(found)).values(last_used_us=now))

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


def _then(code: str, then: str) -> Iterator[Condition]:
    known: tuple[Literal["alert", "limit", "step_up", "deny"], ...] = ("alert", "limit", "step_up", "deny")
    for one in known:
        if one == then:
            yield Condition(code, one)
