"""Settings of completeness: who is told of gaps, how, and when a silence counts as one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, field_validator, model_validator

from config.relay import is_address, parse_relay


class CoverageSettings(BaseModel):
    """The part of `Settings` that `archiver/coverage` reads."""

    alert_to: tuple[str, ...]
    alert_from: str
    alert_relay: str
    alert_password: str
    alert_names: bool
    coverage_report_hour: Annotated[int, Field(ge=0, le=23)]
    coverage_report_mail: bool
    silence_min_minutes: Annotated[int, Field(ge=15, le=24 * 60)]
    silence_max_hours: Annotated[int, Field(ge=1, le=7 * 24)]

    @field_validator("alert_to", mode="before")
    @classmethod
    def _people(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("alert_to")
    @classmethod
    def _plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_address(address) for address in value) or len(value) > 20:
            raise ValueError("must be at most 20 plain addresses, like it@example.org")
        return value

    @field_validator("alert_relay")
    @classmethod
    def _relay(cls, value: str) -> str:
        if value and not parse_relay(value).private:
            raise ValueError("must use ?starttls or smtps:// beyond this machine")
        return value

    @field_validator("alert_password")
    @classmethod
    def _reference(cls, value: str) -> str:
        if value and not value.startswith(("file:", "env:")):
            raise ValueError("must be a reference: file:PATH or env:NAME")
        return value

    @model_validator(mode="after")
    def _alerts_whole(self) -> CoverageSettings:
        if self.alert_to and not (self.alert_relay and is_address(self.alert_from)):
            raise ValueError("alert_to needs alert_relay, and a plain address as alert_from")
        if self.alert_relay and bool(parse_relay(self.alert_relay).user) != bool(self.alert_password):
            raise ValueError("a sign-in at alert_relay needs both USER@ in it and alert_password")
        if self.coverage_report_mail and not self.alert_to:
            raise ValueError("coverage_report_mail needs alert_to")
        return self

    @property
    def alerts(self) -> bool:
        """True when somebody is told by mail."""
        return bool(self.alert_to)
