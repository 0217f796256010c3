"""Seals what is stored of a message: its bytes or their skeleton, and each part under a key of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from archiver.capture.ids import new_id
from archiver.capture.spool import SealedFile
from archiver.message.content import WHOLE_UP_TO, Raw, clipped, pieces, whole
from archiver.message.split import Region, Split, packed
from archiver.message.split_stream import one_region
from archiver.seal.blind import BlindIndex
from archiver.seal.container import seal
from archiver.seal.context import Kind, object_context
from archiver.seal.keyring import DataKey, Keyring
from archiver.seal.streaming import open_chunks, seal_chunks
from archiver.store.dictionaries import DictionaryStore
from archiver.store.schema import SKELETON, WHOLE

SEAL_AT_ONCE = 2**20
"""Larger parts are sealed in pieces."""


@dataclass(frozen=True, slots=True)
class PreparedPart:
    """A part, sealed and ready, should the archive not hold its content already."""

    id: str
    token: bytes
    size: int
    key: DataKey
    sealed: Raw
    blob_sha256: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """What stands for a message or report: `payload` is to be sealed, `form` says what it is."""

    payload: Raw
    form: int
    parts: tuple[PreparedPart, ...]


class Sealer:
    """Seals bodies and parts with the archive's keys. Safe from any thread."""

    def __init__(
        self,
        archive_id: str,
        keyring: Keyring,
        blind: BlindIndex,
        dictionaries: DictionaryStore | None = None,
    ) -> None:
        self._archive_id = archive_id
        self._keyring = keyring
        self._blind = blind
        self._dictionaries = dictionaries

    def body(self, raw: Raw, sha256: bytes, split: Split | None, spool: Path | None) -> Body:
        """Seal the parts of a message. What the parts and the skeleton don't give back is stored whole.

        Raises what reading `raw` raises, StoreError where the spool is full, and KeyUnavailable.
        """
        if split is None and isinstance(raw, bytes):
            return Body(raw, WHOLE, ())
        done = split or one_region(raw, sha256)
        body, sealed = self._parts(done, spool)
        # In memory the splitter compared the bytes; here they are put together from what was sealed.
        in_memory = isinstance(raw, bytes) and len(raw) <= WHOLE_UP_TO
        if not in_memory and not sealed.is_of(sha256):
            body, sealed = self._parts(one_region(raw, sha256), spool)
        return body

    def seal_body(self, key: bytes, object_id: str, body: Body, *, report: bool = False) -> bytes:
        """Seal a message or report under its message's data key, so that one key guards both."""
        kind = kind_of(body.form, report)
        dictionary = self._dictionaries.newest if self._dictionaries is not None else None
        context = object_context(self._archive_id, object_id, kind)
        return seal(key, context, whole(body.payload), dictionary=dictionary)

    def _parts(self, done: Split, spool: Path | None) -> tuple[Body, Split]:
        """Seal the regions; also return the split with the sealed parts as its regions' contents."""
        parts: dict[bytes, PreparedPart] = {}
        regions: list[Region] = []
        file = SealedFile(spool) if spool is not None else None
        for region in done.regions:
            if region.form == "message":
                regions.append(region)
                continue
            token = self._blind.content_token(region.sha256, region.size)
            if token not in parts:
                parts[token] = self._part(region, token, file)
            regions.append(replace(region, content=self._sealed_content(parts[token])))
        return Body(packed(done), SKELETON, tuple(parts.values())), Split(done.skeleton, tuple(regions))

    def _part(self, region: Region, token: bytes, file: SealedFile | None) -> PreparedPart:
        part_id = new_id("a")
        key = self._keyring.new_data_key(part_id)
        context = object_context(self._archive_id, part_id, "part")
        content = region.content
        if file is not None:
            sealing = seal_chunks(key.key, context, pieces(content), region.size)
            return PreparedPart(part_id, token, region.size, key, *file.append(sealing))
        if isinstance(content, bytes) and region.size <= SEAL_AT_ONCE:
            sealed = seal(key.key, context, content)
        else:
            sealed = b"".join(seal_chunks(key.key, context, pieces(content), region.size))
        return PreparedPart(part_id, token, region.size, key, sealed, hashlib.sha256(sealed).digest())

    def _sealed_content(self, part: PreparedPart) -> Raw:
        return _Sealed(part, object_context(self._archive_id, part.id, "part"))


class _Sealed:
    """The content of a prepared part, opened again whenever it is read."""

    def __init__(self, part: PreparedPart, context: bytes) -> None:
        self._part = part
        self._context = context

    def __len__(self) -> int:
        return self._part.size

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Content.chunks`."""
        opened = open_chunks(self._part.key.key, self._context, pieces(self._part.sealed))
        yield from clipped(opened, start, end)


def kind_of(form: int, report: bool) -> Kind:
    """The kind a body is sealed as: a changed `form` in a row opens nothing."""
    if form == SKELETON:
        return "report-skeleton" if report else "skeleton"
    return "report" if report else "raw"
