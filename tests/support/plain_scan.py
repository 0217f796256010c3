"""A reader of raw mail that shares nothing with Holdfast: the standard library and a few lines of its own."""

from __future__ import annotations

import email
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from pathlib import Path

_SEPARATOR = re.compile(rb"^From .*\n", re.MULTILINE)


def split_mbox(path: Path) -> list[bytes]:
    """The messages of an mboxrd file, or the one of a file that is none.

    A `From ` line at the start or after a blank line begins each, a blank line ends it, `>From` is quoted.
    """
    data = path.read_bytes()
    starts = [m for m in _SEPARATOR.finditer(data) if m.start() == 0 or data[: m.start()].endswith(b"\n\n")]
    if not starts:
        return [data]
    ends = [m.start() for m in starts[1:]] + [len(data)]
    found = []
    for start, end in zip(starts, ends, strict=True):
        body = data[start.end() : end]
        found.append(re.sub(rb"^>(>*From )", rb"\1", body.removesuffix(b"\n"), flags=re.MULTILINE))
    return found


def tokens(text: str) -> list[str]:
    """Words of letters and digits, in small letters without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", plain.lower())


@dataclass(frozen=True)
class Plain:
    """One message as the standard library reads it."""

    raw: bytes

    @cached_property
    def _message(self) -> EmailMessage:
        message = email.message_from_bytes(self.raw, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    @cached_property
    def simple(self) -> bool:
        """True for one part of plain ASCII text: there is only one way to read it."""
        message = self._message
        return (
            self.raw.isascii()
            and b"=?" not in self.raw
            and not message.defects
            and not message.is_multipart()
            and message.get_content_type() == "text/plain"
            and str(message.get("Content-Transfer-Encoding", "7bit")).lower() in ("7bit", "8bit")
            and message.get_content_charset("us-ascii") in ("us-ascii", "utf-8", "iso-8859-1")
            and message.get_content_disposition() != "attachment"
        )

    @cached_property
    def body(self) -> list[str]:
        return tokens(str(self._message.get_payload()))

    @cached_property
    def subject(self) -> list[str]:
        return tokens(str(self._message.get("Subject", "")))

    @cached_property
    def sender(self) -> str:
        """The address in `From:`, in small letters; empty unless there is just one, plainly written."""
        found: list[str] = re.findall(r"[\w.+-]+@[\w.-]+\w", str(self._message.get("From", "")))
        return found[0].lower() if len(found) == 1 else ""

    @cached_property
    def addressed(self) -> set[str]:
        """The words of From, To, Cc and Bcc."""
        names = ("From", "To", "Cc", "Bcc")
        return {
            word for name in names for value in self._message.get_all(name, []) for word in tokens(str(value))
        }

    def has_word(self, word: str) -> bool:
        """Where a word without a field is looked for: other headers have their own, `header:`."""
        return word in self.body or word in self.subject or word in self.addressed

    @cached_property
    def sender_words(self) -> list[str]:
        """The words of `From:`, name and address."""
        return tokens(str(self._message.get("From", "")))


def header_names(messages: Iterable[Plain]) -> set[str]:
    """All words of header names: whether these are searched is no business of this comparison."""
    return {word for plain in messages for name in plain._message for word in tokens(name)}


def frequencies(messages: Iterable[Plain]) -> Counter[str]:
    """In how many bodies each word stands."""
    return Counter(word for plain in messages for word in set(plain.body))


def consecutive(part: Sequence[str], whole: Sequence[str]) -> bool:
    """True where the words of `part` stand in `whole`, one right after the other."""
    wanted = list(part)
    return any(list(whole[at : at + len(wanted)]) == wanted for at in range(len(whole) - len(wanted) + 1))
