"""Keeps aiosmtpd's own logger from printing peers, addresses and mail (promise 3)."""

from __future__ import annotations

import logging

_AIOSMTPD = "mail.log"


class _Sanitizer(logging.Filter):
    """Lets warnings pass as a bare notice: their arguments and tracebacks hold what clients sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return False
        record.msg = "aiosmtpd reported a %s"
        record.args = (record.levelname.lower(),)
        record.exc_info = None
        record.exc_text = None
        record.stack_info = None
        return True


def quiet_aiosmtpd() -> None:
    """Pin aiosmtpd's logger at WARNING, with nothing of a session in what remains. May be called again."""
    logger = logging.getLogger(_AIOSMTPD)
    logger.setLevel(logging.WARNING)
    if not any(isinstance(known, _Sanitizer) for known in logger.filters):
        logger.addFilter(_Sanitizer())
