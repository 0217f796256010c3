"""What the IMAP door is told: the mailbox server, who signs in, and how far each folder has been read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from archiver.capture.smtp_ports import MAX_MESSAGE
from archiver.errors import CaptureError

PORT = 993


class BadMailboxUrlError(CaptureError):
    """A mailbox URL isn't one that Holdfast reads mail from."""

    code = "bad_mailbox_url"


@dataclass(frozen=True, slots=True)
class MailboxUrl:
    """The parts of `imaps://user@host:993/Folder`; `user` and `folder` are None where not given."""

    host: str
    port: int
    user: str | None
    folder: str | None


@dataclass(frozen=True, slots=True)
class ImapSource:
    """One mailbox. `password` is asked for at each sign-in, so that it can change and is never kept.

    `folders` are shell patterns over decoded names, matched with case; the names of `\\Noselect` folders are
    left out. `custodian` is whose mail it is; `attested_by` names who vouches for the dates (see
    `Arrival`). `max_size` is in bytes. Times are seconds: `answer_timeout` bounds the silence of the
    server, `transfer_timeout` one whole answer, `commit_timeout` the archive's.
    """

    id: str
    host: str
    user: str
    password: Callable[[], str]
    port: int = PORT
    ca_file: Path | None = None
    folders: tuple[str, ...] = ("*",)
    custodian: str | None = None
    attested_by: str | None = None
    max_size: int = MAX_MESSAGE
    connect_timeout: float = 30.0
    answer_timeout: float = 60.0
    transfer_timeout: float = 900.0
    commit_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class FolderCheckpoint:
    """How far a folder has been read: every message up to `last_uid` is durable, refused or gone."""

    uidvalidity: int
    last_uid: int


class CheckpointStore(Protocol):
    """Keeps checkpoints. Called from threads, for one source by one poller at a time."""

    def get(self, source_id: str, folder: str) -> FolderCheckpoint | None: ...

    def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
        """Durable on return."""
        ...


def parse_imap_url(url: str) -> MailboxUrl:
    """Read `imaps://user@host:port/Folder`. Percent escapes are read in user and folder (RFC 5092).

    Raises BadMailboxUrlError for `imap://` (no TLS from the first byte), a password in the URL (it
    would end in process lists and logs), and anything else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadMailboxUrlError("the mailbox URL can't be read: use imaps://user@host/Folder") from error
    if parts.scheme == "imap":
        raise BadMailboxUrlError("plain imap:// is refused: use imaps://, with TLS from the first byte")
    if parts.scheme != "imaps" or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise BadMailboxUrlError("the mailbox URL can't be read: use imaps://user@host/Folder")
    if parts.password is not None:
        raise BadMailboxUrlError("a password in the URL is refused: give it by reference (file: or env:)")
    return MailboxUrl(
        host=parts.hostname,
        port=port or PORT,
        user=unquote(parts.username) if parts.username else None,
        folder=unquote(parts.path[1:]) or None,
    )
