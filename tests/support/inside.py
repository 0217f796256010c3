"""Commands in this process, on an archive that stays open from one to the next.

What a command does and leaves is the same as in a process of its own; Python's start and the opening of the
archive, which take most of a command's time, are spent once. Tests of just these run processes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

from api.app import App, open_app
from api.capturing import Capturing
from api.cli import main
from api.searchable import Searchable
from archiver.ledger import log
from archiver.ledger.log import Log
from tests.support.holdfast import Home, Ran


class Inside:
    """An archive opened for commands. Close it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.app: App = open_app(home.settings)

    def close(self) -> None:
        """Release the archive."""
        self.app.close()

    def run(self, *args: str, token: str | None = None) -> Ran:
        """Run one command to its end."""
        with ExitStack() as stack:
            for name in ("api.app.open_app", "api.cli.verb.open_capturing"):
                stack.enter_context(patch(name, lambda *_: self.app))
            for opened in (App, Searchable, Capturing):
                stack.enter_context(patch.object(opened, "close", lambda _: None))
            return run_here(self.home, *args, token=token)

    def audit_size(self) -> int:
        """How many entries the audit log has."""
        with self.app.vault.records.read() as connection:
            return log.state(connection, Log.AUDIT).size

    def entries(self, start: int) -> list[dict[str, Any]]:
        """The entries of the audit log from a number on, as another connection reads them."""
        with self.app.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            return [leaf for _, leaf, _ in self.app.vault.audit.entries(connection, start, size)]


def run_here(home: Home, *args: str, token: str | None = None) -> Ran:
    """Run one command in this process, in the environment that a process of the home's would have."""
    env = home.environ | ({"HOLDFAST_TOKEN": token} if token else {})
    out, err = _stream("strict"), _stream("backslashreplace")
    with patch.dict(os.environ, env, clear=True), chdir(home.base), _written_to(out, err):
        try:
            code = main(list(args))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ran(code, _bytes(out), _bytes(err))


def _stream(errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)


@contextmanager
def _written_to(out: io.TextIOWrapper, err: io.TextIOWrapper) -> Iterator[None]:
    with redirect_stdout(out), redirect_stderr(err):
        yield


def _bytes(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()
