"""Programs beside this one: begun clean, and spoken to through two pipes.

A fork would copy locks and database connections in whatever state they are, and `multiprocessing` would run
the main module, and all it imports, again in each. A program begun here ends with its pipes: when the other
process is gone, however it went, reading gives EOFError.
"""

from __future__ import annotations

import contextlib
import copyreg
import fcntl
import io
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection, Pipe
from operator import attrgetter
from typing import Any

PIPE_BYTES = 1 << 20
"""A pipe's buffer, where the system allows it."""
# What is loaded stays: to look for garbage while it is, and in it ever after, was a fifth of the start.
_PROGRAM = (
    "import ast, gc, sys; from importlib import import_module; sys.path[:] = ast.literal_eval(sys.argv[1]); "
    "gc.disable(); module = import_module(sys.argv[2]); gc.freeze(); gc.enable(); "
    "module.main(int(sys.argv[3]), int(sys.argv[4]))"
)


@dataclass(frozen=True, slots=True)
class Beside:
    """A running program, and this process's ends of its pipes."""

    process: subprocess.Popen[bytes]
    tells: Connection
    hears: Connection


def begin(module: str, descriptors: Iterable[int] = ()) -> Beside:
    """Run a module's `main(told, said)` in a process of its own; it inherits the given descriptors too.

    It gets the descriptors of its ends of the pipes, for `ends`. Raises OSError, and ValueError where one
    of the descriptors is closed.
    """
    told, tells = Pipe(duplex=False)
    hears, said = Pipe(duplex=False)
    for pipe in (tells, said):
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    arguments = [repr(sys.path), module, str(told.fileno()), str(said.fileno())]
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(told.fileno(), said.fileno(), *descriptors),
        )
    except BaseException:
        tells.close()
        hears.close()
        raise
    finally:
        told.close()
        said.close()
    return Beside(process, tells, hears)


def ends(told: int, said: int) -> tuple[Connection, Connection]:
    """A program's own ends of its pipes: what it is told by, and what it says by."""
    return Connection(told, writable=False), Connection(said, readable=False)


def packed_by_value(*kinds: type[Any]) -> None:
    """Let dataclasses of two fields or more travel as their values, in order.

    What Python makes for a frozen one with slots asks for its fields' names each time, at both ends: with
    the text and keys of a message beside it that was half of the cost of handing it over.
    """
    for kind in kinds:
        copyreg.pickle(kind, _reducer(kind))


def _reducer(kind: type[Any]) -> Callable[[Any], tuple[type[Any], tuple[Any, ...]]]:
    values = attrgetter(*(field.name for field in fields(kind)))
    return lambda value: (kind, values(value))


class Post:
    """Sends objects through a pipe from any thread; those that wait meanwhile go together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._sending = False

    @property
    def capacity(self) -> int:
        """How many bytes the pipe takes while nobody reads it; 0 where the system doesn't say."""
        try:
            return fcntl.fcntl(self._connection.fileno(), fcntl.F_GETPIPE_SZ)
        except (OSError, AttributeError):
            return 0

    def send(self, *items: object) -> None:
        """Send them in order; on return they are sent, or the thread that is sending will send them.

        Raises OSError where the other end is gone: then some may never have arrived.
        """
        packed = [pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in items]
        with self._lock:
            self._waiting += packed
            if self._sending:
                return
            self._sending = True
        try:
            while True:
                with self._lock:
                    now, self._waiting = self._waiting, []
                    if not now:
                        self._sending = False
                        return
                self._connection.send_bytes(b"".join(now))
        except BaseException:
            with self._lock:
                self._sending = False
            raise


def received(connection: Connection) -> Iterator[Any]:
    """Wait for what one `Post.send` or several sent, and give each object. Raises EOFError, OSError.

    Only between processes of one archive, which trust each other: a pickle can be any program.
    """
    data = io.BytesIO(connection.recv_bytes())
    end = data.getbuffer().nbytes
    while data.tell() < end:
        yield pickle.load(data)  # noqa: S301
