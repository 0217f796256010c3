"""A roster as files: CSV, FHIR JSON, ndjson of a bulk export, each also gzipped; one file or a folder.

Read as a stream, as often as wanted; memory doesn't grow with the files.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, Final, Literal

from retention.errors import RosterError
from retention.roster.csv_file import AS_IS, MAX_LINE, Form, Row, read_rows
from retention.roster.fhir import Clinician, Meeting, Reader
from retention.roster.json_stream import MAX_PIECE, bundle, loads
from retention.roster.patient import Patient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Kind = Literal["csv", "json", "ndjson"]
Stream = io.BufferedReader | gzip.GzipFile
_KINDS: Final[dict[str, Kind]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_SNIFFED: Final = 1 << 16
_TELL_EVERY: Final = 1 << 20
_WORDS: Final = (b'"Patient"', b'"Encounter"', b'"Bundle"', b'"Practitioner"', b'"PractitionerRole"')

Item = Row | Patient | Meeting | Clinician

Progress = Callable[[int], object]
"""Told how many bytes of the files were read since it was told last."""


@dataclass(frozen=True, slots=True)
class How:
    """How rosters of one origin are read: FHIR by a reader, CSV by what is said of it."""

    fhir: Reader = field(default_factory=Reader)
    csv: Form = AS_IS


@dataclass(frozen=True, slots=True)
class File:
    """One file of a roster. `where` names it in faults: by number, since names of files may be patients'."""

    path: Path
    kind: Kind
    where: str
    mark: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.mark[0]


def files_of(path: Path) -> list[File]:
    """The roster files at a path: the file itself, or those of a folder by name, hidden ones left out.

    Raises RosterError where there is none, or one of a kind that isn't read.
    """
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        known = [p for p in found if _suffix(p) in _KINDS]
        if not known:
            raise RosterError(
                "the folder holds no roster: no file ends in .csv, .tsv, .json, .ndjson, .jsonl (or .gz)"
            )
        return [_file(p, f"file {n} of {len(known)}, ") for n, p in enumerate(known, 1)]
    return [_file(path, "")]


def read(file: File, how: How, progress: Progress | None = None) -> Iterator[Item]:
    """The patients, encounters and clinicians of a file, in its order. Raises RosterError naming where."""
    try:
        with file.path.open("rb") as plain:
            _unchanged(file)
            counted = _Counted(plain, progress)
            unpacked = file.path.suffix.lower() == ".gz"
            packed: io.BufferedReader = io.BufferedReader(counted, 1 << 18)
            stream: Stream = gzip.GzipFile(fileobj=packed) if unpacked else packed
            yield from _READ[file.kind](file, stream, how)
            counted.tell_rest()
            _unchanged(file)
    except (OSError, EOFError, zlib.error) as error:
        damaged = isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error))
        raise RosterError(f"{file.where}the file {'is damaged' if damaged else 'can not be read'}") from None
    except UnicodeDecodeError:
        raise RosterError(
            f"{file.where}the file isn't UTF-8 text; a spreadsheet saves it so as `CSV UTF-8`"
        ) from None


# --- kinds ----------------------------------------------------------------------------------------


def _csv(file: File, stream: Stream, how: How) -> Iterator[Row]:
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    try:
        yield from read_rows(iter(lambda: text.readline(MAX_LINE + 1), ""), how.csv)
    except RosterError as error:
        raise RosterError(f"{file.where}{error}") from None


def _json(file: File, stream: Stream, how: How) -> Iterator[Item]:
    try:
        for number, entry in bundle(stream.read):
            where = f"{file.where}entry {number}"
            if entry.get("resource") is None:
                if _deletes(entry):
                    how.fhir.passed["deletions"] += 1
                    continue
                raise RosterError(f"entry {number}: has no resource")
            url = entry.get("fullUrl")
            found = how.fhir.read(entry["resource"], where, url if isinstance(url, str) else "")
            if found is not None:
                yield found
    except RosterError as error:
        raise error if str(error).startswith(file.where) else RosterError(f"{file.where}{error}") from None


def _deletes(entry: dict[str, Any]) -> bool:
    """An entry of a history or a transaction that says what isn't there any more."""
    request = entry.get("request")
    return isinstance(request, dict) and request.get("method") == "DELETE"


def _ndjson(file: File, stream: Stream, how: How) -> Iterator[Item]:
    number = 0
    for line in _lines(stream, file.where):
        number += 1
        # Bulk exports hold many other resources; one of these words stands in what we look for.
        if not any(word in line for word in _WORDS):
            if line.strip() and not line.lstrip().startswith(b"{"):
                raise RosterError(f"{file.where}line {number}: must be a JSON object")
            continue
        where = f"{file.where}line {number}"
        found = how.fhir.read(loads(line, where), where)
        if found is not None:
            yield found


def _lines(stream: Stream, where: str) -> Iterator[bytes]:
    while line := stream.readline(MAX_PIECE + 1):
        if len(line) > MAX_PIECE:
            raise RosterError(f"{where}a line is longer than {MAX_PIECE >> 20} MiB")
        yield line


_READ: Final[dict[Kind, Callable[[File, Stream, How], Iterator[Item]]]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
}

# --- inside ---------------------------------------------------------------------------------------


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _file(path: Path, where: str) -> File:
    try:
        mark = _mark(path)
        return File(path, _kind(path), where, mark)
    except FileNotFoundError:
        raise RosterError("the roster file is not there; check the spelling") from None
    except (OSError, EOFError, zlib.error):
        raise RosterError(f"{where}the file can not be read") from None


def _unchanged(file: File) -> None:
    if _mark(file.path) != file.mark:
        raise RosterError(f"{file.where}the file has changed while it was read; import it again")


def _mark(path: Path) -> tuple[int, int]:
    told = path.stat()
    if not S_ISREG(told.st_mode):
        raise RosterError("a roster is read twice, so it must be a file; save it to one first")
    return told.st_size, told.st_mtime_ns


def _kind(path: Path) -> Kind:
    """By its name; JSON of one object a line is told from a document by its first line."""
    kind = _KINDS.get(_suffix(path))
    if kind == "ndjson":
        return kind
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        first = stream.read(_SNIFFED).removeprefix(b"\xef\xbb\xbf").lstrip()
    if kind is None and not first.startswith(b"{"):
        return "csv"
    if kind == "csv":
        return kind
    line, newline, rest = first.partition(b"\n")
    if newline and rest.lstrip().startswith(b"{") and line.rstrip().endswith(b"}"):
        return "ndjson"
    return "json"


class _Counted(io.RawIOBase):
    """A stream that tells how far it is read."""

    def __init__(self, stream: io.BufferedReader, progress: Progress | None) -> None:
        self._stream = stream
        self._progress = progress
        self._untold = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer).cast("B")
        data = self._stream.read(len(room))
        room[: len(data)] = data
        self._untold += len(data)
        if self._untold >= _TELL_EVERY:
            self.tell_rest()
        return len(data)

    def tell_rest(self) -> None:
        """Tell what wasn't told yet."""
        if self._progress is not None and self._untold:
            self._progress(self._untold)
        self._untold = 0
