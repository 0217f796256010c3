"""Holdfast processes forked from one that has imported it already: real ones, at no start-up cost."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.support.preloaded import CONTEXT


class Forked:
    """A running `holdfast` command, with as much of `subprocess.Popen` as the harness needs."""

    def __init__(
        self,
        args: Sequence[str],
        environ: Mapping[str, str],
        cwd: Path,
        out: Path,
        err: Path,
    ) -> None:
        self._process: BaseProcess = CONTEXT.Process(
            target=_main, args=(list(args), dict(environ), str(cwd), str(out), str(err))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """The exit code, waited for."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "the process didn't end in time"
        return self._process.exitcode

    def kill(self) -> None:
        """kill -9, if it still runs."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _main(
    args: list[str],
    environ: dict[str, str],
    cwd: str,
    out: str,
    err: str,
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    for path, descriptor in ((out, 1), (err, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    from api.cli import main

    sys.exit(main(args))
