"""Errors of the write path and the vault. `ArchiverError` is the base of the whole package."""

from __future__ import annotations

from config.errors import HoldfastError


class ArchiverError(HoldfastError):
    """Base of every error raised below `archiver/`."""


class SealError(ArchiverError):
    """A sealed object doesn't open: wrong key, wrong context, or its bytes were changed."""

    code = "seal_broken"
    exit_code = 1
    http_status = 500
    audit_code = "seal_broken"


class KeyUnavailable(ArchiverError):
    """A key can't be had right now (missing file, provider down). Reads fail closed."""

    code = "key_unavailable"
    exit_code = 75
    http_status = 503
    audit_code = "key_unavailable"
    retry = True


class KeyDestroyed(ArchiverError):
    """The data key was destroyed by a disposition: the message is gone for good."""

    code = "disposed"
    exit_code = 4
    http_status = 410
    audit_code = "disposed"


class LedgerError(ArchiverError):
    """A ledger, checkpoint or proof is malformed or doesn't verify."""

    code = "ledger_broken"
    exit_code = 1
    http_status = 500
    audit_code = "ledger_broken"


class ReadOnly(ArchiverError):
    """Others have seen more of the logs than the records hold: nothing is written or read until that is
    explained and signed."""

    code = "read_only"
    exit_code = 3
    http_status = 503
    audit_code = "read_only"
    retry = True


class StoreError(ArchiverError):
    """A store (records, packs) can't take or give bytes now. Nothing was acknowledged."""

    code = "store_unavailable"
    exit_code = 75
    http_status = 503
    audit_code = "store_unavailable"
    retry = True


class AlreadyThere(StoreError):
    """A row of the same key is there: somebody else wrote it at the same moment."""


class StoreRefuses(StoreError):
    """The records database refuses a statement of ours, by a trigger, a constraint or a table that isn't as
    we made it. Nothing was acknowledged, and nothing is shown."""

    code = "store_refuses"
    audit_code = "store_refuses"


class DamagedStore(ArchiverError):
    """Stored bytes are not what was written."""

    code = "store_damaged"
    exit_code = 1
    http_status = 500
    audit_code = "store_damaged"


class NotFound(ArchiverError):
    """No such message, source or log entry."""

    code = "not_found"
    exit_code = 4
    http_status = 404
    audit_code = "not_found"


class DestructionRefused(ArchiverError):
    """The database refused to destroy a key: held, or not yet past its disposal date."""

    code = "destruction_refused"
    exit_code = 3
    http_status = 409
    audit_code = "destruction_refused"


class CaptureError(ArchiverError):
    """A door (SMTP, IMAP, file) was asked for something it can't do."""

    code = "capture"
    exit_code = 2
    http_status = 400
    audit_code = "capture_refused"


class SourceUnreachable(CaptureError):
    """A mailbox server doesn't answer or refuses the sign-in. Try again later."""

    code = "source_unreachable"
    exit_code = 75
    http_status = 503
    audit_code = "source_unreachable"
    retry = True
