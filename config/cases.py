"""Settings of patients' requests and of breaches: where the organisation is, and whom to ask."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, field_validator

from config.relay import is_address


class CaseSettings(BaseModel):
    """The part of `Settings` that `retention/requests`, `disclosures` and `breaches` read."""

    time_zone: str
    organisation: Annotated[str, Field(max_length=200)]
    privacy_contact: Annotated[str, Field(max_length=500)]
    cases_to: tuple[str, ...]
    breach_contract_hours: Annotated[int, Field(ge=0, le=1_440)]

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        zone_of(value)
        return value

    @field_validator("cases_to", mode="before")
    @classmethod
    def _cases_to(cls, value: object) -> object:
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        if isinstance(value, (list, tuple)) and not all(is_address(str(one)) for one in value):
            raise ValueError("must be plain e-mail addresses")
        return value


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError for one that isn't known here."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone, like America/New_York") from None
