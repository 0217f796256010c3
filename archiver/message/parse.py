"""Raw bytes to a `ParsedMessage`: the one parser of the archive. It never raises for any bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archiver.errors import ArchiverError
from archiver.message.content import Apart
from archiver.message.extract.policy import Extract, through_children
from archiver.message.headers import Headers, filename_of
from archiver.message.model import Address, ParsedMessage, Part, TextStatus
from archiver.message.params import parse_value
from archiver.message.structure import Entity, scan
from archiver.message.text import LeafText, is_text, leaf_text

MAX_BODY = 32 * 2**20
"""Bytes of body read of one message; what lies past them is flagged `too_large`."""

MAX_NESTED_FILES = 10
"""Depth of mails attached as files within mails attached as files."""

MAX_INNER = 10_000
"""Parts listed of one message, what was found inside documents included."""

_EDGES = ".,;:!?*_-=~>|\"'()[]<>\u2022\u00b7"


def parse(
    raw: bytes,
    *,
    text_limit: int = 4 * 2**20,
    apart: Mapping[int, Apart] | None = None,
    extract: Extract | None = None,
) -> ParsedMessage:
    """Return all that can be read of a message.

    `extract` reads attachments and HTML; by default a child process does, one round trip a message.

    A large one comes as its skeleton, and `apart` tells what that leaves out: see `archiver.message.large`.

    `body_text` and `attachment_text` hold at most `text_limit` characters each; a part whose text was
    cut is `too_large`. `message_id` comes without its angle brackets. The problem codes are:
    `no_header`, `bad_header`, `header_too_large`, `bad_charset`, `bad_encoded_word`, `bad_address`,
    `bad_date`, `bad_content_type`, `bad_boundary`, `unclosed_multipart`, `too_deep`, `too_many_parts`,
    `too_large`, `unknown_encoding`, `bad_encoding`, `bad_base64` and `parser_fault`.
    """
    try:
        return _parse(raw, text_limit, apart or {}, extract or through_children(text_limit))
    except ArchiverError:
        raise  # what is kept apart can't be read now: no fault of the message
    except Exception:  # A fault of ours must not refuse mail (promise 2): it is stored raw and flagged.
        return ParsedMessage(parse_failed=True, problems=("parser_fault",))


def _parse(raw: bytes, text_limit: int, apart: Mapping[int, Apart], extract: Extract) -> ParsedMessage:
    cut = len(raw) > MAX_BODY
    entity, problems = scan(raw, MAX_BODY if cut else None, apart)
    headers = Headers(entity.fields)
    if not entity.fields:
        problems.append("no_header")
    reader = _Reader(text_limit, entity, extract)
    reader.read(entity, nested=False)
    if cut and "too_large" in problems:
        reader.flag_cut()
    if apart:
        reader.list_unread(apart, entity)
    addresses = headers.addresses
    return ParsedMessage(
        subject=headers.subject,
        from_=tuple(addresses["from"]),
        to=tuple(addresses["to"]),
        cc=tuple(addresses["cc"]),
        bcc=tuple(addresses["bcc"]),
        message_id=headers.message_id,
        date=headers.date,
        headers=headers.rest,
        body_text=reader.body.text(),
        attachment_text=reader.attachments.text(),
        parts=tuple(reader.parts),
        parse_failed=not entity.fields,
        problems=tuple(dict.fromkeys(problems + headers.problems + reader.problems)),
    )


class _Text:
    """Text gathered up to a limit of characters."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._pieces: list[str] = []

    def add(self, text: str) -> bool:
        """Take `text`, or what fits; False when some did not fit."""
        fits = len(text) <= self._left
        if not fits:
            text = text[: self._left]
        self._left -= len(text)
        self._pieces.append(text)
        return fits

    def text(self) -> str:
        return self._pieces[0] if len(self._pieces) == 1 else "\n".join(filter(None, self._pieces))


