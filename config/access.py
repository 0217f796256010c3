"""Settings of access: what is sensitive, who approves, and which circumstances of a request count."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, time
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, field_validator

Then = Literal["off", "alert", "limit", "step_up", "deny"]
"""What a circumstance leads to. Whatever isn't `off` tells the privacy officers."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(
    r"(?P<role>[a-z_]+|\*)\s*=\s*(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+"
    r"(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)"
)


class AccessSettings(BaseModel):
    """The part of `Settings` that `search.circumstances`, `search.granting` and `search.approving` read."""

    sensitive_needs_grant: bool
    sensitive_exports: Literal["basis", "free"]
    hold_sight: Literal["at_once", "approved"]
    approval_hours: Annotated[int, Field(ge=1, le=168)]
    export_approval_messages: Annotated[int, Field(ge=0, le=10_000_000)]
    break_glass_minutes: Annotated[int, Field(ge=5, le=60)]
    access_networks: tuple[str, ...]
    access_networks_then: Then
    access_hours: tuple[str, ...]
    access_hours_zone: str
    access_hours_then: Then
    # Whoever is shut out of a new place could never become known there.
    access_new_place_then: Literal["off", "alert", "step_up"]
    access_volume_factor: Annotated[int, Field(ge=2, le=1_000)]
    access_volume_then: Then
    access_views_per_hour: Annotated[int, Field(ge=10, le=1_000_000)]
    access_ceiling_then: Then

    @field_validator("access_networks", "access_hours", mode="before")
    @classmethod
    def _access_lists(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("access_networks")
    @classmethod
    def _access_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for line in value:
            read_network(line)
        return value

    @field_validator("access_hours")
    @classmethod
    def _access_hours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for line in value:
            _read_hours(line)
        return value

    @field_validator("access_hours_zone")
    @classmethod
    def _access_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("must be a time zone like America/New_York") from None
        return value


def read_network(line: str) -> tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Read `ROLE=NETWORK` or `*=NETWORK`; ValueError otherwise."""
    role, separator, network = line.partition("=")
    if not separator or not role.strip():
        raise ValueError("must be ROLE=NETWORK or *=NETWORK, like legal=10.0.0.0/8")
    try:
        return role.strip(), ipaddress.ip_network(network.strip())
    except ValueError:
        raise ValueError("must name a network, like legal=10.0.0.0/8") from None


def in_networks(lines: tuple[str, ...], role: str, address: str) -> bool:
    """Whether an address is in one of the networks of a role; True where the role has none."""
    own = [network for who, network in map(read_network, lines) if who in (role, "*")]
    if not own:
        return True
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return any(peer in network for network in own)


def in_hours(lines: tuple[str, ...], role: str, moment: datetime) -> bool:
    """Whether a moment, as a clock of that zone shows it, is in a span of a role; True where it has none."""
    spans = [span for span in map(_read_hours, lines) if span[0] in (role, "*")]
    if not spans:
        return True
    return any(moment.weekday() in days and begin <= moment.time() < end for _, days, begin, end in spans)


def _read_hours(line: str) -> tuple[str, frozenset[int], time, time]:
    found = _HOURS.fullmatch(line.strip().lower())
    if found is None or found["first"] not in _DAYS or (found["last"] or "mon") not in _DAYS:
        raise ValueError("must be ROLE=DAY-DAY HH:MM-HH:MM, like *=mon-fri 07:00-19:00")
    first = _DAYS.index(found["first"])
    last = _DAYS.index(found["last"] or found["first"])
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    try:
        begin = time.fromisoformat(found["begin"])
        end = time.max if found["end"] == "24:00" else time.fromisoformat(found["end"])
    except ValueError:
        raise ValueError("must be ROLE=DAY-DAY HH:MM-HH:MM, like *=mon-fri 07:00-19:00") from None
    if begin >= end:
        raise ValueError("must end after it begins; write two lines for a span over midnight")
    return found["role"], days, begin, end
