"""Settings of how people sign in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class SignInSettings(BaseModel):
    """The part of `Settings` that `api/passkeys`, `api/accounts.py` and `api/sessions.py` read."""

    passkeys: Literal["required", "optional"]
    token_days: Annotated[int, Field(ge=1, le=366)]
    session_idle_minutes: Annotated[int, Field(ge=1, le=60)]
    session_hours: Annotated[int, Field(ge=1, le=12)]
