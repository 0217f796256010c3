"""Secrets by reference only: `file:PATH` or `env:NAME`, read when needed and never kept."""

from __future__ import annotations

import os
from pathlib import Path

from archiver.errors import CaptureError, SourceUnreachable, StoreError
from archiver.store import durable


def check_reference(reference: str) -> None:
    """Raise CaptureError unless the text is a reference; a secret itself must not be stored."""
    scheme, _, rest = reference.partition(":")
    if scheme not in ("file", "env") or not rest:
        raise CaptureError("give secrets by reference: file:PATH or env:NAME")


def read_secret(reference: str) -> str:
    """The secret behind a reference. Raises SourceUnreachable when it isn't there."""
    check_reference(reference)
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(rest)
        if value is None:
            raise SourceUnreachable("the environment variable with the mailbox's secret isn't set")
        return value
    try:
        return Path(rest).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise SourceUnreachable("the file with the mailbox's secret can't be read") from None


def replace_secret(reference: str, value: str) -> bool:
    """Put a new secret in the place of the old one where that is a file; durable on return.

    False for `env:`, or where the file can't be written: then the caller has the only copy.
    """
    check_reference(reference)
    scheme, _, rest = reference.partition(":")
    if scheme != "file":
        return False
    try:
        durable.write(Path(rest), f"{value}\n".encode())
    except (OSError, StoreError):
        return False
    return True
