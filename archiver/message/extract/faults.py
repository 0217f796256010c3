"""Why a document gave no text, or not all of it: the only errors that a reader raises on purpose."""

from __future__ import annotations

from archiver.errors import ArchiverError
from archiver.message.model import TextStatus


class Unreadable(ArchiverError):
    """A document, or the rest of one, can't be read; `status` says why. Carries no text of it."""

    code = "unreadable"
    status: TextStatus = "damaged"

    def __init__(self, status: TextStatus = "damaged") -> None:
        super().__init__(f"a document can't be read: {status}")
        self.status = status


class Damaged(Unreadable):
    """The bytes are not what their format asks for."""


class Encrypted(Unreadable):
    """The text is behind a password or a rights server."""

    def __init__(self) -> None:
        super().__init__("encrypted")


class TooLarge(Unreadable):
    """Unpacked, it is past a bound: of bytes, entries, elements or text."""

    def __init__(self) -> None:
        super().__init__("too_large")


class TooDeep(Unreadable):
    """Containers within containers past the bound."""

    def __init__(self) -> None:
        super().__init__("too_deep")


class NotSupported(Unreadable):
    """No reader knows this format, or this flavour of it."""

    def __init__(self) -> None:
        super().__init__("not_supported")
