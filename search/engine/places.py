"""Where the index in use lies: in the index's folder itself, or in a folder below it that a rebuild made.

Each index keeps the path it was made under. SQLite finds a database's log by its path, so a file that took
another's name could meet the other one's log.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from archiver.store import durable
from search.errors import IndexDamaged, IndexUnavailable

IN_USE_NAME: Final = "index.in-use"
"""A file with the name of the folder in use; without it, that is the index's folder itself."""

_BUILT: Final = re.compile(r"built-[0-9a-f]{8}")


def is_built(name: str) -> bool:
    """True for a name that a rebuild gives its folder."""
    return _BUILT.fullmatch(name) is not None


def name_in_use(folder: Path) -> str:
    """The name of the folder in use, `""` for `folder` itself. Raises IndexDamaged, IndexUnavailable."""
    try:
        name = (folder / IN_USE_NAME).read_text("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        raise IndexUnavailable("The index can't be read now; check its folder and disk") from None
    if not is_built(name):
        raise IndexDamaged(f"{IN_USE_NAME} in the index's folder names no index; rebuild it with reindex")
    return name


def in_use(folder: Path) -> Path:
    """The folder of the index in use. Raises IndexDamaged, IndexUnavailable."""
    name = name_in_use(folder)
    return folder / name if name else folder


def put_in_use(folder: Path, name: str) -> None:
    """Let the index in `folder / name` be the one in use: at once, and durably on return."""
    durable.write(folder / IN_USE_NAME, name.encode("ascii"))
