"""Marker words, and a scan for them in everything that was written: files, open files, database rows.

All markers begin with one prefix that no text or random bytes hold, so one search per encoding finds any.
"""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
from sqlalchemy import make_url

PREFIX = "qzxjvkwyqh"


def marker(name: str) -> str:
    """The marker word of a place; letters only, so that an index takes it as one word."""
    return PREFIX + name


def needles(word: str) -> dict[str, bytes]:
    """How a word looks in the encodings that bytes at rest may be in; lower case."""
    raw = word.encode()
    found = {
        "plain": raw,
        "utf-16le": word.encode("utf-16-le"),
        "utf-16be": word.encode("utf-16-be"),
        "hex": raw.hex().encode(),
        "quoted-printable": b"=".join([b"", *(f"{byte:02x}".encode() for byte in raw)]),
    }
    for shift in range(3):
        # The first and last characters depend on the neighbours; those between don't.
        coded = base64.b64encode(b"\0" * shift + raw)
        whole = len(raw) + shift
        begin, end = -(-shift * 8 // 6), whole * 8 // 6
        found[f"base64+{shift}"] = coded[begin:end]
    return found


class Scanner:
    """Looks for the prefix, and for further words, in bytes."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._exact: list[tuple[str, bytes]] = []
        self._folded: list[tuple[str, bytes]] = []
        for word in (PREFIX, *words):
            for encoding, needle in needles(word).items():
                place = self._exact if encoding.startswith("base64") else self._folded
                place.append((f"{word} ({encoding})", needle))
        self.hits: list[str] = []
        self.read = 0

    def bytes(self, where: str, data: bytes) -> None:
        """Look through bytes; note every hit."""
        self.read += len(data)
        folded = data.lower()
        for name, needle in self._exact:
            if needle in data:
                self.hits.append(f"{where}: {name}")
        for name, needle in self._folded:
            at = folded.find(needle)
            if at >= 0:
                self.hits.append(f"{where}: {name}: {data[max(0, at - 20) : at + 60]!r}")

    def folder(self, folder: Path) -> None:
        """Look through every file below a folder, and through the names themselves."""
        # A server at work removes files and folders; `os.walk` passes over a folder that is gone.
        for where, folders, names in os.walk(folder):
            folders.sort()
            for path in (Path(where, name) for name in sorted([*folders, *names])):
                self.bytes("a file's name", str(path.relative_to(folder)).encode("utf-8", "surrogateescape"))
                if path.is_file() and not path.is_symlink():
                    with suppress(FileNotFoundError):
                        self.bytes(str(path), path.read_bytes())

    def open_files(self, pid: int) -> None:
        """Look through the regular files that a process holds open, those without a name too."""
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = entry.readlink()
                if entry.is_file() and not str(target).startswith(("/proc", "/dev")):
                    descriptor = os.open(entry, os.O_RDONLY)
                    try:
                        size = os.fstat(descriptor).st_size
                        self.bytes(f"open file {target}", os.pread(descriptor, size, 0))
                    finally:
                        os.close(descriptor)

    def database(self, url: str) -> None:
        """Look through a dump of every table."""
        for where, data in _dump(url):
            self.bytes(where, data)


def _dump(url: str) -> Iterator[tuple[str, bytes]]:
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    yield f"table {table}", b"|".join(_value(value) for value in row)
        return
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(False)) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            # Names are the schema's own.
            statement = f'COPY "{schema}"."{table}" TO STDOUT (FORMAT binary)'
            with connection.cursor().copy(statement) as copy:
                yield f"table {schema}.{table}", b"".join(bytes(block) for block in copy)


def _value(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
