"""Extraction children, started when first needed and kept: `extract` hands them a message's documents.

A child is a stranger: its answers are checked, it is killed when it takes too long, and the document that it
died of is listed as not searchable while the rest go to a fresh one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from archiver.message.extract.limits import Limits
from archiver.message.extract.model import ANSWER, REQUEST, Extracted, Inner, Job
from archiver.message.model import TextStatus

START_SECONDS = 30.0
IDLE_CHILDREN = 4
MESSAGE_PARTS_SECONDS = 3
"""All parts of a message together get this many times what one part gets."""
MAX_META = 16 * 2**20
_ROOT = str(Path(__file__).resolve().parents[3])
_START = "import sys; sys.path.insert(0, {root!r}); from archiver.message.extract.child import main; main()"
_STATUSES = frozenset(get_args(TextStatus))


class _Gone(Exception):
    """The child died or has to: `status` is what its document gets."""

    def __init__(self, status: TextStatus) -> None:
        self.status = status


@dataclass(slots=True)
class _Answered:
    extracted: Extracted
    worn: bool


class _Child:
    """One running child and the pipes to it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.worn = False
        self._received = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START.format(root=_ROOT), json.dumps(limits.to_json())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # No secret of ours travels in its environment.
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "OMP_THREAD_LIMIT": "1"},
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        try:
            meta, _ = self._receive(time.monotonic() + START_SECONDS, _Outgoing(b"", ()), MAX_META, 0)
            self.report: dict[str, bool] = json.loads(meta)
        except (_Gone, ValueError):
            self.kill()
            raise _Gone("failed") from None

    def run(self, jobs: Sequence[Job], limits: Limits, until: float) -> Iterator[Extracted]:
        """Yield the result of each job in order. Raises _Gone when the child died of the next one."""
        header = json.dumps(
            {"limits": limits.to_json(), "jobs": [[job.kind, job.name, job.size] for job in jobs]}
        ).encode()
        outgoing = _Outgoing(REQUEST.pack(len(header)) + header, jobs)
        for number in range(len(jobs)):
            outgoing.answered(number)
            most = min(time.monotonic() + limits.wall, until)
            meta, text = self._receive(most, outgoing, MAX_META, 4 * limits.text + 64)
            answered = _checked(meta, text, limits)
            self.worn = self.worn or answered.worn
            yield answered.extracted

    def close(self) -> None:
        """Let it end by itself; kill it if it doesn't."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> int:
        """End it and all it started; its exit code."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return code

    def _receive(
        self, deadline: float, outgoing: _Outgoing, most_meta: int, most_text: int
    ) -> tuple[bytes, bytes]:
        """One answer, while feeding what the child still has to get: either pipe may be full."""
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        feeding = outgoing.current() is not None
        if feeding:
            poll.register(self._to, select.POLLOUT)
        need, sized = ANSWER.size, False
        while True:
            if len(self._received) >= need:
                if sized:
                    return self._take()
                meta, text = ANSWER.unpack_from(self._received)
                if meta > most_meta or text > most_text:
                    raise _Gone("crashed")  # it says what it never would
                need, sized = ANSWER.size + meta + text, True
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Gone("timeout")
            for descriptor, _ in poll.poll(left * 1000):
                if descriptor == self._from:
                    self._read()
                elif feeding:
                    self._feed(outgoing)
                    if outgoing.current() is None:
                        feeding = False
                        poll.unregister(self._to)

    def _take(self) -> tuple[bytes, bytes]:
        meta, text = ANSWER.unpack_from(self._received)
        start = ANSWER.size
        found = (
            bytes(self._received[start : start + meta]),
            bytes(self._received[start + meta : start + meta + text]),
        )
        del self._received[: start + meta + text]
        return found

    def _read(self) -> None:
        data = os.read(self._from, 2**18)
        if not data:
            raise _Gone(_status_of(self.kill()))
        self._received += data

    def _feed(self, outgoing: _Outgoing) -> None:
        data = outgoing.current()
        try:
            outgoing.sent(os.write(self._to, data) if data is not None else 0)
        except BlockingIOError:
            pass
        except OSError:
            raise _Gone(_status_of(self.kill())) from None


