"""From MAPI properties (MSG and PST items) to a MIME message: a conversion, the same bytes every time.

Such items are not RFC 5322: they keep what Outlook made of a message. What is archived is made from them by
this module alone, with nothing random and nothing of today in it, so that a second import of the same item
is a duplicate. Property ids are those of [MS-OXPROPS]; where the item still has the header that it came
with (PidTagTransportMessageHeaders), that header is used as it stands, but for the fields about its body.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from email.header import Header
from email.utils import format_datetime

from archiver.message.extract import mapi
from archiver.message.extract.faults import Unreadable
from archiver.message.extract.lzfu import decompress_rtf
from archiver.message.extract.mapi import MAX_DEPTH, Attachment, Item, Props, Value, charset_of, text_of

_SENDER = (mapi.SENDER_NAME, mapi.SENDER_SMTP, mapi.SENDER_ADDRESS)
_SENT_FOR = (mapi.SENT_REPRESENTING_NAME, mapi.SENT_REPRESENTING_SMTP, mapi.SENT_REPRESENTING_ADDRESS)
_RECIPIENT = (mapi.DISPLAY_NAME, mapi.SMTP_ADDRESS, mapi.EMAIL_ADDRESS)
"""Properties of a person: display name, SMTP address, address in the sender's own system."""
_SHOWN = {1: mapi.DISPLAY_TO, 2: mapi.DISPLAY_CC, 3: mapi.DISPLAY_BCC}

_BODY_FIELDS = ("content-", "mime-version")
_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_ADDRESS = re.compile(r"[!#-';=?-Z^-~\-]{1,255}@[!#-';=?-Z^-~\-\[\]:.]{1,255}")


def to_mime(item: Item, source: str) -> bytes:
    """Return the item as a MIME message, CRLF, 7-bit but for headers that came with 8-bit text.

    `source` (`msg`, `pst`) is told in a header of ours, so that nobody takes the bytes for those which
    travelled. Adds to `problems`: `embedded_item`, `ole_object`, `linked_file`, `too_deep`, `bad_rtf`.
    """
    return _message(item, source, 0)


def _message(item: Item, source: str, depth: int) -> bytes:
    header = [*_header(item), f"X-Holdfast-Converted-From: {source}"]
    signed = _signed(item)
    if signed is not None:
        return _lines([*header, "MIME-Version: 1.0"]) + signed
    bodies = list(_bodies(item))
    body = bodies[0] if len(bodies) == 1 else _multipart("alternative", bodies)
    files = [part for a in item.attachments if (part := _attachment(item, a, source, depth)) is not None]
    whole = _multipart("mixed", [body, *files]) if files else body
    return _lines([*header, "MIME-Version: 1.0"]) + whole


def _lines(lines: list[str]) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode("utf-8", "replace")


# --- the header ---------------------------------------------------------------------------------------


def _header(item: Item) -> list[str]:
    """The header that came with the item; what it lacks is made from properties."""
    kept = list(_transport(item.text(mapi.TRANSPORT_HEADERS)))
    present = {line.partition(":")[0].strip().lower() for line in kept}
    made = [(name, value) for name, value in _made(item) if value and name.lower() not in present]
    return [*kept, *(f"{name}: {value}" for name, value in made)]


def _transport(text: str) -> Iterator[str]:
    """Yield the fields of a header, folded as they came, without those about the body."""
    current: list[str] = []
    for line in [*re.split(r"\r\n|\n|\r", text.replace("\0", "")), ""]:
        if line[:1] in (" ", "\t") and current and line.strip():
            current.append(line)
            continue
        if current and not current[0].lower().startswith(_BODY_FIELDS):
            yield "\r\n".join(current)
        # A line that is no field (`Microsoft Mail Internet Headers Version 2.0`) is none of the message's.
        current = [line] if _FIELD.match(line) else []


def _made(item: Item) -> Iterator[tuple[str, str]]:
    props = item.properties
    sent_for, sender = _person(props, _SENT_FOR), _person(props, _SENDER)
    yield "From", sent_for or sender
    if sender != sent_for and sent_for:
        yield "Sender", sender
    for kind, name in ((1, "To"), (2, "Cc"), (3, "Bcc")):
        people = [
            _person(r, _RECIPIENT)
            for r in item.recipients
            if _int(r.get(mapi.RECIPIENT_TYPE), 1) & 0xF == kind
        ]
        shown = "" if people else _words(text_of(props, _SHOWN[kind]), name)
        yield name, ",\r\n ".join(p for p in people if p) or (f"{shown}:;" if shown else "")
    yield "Subject", _words(item.text(mapi.SUBJECT), "Subject")
    sent = mapi.time_of(props, mapi.CLIENT_SUBMIT_TIME) or mapi.time_of(props, mapi.DELIVERY_TIME)
    yield "Date", format_datetime(sent) if sent else ""
    for key, name in (
        (mapi.INTERNET_MESSAGE_ID, "Message-ID"),
        (mapi.IN_REPLY_TO, "In-Reply-To"),
        (mapi.REFERENCES, "References"),
    ):
        yield name, _plain(text_of(props, key))
    importance = {0: "low", 2: "high"}
    yield "Importance", importance.get(_int(props.get(mapi.IMPORTANCE), 1), "")
    kind_of_item = _plain(item.text(mapi.MESSAGE_CLASS))
    yield "X-Message-Class", "" if kind_of_item.lower() in ("ipm.note", "") else kind_of_item


