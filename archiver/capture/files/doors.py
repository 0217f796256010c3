"""The file door: mbox, Maildir, EML, EMLX, MSG, PST, folders and archives of them, as messages to import."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from archiver.capture.files import items as files_items
from archiver.capture.files.emlx import emlx_item
from archiver.capture.files.items import (
    FileItem,
    FileRefused,
    Meter,
    Readable,
    Spot,
    Why,
    open_regular,
    read_content,
    read_message,
    refusal,
)
from archiver.capture.files.mbox import split_mbox
from archiver.capture.files.msg import msg_item
from archiver.capture.files.pst import pst_items
from archiver.capture.files.sniff import (
    COMPRESSED,
    FORMATS,
    HEAD,
    MBOX_STYLES,
    Format,
    Kind,
    detect_format,
    ignorable,
    is_maildir,
    kind_of_bytes,
    named_mbox,
)
from archiver.capture.files.unpack import (
    DAMAGE,
    LEAST_ALLOWANCE,
    Allowance,
    Peeked,
    Spent,
    Unpacked,
    tar_entries,
)
from archiver.capture.files.walk import Walk
from archiver.capture.files.zip import zip_entries
from archiver.errors import CaptureError
from archiver.message.content import Raw

__all__ = ["FORMATS", "FileItem", "Format", "Meter", "Why", "detect_format", "open_items"]

_Bytes = TypeVar("_Bytes", bytes, Raw)

_DEEPEST = 4
"""Layers of packing one inside the other: `.tar.gz` is two of them."""
_MOST_ARCHIVES = 2
"""How many of those may be archives with entries of their own: a ZIP in a ZIP, and no more."""
_TELL_EVERY = 64
_LARGEST_INNER_ZIP = 64 * 1024 * 1024
"""A ZIP's directory is at its end, so one inside another archive is read whole, into memory."""


def open_items(
    paths: Iterable[Path],
    format: Format = "auto",
    meter: Meter | None = None,
    *,
    spool: Path | None = None,
    least_allowance: int = LEAST_ALLOWANCE,
) -> Iterator[FileItem]:
    """Yield every message under the paths, and a refusal for everything else found there.

    The order is fixed: paths as given, names in byte order, offsets upwards. `auto` looks at each file
    (see `detect_format`); another format is taken as the operator's word for every file. `eml` takes
    any file as one message, whatever it looks like; the mbox styles are those of `split_mbox`. `meter`
    is told how far the reading has come. Messages too large for memory wait sealed in the folder `spool`;
    without one they are read whole. Raises CaptureError for an unknown format, and nothing for
    what the files contain.
    """
    if format not in FORMATS:
        raise CaptureError("unknown format: use one of " + ", ".join(FORMATS))
    return _Door(format, meter or Meter(), spool, least_allowance).items(paths)


@dataclass(frozen=True, slots=True)
class _Layers:
    """How deep inside archives a stream is, and what all of them together may still unpack to."""

    allowance: Allowance
    depth: int = 0
    archives: int = 0

    def down(self, *, archive: bool) -> _Layers:
        """One layer deeper. Raises FileRefused."""
        if self.depth >= _DEEPEST or self.archives + archive > _MOST_ARCHIVES:
            raise FileRefused("nested_too_deep")
        return _Layers(self.allowance, self.depth + 1, self.archives + archive)


