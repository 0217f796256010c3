"""The text of one leaf part: decoded here where it is plain text, else a job for the extraction child."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from archiver.message.charsets import decode_bytes
from archiver.message.extract import policy
from archiver.message.extract.model import Extracted, Inner, Job
from archiver.message.extract.sniff import META_CHARSET, STRONG, magic, sniff
from archiver.message.leaf import Leaf, read_leaf
from archiver.message.model import TextStatus
from archiver.message.structure import Entity
from archiver.message.transfer import is_known

_TEXT_TYPE = re.compile(
    r"text/|message/|application/(?:json|xml|x-ndjson|ics|csv|x-csv|hl7-v2|fhir\+json|x-yaml|sql|x-sh)\b"
    r"|application/.*\+(?:xml|json)\Z|image/svg\+xml"
)
_MARKUP_TYPE = frozenset(
    {"text/html", "application/xhtml+xml", "text/enriched", "text/richtext", "image/svg+xml"}
)
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_RIGHTS = frozenset({"application/x-microsoft-rpmsg-message", "application/pgp-encrypted"})
_ARMOUR = re.compile(r"-----BEGIN PGP MESSAGE-----.*?(?:-----END PGP MESSAGE-----|\Z)", re.DOTALL)
_FIRST_BYTES = b"%P\xd0{x7"
"""First bytes of what `STRONG` holds: other text isn't looked at twice."""


@dataclass(slots=True)
class LeafText:
    """What a leaf gave: its text, decoded size in bytes, what became of it, and the problems met.

    `message` holds the bytes of a mail that came as a file, to be parsed as a nested message. `job` is what
    the extraction child has to read before the rest is known (`settle`); `inner` is what it found inside.
    """

    text: str
    size: int
    status: TextStatus
    problems: list[str] = field(default_factory=list)
    message: bytes | None = None
    job: Job | None = None
    inner: tuple[Inner, ...] = ()
    cut: bool = False

    def settle(self, found: Extracted) -> None:
        """Take what the child made of the job."""
        self.text, self.status, self.inner = found.text, found.status, found.inner
        if self.cut and self.status in ("indexed", "empty"):
            self.status = "too_large"
        if self.job is not None and self.job.kind == "markup":
            self._hide_armour()
        self.job = None

    def _hide_armour(self) -> None:
        if "-----BEGIN PGP MESSAGE-----" in self.text:
            self.text, self.status = _ARMOUR.sub(" ", self.text).strip(), "encrypted"


def is_text(content_type: str) -> bool:
    """True for types that a reader sees as text."""
    return _TEXT_TYPE.match(content_type) is not None


def leaf_text(entity: Entity, filename: str | None, limit: int) -> LeafText:
    """Read one leaf. Input past four bytes (markup: two) a character of `limit` is left out: `too_large`."""
    encoding = entity.encoding
    leaf = read_leaf(entity)
    found = LeafText("", leaf.size, "indexed")
    if not is_known(encoding):
        found.problems.append("unknown_encoding")
    if not leaf.good:
        found.problems.append("bad_base64" if encoding == "base64" else "bad_encoding")
    status = _opaque(entity)
    if status is not None:
        found.status = status
        return found
    kind = _kind(entity, filename, leaf.data)
    if kind == "mail":
        # A mail too large to be here whole has a skeleton of its own to be read by, not us.
        found.message, found.status = (None, "too_large") if leaf.cut else (leaf.data, "indexed")
    elif kind in ("text", "markup"):
        _decode(found, leaf, entity.params.get("charset", ""), kind, limit)
    elif kind == "image" and not policy.limits().ocr:
        found.status = "no_text"
    elif kind in ("", "rar"):
        found.status = "not_supported"
    else:
        found.job = _job(leaf, kind, filename or "")
        found.status = "indexed" if found.job else "too_large"
    return found


def _job(leaf: Leaf, kind: str, name: str) -> Job | None:
    """The whole leaf as a job; None where all of it can't be had."""
    if not leaf.cut:
        return Job(kind, leaf.data, len(leaf.data), name)
    if leaf.content is None:
        return None
    return Job(kind, leaf.chunks(), len(leaf.content), name)


def _kind(entity: Entity, filename: str | None, data: bytes) -> str:
    content_type = entity.content_type
    if not is_text(content_type):
        # Senders call anything octet-stream or msword: the first bytes and the name know better.
        kind = sniff(data, filename or "", content_type)
        return kind or ("image" if content_type.startswith("image/") else "")
    if content_type == "text/rtf":
        return "rtf"
    if data[:1] and data[0] in _FIRST_BYTES and (kind := magic(data, strict=True)) in STRONG:
        return kind
    if content_type in _MARKUP_TYPE:
        return "markup"
    if content_type == "text/plain" and filename and filename.lower().endswith((".htm", ".html")):
        return "markup"
    return "text"


def _opaque(entity: Entity) -> TextStatus | None:
    """The status of what has no text for us whatever its bytes, or None."""
    declared = entity.content_type
    if declared in _SIGNATURES:
        return "empty"
    if declared in _RIGHTS or entity.parent_type == "multipart/encrypted":
        return "encrypted"
    if declared in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        signed = entity.params.get("smime-type", "").lower() in ("signed-data", "certs-only")
        return "not_supported" if signed else "encrypted"
    return None


def _decode(found: LeafText, leaf: Leaf, charset: str, kind: str, limit: int) -> None:
    """Plain text is taken as it is; markup goes to the child as UTF-8."""
    data = leaf.data
    # Markup costs more memory and time a byte than plain text does.
    most = (2 if kind == "markup" else 4) * limit + 1024
    cut = leaf.cut or len(data) > most
    if len(data) > most:
        data = data[:most]
    if not charset and kind == "markup":
        meta = META_CHARSET.search(data, 0, 4096)
        charset = meta.group(1).decode("ascii") if meta else ""
    text, good = decode_bytes(data, charset)
    if not good:
        found.problems.append("bad_charset")
    if "\0" in text:
        text = text.replace("\0", " ")
    if kind == "markup":
        markup = text.encode("utf-8", "replace")
        found.job, found.cut = Job("markup", markup, len(markup)), cut
        return
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    found.text = text
    found.status = "too_large" if cut else "indexed" if text and not text.isspace() else "empty"
    found._hide_armour()
