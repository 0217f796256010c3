"""What the IMAP door is told: the mailbox server, who signs in, and how far each folder has been read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from archiver.capture.smtp.ports import MAX_MESSAGE
from archiver.errors import CaptureError

PORT = 993
Auth = Literal["password", "xoauth2", "oauthbearer"]


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
    """One mailbox. `secret` gives the password or, for OAuth, an access token, at each sign-in; asked with
    True it gives a new token, since the server didn't like the last.

    `folders` and `exclude` are shell patterns over decoded names, matched with case, or special uses such as
    `\\All` (RFC 6154); the names of `\\Noselect` folders are left out. `custodian` is whose mail it is;
    `attested_by` names who vouches for the dates (see `Arrival`). `max_size` is in bytes, `bytes_per_day`
    what may be read on a day (UTC), 0 for all. Times are seconds: `answer_timeout` bounds the silence of the
    server, `transfer_timeout` one whole answer (longer for long messages), `commit_timeout` the archive's.
    """

    id: str
    host: str
    user: str
    secret: Callable[[bool], str]
    port: int = PORT
    ca_file: Path | None = None
    auth: Auth = "password"
    folders: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    custodian: str | None = None
    attested_by: str | None = None
    max_size: int = MAX_MESSAGE
    bytes_per_day: int = 0
    idle: bool = True
    connect_timeout: float = 30.0
    answer_timeout: float = 60.0
    transfer_timeout: float = 120.0
    commit_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class FolderCheckpoint:
    """How far a folder has been read: every message up to `last_uid` is durable, refused or gone.

    UIDs below `first_uidnext` were there when the folder was first seen (0: don't say so of any). UIDs up to
    `seen_uid` were looked through for holes.
    """

    uidvalidity: int
    last_uid: int
    first_uidnext: int = 0
    seen_uid: int = 0


class CheckpointStore(Protocol):
    """Keeps checkpoints. Called from threads, for one source by one poller at a time.

    A folder is named by its key (`Folder.key`), the name exactly as the server writes it. The key "" is no
    folder's: its checkpoint says that all folders of the source were seen once.
    """

    def get(self, source_id: str, folder: str) -> FolderCheckpoint | None: ...

    def set(self, source_id: str, folder: str, checkpoint: FolderCheckpoint) -> None:
        """Durable on return."""
        ...

    def blind(self, source_id: str, *words: str) -> str:
        """An opaque key for words that name a folder."""
        ...

    def used(self, source_id: str, day: date) -> int:
        """Bytes read on a day."""
        ...

    def use(self, source_id: str, day: date, count: int) -> None:
        """Add bytes read on a day; durable on return."""
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
