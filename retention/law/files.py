"""Reads the schedules' CSV files; every fault names the file, the line and the column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from retention.errors import ScheduleError

MAX_YEARS = 100
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One data row: its place in a file and its cells, with typed access to them."""

    file: str
    line: int
    cells: dict[str, str]

    def fault(self, column: str, what: str) -> ScheduleError:
        """The error for a bad cell; the caller raises it."""
        return ScheduleError(f"{self.file}, line {self.line}, column {column}: {what}")

    def text(self, column: str) -> str:
        """A cell that may not be blank."""
        value = self.cells[column].strip()
        if not value:
            raise self.fault(column, "must not be blank")
        return value

    def choice(self, column: str, allowed: Sequence[str]) -> str:
        """A cell that holds one of the allowed words."""
        value = self.cells[column].strip()
        if value not in allowed:
            raise self.fault(column, f"must be one of {', '.join(allowed)}")
        return value

    def name(self, column: str) -> str:
        """A cell that holds a lower-case identifier, such as a provider type."""
        value = self.text(column)
        self.check_name(column, value)
        return value

    def check_name(self, column: str, value: str) -> None:
        """Raises ScheduleError unless the value is a lower-case identifier."""
        if not (value.isascii() and value.isidentifier() and value == value.lower()):
            raise self.fault(column, "must be a lower-case name of letters, digits and _")

    def number(self, column: str, least: int, most: int) -> int:
        """A whole number that may not be blank."""
        value = self.cells[column].strip()
        if not (value.isascii() and value.isdigit() and len(value) <= 4 and least <= int(value) <= most):
            raise self.fault(column, f"must be a whole number from {least} to {most}")
        return int(value)

    def day(self, column: str) -> date:
        """A date as YYYY-MM-DD that may not be blank."""
        value = self.cells[column].strip()
        try:
            if len(value) == 10 and value.isascii() and value[4] == value[7] == "-":
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise self.fault(column, "must be a date as YYYY-MM-DD")

    def years(self, column: str) -> int | None:
        """A whole number of years, or None for a blank cell."""
        value = self.cells[column].strip()
        if not value:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 3 and 0 < int(value) <= MAX_YEARS):
            raise self.fault(column, f"must be blank or a whole number of years from 1 to {MAX_YEARS}")
        return int(value)

    def truth(self, column: str) -> bool:
        """`true` or `false`."""
        value = self.cells[column].strip()
        if value not in _TRUTH:
            raise self.fault(column, "must be true or false")
        return _TRUTH[value]


def read_bytes(directory: Path, file: str) -> bytes:
    """A file's bytes. Raises ScheduleError when it can't be read."""
    try:
        return (directory / file).read_bytes()
    except OSError as error:
        raise ScheduleError(f"{file}: can't be read ({error.strerror})") from None


def read_rows(file: str, data: bytes, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file with exactly these columns, in any order. Raises ScheduleError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScheduleError(f"{file}, line {line}: not UTF-8") from None
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = next(reader, [])
        _check_header(file, header, columns)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ScheduleError(
                    f"{file}, line {reader.line_num}: {len(cells)} cells where the header has {len(header)}"
                )
            yield Row(file, reader.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise ScheduleError(f"{file}, line {reader.line_num}: not CSV ({error})") from None


def _check_header(file: str, header: Sequence[str], columns: Sequence[str]) -> None:
    for column in header:
        if column not in columns:
            raise ScheduleError(
                f"{file}, line 1, column {column[:40]!r}: unknown; known: {', '.join(columns)}"
            )
    for column in columns:
        if header.count(column) != 1:
            raise ScheduleError(f"{file}, line 1, column {column}: must be there exactly once")
