"""Address lists of From, To, Cc and Bcc (RFC 5322 3.4), read leniently and in linear time."""

from __future__ import annotations

import re
from functools import lru_cache

from archiver.message.model import Address
from archiver.message.words import decode_words

# What nearly all real lists are made of: nothing quoted, no comments, no groups.
_SPECIAL = re.compile(r"[\"();:\[\]\\]")
_PLAIN = re.compile(r"([^\s<>,@]+@[^\s<>,@]+)|([^<>,@]*)<([^\s<>,]+)>")

_TOKEN = re.compile(
    r"""
    "(?:[^"\\]|\\.)*"        # a quoted string
  | \[[^\[\]]*\]             # a domain literal
  | <[^<>]*>                 # an address in angle brackets
  | [,;:()<>"\[\]]
  | (?:[^,;:()<>"\[\]\\]|\\.)+
  | \\
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = re.compile(r"\s+")
_LONGEST_REMEMBERED = 200


def parse_addresses(value: str) -> tuple[list[Address], bool]:
    """Return the mailboxes of one address header and whether it was well-formed.

    Groups give their members, comments become names where there is no other, RFC 2047 names are
    decoded. Text without an address is kept as a name with an empty address, so it can be searched.
    """
    if len(value) > _LONGEST_REMEMBERED:
        return _parse(value)
    found, good = _remembered(value)
    return list(found), good


# The same people write to the same people: what was met last is remembered, in memory only.
@lru_cache(maxsize=4096)
def _remembered(value: str) -> tuple[tuple[Address, ...], bool]:
    found, good = _parse(value)
    return tuple(found), good


def _parse(value: str) -> tuple[list[Address], bool]:
    if not value.strip():
        return [], True
    if _SPECIAL.search(value) is None:
        fast = _parse_plain(value)
        if fast is not None:
            return fast
    return _Reader(value).read()


def _parse_plain(value: str) -> tuple[list[Address], bool] | None:
    found = []
    good = True
    for item in value.split(","):
        match = _PLAIN.fullmatch(item.strip())
        if match is None:
            return None
        bare, name, address = match.groups()
        if bare is not None:
            found.append(Address(bare))
        else:
            name, fine = decode_words(name.strip())
            good = good and fine
            found.append(Address(address, name))
    return found, good


class _Reader:
    """One pass over the tokens of an address list."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._found: list[Address] = []
        self._good = True
        self._words: list[str] = []
        self._comments: list[str] = []
        self._angle: str | None = None
        self._before_angle = 0
        self._orphan = ""
        self._in_group = False

    def read(self) -> tuple[list[Address], bool]:
        depth = 0
        comment: list[str] = []
        for piece in _TOKEN.findall(self._value):
            if depth:
                # Inside a comment only the parentheses mean anything; quotes there are text.
                depth += piece.count("(") - piece.count(")") if piece in "()" else 0
                if depth:
                    comment.append(piece)
                else:
                    self._comments.append("".join(comment).strip())
                continue
            if piece == "(":
                depth, comment = 1, []
            elif piece in (",", ";"):
                self._flush(piece)
            elif piece == ":":
                self._colon()
            elif piece[0] == "<" and len(piece) > 1:
                self._take_angle(piece[1:-1])
            elif piece in ("<", ">", '"', ")", "\\"):
                self._good = False
            else:
                self._words.append(piece)
        if depth:
            self._good = False
            self._words.append(" " + "".join(comment))
        self._flush("")
        return self._found, self._good

    def _colon(self) -> None:
        text = "".join(self._words)
        if "@" not in text and self._angle is None:
            self._words = []
            self._comments = []
            self._in_group = True
        else:
            self._words.append(":")

    def _take_angle(self, inside: str) -> None:
        if self._angle is not None:
            # Two addresses without a comma between them: both count.
            self._good = False
            later = self._words[self._before_angle :]
            del self._words[self._before_angle :]
            self._flush(" ")
            self._words = later
        self._before_angle = len(self._words)
        inside = inside.strip()
        if inside.startswith("@") and ":" in inside:
            inside = inside.partition(":")[2]  # RFC 5322 4.4: a source route says nothing today.
        self._angle = _BLANKS.sub("", inside) if '"' not in inside else inside

    def _flush(self, separator: str) -> None:
        words, comments, angle = self._words, self._comments, self._angle
        self._words, self._comments, self._angle = [], [], None
        text = "".join(words)
        if angle is None and not text.strip():
            if comments:
                self._add("", comments[0])
            return
        if angle is not None:
            name = self._unquote(text) or (self._decode(comments[0]) if comments else "")
            if self._orphan:
                name = f"{self._orphan}, {name}" if name else self._orphan
                self._orphan = ""
            self._add(angle, name)
        elif "@" in text or ("=?" in text and "@" in self._decode(text)):
            self._bare(text, comments)
        elif separator == "," and not comments and not self._in_group:
            # `Doe, John <jd@x>` without quotes: hold the surname for the address that follows.
            self._end_orphan()
            self._orphan = self._unquote(text)
            return
        else:
            name = self._decode(comments[0]) if comments else ""
            self._nameless(self._unquote(text), name)
        if separator in (";", ""):
            self._end_orphan()
            self._in_group = False

    def _bare(self, text: str, comments: list[str]) -> None:
        text = text.strip()
        name = self._decode(comments[0]) if comments else ""
        if not text.strip("@ "):
            self._good = False
            return
        decoded = self._decode(text)
        if decoded != text and "<" in decoded:
            for inner in parse_addresses(decoded.replace("=?", ""))[0]:
                self._add(inner.address, inner.name)
            return
        words = decoded.split()
        if len(words) > 1 and not decoded.startswith('"'):
            self._good = False
            address = next((word for word in words if "@" in word.strip("@")), "")
            if address:
                rest = " ".join(word for word in words if word != address)
                self._add(address, name or self._unquote(rest))
                return
            decoded = "".join(words)  # `user @ host` with blanks about the at sign.
        self._add(decoded, name)

    def _nameless(self, text: str, name: str) -> None:
        """Text without an at sign: a local user in old mail, else just a name."""
        if text and not any(c.isspace() for c in text):
            self._add(text, name)
        elif text or name:
            self._good = False
            self._add("", text or name)

    def _end_orphan(self) -> None:
        if self._orphan:
            orphan, self._orphan = self._orphan, ""
            self._nameless(orphan, "")

    def _add(self, address: str, name: str) -> None:
        self._end_orphan()
        if address or name:
            self._found.append(Address(address, name))

    def _decode(self, text: str) -> str:
        decoded, good = decode_words(_ESCAPED.sub(r"\1", text) if "\\" in text else text)
        self._good = self._good and good
        return _BLANKS.sub(" ", decoded).strip()

    def _unquote(self, text: str) -> str:
        text = text.strip()
        if '"' in text:
            text = "".join(
                _ESCAPED.sub(r"\1", piece[1:-1]) if piece[0] == '"' and len(piece) > 1 else piece
                for piece in _TOKEN.findall(text)
            )
        return self._decode(text)
