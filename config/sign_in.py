"""Settings of how people sign in."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, field_validator, model_validator


class SignInSettings(BaseModel):
    """The part of `Settings` that `api/passkeys`, `api/accounts.py` and `api/sessions.py` read."""

    passkeys: Literal["required", "optional", "hardware"]
    passkey_models: tuple[str, ...]
    passkey_makers: str
    token_days: Annotated[int, Field(ge=1, le=366)]
    session_idle_minutes: Annotated[int, Field(ge=1, le=60)]
    session_hours: Annotated[int, Field(ge=1, le=12)]

    @field_validator("passkey_models", mode="before")
    @classmethod
    def _models(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("passkey_models")
    @classmethod
    def _aaguids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            found = tuple(str(UUID(one)) for one in value)
        except ValueError:
            found = ("",)
        if not all(found) or str(UUID(int=0)) in found:
            raise ValueError("must be models' AAGUIDs, like 2fc0579f-8113-47ea-b116-bb5a8db9202a")
        return found

    @model_validator(mode="after")
    def _hardware_whole(self) -> SignInSettings:
        if bool(self.passkey_models) != bool(self.passkey_makers):
            raise ValueError("passkey_models and passkey_makers go together: models, and their makers' roots")
        if self.passkeys == "hardware" and not self.passkey_models:
            raise ValueError("passkeys = hardware needs passkey_models and passkey_makers: docs/sign-in.md")
        return self
