"""A throw-away archive, driven as its users drive it: by the command line, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.store.records import Records
from archiver.store.schema import outbox
from config.settings import Settings, load

_MAIN = "import sys; from api.cli import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: its process and the port SMTP is on."""

    pid: int
    smtp_port: int


class Home:
    """An archive under `folder`, with default settings but for free ports."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
        # As installed: a process that has to compile what it imports needs a second more to start.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment = {
            **kept,
            "HOLDFAST_HOME": str(folder / "home"),
            "HOLDFAST_ROOT_KEY": f"file:{folder / 'keys' / 'root.key'}",
            "HOLDFAST_SMTP_LISTEN": "127.0.0.1:0",
            "HOLDFAST_HTTP_LISTEN": "127.0.0.1:0",
        }

    @property
    def settings(self) -> Settings:
        """The settings the commands run with."""
        return load({}, self.environment)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a `holdfast` command with JSON output."""
        command = [sys.executable, "-c", _MAIN, *arguments, "--json"]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a `holdfast` command to its end and return its JSON document."""
        with self.start(*arguments) as process:
            output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"holdfast {arguments[0]} ended with {process.returncode}")
        document: dict[str, Any] = json.loads(output)
        return document

    @contextmanager
    def serving(self, roles: str) -> Iterator[Serving]:
        """A server with these roles; drained and stopped at the end."""
        with self.start("serve", "--roles", roles) as process:
            assert process.stdout is not None
            try:
                ready = json.loads(process.stdout.readline())
                port = int(ready["smtp"].rpartition(":")[2]) if ready["smtp"] else 0
                yield Serving(process.pid, port)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    @contextmanager
    def records(self) -> Iterator[Records]:
        """The records database, to read how far things are."""
        records = Records(self.settings.database_url)
        try:
            yield records
        finally:
            records.close()


def captured(records: Records) -> int:
    """Durable captures so far: the size of the captures log."""
    with records.read() as connection:
        return log.state(connection, Log.CAPTURES).size


def waiting(records: Records) -> int:
    """Messages not yet searchable."""
    with records.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(outbox)) or 0)
