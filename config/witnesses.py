"""Settings of the ledger's witnesses: who is shown each checkpoint, and what a proof must bear."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

_VKEY: Final = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """A witness as the settings name it: where, its keys in text form, and who signs its certificate."""

    url: str
    vkeys: tuple[str, ...]
    ca: str | None = None

    @property
    def name(self) -> str:
        """The witness's name, which all its keys have."""
        return self.vkeys[0].partition("+")[0]


def parse_witness(text: str) -> WitnessAddress:
    """Read `URL VKEY [VKEY] [ca=FILE]`. Raises ValueError saying what is wrong."""
    url, *rest = text.split()
    vkeys = tuple(word for word in rest if not word.startswith("ca="))
    ca = [word.removeprefix("ca=") for word in rest if word.startswith("ca=")]
    if not vkeys or len(ca) > 1 or not all(map(_VKEY.fullmatch, vkeys)):
        raise ValueError(
            "must be URL VKEY [VKEY] [ca=FILE] each, with the keys `holdfast witness key` prints"
        )
    if len({vkey.partition("+")[0] for vkey in vkeys}) != 1:
        raise ValueError("must give one witness's keys after its URL: they all have its name")
    check_url(url, private=True)
    return WitnessAddress(url.rstrip("/"), vkeys, ca[0] if ca else None)


def check_url(url: str, *, private: bool) -> None:
    """Raise ValueError for what is no plain HTTP address, or, where `private`, for one without TLS beyond
    this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be https://HOST[:PORT][/PATH]") from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise ValueError("must be https://HOST[:PORT][/PATH]")
    if private and parts.scheme != "https" and not _loopback(host):
        raise ValueError("must be https:// beyond this machine")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class WitnessSettings(BaseModel):
    """The part of `Settings` that `archiver/witnessing` reads."""

    witnesses: tuple[str, ...]
    witness_quorum: Annotated[int, Field(ge=0, le=16)]
    witness_seconds: Annotated[int, Field(ge=1, le=3_600)]
    witness_alarm_minutes: Annotated[int, Field(ge=1, le=1_440)]
    witness_file: str
    witness_file_minutes: Annotated[int, Field(ge=0, le=1_440)]
    timestamp_url: str
    timestamp_ca: str
    timestamp_hours: Annotated[int, Field(ge=1, le=744)]

    @field_validator("witnesses", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("witnesses")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = [parse_witness(text).name for text in value]
        if len(set(names)) != len(names) or len(names) > 16:
            raise ValueError("must be at most 16, each with a name of its own")
        return value

    @field_validator("witness_file")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and not Path(value).is_absolute():
            raise ValueError(
                "must be an absolute path of a folder, best on another machine's write-once store"
            )
        return value

    @field_validator("timestamp_url")
    @classmethod
    def _authority(cls, value: str) -> str:
        if value:
            check_url(value, private=False)  # a token is signed, and what is sent is a hash
        return value

    @model_validator(mode="after")
    def _witnesses_whole(self) -> WitnessSettings:
        if self.witness_quorum > len(self.witnesses):
            raise ValueError("witness_quorum can't be more than there are witnesses")
        if bool(self.timestamp_url) != bool(self.timestamp_ca):
            raise ValueError("timestamp_url and timestamp_ca must be set together")
        return self

    @property
    def witness_addresses(self) -> tuple[WitnessAddress, ...]:
        """The witnesses, read."""
        return tuple(parse_witness(text) for text in self.witnesses)
