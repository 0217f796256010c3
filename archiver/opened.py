"""What comes out of the archive: messages and reports, put together from their blobs as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from archiver.capture.sealing import kind_of
from archiver.errors import DamagedStore
from archiver.message.content import WHOLE_UP_TO, Raw, clipped, pieces, whole
from archiver.message.extract.policy import Extract
from archiver.message.large import parse_content
from archiver.message.model import ParsedMessage
from archiver.message.split import BadManifest, Region, Split, unpacked
from archiver.seal.blind import BlindIndex
from archiver.seal.container import open_sealed
from archiver.seal.context import Kind, object_context
from archiver.seal.dictionary import Dictionaries
from archiver.seal.keyring import Keyring
from archiver.seal.streaming import open_chunks
from archiver.store.packs import PackFolder, Place
from archiver.store.parts import PartRow
from archiver.store.schema import SKELETON


@dataclass(frozen=True, slots=True)
class Delivery:
    """One arrival of a message: where it came from and what that copy's envelope said."""

    seq: int
    source_id: str
    outcome: str
    at_us: int
    report_id: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A message's row, its unsealed description and its deliveries, oldest first; not its bytes."""

    row: RowMapping
    meta: dict[str, Any]
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A message or report as it came in. A large one is read from the store as its pieces are asked for."""

    record: Record
    content: Raw

    @property
    def raw(self) -> bytes:
        """Byte for byte what arrived, all of it in memory: see `chunks`. Raises as that does."""
        return self.content.whole() if isinstance(self.content, Stored) else whole(self.content)

    @property
    def size(self) -> int:
        """Bytes of what arrived."""
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        """Yield byte for byte what arrived. Raises SealError, DamagedStore, KeyUnavailable, StoreError.

        An error after the first piece leaves whoever takes them with a broken copy: tell them.
        """
        return pieces(self.content)

    def parsed(self, *, text_limit: int = 4 * 2**20, extract: Extract | None = None) -> ParsedMessage:
        """What can be read of it, without taking a large one into memory. Raises as `chunks` does."""
        content = self.content if self.size > WHOLE_UP_TO else self.raw
        return parse_content(content, text_limit=text_limit, extract=extract)


class Stored:
    """The content of a message or report that is not in memory. Safe from any thread."""

    def __init__(self, size: int, take_apart: Callable[[], Split]) -> None:
        self._size = size
        self._take_apart = take_apart
        self._split: Split | None = None
        self._whole: bytes | None = None

    def __len__(self) -> int:
        return self._size

    @property
    def split(self) -> Split:
        """Its skeleton and regions. Raises as `chunks` does."""
        if self._split is None:
            self._split = self._take_apart()
            if self._split.size != self._size:
                raise DamagedStore("the stored bytes are not as long as what was captured")
        return self._split

    def whole(self) -> bytes:
        """All of it in memory; a small one is kept."""
        if self._whole is not None:
            return self._whole
        raw = b"".join(self.chunks())
        if len(raw) <= WHOLE_UP_TO:
            self._whole = raw
        return raw

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Content.chunks`."""
        if self._whole is not None:
            yield from pieces(self._whole, start, end)
        else:
            yield from clipped(self.split.chunks(), start, end)


class Blob:
    """A sealed blob's content, read from its pack and opened whenever it is asked for."""

    def __init__(
        self, packs: PackFolder, place: Place, object_id: str, size: int, key: bytes, context: bytes
    ) -> None:
        self._packs = packs
        self._place = place
        self._object_id = object_id
        self._size = size
        self._key = key
        self._context = context

    def __len__(self) -> int:
        return self._size

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Content.chunks`."""
        yield from clipped(self._checked(), start, end)

    def _checked(self) -> Iterator[bytes]:
        sealed = self._packs.chunks(self._place, self._object_id)
        left = self._size
        for piece in open_chunks(self._key, self._context, sealed):
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise DamagedStore("the stored bytes are not as long as what was captured")


class Opener:
    """Opens blobs of one archive, given their rows and keys."""

    def __init__(
        self,
        archive_id: str,
        packs: PackFolder,
        keyring: Keyring,
        blind: BlindIndex,
        dictionaries: Dictionaries | None = None,
    ) -> None:
        self._archive_id = archive_id
        self._dictionaries = dictionaries
        self._packs = packs
        self._keyring = keyring
        self._blind = blind

    def message(self, row: RowMapping, key: bytes, parts: Mapping[bytes, PartRow]) -> Raw:
        """The content of a message, from its row. Raises as `Opened.chunks` does."""
        return self._content(row, row["id"], key, parts, report=False, enclosed=None)

    def report(self, row: RowMapping, key: bytes, parts: Mapping[bytes, PartRow], message: RowMapping) -> Raw:
        """The content of a report, from its row and that of the message it is of."""
        return self._content(
            row, row["id"], key, parts, report=True, enclosed=lambda: self.message(message, key, parts)
        )

    def part(self, row: PartRow) -> Raw:
        """The content of a part. Raises SealError or KeyUnavailable where its key doesn't open."""
        key = self._keyring.unwrap_data_key(row.id, row.epoch_id, row.wrapped)
        context = object_context(self._archive_id, row.id, "part")
        return Blob(self._packs, row.place, row.id, row.size, key, context)

    def skeleton(self, row: RowMapping, key: bytes, *, report: bool, find: Callable[[Region], Raw]) -> Split:
        """A message or report as it was taken apart. Raises DamagedStore where its manifest isn't sound."""
        try:
            return unpacked(self._open(row, key, kind_of(SKELETON, report)), find)
        except BadManifest:
            raise DamagedStore("a message's skeleton is not of a form this version knows") from None

    def token(self, region: Region) -> bytes:
        """The token under which a region's content is stored."""
        return self._blind.content_token(region.sha256, region.size)

    def _content(
        self,
        row: RowMapping,
        object_id: str,
        key: bytes,
        parts: Mapping[bytes, PartRow],
        *,
        report: bool,
        enclosed: Callable[[], Raw] | None,
    ) -> Raw:
        if row["form"] == SKELETON:

            def find(region: Region) -> Raw:
                if region.form == "message" and enclosed is not None:
                    return enclosed()
                found = parts.get(self.token(region))
                if found is None:
                    raise DamagedStore("a part of this message is missing; run `holdfast verify --full`")
                return self.part(found)

            return Stored(row["size"], lambda: self.skeleton(row, key, report=report, find=find))
        kind = kind_of(row["form"], report)
        if row["size"] > WHOLE_UP_TO:
            context = object_context(self._archive_id, object_id, kind)
            return Blob(self._packs, _place(row), object_id, row["size"], key, context)
        raw = self._open(row, key, kind)
        if len(raw) != row["size"]:
            raise DamagedStore("the stored bytes are not as long as what was captured")
        return raw

    def _open(self, row: RowMapping, key: bytes, kind: Kind) -> bytes:
        blob = self._packs.read(_place(row), row["id"])
        context = object_context(self._archive_id, row["id"], kind)
        return open_sealed(key, context, blob, self._dictionaries)


def _place(row: RowMapping) -> Place:
    return Place(row["pack_id"], row["pack_offset"], row["pack_length"])
