"""Settings of single sign-on: who vouches for people (an OpenID provider), and what of its word counts."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator


class SsoSettings(BaseModel):
    """The part of `Settings` that `api/sso` reads. Single sign-on is off while `oidc_issuer` is empty."""

    oidc_issuer: str
    oidc_client_id: Annotated[str, Field(max_length=500)]
    oidc_client_secret: str
    oidc_client_key: str
    oidc_name: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f<>]*$")]
    oidc_step_up_acr: tuple[str, ...]
    oidc_step_up_amr: tuple[str, ...]

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            if not is_safe(value) or parts.query or parts.fragment or parts.username is not None:
                raise ValueError("must be the provider's issuer, an https:// URL without query or fragment")
        return value

    @field_validator("oidc_client_secret", "oidc_client_key")
    @classmethod
    def _by_reference(cls, value: str) -> str:
        if value and not value.startswith(("file:", "env:")):
            raise ValueError("must be a reference: file:PATH or env:NAME")
        return value

    @field_validator("oidc_step_up_acr", "oidc_step_up_amr", mode="before")
    @classmethod
    def _values(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sso_whole(self) -> SsoSettings:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id")
        if self.oidc_issuer and bool(self.oidc_client_secret) == bool(self.oidc_client_key):
            raise ValueError("oidc_issuer needs either oidc_client_key (better) or oidc_client_secret")
        return self


def is_safe(url: str) -> bool:
    """True for a URL that nobody on the way can read or change: https, or http that stays on this machine."""
    try:
        parts = urlsplit(url)
        port_is_good = parts.port != 0
    except ValueError:
        return False
    if not parts.hostname or not port_is_good:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """True when a host's name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
