"""The one typed settings object: command line over environment over holdfast.toml over defaults.

Secrets come by reference only (`file:PATH`, `env:NAME`); an unknown key or a bad value stops the
start with its name and what is allowed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from config.access import AccessSettings
from config.auditing import AuditSettings
from config.cases import CaseSettings
from config.coverage import CoverageSettings
from config.errors import ConfigError
from config.notices import NoticeSettings
from config.record_numbers import pattern_of
from config.sign_in import SignInSettings
from config.sso import SsoSettings
from config.witnesses import WitnessSettings

PREFIX = "HOLDFAST_"
NOT_SETTINGS = frozenset({"HOLDFAST_TOKEN"})
"""Environment names with our prefix that other things than settings use."""


class Endpoint(BaseModel):
    """A host and a TCP port to listen on; port 0 asks the system for a free one."""

    model_config = ConfigDict(frozen=True)
    host: str
    port: Annotated[int, Field(ge=0, le=65535)]

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `HOST:PORT` or `[V6]:PORT`; ValueError otherwise."""
        host, separator, port = text.strip().rpartition(":")
        if not separator or not port.isdigit() or not host:
            raise ValueError("must be HOST:PORT, like 127.0.0.1:2525")
        return cls(host=host.strip("[]"), port=int(port))

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixSocket(BaseModel):
    """A Unix socket to listen on, by its path."""

    model_config = ConfigDict(frozen=True)
    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


class Settings(
    AccessSettings,
    CoverageSettings,
    NoticeSettings,
    SignInSettings,
    SsoSettings,
    CaseSettings,
    AuditSettings,
    WitnessSettings,
):
    """All settings of one archive. Frozen: a change needs a restart, and is audited at the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    database_url: str
    root_key: str
    store_url: str
    smtp_listen: Endpoint
    smtp_domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
    smtp_require_starttls: bool
    smtp_max_bytes: Annotated[int, Field(ge=1_048_576)]
    smtps_listen: Endpoint | None
    lmtp_listen: Endpoint | UnixSocket | None
    smtp_client_ca: str
    smtp_idle_seconds: Annotated[int, Field(ge=10, le=3_600)]
    smtp_data_seconds: Annotated[int, Field(ge=60, le=86_400)]
    smtp_max_connections: Annotated[int, Field(ge=1, le=10_000)]
    smtp_max_connections_per_peer: Annotated[int, Field(ge=1, le=10_000)]
    smtp_max_recipients: Annotated[int, Field(ge=100, le=100_000)]
    smtp_max_commands: Annotated[int, Field(ge=20, le=100_000)]
    smtp_max_errors: Annotated[int, Field(ge=1, le=1_000)]
    smtp_processes: Annotated[int, Field(ge=0, le=64)]
    http_listen: Endpoint
    public_url: str
    tls_cert: str
    tls_key: str
    provider_type: str
    jurisdictions: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...]
    roster_number_systems: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...]
    record_number_forms: tuple[str, ...]
    retention_default_years: Annotated[int, Field(ge=6, le=100)]
    hold_cooling_days: Annotated[int, Field(ge=0, le=365)]
    disposition_sample: Annotated[int, Field(ge=0, le=1_000)]
    disposition_compact_percent: Annotated[int, Field(ge=1, le=100)]
    disposition_compact_mib_per_second: Annotated[int, Field(ge=0, le=10_000)]
    scrub_days: Annotated[int, Field(ge=1, le=365)]
    due_list: Literal["daily", "weekly", "monthly", "never"]
    key_backup_days: Annotated[int, Field(ge=1, le=365)]
    imap_poll_seconds: Annotated[int, Field(ge=1)]
    imap_connections: Annotated[int, Field(ge=1, le=10_000)]
    imap_memory_bytes: Annotated[int, Field(ge=8_388_608)]
    import_processes: Annotated[int, Field(ge=0, le=64)]
    extract_seconds: Annotated[int, Field(ge=1, le=3_600)]
    extract_memory_bytes: Annotated[int, Field(ge=268_435_456)]
    ocr: Literal["off", "on"]
    ocr_languages: Annotated[str, Field(pattern=r"^[A-Za-z_]{2,30}(\+[A-Za-z_]{2,30})*$")]
    ocr_seconds: Annotated[int, Field(ge=1, le=3_600)]
    compression_dictionary: Literal["on", "off"]
    group_commit_messages: Annotated[int, Field(ge=1, le=10_000)]
    group_commit_ms: Annotated[int, Field(ge=0, le=1_000)]

    @field_validator("smtp_listen", "http_listen", mode="before")
    @classmethod
    def _endpoint(cls, value: object) -> object:
        return Endpoint.parse(value) if isinstance(value, str) else value

    @field_validator("smtps_listen", "lmtp_listen", mode="before")
    @classmethod
    def _door(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.startswith("unix:/"):
            return UnixSocket(path=Path(value.removeprefix("unix:")))
        return Endpoint.parse(value) if value.strip() else None

    @field_validator("jurisdictions", mode="before")
    @classmethod
    def _states(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part for part in value.replace(",", " ").split() if part]
        return [str(v).upper() for v in value] if isinstance(value, (list, tuple)) else value

    @field_validator("roster_number_systems", mode="before")
    @classmethod
    def _systems(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("record_number_forms", mode="before")
    @classmethod
    def _forms(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, (list, tuple)):
            for form in value:
                pattern_of(str(form))
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if value.startswith("postgresql://"):
            value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return value

    @field_validator("store_url")
    @classmethod
    def _store(cls, value: str) -> str:
        if not value.startswith("file:"):
            raise ValueError("must be file:PATH; object stores are not built in this version")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key must be set together")
        if not self.http_listen.loopback and not self.tls_cert:
            raise ValueError("http_listen beyond loopback needs tls_cert and tls_key")
        return self

    @property
    def packs(self) -> Path:
        """Folder of the pack files."""
        return Path(self.store_url.removeprefix("file:"))

    @property
    def index_dir(self) -> Path:
        """Folder of the encrypted search index, derived and rebuildable."""
        return self.home / "index"

    @property
    def ledger_dir(self) -> Path:
        """Folder of the published tiles and checkpoints, one sub-folder a log."""
        return self.home / "ledger"

    @property
    def spool_dir(self) -> Path:
        """Folder of sealed temporary files."""
        return self.home / "spool"

    @property
    def url(self) -> str:
        """Where people reach the web desk, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        # Browsers make passkeys for names only, never for an IP number (WebAuthn 5.1.2).
        host = f"localhost:{self.http_listen.port}" if self.http_listen.loopback else str(self.http_listen)
        return f"{'https' if self.tls_cert else 'http'}://{host}"