def _person(props: Props, keys: tuple[int, int, int]) -> str:
    name, smtp, other = (text_of(props, key).strip() for key in keys)
    address = next((a for a in (smtp, other) if _ADDRESS.fullmatch(a)), "")
    if not address and other.startswith("/"):
        # An Exchange name, in the form that Exchange itself gives it outside ([MS-OXOABK]'s IMCEA).
        coded = "".join(
            c if c.isascii() and c.isalnum() else "_" if c == "/" else f"+{ord(c):X}" for c in other
        )
        address = f"IMCEAEX-{coded[:400]}@exchange.invalid"
    if not name or name.strip("'\"") == address:
        return f"<{address}>" if address else ""
    words = _words(name, "From")
    if words.isascii() and "=?" not in words:
        words = '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{words} <{address}>" if address else words


def _words(text: str, name: str) -> str:
    """One header value: as it stands when short and ASCII, else encoded words (RFC 2047), folded."""
    text = _plain(text)
    if text.isascii() and len(text) <= 60 and "=?" not in text:
        return text
    return Header(text, "utf-8", maxlinelen=76, header_name=name).encode(linesep="\r\n")


def _plain(text: str) -> str:
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode().strip()


def _int(value: Value | None, default: int) -> int:
    return value if isinstance(value, int) else default


# --- the body -----------------------------------------------------------------------------------------


def _signed(item: Item) -> bytes | None:
    """A clear-signed message's own MIME entity, which Outlook keeps whole as its one attachment."""
    if (
        not item.text(mapi.MESSAGE_CLASS).lower().endswith("smime.multipartsigned")
        or len(item.attachments) != 1
    ):
        return None
    data = item.attachments[0].data
    return data if data and data[:13].lower() == b"content-type:" else None


def _bodies(item: Item) -> Iterator[bytes]:
    """Text, then HTML; RTF only where there is no HTML, since Outlook makes one from the other."""
    props = item.properties
    text, html, rtf = item.text(mapi.BODY), props.get(mapi.HTML), props.get(mapi.RTF_COMPRESSED)
    rich = None
    if isinstance(rtf, bytes) and rtf and not html:
        try:
            rich = decompress_rtf(rtf)
        except Unreadable:
            item.problems.append("bad_rtf")
            rich = rtf
    if text or (not html and rich is None):
        yield _part(
            "text/plain; charset=utf-8", re.sub(r"\r\n|\n|\r", "\r\n", text).encode("utf-8", "replace")
        )
    if isinstance(html, str) and html:
        yield _part("text/html; charset=utf-8", html.rstrip("\0").encode("utf-8", "replace"))
    elif isinstance(html, bytes) and html:
        stated = charset_of(props.get(mapi.INTERNET_CODEPAGE)) or charset_of(props.get(mapi.MESSAGE_CODEPAGE))
        yield _part(f"text/html; charset={stated or 'utf-8'}", html.rstrip(b"\0"))
    if rich is not None:
        good = rich is not rtf
        yield _part("text/rtf" if good else "application/octet-stream; name=body.lzfu", rich)


def _attachment(owner: Item, found: Attachment, source: str, depth: int) -> bytes | None:
    props = found.properties
    name = _plain(found.filename)
    if found.item is not None:
        if depth >= MAX_DEPTH:
            owner.problems.append("too_deep")
            return None
        inner = _message(found.item, source, depth + 1)
        owner.problems += found.item.problems
        # RFC 2046 5.2.1: an enclosed message isn't encoded.
        return _lines(["Content-Type: message/rfc822", _disposition(name), ""]) + inner
    method = _int(props.get(mapi.ATTACH_METHOD), 1)
    data = found.data if method == 1 else None
    if data is None:
        left_out = {5: "embedded_item", 6: "ole_object"}
        owner.problems.append(left_out.get(method, "linked_file"))
        data = b""
    given = text_of(props, mapi.ATTACH_MIME_TAG).strip()
    kind = given if _TYPE.fullmatch(given) and not given.lower().startswith("multipart/") else ""
    if not kind or kind.lower() == "message/rfc822":
        kind = "application/octet-stream"
    extra = [_disposition(name)]
    content_id = re.sub(r"[^!-;=?-~]", "", text_of(props, mapi.ATTACH_CONTENT_ID))
    if content_id:
        extra.append(f"Content-ID: <{content_id}>")
    return _part(kind, data, extra)


def _disposition(name: str) -> str:
    if not name:
        return "Content-Disposition: attachment"
    if name.isascii() and len(name) <= 60:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'Content-Disposition: attachment; filename="{quoted}"'
    # RFC 2231, in pieces that fit a line.
    coded = "".join(
        c if c.isascii() and c.isalnum() else "".join(f"%{b:02X}" for b in c.encode()) for c in name
    )
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[A-Za-z0-9]){1,20}", coded)
    if len(pieces) == 1:
        return f"Content-Disposition: attachment; filename*=utf-8''{pieces[0]}"
    pieces[0] = "utf-8''" + pieces[0]
    lines = [f"filename*{number}*={piece}" for number, piece in enumerate(pieces)]
    return ";\r\n ".join(["Content-Disposition: attachment", *lines])


def _part(kind: str, data: bytes, extra: list[str] | None = None) -> bytes:
    encoded = b"".join(base64.b64encode(data[at : at + 57]) + b"\r\n" for at in range(0, len(data), 57))
    return (
        _lines([f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", *(extra or []), ""]) + encoded
    )


def _multipart(kind: str, parts: list[bytes]) -> bytes:
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(part)
    # Of the content itself: no part can hold the digest of what it is a part of.
    boundary = f"holdfast-{digest.hexdigest()[:32]}"
    head = _lines([f'Content-Type: multipart/{kind}; boundary="{boundary}"', ""])
    mark = b"--" + boundary.encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
