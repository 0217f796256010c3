"""Notices to custodians: what they are told of a hold, how often, and whether they confirmed it."""

from __future__ import annotations

import base64

from archiver.vault import Vault


def secrets_of(vault: Vault, notice_id: str) -> str:
    """What the acknowledgement link of a notice ends with: 128 bits that only this archive can make.

    It is made anew whenever a mail needs it; at rest there is only its hash.
    """
    return base64.urlsafe_b64encode(vault.blind.token("notice-link", notice_id)).decode().rstrip("=")
