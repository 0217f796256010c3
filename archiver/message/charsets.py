"""Bytes to text under whatever a message claims its charset is; never raises, never trusts the claim."""

from __future__ import annotations

import codecs
from encodings.aliases import aliases
from functools import lru_cache

# A name is looked up only if Python knows it already: `codecs.lookup` imports by name and remembers
# every unknown name for ever, so a stranger's mail could fill the memory with invented charsets.
_KNOWN = frozenset(aliases) | frozenset(aliases.values())

# Codecs that Python calls text encodings but that no mail is written in, or that are slow on purpose.
_REFUSED = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "rot_13"}
)

# The WHATWG Encoding Standard's supersets: senders name the subset and send the superset.
_SUPERSET = {
    "iso_8859_1": "cp1252",
    "latin_1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "x_sjis": "cp932",
    "windows_31j": "cp932",
    "windows_874": "cp874",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "x_mac_roman": "mac_roman",
    "macintosh": "mac_roman",
    "utf_8_mac": "utf_8",
    "cp_850": "cp850",
}

_ASCII = frozenset({"ascii", "us_ascii", "ansi_x3.4_1968", "7bit", "8bit"})


@lru_cache(maxsize=512)
def codec_name(charset: str) -> str | None:
    """Return the Python codec for a declared charset, or None when it is absent, unknown or refused."""
    name = charset.strip().strip("\"'").lower()
    if not name or len(name) > 40:
        return None
    name = name.replace("-", "_").replace(" ", "_")
    if name in _ASCII:
        return "ascii"
    name = _SUPERSET.get(name, name)
    if name in _REFUSED:
        return None
    if name not in _KNOWN and name.startswith(("cs", "x_")):
        name = name.removeprefix("cs").removeprefix("x_")
    if name not in _KNOWN:
        return None
    info = codecs.lookup(name)
    if not getattr(info, "_is_text_encoding", True) or info.name in _REFUSED:
        return None
    return _SUPERSET.get(info.name.replace("-", "_"), info.name)


def decode_bytes(data: bytes, charset: str = "") -> tuple[str, bool]:
    """Return the text of `data` and whether the declared charset gave it.

    Tried in turn: the declared charset, UTF-8, Windows-1252, Latin-1. An undeclared charset that turns
    out to be ASCII or UTF-8 counts as good (RFC 6532). Lone surrogates never come out.
    """
    codec = codec_name(charset) if charset else None
    if codec is None or codec == "ascii":
        good = not charset or codec == "ascii"
        if data.isascii():
            return data.decode("ascii"), good
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return clean(data.decode("utf-16", "replace")), True
        return _guess(data, good=not charset)
    if codec == "utf-16" and data[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        # Without a mark RFC 2781 4.3 says big-endian, most senders write little: the zeros tell.
        zeros = data[:2_000:2].count(0), data[1:2_000:2].count(0)
        codec = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        return clean(data.decode(codec)), True
    except (UnicodeError, LookupError, ValueError):
        return _guess(data, good=False)


def _guess(data: bytes, *, good: bool) -> tuple[str, bool]:
    try:
        return data.decode("utf-8-sig"), good
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), False
    except UnicodeDecodeError:
        return data.decode("latin-1"), False


def clean(text: str) -> str:
    """Return `text` with lone surrogates replaced, so that it can always be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