@dataclass(slots=True)
class _Door:
    """One reading of what an operator named."""

    format: Format
    meter: Meter
    spool: Path | None
    least: int
    limit: int = field(default_factory=lambda: files_items.MAX_MESSAGE)

    def items(self, paths: Iterable[Path]) -> Iterator[FileItem]:
        for path in paths:
            # The operator named this path, so a link is followed here, and only here.
            if not path.is_dir():
                yield from self._file(path, "", follow=True)
                continue
            walk = Walk(self._file, self._message)
            maildir = self.format == "maildir" or (self.format == "auto" and is_maildir(path))
            yield from walk.maildir(path) if maildir else walk.folder(path)

    def _message(self, path: Path, folder: str) -> Iterator[FileItem]:
        """A file that is one message, whatever it looks like."""
        try:
            file, status = open_regular(path, follow=False)
            with file:
                raw = read_content(file, self.limit, status.st_size, self.spool)
        except FileRefused as error:
            yield refusal(path, error.why, folder)
        except OSError:
            yield refusal(path, "unreadable", folder)
        else:
            yield Spot.of(path, status, folder).found(raw)
            self.meter.finished += status.st_size

    def _file(self, path: Path, folder: str, *, follow: bool = False) -> Iterator[FileItem]:
        why = None if follow else ignorable(path.name)
        if why is not None:
            yield refusal(path, why, folder)
            return
        try:
            file, status = open_regular(path, follow=follow)
        except FileRefused as error:
            yield refusal(path, error.why, folder)
            return
        spot = Spot.of(path, status, folder)
        with file:
            try:
                kind = self._kind(file, path.name)
                layers = _Layers(Allowance(status.st_size, self.least))
                for number, item in enumerate(self._stream(spot, file, kind, layers, status.st_size)):
                    if not number % _TELL_EVERY:
                        self.meter.inside = file.tell()
                    yield item
            except FileRefused as error:
                yield spot.refused(error.why)
            except OSError:
                yield spot.refused("unreadable")
        self.meter.finished += status.st_size
        self.meter.inside = 0

    def _kind(self, file: BinaryIO, name: str) -> Kind:
        """What a file is, or what the operator says it is. Leaves the file at its beginning."""
        head = file.read(HEAD)
        kind = self._decide(head, name, {"zip": "zip", "tar": "tar", "pst": "pst"})
        if kind == "mbox" and self.format == "auto" and not named_mbox(name):
            file.seek(0)
            if len(list(islice(split_mbox(file), 2))) < 2:
                kind = "eml"
        file.seek(0)
        return kind

    def _decide(self, head: bytes, name: str, containers: dict[str, Kind]) -> Kind:
        """What these first bytes begin. Raises FileRefused for what is no mail and never was."""
        found = kind_of_bytes(head, name)
        if self.format == "eml":
            return "eml"
        if found in ("zip", "tar", *COMPRESSED):
            return found
        if self.format in MBOX_STYLES:
            return "mbox"
        if self.format in ("emlx", "msg"):
            return "emlx" if self.format == "emlx" else "msg"
        if self.format in containers:
            return containers[self.format]
        if found == "unknown" and (why := ignorable(name, head)):
            raise FileRefused(why)
        return found

    def _stream(
        self, spot: Spot, stream: Readable, kind: Kind, layers: _Layers, size: int = 0
    ) -> Iterator[FileItem]:
        """Yield the items of a stream of a known kind. Raises FileRefused, OSError, Spent, or damage."""
        if kind == "mbox":
            yield from self._mbox(spot, stream)
        elif kind == "zip":
            yield from self._zip(spot, stream, layers)
        elif kind == "tar":
            yield from self._tar(spot, stream, layers.down(archive=True))
        elif kind in COMPRESSED:
            yield from self._compressed(spot, stream, kind, layers.down(archive=False))
        elif kind == "pst":
            if layers.depth:
                raise FileRefused("unpack_first")
            file = cast("io.BufferedReader", stream)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield from pst_items(spot, file, self.limit)
            self.meter.containers.append((spot.where, digest))
        elif kind == "eml":
            yield spot.found(self._whole(stream, read_content(stream, self.limit, size, self.spool)))
        elif kind in ("emlx", "msg"):
            raw = self._whole(stream, read_message(stream, self.limit, size))
            yield msg_item(spot, raw) if kind == "msg" else emlx_item(spot, raw)
        else:
            refused: dict[Kind, Why] = {"empty": "empty", "packed": "unpack_first"}
            raise FileRefused(refused.get(kind, "not_a_message"))

    @staticmethod
    def _whole(stream: Readable, raw: _Bytes) -> _Bytes:
        """A message out of a stream that ended as it should. Raises FileRefused."""
        if getattr(stream, "damaged", False):
            raise FileRefused("damaged")
        return raw

    def _mbox(self, spot: Spot, stream: Readable) -> Iterator[FileItem]:
        """Yield an mbox's messages; the file itself is a folder by its name."""
        folder = spot.as_folder
        any_yet = False
        style = MBOX_STYLES.get(self.format, "auto")
        for message in split_mbox(stream, style, limit=self.limit, spool=self.spool):
            place = f"@{message.offset}"
            if message.raw:
                yield spot.found(message.raw, place, folder, size=message.size)
            elif message.raw is None:
                yield spot.refused("too_large", place, folder)
            elif message.offset or message.size or any_yet:
                yield spot.refused("empty", place, folder)
            else:
                yield spot.refused("empty")
            any_yet = True
        if not any_yet:
            yield spot.refused("empty")

    def _compressed(self, spot: Spot, stream: Readable, kind: Kind, layers: _Layers) -> Iterator[FileItem]:
        unpacked = Unpacked(stream, kind)
        try:
            yield from self._inner(spot.unpacked(), unpacked, layers)
        except FileRefused as error:
            yield spot.refused(error.why)
        except Spent:
            yield spot.refused("unpacks_too_large")
        else:
            if unpacked.damaged:
                yield spot.refused("damaged", "@end")

    def _inner(self, spot: Spot, stream: Readable, layers: _Layers, size: int = 0) -> Iterator[FileItem]:
        """Yield the items of a stream out of an archive, told by its first bytes."""
        peeked = Peeked(stream, layers.allowance)
        kind = self._decide(peeked.head, spot.name, {})
        if kind == "mbox" and self.format == "auto" and not named_mbox(spot.name):
            first = list(islice(split_mbox(io.BytesIO(peeked.head)), 2))
            kind = "mbox" if len(first) == 2 else "eml"
        if kind == "empty" and getattr(stream, "damaged", False):
            raise FileRefused("damaged")
        yield from self._stream(spot, peeked, kind, layers, size)

    def _zip(self, spot: Spot, stream: Readable, layers: _Layers) -> Iterator[FileItem]:
        inner = layers.down(archive=True)
        if layers.depth:
            try:
                stream = io.BytesIO(read_message(stream, _LARGEST_INNER_ZIP))
            except FileRefused as error:
                raise FileRefused("unpack_first" if error.why == "too_large" else error.why) from error
        assert isinstance(stream, io.IOBase)
        spent = False
        for entry in zip_entries(stream):  # type: ignore[arg-type]  # a file or BytesIO, both seekable
            place = spot.entry(entry.name, str(entry.offset))
            if entry.stream is None or spent:
                yield place.refused(entry.why or "unpacks_too_large")
                continue
            for item in self._entry(place, entry.stream, entry.name, inner, entry.size):
                spent = spent or item.why == "unpacks_too_large"
                yield item

    def _tar(self, spot: Spot, stream: Readable, layers: _Layers) -> Iterator[FileItem]:
        for entry in tar_entries(stream):
            place = spot.entry(entry.name, str(entry.offset))
            if not entry.regular:
                yield place.refused("symlink" if not entry.size else "unreadable")
            else:
                yield from self._entry(place, entry.stream, entry.name, layers, entry.size)
        if getattr(stream, "damaged", False):
            raise FileRefused("damaged")

    def _entry(
        self, place: Spot, stream: Readable, name: str, layers: _Layers, size: int
    ) -> Iterator[FileItem]:
        """Yield the items of one entry; whatever is wrong with it concerns it alone."""
        parts = name.replace("\\", "/").split("/")
        why = "system_file" if "__MACOSX" in parts else ignorable(parts[-1])
        if why is None and parts[-2:-1] == ["tmp"] and parts[-1][:1].isdigit():
            why = "being_delivered"
        if why is not None:
            yield place.refused(why)
            return
        try:
            yield from self._inner(place, stream, layers, size)
        except FileRefused as error:
            yield place.refused(error.why)
        except Spent:
            yield place.refused("unpacks_too_large")
        except (NotImplementedError, RuntimeError):
            yield place.refused("unreadable")
        except (*DAMAGE, zipfile.BadZipFile):
            yield place.refused("damaged")
