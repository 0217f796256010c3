"""Structured header values: `type/subtype; name=value`, with RFC 2231 continuations and charsets."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from archiver.message.charsets import decode_bytes
from archiver.message.words import decode_words

MAX_PARAMS = 200

_PARAM = re.compile(r";\s*([^\s=;\"]{1,100})\s*=\s*(\"(?:[^\"\\]|\\.)*\"?|[^;]*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")


def parse_value(value: str) -> tuple[str, dict[str, str]]:
    """Return the lower-case main value and its parameters, names in lower case, values decoded.

    RFC 2231 continuations are joined and percent-encoding undone; encoded words, which RFC 2047
    forbids here but senders use, are decoded too. Treat the dictionary as read-only: it may be cached.
    """
    return _parse(value) if len(value) <= 200 else _parse_uncached(value)


def _parse_uncached(value: str) -> tuple[str, dict[str, str]]:
    head, semicolon, _ = value.partition(";")
    main = head.strip().strip('"').lower()
    params: dict[str, str] = {}
    if not semicolon:
        return main, params
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for count, match in enumerate(_PARAM.finditer(value, len(head))):
        if count >= MAX_PARAMS:
            break
        name, text = match.group(1).lower(), match.group(2).strip()
        if text.startswith('"'):
            text = _ESCAPED.sub(r"\1", text[1:].removesuffix('"'))
        split = _SECTION.fullmatch(name)
        if "*" in name and split is not None:
            base, number, extended = split.groups()
            sections.setdefault(base, []).append((int(number or 0), bool(extended), text))
        else:
            params.setdefault(name, decode_words(text)[0])
    for base, pieces in sections.items():
        params[base] = _join_sections(pieces)
    return main, params


_parse = lru_cache(maxsize=512)(_parse_uncached)


def _join_sections(pieces: list[tuple[int, bool, str]]) -> str:
    """Join RFC 2231 sections in order; the charset stands in the first one, as `charset'language'`."""
    charset = ""
    data = b""
    pieces.sort(key=lambda piece: piece[0])
    for position, (_, extended, text) in enumerate(pieces):
        if extended and position == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if extended else text.encode("utf-8", "replace")
    return decode_bytes(data, charset)[0]
