"""Hands a message of ours to a relay, as any mail program would: TLS verified, nothing of it logged.

Whatever a relay does or leaves undone, `send` ends: each wait is bounded, and so is the whole.
"""

from __future__ import annotations

import io
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Final

from archiver.capture.secrets import read_secret
from archiver.errors import ArchiverError, CaptureError
from config.relay import RelayUrl, parse_relay

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a relay is waited for, in seconds: at each step, and until it has the whole message; then, for
    its answer to that. Whoever gives up there sends a second time what may be taken: RFC 5321, 4.5.3.2.6."""

    step: float = 30.0
    whole: float = 120.0
    answer: float = 300.0


PATIENCE: Final = Patience()
GOODBYE: Final = 5.0
_REFUSES_US: Final = (
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPSenderRefused,
)
_OTHER_NAME: Final = (62, 64)
"""OpenSSL's words for a certificate that is good, and another host's: by name and by address."""
_EXPIRED: Final = 10


class RelayError(ArchiverError):
    """The relay didn't take a message. Try again later."""

    code = "relay_failed"
    exit_code = 75
    http_status = 503
    audit_code = "relay_failed"
    retry = True

    def __init__(
        self,
        text: str,
        smtp_code: int | None = None,
        *,
        refuses_us: bool = False,
        kind: str = "unreachable",
    ) -> None:
        self.smtp_code = smtp_code
        self.refuses_us = refuses_us
        self.kind = f"smtp_{smtp_code}" if smtp_code else kind
        super().__init__(text)


def read_relay(url: str) -> RelayUrl:
    """`parse_relay`, with our own error. Raises CaptureError."""
    try:
        return parse_relay(url)
    except ValueError as error:
        raise CaptureError(f"the relay's address {error}") from None


def send(relay: RelayUrl, message: EmailMessage, password: str = "", patience: Patience = PATIENCE) -> None:
    """Return once the relay has taken the message for every recipient, whatever it says afterwards.

    Raises RelayError, whose `smtp_code` is what the relay answered, None where it couldn't be asked;
    `refuses_us` where that would be its answer to any message of ours: to the greeting, the sign-in or the
    sender; `kind` a stable slug of what is wrong: `smtp_550`, `unreachable`, `slow`, `certificate`,
    `no_starttls`, `no_sign_in`, `password`. `password` is a reference.
    """
    try:
        client = _connect(relay, patience)
        try:
            if relay.user:
                _sign_in(client, relay.user, password)
            refused = client.send_message(message)
        finally:
            _leave(client)
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(error) from None
    except smtplib.SMTPResponseException as error:
        raise _answered(error) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise RelayError("the relay refuses the recipient", _code_of(error.recipients)) from None
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise _unanswered(error) from None
    if refused:
        raise RelayError("the relay refuses a recipient", _code_of(refused))


def _answered(error: smtplib.SMTPResponseException) -> RelayError:
    # What a relay says can name addresses: only its code is told.
    code = error.smtp_code
    if not 200 <= code <= 599:
        return RelayError("what the relay answers isn't SMTP; check its host and port")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        told = f"the relay refuses the sign-in ({code}); check the user in its address and the password"
        return RelayError(told, code, refuses_us=True)
    # The bare class is smtplib's word for a refused STARTTLS, and for an answer without an end.
    refuses = isinstance(error, _REFUSES_US) or type(error) is smtplib.SMTPResponseException
    return RelayError(f"the relay answers {code}", code, refuses_us=refuses)


def _unanswered(error: Exception) -> RelayError:
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return RelayError("the relay is too slow or says nothing; check its host and port", kind="slow")
    return RelayError("the relay can't be reached or hangs up; check its host, its port and its log")


def _distrusted(error: ssl.SSLCertVerificationError) -> RelayError:
    told = "the relay's certificate isn't trusted; name its authority with ca=FILE"
    if error.verify_code in _OTHER_NAME:
        told = "the relay's certificate is another host's; give the relay's address by the name in it"
    elif error.verify_code == _EXPIRED:
        told = "the relay's certificate has expired; have it renewed"
    return RelayError(told, kind="certificate")


def _code_of(refused: Mapping[str, tuple[int, bytes]]) -> int | None:
    return next((answer[0] for answer in refused.values()), None)


def _connect(relay: RelayUrl, patience: Patience) -> _Client:
    try:
        context = ssl.create_default_context(cafile=relay.ca)
    except OSError:
        raise RelayError("the file that ca= names isn't certificates in PEM", kind="certificate") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if relay.tls:
        return _TlsClient(relay, patience, context=context)
    client = _Client(relay, patience)
    if relay.starttls:
        try:
            client.starttls(context=context)
        except smtplib.SMTPNotSupportedError:
            client.close()
            raise RelayError(
                "the relay offers no STARTTLS; its port may be wrong", kind="no_starttls"
            ) from None
        except BaseException:
            client.close()
            raise
    return client


def _sign_in(client: _Client, user: str, password: str) -> None:
    try:
        secret = read_secret(password)
    except CaptureError:
        raise RelayError(
            "the relay's password can't be read; look at its reference", kind="password"
        ) from None
    try:
        client.login(user, secret)
    except smtplib.SMTPNotSupportedError:
        told = "the relay offers no sign-in; leave USER@ out of its address"
        raise RelayError(told, kind="no_sign_in") from None


def _leave(client: _Client) -> None:
    """Say goodbye. No answer to that changes what became of the message."""
    client.grant(GOODBYE)
    with suppress(smtplib.SMTPException, OSError):
        client.docmd("QUIT")
    client.close()


class _Client(smtplib.SMTP):
    """smtplib bounds each read of a socket: a byte at a time, or a reply without an end, took for ever."""

    def __init__(self, relay: RelayUrl, patience: Patience, **more: Any) -> None:
        self._patience = patience
        self._step = patience.step
        self._until = time.monotonic() + patience.whole
        super().__init__(relay.host, relay.port, timeout=patience.step, **more)

    def grant(self, seconds: float) -> None:
        """Whatever comes next may take so long, all together."""
        self._step = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds for the next wait. Raises TimeoutError when there is no time left."""
        left = min(self._step, self._until - time.monotonic())
        if left <= 0:
            raise TimeoutError
        return left

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib's, from a file that looks at the clock."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Replies(self, self.sock))
        return super().getreply()

    def send(self, s: ReadableBuffer | str) -> None:
        """As smtplib's; from the end of a message on there is time for the answer to it."""
        super().send(s)
        if isinstance(s, bytes) and s.endswith(b"\r\n.\r\n"):
            self.grant(self._patience.answer)


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


class _Replies(io.RawIOBase):
    """What a relay says, for as long as there is time."""

    def __init__(self, client: _Client, sock: socket.socket) -> None:
        self._client = client
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._client.left())
        return self._sock.recv_into(buffer)
