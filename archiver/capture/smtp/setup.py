"""The SMTP door as the archive's settings want it: the same in the server's process and in a listener's."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from archiver.capture.ports import Intake
from archiver.capture.smtp.ports import SmtpSettings
from archiver.capture.smtp.server import SmtpListener
from archiver.capture.smtp.tls import self_made_certificate, server_context
from archiver.vault import Vault
from config.settings import Endpoint, Settings, UnixSocket


def smtp_settings(settings: Settings) -> SmtpSettings:
    """What a listener needs, its certificate loaded; one is made where none is set. Raises CaptureError."""
    if settings.tls_cert:
        pair = (Path(settings.tls_cert), Path(settings.tls_key))
    else:
        pair = self_made_certificate(settings.home / "tls", settings.smtp_domain)
    return SmtpSettings(
        tls=server_context(*pair),
        spool_directory=settings.spool_dir,
        host=settings.smtp_listen.host,
        port=settings.smtp_listen.port,
        smtps=_where(settings.smtps_listen),
        lmtp=_where(settings.lmtp_listen),
        client_ca=Path(settings.smtp_client_ca) if settings.smtp_client_ca else None,
        idle_timeout=settings.smtp_idle_seconds,
        data_timeout=settings.smtp_data_seconds,
        max_connections=settings.smtp_max_connections,
        max_connections_per_peer=settings.smtp_max_connections_per_peer,
        max_recipients=settings.smtp_max_recipients,
        max_commands=settings.smtp_max_commands,
        max_errors=settings.smtp_max_errors,
        hostname=settings.smtp_domain,
        max_size=settings.smtp_max_bytes,
        require_starttls=settings.smtp_require_starttls,
    )


def smtp_listener(vault: Vault, intake: Intake) -> SmtpListener:
    """The listener of an opened archive. Raises CaptureError."""
    sources = vault.sources
    return SmtpListener(smtp_settings(vault.settings), sources, intake, sources.client_certificates)


@overload
def _where(door: Endpoint | None) -> tuple[str, int] | None: ...


@overload
def _where(door: Endpoint | UnixSocket | None) -> tuple[str, int] | Path | None: ...


def _where(door: Endpoint | UnixSocket | None) -> tuple[str, int] | Path | None:
    if isinstance(door, UnixSocket):
        return door.path
    return (door.host, door.port) if door is not None else None