class _Outgoing:
    """The bytes of a request, piece by piece. A job in chunks is sent only when its turn has come."""

    def __init__(self, head: bytes, jobs: Sequence[Job]) -> None:
        self._answered = 0
        self._pieces = self._walk(head, jobs)
        self._now: memoryview | None = None

    def answered(self, number: int) -> None:
        """Answers of the first `number` jobs are in."""
        self._answered = number

    def current(self) -> memoryview | None:
        """What to send next; None when there is nothing to send now."""
        if not self._now:
            self._now = next(self._pieces, None)
        return self._now

    def sent(self, size: int) -> None:
        """So many bytes of it went out."""
        assert self._now is not None
        self._now = self._now[size:]

    def _walk(self, head: bytes, jobs: Sequence[Job]) -> Iterator[memoryview | None]:
        yield memoryview(head) if head else None
        for number, job in enumerate(jobs):
            if isinstance(job.data, bytes):
                yield from ([memoryview(job.data)] if job.data else [])
                continue
            while self._answered < number:
                yield None
            sent = 0
            for chunk in job.data:
                sent += len(chunk)
                yield from ([memoryview(chunk)] if chunk else [])
            if sent != job.size:
                raise _Gone("failed")


class ExtractorPool:
    """Children at rest, to be taken by any thread. One is started only when all are busy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Child] = []

    def extract(self, jobs: Sequence[Job], limits: Limits) -> list[Extracted]:
        """Read documents; one result each, in order. Raises only what a job's own chunks raise."""
        results: list[Extracted] = []
        until = time.monotonic() + limits.wall * MESSAGE_PARTS_SECONDS
        while len(results) < len(jobs):
            rest = jobs[len(results) :]
            if rest[0].size > limits.input:
                results.append(Extracted("", "too_large"))
                continue
            if time.monotonic() > until:
                results += [Extracted("", "timeout")] * len(rest)
                break
            rest = rest[: next((n for n, job in enumerate(rest) if job.size > limits.input), len(rest))]
            results += self._run(rest, limits, until)
        return results

    def report(self, limits: Limits) -> dict[str, bool] | None:
        """Which protections a child has here; None where none can be started."""
        try:
            child = self._take(limits)
        except (_Gone, OSError):
            return None
        self._give(child)
        return child.report

    def close(self) -> None:
        """End the children at rest."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()

    def forget(self) -> None:
        """After a fork: the children are the parent's."""
        self._lock = threading.Lock()
        self._idle = []

    def _run(self, jobs: Sequence[Job], limits: Limits, until: float) -> list[Extracted]:
        """Results up to and including the first that killed its child."""
        done: list[Extracted] = []
        try:
            child = self._take(limits)
        except (_Gone, OSError):
            # Our own trouble, not the document's: `reindex` reads it again.
            return [Extracted("", "failed")] * len(jobs)
        try:
            done.extend(child.run(jobs, limits, until))
        except _Gone as gone:
            child.kill()
            return [*done, Extracted("", gone.status)]
        except BaseException:
            child.kill()
            raise
        self._give(child)
        return done

    def _take(self, limits: Limits) -> _Child:
        with self._lock:
            for number in range(len(self._idle) - 1, -1, -1):
                held = self._idle[number].limits
                if (held.memory, held.ocr) == (limits.memory, limits.ocr):
                    return self._idle.pop(number)
        return _Child(limits)

    def _give(self, child: _Child) -> None:
        with self._lock:
            if not child.worn:
                self._idle.append(child)
                if len(self._idle) <= IDLE_CHILDREN:
                    return
                child = self._idle.pop(0)  # the one that rested longest, perhaps locked for other limits
        child.close()


def _checked(meta: bytes, text: bytes, limits: Limits) -> _Answered:
    """An answer as values; _Gone where it is not what a child of ours says."""
    try:
        status, inner, worn = json.loads(meta)
        found = tuple(Inner(*_inner(item)) for item in inner)
        if status not in _STATUSES:
            raise ValueError(status)
        return _Answered(Extracted(text.decode("utf-8", "replace")[: limits.text], status, found), bool(worn))
    except (ValueError, TypeError):
        raise _Gone("crashed") from None


def _inner(item: Any) -> tuple[str, str, str, int, TextStatus]:
    path, name, content_type, size, status = item
    if status not in _STATUSES:
        raise ValueError(status)
    return str(path)[:200], str(name)[:1_000], str(content_type)[:200], int(size), status


def _status_of(code: int) -> TextStatus:
    if code in (-signal.SIGALRM, -signal.SIGXCPU):
        return "timeout"
    return "crashed"


POOL = ExtractorPool()
"""The children of this process."""
atexit.register(POOL.close)
os.register_at_fork(after_in_child=POOL.forget)
