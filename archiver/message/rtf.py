"""Plain text of Rich Text Format (RTF 1.9.1): control words, destinations, code pages and Unicode."""

from __future__ import annotations

import html as entities
import re

from archiver.message.charsets import clean, codec_name, decode_bytes

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,9})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet info pict themedata colorschememapping datastore latentstyles listtable "
    b"listoverridetable rsidtbl generator xmlnstbl objdata objclass filetbl revtbl fldinst mmathPr".split()
)
_BREAK = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"tab": "\t", b"cell": "\t",
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
    b"bullet": "•",
}  # fmt: skip
_FONT = re.compile(rb"\\f(\d{1,5})[^;{}]{0,200}?\\fcharset(\d{1,3})")
_FONT_CHARSET = {
    b"128": "cp932", b"129": "cp949", b"134": "gb18030", b"136": "cp950", b"161": "cp1253", b"162": "cp1254",
    b"163": "cp1258", b"177": "cp1255", b"178": "cp1256", b"186": "cp1257", b"204": "cp1251", b"222": "cp874",
    b"238": "cp1250",
}  # fmt: skip
_ENTITY = re.compile(rb"(?:&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});)+")
MAX_DEPTH = 1_000


def rtf_text(data: bytes) -> tuple[str, bool]:
    """Return the text and whether the input was RTF read to its end. Never raises.

    Of HTML wrapped in RTF (MS-OXRTFEX) the text comes too: its tags are destinations that readers skip, but
    characters written as entities stand among them.
    """
    if not data.lstrip().startswith(b"{\\rtf"):
        return "", False
    out: list[str] = []
    pending = bytearray()  # 8-bit text waiting for its code page, so double-byte characters stay whole.
    units: list[int] = []  # UTF-16 code units of \u, so surrogate pairs meet.
    stack: list[tuple[bool, int, str]] = []
    fonts = {f: _FONT_CHARSET[c] for f, c in _FONT.findall(data, 0, 2**16) if c in _FONT_CHARSET}
    document_codepage = "cp1252"
    skipping, fallback_size, codepage = False, 1, "cp1252"
    to_skip = position = 0
    tag: bytearray | None = None  # the content of a tag of wrapped HTML

    def flush() -> None:
        if pending:
            out.append(decode_bytes(bytes(pending), codepage)[0])
            pending.clear()
        if units:
            packed = b"".join(unit.to_bytes(2, "little") for unit in units)
            out.append(packed.decode("utf-16-le", "replace"))
            units.clear()

    while (match := _TOKEN.match(data, position)) is not None:
        position = match.end()
        word, number, hexadecimal, symbol, brace, plain = match.groups()
        if brace == b"{":
            if len(stack) >= MAX_DEPTH:
                break
            stack.append((skipping, fallback_size, codepage))
        elif brace == b"}":
            if stack:
                if codepage != stack[-1][2]:
                    flush()
                skipping, fallback_size, codepage = stack.pop()
            to_skip = 0
            if tag is not None:
                if _ENTITY.fullmatch(tag) and not skipping:
                    flush()
                    out.append(entities.unescape(tag.decode("ascii")))
                tag = None
        elif word == b"htmltag":
            tag = bytearray()
        elif word == b"bin":
            position += max(0, int(number or 0))
        elif (word is not None and word in _SKIPPED) or symbol == b"*":
            skipping = True
        elif skipping:
            if tag is not None and plain and len(tag) < 100:
                tag += plain
        elif word == b"ansicpg" and number:
            codepage = document_codepage = codec_name("cp" + number.decode()) or "cp1252"
        elif word == b"f" and number:
            flush()
            codepage = fonts.get(number, document_codepage)
        elif word == b"uc":
            fallback_size = max(0, int(number or 1))
        elif word == b"u" and number:
            if pending:
                flush()
            units.append(int(number) % 65536)
            to_skip = fallback_size
        elif to_skip and (hexadecimal or plain):
            size = 1 if hexadecimal else len(plain)
            rest = plain[to_skip:] if plain else b""
            to_skip = max(0, to_skip - size)
            if rest:
                flush()
                pending += rest
        elif word is not None:
            if word in _BREAK:
                flush()
                out.append(_BREAK[word])
        elif hexadecimal:
            if units:
                flush()
            pending += bytes.fromhex(hexadecimal.decode())
        elif symbol is not None:
            flush()
            out.append({b"~": " ", b"_": "-", b"-": ""}.get(symbol, symbol.decode("latin-1")))
        elif plain:
            if units:
                flush()
            pending += plain
    flush()
    return clean("".join(out)).strip(), position >= len(data) and not stack
