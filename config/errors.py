"""The one error family: every package derives its base class from `HoldfastError`.

An error's text is one line that says what happened and what to do. It never carries a subject, an
address, a body or a query: those are patient information and texts end up in logs.
"""

from __future__ import annotations

from typing import ClassVar


class HoldfastError(Exception):
    """Root of all errors Holdfast raises on purpose.

    `code` is stable and machine-readable (problem+json, `--json`); `exit_code`, `http_status` and
    `audit_code` say how the command line, the API and the audit log report it; `retry` is True when
    the same call may succeed later without a change by the caller.
    """

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 75
    http_status: ClassVar[int] = 500
    audit_code: ClassVar[str] = "error"
    retry: ClassVar[bool] = False


class ConfigError(HoldfastError):
    """Base of the config package: a setting is unknown, malformed or unsafe. The start is refused."""

    code = "bad_setting"
    exit_code = 2
    http_status = 500
    audit_code = "config_refused"
