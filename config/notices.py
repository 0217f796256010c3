"""Settings of hold notices: by which relay they go, from whom, and how often people are reminded."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, field_validator, model_validator

from config.relay import is_address, parse_relay


class NoticeSettings(BaseModel):
    """The part of `Settings` that `retention/notices` reads."""

    notice_relay: str
    notice_from: str
    notice_password: str
    notice_remind_days: Annotated[int, Field(ge=1, le=90)]
    notice_escalate_days: Annotated[int, Field(ge=1, le=365)]
    hold_review_days: Annotated[int, Field(ge=0, le=365)]

    @field_validator("notice_relay")
    @classmethod
    def _notice_relay(cls, value: str) -> str:
        if value and not parse_relay(value).private:
            raise ValueError("must use ?starttls or smtps:// beyond this machine")
        return value

    @field_validator("notice_password")
    @classmethod
    def _notice_password(cls, value: str) -> str:
        if value and not value.startswith(("file:", "env:")):
            raise ValueError("must be a reference: file:PATH or env:NAME")
        return value

    @model_validator(mode="after")
    def _notices_whole(self) -> NoticeSettings:
        if self.notice_relay and not is_address(self.notice_from):
            raise ValueError("notice_relay needs a plain address as notice_from")
        if self.notice_relay and bool(parse_relay(self.notice_relay).user) != bool(self.notice_password):
            raise ValueError("a sign-in at notice_relay needs both USER@ in it and notice_password")
        return self
