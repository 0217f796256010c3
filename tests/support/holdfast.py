"""Holdfast as its users run it: the console script in processes of its own, on a throw-away home."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from api.app import App, open_app
from config import settings as settings_module
from config.settings import Settings
from search.access import Actor, Role
from tests.support.forked import Forked

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120.0
"""How long any command may take here before the test fails."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished command: exit code, and what it wrote."""

    code: int
    out: bytes
    err: bytes

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as one JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True)
class Home:
    """One archive's home and everything around it, all below `base`: key, logs and temporary files."""

    base: Path
    database_url: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.temp.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)

    @property
    def home(self) -> Path:
        """HOLDFAST_HOME."""
        return self.base / "home"

    @property
    def key_file(self) -> Path:
        """The root key, outside the home."""
        return self.base / "keys" / "root.key"

    @property
    def temp(self) -> Path:
        """TMPDIR of every process started here."""
        return self.base / "temp"

    @property
    def logs(self) -> Path:
        """Where servers' standard output and error go."""
        return self.base / "logs"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every process: no setting of the caller's own gets in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        given = {
            "HOLDFAST_HOME": str(self.home),
            "HOLDFAST_ROOT_KEY": f"file:{self.key_file}",
            "HOLDFAST_SMTP_LISTEN": "127.0.0.1:0",
            "HOLDFAST_HTTP_LISTEN": "127.0.0.1:0",
            "TMPDIR": str(self.temp),
            "PYTHONUNBUFFERED": "1",
        }
        if self.database_url:
            given["HOLDFAST_DATABASE_URL"] = self.database_url
        return kept | given | self.extra

    @property
    def settings(self) -> Settings:
        """The settings those processes see."""
        return settings_module.load({}, self.environ)

    @contextmanager
    def app(self) -> Iterator[App]:
        """The archive opened in this process, as the composition root wires it."""
        app = open_app(self.settings)
        try:
            yield app
        finally:
            app.close()

    # --- commands -----------------------------------------------------------------------------

    def run(
        self,
        *args: str,
        token: str | None = None,
        environ: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> Ran:
        """Run one `holdfast` command to its end."""
        env = self.environ | dict(environ or {}) | ({"HOLDFAST_TOKEN": token} if token else {})
        with tempfile.TemporaryDirectory(dir=self.logs) as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            process = Forked(args, env, self.base, out, err)
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            return Ran(code, out.read_bytes(), err.read_bytes())

    def script(
        self,
        *args: str,
        token: str | None = None,
        before: Callable[[], None] | None = None,
        timeout: float = SECONDS,
    ) -> Ran:
        """The same by the console script, Python's start and all; `before` runs in its process first."""
        env = self.environ | ({"HOLDFAST_TOKEN": token} if token else {})
        done = subprocess.run(
            command(*args), env=env, cwd=self.base, capture_output=True, timeout=timeout, preexec_fn=before
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *args: str, token: str | None = None, timeout: float = SECONDS) -> Ran:
        """Run a command that must succeed."""
        ran = self.run(*args, token=token, timeout=timeout)
        assert ran.code == 0, f"holdfast {' '.join(args[:2])} gave {ran.code}: {ran.err.decode()[-2000:]}"
        return ran

    def init(self) -> Any:
        """`holdfast init --json`."""
        return self.ok("init", "--json").document

    def feed(self, name: str = "feed") -> str:
        """Add a journal feed and return its address."""
        address: str = self.ok("source", "add", "journal", name, "--json").document["address"]
        return address

    def user(self, name: str, role: str) -> str:
        """Add a user and return an API token."""
        token: str = self.ok("users", "add", name, "--role", role, "--token", "--json").document["token"]
        return token

    def sources(self) -> dict[str, Any]:
        """`source list --json` by name."""
        return {source["name"]: source for source in self.ok("source", "list", "--json").lines}

    def verify(self, *, full: bool = True) -> list[dict[str, str]]:
        """The faults that `verify --json` names; its exit code must agree."""
        ran = self.run("verify", "--json", *(["--full"] if full else []), timeout=300)
        assert ran.code in (0, 1), ran.err.decode()[-2000:]
        faults: list[dict[str, str]] = ran.document["faults"]
        assert ran.code == (1 if faults else 0)
        return faults

    # --- the server ---------------------------------------------------------------------------

    @contextmanager
    def serving(
        self,
        roles: str | None = None,
        *,
        program: Sequence[str] = (),
        timeout: float = SECONDS,
    ) -> Iterator[HoldfastServer]:
        """`holdfast serve --json` until the block ends; whatever is still running then is killed.

        It is forked, as every command, unless a `program` is given: `command()` is the console script.
        """
        server = HoldfastServer(self, roles, program)
        try:
            server.wait_until_ready(timeout)
            yield server
        finally:
            server.kill()


class HoldfastServer:
    """One running `holdfast serve`. `smtp` and `http` are its real ports."""

    def __init__(self, home: Home, roles: str | None, program: Sequence[str]) -> None:
        args = ["serve", "--json", *(["--roles", roles] if roles else [])]
        number = len(list(home.logs.glob("serve-*.err")))
        self.out_path = home.logs / f"serve-{number:04d}.out"
        self.error_path = home.logs / f"serve-{number:04d}.err"
        self.out_path.touch()
        self.process: subprocess.Popen[bytes] | Forked
        if program:
            with self.out_path.open("wb") as out, self.error_path.open("wb") as err:
                self.process = subprocess.Popen(
                    [*program, *args], env=home.environ, cwd=home.base, stdout=out, stderr=err
                )
        else:
            self.process = Forked(args, home.environ, home.base, self.out_path, self.error_path)
        self.smtp = 0
        self.http = 0

    @property
    def errors(self) -> str:
        """What the server wrote to standard error."""
        return self.error_path.read_text("utf-8", "replace")

    def wait_until_ready(self, timeout: float = SECONDS) -> None:
        """Wait for the line that says where it listens."""
        pause = threading.Event()
        for _ in range(int(timeout / 0.02)):
            line, end, _ = self.out_path.read_bytes().partition(b"\n")
            if end:
                said = json.loads(line)
                self.smtp, self.http = (
                    int((said[name] or ":0").rpartition(":")[2]) for name in ("smtp", "http")
                )
                return
            assert self.process.poll() is None, f"the server ended: {self.errors[-2000:]}"
            pause.wait(0.02)
        raise AssertionError(f"the server did not come up: {self.errors[-2000:]}")

    def stop(self, timeout: float = 240.0) -> int:
        """SIGTERM; return the exit code. An indexer that is behind ends its batch first."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """kill -9, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)

    def forbid_writing(self) -> None:
        """From now on its writes to files fail, as on a disk that takes no more. Sockets go on."""
        self._limit_files(1)

    def allow_writing(self) -> None:
        """The disk takes writes again."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def forbid_files() -> None:
    """For `Home.script(before=...)`: the command can write to no file; pipes go on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))


def command(*args: str) -> list[str]:
    """The console script of this environment, with arguments."""
    return [str(Path(sys.executable).with_name("holdfast")), *args]


def actor(role: str = "compliance_officer") -> Actor:
    """Somebody of a role, for calls below the doors."""
    return Actor("u-test", "test", Role(role), "test")


def unguarded(connection: Connection) -> None:
    """Drop SQLite's guards, as somebody who owns the database file could."""
    names = (
        connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
    )
    for name in names:
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"')


def _port(address: str | None) -> int:
    return int((address or ":0").rpartition(":")[2])
