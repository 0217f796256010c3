"""Hands a message of ours to a relay, as any mail program would: TLS verified, nothing of it logged."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Final

from archiver.capture.secrets import read_secret
from archiver.errors import ArchiverError, CaptureError
from config.relay import RelayUrl, parse_relay

SECONDS: Final = 30.0
_REFUSES_US: Final = (
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPSenderRefused,
)


class RelayError(ArchiverError):
    """The relay didn't take a message. Try again later."""

    code = "relay_failed"
    exit_code = 75
    http_status = 503
    audit_code = "relay_failed"
    retry = True

    def __init__(self, text: str, smtp_code: int | None = None, *, refuses_us: bool = False) -> None:
        self.smtp_code = smtp_code
        self.refuses_us = refuses_us
        super().__init__(text)


def read_relay(url: str) -> RelayUrl:
    """`parse_relay`, with our own error. Raises CaptureError."""
    try:
        return parse_relay(url)
    except ValueError as error:
        raise CaptureError(f"the relay's address {error}") from None


def send(relay: RelayUrl, message: EmailMessage, password: str = "", seconds: float = SECONDS) -> None:
    """Return once the relay has taken the message for every recipient. Raises RelayError, whose
    `smtp_code` is what the relay answered, None where it couldn't be asked; `refuses_us` where that would be
    its answer to any message of ours: to the greeting, the sign-in or the sender.

    `password` is a reference. `seconds` bounds each wait for the network.
    """
    try:
        with _connect(relay, seconds) as client:
            if relay.user:
                client.login(relay.user, read_secret(password))
            if refused := client.send_message(message):
                raise RelayError("the relay refuses a recipient", _code_of(refused))
    except ssl.SSLCertVerificationError:
        raise RelayError("the relay's certificate isn't trusted; name its authority with ca=FILE") from None
    except smtplib.SMTPResponseException as error:
        # What a relay says can name addresses: only its code is told.
        raise RelayError(
            f"the relay answers {error.smtp_code}",
            error.smtp_code,
            refuses_us=isinstance(error, _REFUSES_US),
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise RelayError("the relay refuses the recipient", _code_of(error.recipients)) from None
    except (smtplib.SMTPException, OSError, UnicodeError):
        raise RelayError("the relay can't be reached or doesn't take the message") from None
    except CaptureError:
        raise RelayError("the relay's password can't be read") from None


def _code_of(refused: Mapping[str, tuple[int, bytes]]) -> int | None:
    return next((answer[0] for answer in refused.values()), None)


def _connect(relay: RelayUrl, seconds: float) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=relay.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if relay.tls:
        return smtplib.SMTP_SSL(relay.host, relay.port, timeout=seconds, context=context)
    client = smtplib.SMTP(relay.host, relay.port, timeout=seconds)
    if relay.starttls:
        try:
            client.starttls(context=context)
        except BaseException:
            client.close()
            raise
    return client