def load(overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Build the settings from every source. Raises ConfigError naming the key and what is allowed."""
    environ = os.environ if environ is None else environ
    overrides = {k: v for k, v in (overrides or {}).items() if v is not None}
    values: dict[str, Any] = _read_toml(Path(__file__).with_name("default.toml"))
    from_env = {
        name.removeprefix(PREFIX).lower(): _list_or_text(value)
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in NOT_SETTINGS
    }
    home = Path(str(overrides.get("home") or from_env.get("home") or Path.home() / ".holdfast"))
    home = home.expanduser().absolute()
    toml = home / "holdfast.toml"
    if toml.exists():
        values |= _read_toml(toml)
    values |= from_env
    values |= overrides
    values["home"] = home
    values.setdefault("database_url", f"sqlite:///{home / 'records.db'}")
    values.setdefault("store_url", f"file:{home / 'packs'}")
    values.setdefault("root_key", f"file:{default_key_path(home, environ)}")
    return _validate(values)


def default_key_path(home: Path, environ: Mapping[str, str]) -> Path:
    """Where the root key lives unless told: in the user's configuration folder, one file a home."""
    base = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:8]
    return base / "holdfast" / f"{home.name.strip('.') or 'home'}-{mark}.key"


def _list_or_text(value: str) -> object:
    """A value of the environment: a list may be written as in the file, `["CA", "NY"]`."""
    if value.lstrip().startswith("["):
        with suppress(tomllib.TOMLDecodeError):  # an address like [::1]:8025 is none
            return tomllib.loads(f"list = {value}")["list"]
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML ({error}); correct that line") from None
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path} can't be read; check its permissions and that it is UTF-8") from None


def _validate(values: dict[str, Any]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            near = " or ".join(get_close_matches(name, sorted(Settings.model_fields), cutoff=0.5))
            hint = f"did you mean {near}? " if near else ""
            raise ConfigError(f"unknown setting {name!r}; {hint}config/default.toml has them all") from None
        reason = first["msg"].removeprefix("Value error, ")
        where = f"setting {name!r}" if name else "settings"
        raise ConfigError(f"{where}: {reason}") from None
