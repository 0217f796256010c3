"""Settings of the audit log: how long it is kept, who reviews it, what is unusual, where it is sent."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from config.relay import is_address
from config.sinks import Sink, parse_sink


class AuditSettings(BaseModel):
    """The part of `Settings` that `api/auditing` reads."""

    # 45 CFR 164.316(b)(2)(i) asks for six years, ASTM E2147-18 4.1 for ten.
    audit_years: Annotated[int, Field(ge=6, le=100)]
    audit_phi: Literal["asked", "never"]
    audit_to: tuple[str, ...]
    audit_review: Literal["weekly", "monthly"]
    audit_review_days: Annotated[int, Field(ge=1, le=90)]
    audit_sinks: tuple[str, ...]
    audit_sink_alarm_minutes: Annotated[int, Field(ge=1, le=1_440)]
    unusual_volume_factor: Annotated[float, Field(ge=1.5, le=100)]
    unusual_volume_least: Annotated[int, Field(ge=1, le=100_000)]
    unusual_baseline_days: Annotated[int, Field(ge=7, le=365)]
    unusual_hours: str
    unusual_weekends: bool
    unusual_denials: Annotated[int, Field(ge=1, le=10_000)]
    unusual_staff_domains: tuple[str, ...]

    @field_validator("audit_to", "audit_sinks", "unusual_staff_domains", mode="before")
    @classmethod
    def _audit_lists(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("audit_to")
    @classmethod
    def _audit_people(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_address(address) for address in value) or len(value) > 20:
            raise ValueError("must be at most 20 plain addresses, like privacy@example.org")
        return value

    @field_validator("audit_sinks")
    @classmethod
    def _audit_sinks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [parse_sink(one).name for one in value]
        if len(set(names)) < len(names) or len(names) > 10:
            raise ValueError("must be at most 10, each of a name of its own")
        return value

    @field_validator("unusual_hours")
    @classmethod
    def _usual_hours(cls, value: str) -> str:
        if value and not _span(value):
            raise ValueError("must be like 07-19 (from 7 to 19 o'clock in time_zone), or empty")
        return value

    @model_validator(mode="after")
    def _audit_whole(self) -> AuditSettings:
        if self.audit_to and not getattr(self, "notice_relay", ""):
            raise ValueError("audit_to needs notice_relay and notice_from")
        return self

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Where the log is sent."""
        return tuple(parse_sink(one) for one in self.audit_sinks)

    @property
    def usual_hours(self) -> tuple[int, int] | None:
        """From which hour to which people usually work; None where any hour is usual."""
        return _span(self.unusual_hours)


def _span(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    return (first, last) if 0 <= first < last <= 24 else None