class _Reader:
    """Walks a MIME tree and gathers parts and texts."""

    def __init__(self, limit: int, root: Entity, extract: Extract) -> None:
        self._limit = limit
        self._root = root
        self._extract = extract
        self._opened: dict[int, LeafText] = {}
        self.body = _Text(limit)
        self.attachments = _Text(limit)
        self.parts: list[Part] = []
        self.problems: list[str] = []
        self._plain_twin = ""
        self._in_alternative = False
        self._file_depth = 0

    def read(self, entity: Entity, *, nested: bool, prefix: str = "") -> None:
        """Read an entity; `nested` when it is inside an attached message, so all its text is attachment."""
        if entity.fault:
            self._read_broken(entity, nested, prefix)
        elif entity.content_type.startswith("multipart/"):
            self._read_multipart(entity, nested, prefix)
        elif entity.children:
            self._read_message(entity, entity.children[0], prefix, prefix)
        else:
            self._read_leaf(entity, nested, prefix)

    def flag_cut(self) -> None:
        """Mark the part that the cut at `MAX_BODY` went through."""
        if self.parts:
            last = self.parts[-1]
            self.parts[-1] = Part(
                last.path, last.content_type, last.filename, last.size, last.attachment, "too_large"
            )

    def list_unread(self, apart: Mapping[int, Apart], entity: Entity) -> None:
        """List what is kept apart and is no part's body: text between parts, or structure not made out."""
        read = set()
        waiting = [entity]
        while waiting:
            current = waiting.pop()
            waiting.extend(current.children)
            if current.apart is not None and not current.children:
                read.add(id(current.apart))
        for region in apart.values():
            if id(region) not in read:
                self.problems.append("too_large")
                self.parts.append(
                    Part("0", "application/octet-stream", None, region.extent, True, "too_large")
                )

    def _read_broken(self, entity: Entity, nested: bool, prefix: str) -> None:
        if entity.fault != "bad_boundary":
            self._append_part(entity, None, entity.extent, True, "too_deep", prefix)
            return
        plain = Entity(
            entity.path or "1", entity.buffer, entity.start, entity.body, entity.end, entity.fields
        )
        plain.apart, plain.absent = entity.apart, entity.absent
        self._read_leaf(plain, nested, prefix)

    def _read_multipart(self, entity: Entity, nested: bool, prefix: str) -> None:
        twin, inside = self._plain_twin, self._in_alternative
        if entity.content_type == "multipart/alternative":
            self._plain_twin, self._in_alternative = "", True
        for child in entity.children:
            self.read(child, nested=nested, prefix=prefix)
        self._plain_twin, self._in_alternative = twin, inside
        for start, end in entity.loose:
            self._read_loose(entity, start, end, nested)

    def _read_loose(self, entity: Entity, start: int, end: int, nested: bool) -> None:
        """Text outside all parts is hidden from readers of mail, not from those who search evidence."""
        data = entity.buffer[start:end]
        if not data.strip() or (len(data) < 400 and b"MIME" in data):
            return
        text = data.decode("utf-8", "replace").replace("\0", " ")
        if not (self.attachments if nested else self.body).add(text):
            self.problems.append("too_large")

    def _read_message(self, entity: Entity, inner: Entity, prefix: str, inner_prefix: str) -> None:
        headers = Headers(inner.fields)
        self.problems += headers.problems
        lines = [f"Subject: {headers.subject}"] if headers.subject else []
        for name, found in headers.addresses.items():
            lines += [f"{name.capitalize()}: {_written(address)}" for address in found]
        fits = self.attachments.add("\n".join([*lines, headers.rest]))
        size = entity.extent
        status: TextStatus = "indexed" if fits else "too_large"
        self._append_part(entity, filename_of(entity), size, True, status, prefix)
        twin, inside = self._plain_twin, self._in_alternative
        self._plain_twin, self._in_alternative = "", False
        self.read(inner, nested=True, prefix=inner_prefix)
        self._plain_twin, self._in_alternative = twin, inside

    def _read_leaf(self, entity: Entity, nested: bool, prefix: str) -> None:
        filename = filename_of(entity)
        leaf = self._opened.pop(id(entity), None) or self._open(entity, filename)
        self.problems += leaf.problems
        attachment = _is_attachment(entity, filename)
        if leaf.message is not None and self._read_file(entity, leaf.message, filename, prefix):
            return
        status, text = leaf.status, leaf.text
        if text and not attachment and self._repeats(entity, text):
            text = ""
        if text:
            goes_to = self.attachments if nested or attachment else self.body
            if not goes_to.add(text):
                status = "too_large"
        if status == "too_large":
            self.problems.append("too_large")
        self._append_part(entity, filename, leaf.size, attachment, status, prefix)
        self._append_inner(leaf, prefix)

    def _open(self, entity: Entity, filename: str | None) -> LeafText:
        """Read a leaf; when it is one for the child, with all others still to come, in one round trip."""
        leaf = leaf_text(entity, filename, self._limit)
        if leaf.job is None:
            return leaf
        waiting = [leaf]
        for other in _leaves_after(self._root, entity):
            opened = self._opened[id(other)] = leaf_text(other, filename_of(other), self._limit)
            if opened.job is not None:
                waiting.append(opened)
        found = self._extract([opened.job for opened in waiting if opened.job is not None])
        for opened, extracted in zip(waiting, found, strict=True):
            opened.settle(extracted)
        return leaf

    def _append_inner(self, leaf: LeafText, prefix: str) -> None:
        """List what was found inside a document, below the part that it came in."""
        outer = self.parts[-1]
        for inner in leaf.inner[: MAX_INNER - len(self.parts)]:
            name = f"{outer.filename or 'part'}/{inner.name}"
            path = f"{outer.path}.{inner.path}"
            self.parts.append(Part(path, inner.content_type, name, inner.size, True, inner.status))
            if inner.status == "too_large":
                self.problems.append("too_large")

    def _read_file(self, entity: Entity, data: bytes, filename: str | None, prefix: str) -> bool:
        """Read a mail that was attached as a file (`.eml` as octet-stream)."""
        if self._file_depth >= MAX_NESTED_FILES:
            self.problems.append("too_deep")
            self._append_part(entity, filename, len(data), True, "too_deep", prefix)
            return True
        inner, problems = scan(data)
        self.problems += problems
        root, self._root = self._root, inner
        self._file_depth += 1
        self._read_message(entity, inner, prefix, f"{prefix}{entity.path}.")
        self._file_depth -= 1
        self._root = root
        return True

    def _repeats(self, entity: Entity, text: str) -> bool:
        """True for the HTML of an alternative that says, word for word, what its plain text says."""
        if not self._in_alternative:
            return False
        if entity.content_type == "text/plain":
            self._plain_twin = _folded(text)
            return False
        return entity.content_type == "text/html" and _folded(text) == self._plain_twin

    def _append_part(
        self,
        entity: Entity,
        filename: str | None,
        size: int,
        attachment: bool,
        status: TextStatus,
        prefix: str,
    ) -> None:
        path = f"{prefix}{entity.path}" if prefix else entity.path
        self.parts.append(Part(path or "1", entity.content_type, filename, size, attachment, status))


def _leaves_after(root: Entity, start: Entity) -> Iterator[Entity]:
    """The leaves that the reader comes to after `start`, in order; none where `start` isn't in the tree."""
    waiting = [root]
    found = False
    while waiting:
        entity = waiting.pop()
        if entity is start:
            found = True
        elif entity.children:
            waiting.extend(reversed(entity.children))
        elif found and not entity.fault and not entity.content_type.startswith("multipart/"):
            yield entity


def _is_attachment(entity: Entity, filename: str | None) -> bool:
    declared = entity.get("content-disposition")
    disposition = parse_value(declared)[0] if declared else ""
    if disposition == "attachment":
        return True
    if entity.content_type.startswith("image/") and entity.get("content-id"):
        return False  # A picture shown in the HTML is no attachment to a reader.
    return filename is not None or not is_text(entity.content_type)


def _folded(text: str) -> str:
    """Words without the marks about them, single-spaced: what an index would keep."""
    return " ".join(filter(None, (word.strip(_EDGES) for word in text.split())))


def _written(address: Address) -> str:
    return f"{address.name} <{address.address}>" if address.name else address.address
